/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Alerts on their way to real receivers on loopback: what is sent, how often, and what becomes of it if nobody takes it. */
#include "user/alerts.h"

#include <jansson.h>

#include "tests/unit/event_fixture.h"

struct fixture {
	sd_event *event;
	struct fetch *fetch;
	struct sink *sink;
	struct config config;
	struct config_service service;
	struct config_alert receivers[2];
	struct alerts *alerts;
	struct policy_state policy;
	struct finding finding;
	struct sample sample;
	double now_s;
};

static int set_up(void **state)
{
	struct fixture *x = calloc(1, sizeof(*x));

	assert_true(sd_event_new(&x->event) >= 0);
	assert_int_equal(fetch_new(x->event, &x->fetch), 0);
	x->sink = sink_new();
	x->config.services = &x->service;
	x->config.services_count = 1;
	strcpy(x->service.name, "checkout");
	x->config.alerts = x->receivers;
	x->config.alert_rules = (struct config_alert_rules){ .held = CONFIG_SEVERITY_TICKET, .held_s = 1, .repeat_s = 60,
							     .resolve_s = 10 };
	strcpy(x->config.alert_rules.runbook_url, "https://runbooks.example/");
	strcpy(x->config.alert_rules.generator_url, "http://node7.example/");
	x->now_s = 1000;
	strcpy(x->policy.reason, "gate tickets does not agree");
	*state = x;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *x = *state;

	alerts_free(x->alerts);
	fetch_free(x->fetch);
	sink_free(x->sink);
	sd_event_unref(x->event);
	free(x);
	return 0;
}

static void build(struct fixture *x, enum config_alert_kind kind)
{
	struct config_alert *receiver = &x->receivers[x->config.alerts_count++];

	receiver->kind = kind;
	receiver->timeout_s = 5;
	snprintf(receiver->url, sizeof(receiver->url), "%s/%s", x->sink->url, kind == CONFIG_ALERT_WEBHOOK ? "hook" : "");
	assert_int_equal(alerts_new(x->fetch, &x->config, &x->alerts), 0);
}

static unsigned long count(struct fixture *x, const char *what)
{
	json_t *view = alerts_view(x->alerts), *receiver = json_array_get(json_object_get(view, "receivers"), 0);
	unsigned long n = (unsigned long)json_integer_value(json_object_get(receiver, what));

	json_decref(view);
	return n;
}

/* A tick, held or not. */
static void tick_alone(struct fixture *x, bool held, double seconds)
{
	const struct alert_facts facts = { .now_s = x->now_s += seconds, .unix_s = 1700000000 + x->now_s,
					   .service = "checkout", .baseline = "v1", .canary = "v2", .active = true,
					   .policy = &x->policy, .finding = &x->finding };

	x->policy.status = held ? POLICY_HELD : POLICY_RUNNING;
	x->policy.held_s = held ? 60 : 0;
	alerts_tick(x->alerts, 0, &facts, &x->sample, false);
	alerts_turn(x->alerts, x->now_s);
}

/* The same, and what it sends arrives. */
static void tick(struct fixture *x, bool held, double seconds)
{
	unsigned long before = count(x, "sent") + count(x, "failed");

	tick_alone(x, held, seconds);
	if (!count(x, "waiting"))
		return;
	for (int i = 0; count(x, "sent") + count(x, "failed") == before && i < 3000; i++)
		assert_true(sd_event_run(x->event, 10000) >= 0);
}

static const char *text(json_t *json, const char *outer, const char *name)
{
	return json_string_value(json_object_get(outer ? json_object_get(json, outer) : json, name)) ?: "";
}

static json_t *received(struct fixture *x, size_t i)
{
	json_t *json = json_loads(x->sink->requests[i].body, 0, NULL);

	assert_string_equal(x->sink->requests[i].method, "POST");
	assert_string_equal(x->sink->requests[i].type, "application/json");
	assert_non_null(json);
	return json;
}

static void an_alertmanager_is_told_again(void **state)
{
	struct fixture *x = *state;
	json_t *list, *first, *alert;

	build(x, CONFIG_ALERT_ALERTMANAGER);
	tick(x, false, 1);
	assert_int_equal(x->sink->count, 0);
	tick(x, true, 1);
	tick(x, true, 1);
	assert_int_equal(x->sink->count, 1);
	assert_string_equal(x->sink->requests[0].path, "/api/v2/alerts");
	list = received(x, 0);
	alert = json_array_get(list, 0);
	assert_string_equal(text(alert, "labels", "alertname"), "RolloutHeld");
	assert_string_equal(text(alert, "labels", "service"), "checkout");
	assert_string_equal(text(alert, "labels", "version"), "v2");
	assert_string_equal(text(alert, "labels", "severity"), "ticket");
	assert_string_equal(text(alert, "annotations", "summary"), "checkout: the rollout of v2 is held");
	assert_string_equal(text(alert, "annotations", "description"), "gate tickets does not agree");
	assert_string_equal(text(alert, "annotations", "runbook"), "https://runbooks.example/RolloutHeld");
	assert_string_equal(text(alert, NULL, "generatorURL"), "http://node7.example/");
	assert_string_equal(text(alert, NULL, "startsAt"), "2023-11-14T22:29:02.000Z"); /* a minute ago */
	assert_string_equal(text(alert, NULL, "endsAt"), "2023-11-14T22:34:02.000Z");   /* in four repeats */
	first = json_incref(json_object_get(alert, "labels"));
	json_decref(list);

	tick(x, true, 60);
	tick(x, false, 11);
	assert_int_equal(x->sink->count, 3);
	list = received(x, 2);
	alert = json_array_get(list, 0);
	assert_true(json_equal(json_object_get(alert, "labels"), first));
	assert_string_equal(text(alert, NULL, "startsAt"), "2023-11-14T22:29:02.000Z");
	assert_string_equal(text(alert, NULL, "endsAt"), "2023-11-14T22:31:14.000Z"); /* now */
	json_decref(list);
	json_decref(first);
	tick(x, false, 100);
	assert_int_equal(x->sink->count, 3);
}

static void a_webhook_is_told_twice(void **state)
{
	struct fixture *x = *state;
	char fingerprint[32];
	json_t *json;

	build(x, CONFIG_ALERT_WEBHOOK);
	tick(x, true, 1);
	tick(x, true, 200);
	tick(x, false, 11);
	tick(x, false, 200);
	assert_int_equal(x->sink->count, 2);
	assert_string_equal(x->sink->requests[0].path, "/hook");
	json = received(x, 0);
	assert_string_equal(text(json, NULL, "status"), "firing");
	assert_string_equal(text(json, "labels", "alertname"), "RolloutHeld");
	assert_true(json_is_null(json_object_get(json, "endsAt")));
	snprintf(fingerprint, sizeof(fingerprint), "%s", text(json, NULL, "fingerprint"));
	assert_int_equal(strlen(fingerprint), 16);
	json_decref(json);
	json = received(x, 1);
	assert_string_equal(text(json, NULL, "status"), "resolved");
	assert_string_equal(text(json, NULL, "fingerprint"), fingerprint);
	assert_true(*text(json, NULL, "endsAt"));
	json_decref(json);
}

static void it_is_tried_again(void **state)
{
	struct fixture *x = *state;

	build(x, CONFIG_ALERT_WEBHOOK);
	sink_set(x->sink, 503, "");
	tick(x, true, 1);
	assert_int_equal(count(x, "failed"), 1);
	assert_int_equal(count(x, "waiting"), 1);
	alerts_turn(x->alerts, x->now_s + 0.5); /* not yet */
	run_dry(x->event);
	assert_int_equal(x->sink->count, 1);
	sink_set(x->sink, 200, "");
	tick(x, true, 1);
	assert_int_equal(x->sink->count, 2);
	assert_int_equal(count(x, "sent"), 1);
	assert_int_equal(count(x, "waiting"), 0);
}

static void but_not_for_ever(void **state)
{
	struct fixture *x = *state;

	build(x, CONFIG_ALERT_WEBHOOK);
	sink_set(x->sink, 500, "");
	for (int i = 0; i < ALERT_TRIES_MAX + 3; i++)
		tick(x, true, 61);
	assert_int_equal(x->sink->count, ALERT_TRIES_MAX);
	assert_int_equal(count(x, "dropped"), 1);
	assert_int_equal(count(x, "waiting"), 0);
}

static void what_is_refused_for_good_is_dropped(void **state)
{
	struct fixture *x = *state;

	build(x, CONFIG_ALERT_WEBHOOK);
	sink_set(x->sink, 400, "");
	tick(x, true, 1);
	assert_int_equal(count(x, "dropped"), 1);
	assert_int_equal(count(x, "waiting"), 0);
}

static void what_waits_is_bounded(void **state)
{
	struct fixture *x = *state;
	unsigned port;
	int fd = bound_socket(false, &port);

	x->receivers[0] = (struct config_alert){ .kind = CONFIG_ALERT_WEBHOOK, .timeout_s = 5 };
	snprintf(x->receivers[0].url, sizeof(x->receivers[0].url), "http://127.0.0.1:%u/", port);
	x->config.alerts_count = 1;
	assert_int_equal(alerts_new(x->fetch, &x->config, &x->alerts), 0);
	for (int i = 0; i < ALERT_QUEUE_MAX; i++) {
		tick_alone(x, true, 0.01);
		tick_alone(x, false, 11);
		run_dry(x->event);
	}
	assert_true(count(x, "waiting") <= ALERT_QUEUE_MAX);
	assert_true(count(x, "dropped") > 0);
	close(fd);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(an_alertmanager_is_told_again), TEST(a_webhook_is_told_twice),
		TEST(it_is_tried_again),	     TEST(but_not_for_ever),
		TEST(what_is_refused_for_good_is_dropped), TEST(what_waits_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Alerts on their way to real receivers on loopback: what is sent, how often, and what becomes of it if nobody takes it. */
#include "user/alerts.h"

#include "tests/unit/alerts_fixture.h"

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
	open_alerts(x);
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
	const struct CMUnitTest tests[] = {
		TEST(an_alertmanager_is_told_again), TEST(a_webhook_is_told_twice),
		TEST(it_is_tried_again),	     TEST(but_not_for_ever),
		TEST(what_is_refused_for_good_is_dropped), TEST(what_waits_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

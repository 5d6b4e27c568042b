/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Alerts of one service to one receiver on loopback, with a clock of their own, and a journal where one is wanted. */
#ifndef CANARYD_TESTS_ALERTS_FIXTURE_H
#define CANARYD_TESTS_ALERTS_FIXTURE_H

#include <errno.h>
#include <jansson.h>
#include <unistd.h>

#include "tests/unit/event_fixture.h"
#include "user/alerts.h"

struct fixture {
	sd_event *event;
	struct fetch *fetch;
	struct sink *sink;
	struct config config;
	struct config_service service;
	struct config_alert receivers[2];
	struct alerts *alerts;
	char dir[64];
	char path[96];
	struct journal *journal; /* NULL: none */
	size_t from; /* of the sink's requests, the first that counts */
	char expired[FINDING_REASON];
	struct policy_state policy;
	struct finding finding;
	struct sample sample;
	double now_s;
};

static inline int set_up(void **state)
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

static inline int tear_down(void **state)
{
	static const char *const suffixes[] = { "", "-wal", "-shm" };
	struct fixture *x = *state;
	char path[128];

	alerts_free(x->alerts);
	fetch_free(x->fetch);
	journal_close(x->journal);
	for (size_t i = 0; *x->dir && i < sizeof(suffixes) / sizeof(*suffixes); i++) {
		snprintf(path, sizeof(path), "%s%s", x->path, suffixes[i]);
		unlink(path);
	}
	if (*x->dir)
		rmdir(x->dir);
	sink_free(x->sink);
	sd_event_unref(x->event);
	free(x);
	return 0;
}

static inline void keep_expired(unsigned service, const struct alert_report *report, void *context)
{
	struct fixture *x = context;

	assert_int_equal(service, 0);
	alert_report_print(x->expired, report);
}

static inline void open_alerts(struct fixture *x)
{
	const struct alerts_environment environment = { x->fetch, x->journal, keep_expired, x };

	assert_int_equal(alerts_new(&environment, &x->config, x->now_s, 1700000000 + x->now_s, &x->alerts), 0);
}

static inline void open_journal(struct fixture *x)
{
	char *error = NULL;

	strcpy(x->dir, "/tmp/canaryd-test-alerts-XXXXXX");
	assert_non_null(mkdtemp(x->dir));
	snprintf(x->path, sizeof(x->path), "%s/journal.db", x->dir);
	assert_int_equal(journal_open(x->path, &x->journal, &error), 0);
}

/* The daemon ends, and `seconds` later there is another. */
static inline void restart(struct fixture *x, double seconds)
{
	x->alerts = alerts_free(x->alerts);
	x->now_s += seconds;
	open_alerts(x);
}

static inline void build(struct fixture *x, enum config_alert_kind kind)
{
	struct config_alert *receiver = &x->receivers[x->config.alerts_count++];

	receiver->kind = kind;
	receiver->timeout_s = 5;
	snprintf(receiver->url, sizeof(receiver->url), "%s/%s", x->sink->url, kind == CONFIG_ALERT_WEBHOOK ? "hook" : "");
	open_alerts(x);
}

static inline unsigned long count(struct fixture *x, const char *what)
{
	json_t *view = alerts_view(x->alerts), *receiver = json_array_get(json_object_get(view, "receivers"), 0);
	unsigned long n = (unsigned long)json_integer_value(json_object_get(receiver, what));

	json_decref(view);
	return n;
}

/* A tick, held or not. */
static inline void tick_alone(struct fixture *x, bool held, double seconds)
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
static inline void tick(struct fixture *x, bool held, double seconds)
{
	unsigned long before = count(x, "sent") + count(x, "failed");

	tick_alone(x, held, seconds);
	if (!count(x, "waiting"))
		return;
	for (int i = 0; count(x, "sent") + count(x, "failed") == before && i < 3000; i++)
		assert_true(sd_event_run(x->event, 10000) >= 0);
}

static inline const char *text(json_t *json, const char *outer, const char *name)
{
	return json_string_value(json_object_get(outer ? json_object_get(json, outer) : json, name)) ?: "";
}

static inline json_t *received(struct fixture *x, size_t i)
{
	json_t *json = json_loads(x->sink->requests[i].body, 0, NULL);

	assert_string_equal(x->sink->requests[i].method, "POST");
	assert_string_equal(x->sink->requests[i].type, "application/json");
	assert_non_null(json);
	return json;
}

/* What the webhook was sent: "firing v2", … in one line. */
static inline const char *story(struct fixture *x, char buf[256])
{
	buf[0] = 0;
	for (size_t i = x->from; i < x->sink->count; i++) {
		json_t *json = received(x, i);

		snprintf(buf + strlen(buf), 256 - strlen(buf), "%s%s %s", i > x->from ? ", " : "", text(json, NULL, "status"),
			 text(json, "labels", "alertname"));
		json_decref(json);
	}
	return buf;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What outlives the daemon, and what others report. */
#include "user/alerts.h"

#include "tests/unit/alerts_fixture.h"

static void a_restart_tells_nobody_twice(void **state)
{
	struct fixture *x = *state;
	char buf[256];

	open_journal(x);
	build(x, CONFIG_ALERT_WEBHOOK);
	tick(x, true, 1);
	restart(x, 5);
	tick(x, true, 1);
	tick(x, true, 1);
	assert_string_equal(story(x, buf), "firing RolloutHeld");
	tick(x, false, 11);
	assert_string_equal(story(x, buf), "firing RolloutHeld, resolved RolloutHeld");
	restart(x, 5);
	tick(x, false, 100);
	assert_string_equal(story(x, buf), "firing RolloutHeld, resolved RolloutHeld");
}

static void what_ended_meanwhile_is_told_to_be_over(void **state)
{
	struct fixture *x = *state;
	char buf[256];

	open_journal(x);
	build(x, CONFIG_ALERT_WEBHOOK);
	tick(x, true, 1);
	restart(x, 500);
	tick(x, false, 1); /* it may speak again yet */
	assert_string_equal(story(x, buf), "firing RolloutHeld");
	tick(x, false, 11);
	assert_string_equal(story(x, buf), "firing RolloutHeld, resolved RolloutHeld");
}

/* What nobody would speak for any more is over at once: a rule that is off, a service that is gone. */
static void what_is_configured_away_is_over(void **state)
{
	struct fixture *x = *state;
	char buf[256];
	json_t *json;

	open_journal(x);
	build(x, CONFIG_ALERT_WEBHOOK);
	tick(x, true, 1);
	strcpy(x->service.name, "other");
	restart(x, 1);
	tick(x, false, 0.25);
	assert_string_equal(story(x, buf), "firing RolloutHeld, resolved RolloutHeld");
	json = received(x, 1);
	assert_string_equal(text(json, "labels", "service"), "checkout");
	json_decref(json);
	restart(x, 1);
	tick(x, false, 100);
	assert_int_equal(x->sink->count, 2);
}

static void an_alertmanager_hears_of_it_at_once(void **state)
{
	struct fixture *x = *state;
	json_t *first, *second;

	open_journal(x);
	build(x, CONFIG_ALERT_ALERTMANAGER);
	tick(x, true, 1);
	restart(x, 1);
	tick(x, true, 1);
	assert_int_equal(x->sink->count, 2);
	first = received(x, 0);
	second = received(x, 1);
	assert_true(json_equal(json_object_get(json_array_get(first, 0), "labels"),
			       json_object_get(json_array_get(second, 0), "labels")));
	assert_true(json_equal(json_object_get(json_array_get(first, 0), "startsAt"),
			       json_object_get(json_array_get(second, 0), "startsAt")));
	json_decref(first);
	json_decref(second);
}

static void what_a_webhook_has_not_taken_waits_in_the_journal(void **state)
{
	struct fixture *x = *state;
	char buf[256];

	open_journal(x);
	build(x, CONFIG_ALERT_WEBHOOK);
	sink_set(x->sink, 503, "");
	tick(x, true, 1);
	tick_alone(x, false, 11);
	x->from = x->sink->count;
	restart(x, 1);
	assert_int_equal(count(x, "waiting"), 2);
	sink_set(x->sink, 200, "");
	tick(x, false, 1);
	tick(x, false, 1);
	assert_string_equal(story(x, buf), "firing RolloutHeld, resolved RolloutHeld");
	restart(x, 1);
	assert_int_equal(count(x, "waiting"), 0);
	/* A receiver that is none any more is sent nothing, ever. */
	sink_set(x->sink, 503, "");
	tick(x, true, 1);
	x->config.alerts_count = 0;
	restart(x, 1);
	x->config.alerts_count = 1;
	restart(x, 1);
	assert_int_equal(count(x, "waiting"), 0);
}

/* ---- reports ---------------------------------------------------------------------------------------------- */

static struct alert_report a_report(struct fixture *x, const char *version, const char *key)
{
	struct alert_report report = { .severity = CONFIG_SEVERITY_PAGE, .action = CONFIG_ON_SECURITY_HOLD, .uid = 1000,
				       .began_unix_s = 1700000000 + x->now_s };

	strcpy(report.version, version);
	strcpy(report.key, key);
	strcpy(report.summary, "it is open");
	return report;
}

static void report(struct fixture *x, const struct alert_report *report)
{
	x->config.alert_rules.security = CONFIG_SEVERITY_PAGE;
	if (!x->alerts)
		build(x, CONFIG_ALERT_WEBHOOK);
	assert_int_equal(alerts_report(x->alerts, 0, report, NULL), 0);
}

static size_t resolve(struct fixture *x, const char *version, const char *key)
{
	const struct alert_report_filter filter = { .version = version, .key = key };
	json_t *list = json_array();
	int r = alerts_resolve(x->alerts, 0, &filter, 1700000000 + x->now_s, list, NULL);
	size_t count = json_array_size(list);

	json_decref(list);
	assert_int_equal(r, count ? 0 : -ENOENT);
	return count;
}

static enum finding_say says(struct fixture *x, const char *version)
{
	char why[FINDING_REASON];
	enum finding_say say = alerts_say(x->alerts, 0, version, why);

	if (say)
		assert_string_equal(why, "security page from uid 1000: it is open");
	return say;
}

static void a_report_stands_until_it_is_resolved(void **state)
{
	struct fixture *x = *state;
	struct alert_report first = a_report(x, "v2", ""), again = first, other = a_report(x, "v2", "CVE-2");
	char buf[256];
	json_t *json;

	report(x, &first);
	tick(x, false, 1);
	again.action = CONFIG_ON_SECURITY_ROLLBACK;
	report(x, &again); /* the same again is no other */
	tick(x, false, 1);
	assert_string_equal(story(x, buf), "firing SecurityAlert");
	json = received(x, 0);
	assert_string_equal(text(json, "labels", "version"), "v2");
	assert_string_equal(text(json, "labels", "severity"), "page");
	assert_null(json_object_get(json_object_get(json, "labels"), "key"));
	assert_string_equal(text(json, "annotations", "reported_by"), "uid 1000");
	json_decref(json);
	assert_int_equal(says(x, "v2"), FINDING_SAYS_FAIL);
	assert_int_equal(says(x, "v1"), FINDING_SAYS_NOTHING);
	report(x, &other);
	tick(x, false, 1);
	assert_int_equal(x->sink->count, 2);
	json = received(x, 1);
	assert_string_equal(text(json, "labels", "key"), "CVE-2");
	json_decref(json);
	tick(x, false, 1000);
	assert_int_equal(resolve(x, "v3", NULL), 0);
	assert_int_equal(resolve(x, "v2", ""), 1);
	assert_int_equal(says(x, "v2"), FINDING_SAYS_HOLD); /* the other stands */
	tick(x, false, 0.25);
	assert_string_equal(story(x, buf), "firing SecurityAlert, firing SecurityAlert, resolved SecurityAlert");
	assert_int_equal(resolve(x, NULL, NULL), 1);
	assert_int_equal(says(x, "v2"), FINDING_SAYS_NOTHING);
	tick(x, false, 0.25);
	assert_int_equal(x->sink->count, 4);
	assert_int_equal(resolve(x, NULL, NULL), 0);
}

static void a_report_has_its_time(void **state)
{
	struct fixture *x = *state;
	struct alert_report first = a_report(x, "v2", "");
	char buf[256];

	first.until_unix_s = first.began_unix_s + 10;
	report(x, &first);
	tick(x, false, 9);
	assert_int_equal(says(x, "v2"), FINDING_SAYS_HOLD);
	assert_string_equal(x->expired, "");
	tick(x, false, 1);
	assert_string_equal(x->expired, "security page from uid 1000: it is open");
	assert_int_equal(says(x, "v2"), FINDING_SAYS_NOTHING);
	assert_string_equal(story(x, buf), "firing SecurityAlert, resolved SecurityAlert");
}

static void a_report_outlives_the_daemon(void **state)
{
	struct fixture *x = *state;
	struct alert_report first = a_report(x, "v2", "CVE-1");
	char buf[256];

	open_journal(x);
	report(x, &first);
	restart(x, 1); /* before anyone was told */
	assert_int_equal(says(x, "v2"), FINDING_SAYS_HOLD);
	tick(x, false, 1);
	restart(x, 500);
	assert_int_equal(says(x, "v2"), FINDING_SAYS_HOLD);
	tick(x, false, 1);
	assert_string_equal(story(x, buf), "firing SecurityAlert");
	assert_int_equal(resolve(x, NULL, NULL), 1);
	restart(x, 0.1); /* before anyone was told, again */
	assert_int_equal(says(x, "v2"), FINDING_SAYS_NOTHING);
	tick(x, false, 0.25);
	assert_string_equal(story(x, buf), "firing SecurityAlert, resolved SecurityAlert");
	restart(x, 1);
	tick(x, false, 1);
	assert_int_equal(x->sink->count, 2);
}

static void reports_are_bounded(void **state)
{
	struct fixture *x = *state;
	struct alert_report one = a_report(x, "v2", "");
	char *error = NULL;

	for (int i = 0; i < ALERT_REPORTS_MAX; i++) {
		snprintf(one.key, sizeof(one.key), "%d", i);
		report(x, &one);
	}
	report(x, &one);
	strcpy(one.key, "one more");
	assert_int_equal(alerts_report(x->alerts, 0, &one, &error), -EBUSY);
	assert_non_null(strstr(error, "canaryctl alert resolve checkout"));
	free(error);
}

static void reports_can_be_off(void **state)
{
	struct fixture *x = *state;
	struct alert_report one = a_report(x, "v2", "");
	char *error = NULL;

	build(x, CONFIG_ALERT_WEBHOOK);
	assert_int_equal(alerts_report(x->alerts, 0, &one, &error), -EBUSY);
	assert_non_null(strstr(error, "alert_rules.security is off"));
	free(error);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_restart_tells_nobody_twice),
		TEST(what_ended_meanwhile_is_told_to_be_over),
		TEST(what_is_configured_away_is_over),
		TEST(an_alertmanager_hears_of_it_at_once),
		TEST(what_a_webhook_has_not_taken_waits_in_the_journal),
		TEST(a_report_stands_until_it_is_resolved),
		TEST(a_report_has_its_time),
		TEST(a_report_outlives_the_daemon),
		TEST(reports_are_bounded),
		TEST(reports_can_be_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

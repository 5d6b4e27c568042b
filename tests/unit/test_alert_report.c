/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reports of others as JSON: what is left out, and what is refused, by the name of its field. */
#include "user/alert_report.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct config_alert_rules rules = { .security = CONFIG_SEVERITY_PAGE, .on_security = CONFIG_ON_SECURITY_HOLD };

static struct alert_report parse(const char *text)
{
	struct alert_report report;
	json_t *body = json_loads(text, 0, NULL);
	const char *service = NULL;
	char *error = NULL;

	if (alert_report_parse(body, &rules, 1000, &service, &report, &error))
		fail_msg("%s: %s", text, error);
	assert_string_equal(service, "checkout");
	json_decref(body);
	return report;
}

static void refused(const char *text, const char *why)
{
	struct alert_report report = { .uid = 7 };
	json_t *body = json_loads(text, JSON_DECODE_ANY, NULL);
	const char *service = NULL;
	char *error = NULL;

	assert_int_equal(alert_report_parse(body, &rules, 1000, &service, &report, &error), -EINVAL);
	if (!error || strncmp(error, why, strlen(why)) != 0)
		fail_msg("%s: %s, not %s", text, error, why);
	assert_non_null(strchr(error, '('));
	assert_true(report.uid == 7 && !service);
	free(error);
	json_decref(body);
}

static void what_is_left_out(void **state)
{
	struct alert_report r = parse("{\"service\": \"checkout\", \"summary\": \"it is open\"}");
	char words[FINDING_REASON];

	(void)state;
	assert_string_equal(r.version, "");
	assert_string_equal(r.key, "");
	assert_int_equal(r.severity, CONFIG_SEVERITY_PAGE);
	assert_int_equal(r.action, CONFIG_ON_SECURITY_HOLD);
	assert_true(r.began_unix_s == 1000 && r.until_unix_s == 0);
	r.uid = 1000;
	assert_string_equal(alert_report_print(words, &r), "security page from uid 1000: it is open");
	assert_int_equal(alert_report_says(&r), FINDING_SAYS_HOLD);
}

static void what_is_given(void **state)
{
	struct alert_report r = parse("{\"service\": \"checkout\", \"summary\": \"s\", \"version\": \"v2\", \"key\": \"CVE-1\", "
				      "\"severity\": \"ticket\", \"description\": \"d\", \"ttl_s\": 60.5, \"action\": null}");

	(void)state;
	assert_string_equal(r.version, "v2");
	assert_string_equal(r.key, "CVE-1");
	assert_string_equal(r.description, "d");
	assert_int_equal(r.severity, CONFIG_SEVERITY_TICKET);
	assert_int_equal(r.action, CONFIG_ON_SECURITY_TELL); /* a ticket tells */
	assert_true(r.until_unix_s == 1060.5);
	assert_int_equal(alert_report_says(&r), FINDING_SAYS_NOTHING);
	r = parse("{\"service\": \"checkout\", \"summary\": \"s\", \"severity\": \"ticket\", \"action\": \"rollback\"}");
	assert_int_equal(alert_report_says(&r), FINDING_SAYS_FAIL); /* unless it says more */
	r.over = true;
	assert_int_equal(alert_report_says(&r), FINDING_SAYS_NOTHING);
}

#define WITH(field) "{\"service\": \"checkout\", \"summary\": \"s\", " field "}"

static void what_is_refused(void **state)
{
	char long_text[400];

	(void)state;
	refused("not JSON", "the body is no JSON object");
	refused("[1]", "the body is no JSON object");
	refused("{\"summary\": \"s\"}", "service: is missing");
	refused("{\"service\": \"checkout\"}", "summary: is missing");
	refused("{\"service\": \"checkout\", \"summary\": \"\"}", "summary: is missing");
	refused("{\"service\": 7, \"summary\": \"s\"}", "service: is no text");
	refused("{\"service\": \"checkout\", \"summary\": [\"s\"]}", "summary: is no text");
	refused("{\"service\": \"checkout\", \"summary\": \"two\\nlines\"}", "summary: has control characters");
	snprintf(long_text, sizeof(long_text), "{\"service\": \"checkout\", \"summary\": \"%0200d\"}", 0);
	refused(long_text, "summary: has 200 bytes (at most 159)");
	refused(WITH("\"sevrity\": \"page\""), "sevrity: there is no such field");
	refused(WITH("\"severity\": \"high\""), "severity: \"high\" is none (page or ticket)");
	refused(WITH("\"severity\": \"off\""), "severity: \"off\" is none");
	refused(WITH("\"action\": \"reboot\""), "action: \"reboot\" is none (hold, rollback or tell)");
	refused(WITH("\"version\": true"), "version: is no text");
	refused(WITH("\"version\": \"0123456789012345678901234567890123456789\""), "version: has 40 bytes (at most 31)");
	refused(WITH("\"ttl_s\": \"60\""), "ttl_s: is no number of seconds");
	refused(WITH("\"ttl_s\": -1"), "ttl_s: is no number of seconds");
	refused(WITH("\"ttl_s\": 0"), "ttl_s: is no number of seconds");
	refused(WITH("\"ttl_s\": 1e300"), "ttl_s: is no number of seconds");
}

static bool matches(const char *filter_text)
{
	struct alert_report report = { .version = "v2", .key = "CVE-1" };
	struct alert_report_filter filter;
	json_t *body = json_loads(filter_text, 0, NULL);
	bool matches;

	assert_int_equal(alert_report_parse_filter(body, &filter, NULL), 0);
	assert_string_equal(filter.service, "checkout");
	matches = alert_report_matches(&report, &filter);
	json_decref(body);
	return matches;
}

static void which_are_resolved(void **state)
{
	json_t *body = json_loads("{\"service\": \"checkout\", \"kee\": \"CVE-1\"}", 0, NULL);
	struct alert_report_filter filter;
	char *error = NULL;

	(void)state;
	assert_true(matches("{\"service\": \"checkout\"}"));
	assert_true(matches("{\"service\": \"checkout\", \"version\": \"v2\", \"key\": \"CVE-1\"}"));
	assert_false(matches("{\"service\": \"checkout\", \"version\": \"v3\"}"));
	assert_false(matches("{\"service\": \"checkout\", \"key\": \"\"}"));
	assert_int_equal(alert_report_parse_filter(body, &filter, &error), -EINVAL);
	assert_non_null(strstr(error, "kee: there is no such field"));
	free(error);
	json_decref(body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_left_out),
		cmocka_unit_test(what_is_given),
		cmocka_unit_test(what_is_refused),
		cmocka_unit_test(which_are_resolved),
	};

	return cmocka_run_group_tests_name("alert_report", tests, NULL, NULL);
}

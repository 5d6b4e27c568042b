/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "user/alert_report.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "user/error.h"

#define TTL_MAX_S (30 * 86400.0)

/* ---- words ----------------------------------------------------------------------------------------------- */

static const char *const actions[] = {
	[CONFIG_ON_SECURITY_TELL] = "tell", [CONFIG_ON_SECURITY_HOLD] = "hold", [CONFIG_ON_SECURITY_ROLLBACK] = "rollback",
};

const char *alert_action_name(enum config_on_security action)
{
	return actions[action];
}

int alert_action_parse(const char *word, enum config_on_security *ret)
{
	for (size_t i = 0; i < sizeof(actions) / sizeof(*actions); i++)
		if (!strcmp(word, actions[i])) {
			*ret = (enum config_on_security)i;
			return 0;
		}
	return -EINVAL;
}

int alert_severity_parse(const char *word, enum config_severity *ret)
{
	static const enum config_severity severities[] = { CONFIG_SEVERITY_PAGE, CONFIG_SEVERITY_TICKET };

	for (size_t i = 0; i < sizeof(severities) / sizeof(*severities); i++)
		if (!strcmp(word, alert_severity_name(severities[i]))) {
			*ret = severities[i];
			return 0;
		}
	return -EINVAL;
}

/* ---- reading --------------------------------------------------------------------------------------------- */

static bool is_listed(const char *field, const char *const *fields)
{
	for (; *fields; fields++)
		if (!strcmp(field, *fields))
			return true;
	return false;
}

/* What is misspelt would be missed without a word. */
static int check_fields(const json_t *body, const char *const *fields, const char *list, char **ret_error)
{
	const char *field;
	json_t *value;

	if (!json_is_object(body))
		return error_set(ret_error, -EINVAL, "the body is no JSON object (send {%s})", list);
	json_object_foreach((json_t *)body, field, value)
		if (!is_listed(field, fields))
			return error_set(ret_error, -EINVAL, "%.40s: there is no such field (there are %s)", field, list);
	return 0;
}

static bool is_one_line(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			return false;
	return true;
}

/* Writes the text of a field, "" where it is not there. */
static int read_text(const json_t *body, const char *field, size_t size, char *ret, char **ret_error)
{
	const json_t *value = json_object_get(body, field);
	const char *text = json_string_value(value);

	ret[0] = 0;
	if (!value || json_is_null(value))
		return 0;
	if (!text)
		return error_set(ret_error, -EINVAL, "%s: is no text (write it in quotes)", field);
	if (strlen(text) >= size)
		return error_set(ret_error, -EINVAL, "%s: has %zu bytes (at most %zu)", field, strlen(text), size - 1);
	if (strlen(text) != json_string_length(value) || !is_one_line(text))
		return error_set(ret_error, -EINVAL, "%s: has control characters (write one line of text)", field);
	strcpy(ret, text);
	return 0;
}

static int read_must(const json_t *body, const char *field, size_t size, char *ret, char **ret_error)
{
	int r = read_text(body, field, size, ret, ret_error);

	if (!r && !*ret)
		r = error_set(ret_error, -EINVAL, "%s: is missing (give it a text)", field);
	return r;
}

static int read_severity(const json_t *body, const struct config_alert_rules *rules, struct alert_report *report,
			 char **ret_error)
{
	char word[16];
	int r = read_text(body, "severity", sizeof(word), word, ret_error);

	report->severity = rules->security;
	if (!r && *word && alert_severity_parse(word, &report->severity))
		r = error_set(ret_error, -EINVAL, "severity: \"%s\" is none (page or ticket)", word);
	return r;
}

static int read_action(const json_t *body, const struct config_alert_rules *rules, struct alert_report *report,
		       char **ret_error)
{
	char word[16];
	int r = read_text(body, "action", sizeof(word), word, ret_error);

	report->action = report->severity == CONFIG_SEVERITY_PAGE ? rules->on_security : CONFIG_ON_SECURITY_TELL;
	if (!r && *word && alert_action_parse(word, &report->action))
		r = error_set(ret_error, -EINVAL, "action: \"%s\" is none (hold, rollback or tell)", word);
	return r;
}

static int read_end(const json_t *body, struct alert_report *report, char **ret_error)
{
	const json_t *value = json_object_get(body, "ttl_s");
	double ttl_s = json_number_value(value);

	if (!value || json_is_null(value))
		return 0;
	if (!json_is_number(value) || !(ttl_s > 0 && ttl_s <= TTL_MAX_S))
		return error_set(ret_error, -EINVAL, "ttl_s: is no number of seconds above 0, and at most 30 days (without "
				 "one it stands until it is resolved)");
	report->until_unix_s = report->began_unix_s + ttl_s;
	return 0;
}

int alert_report_parse(const json_t *body, const struct config_alert_rules *rules, double unix_s, const char **ret_service,
		       struct alert_report *ret, char **ret_error)
{
	static const char *const fields[] = { "service", "version", "severity", "action", "summary", "description", "key",
					      "ttl_s", NULL };
	struct alert_report report = { .began_unix_s = unix_s };
	char service[CANARY_NAME_MAX];
	int r = check_fields(body, fields, "service, summary, version, severity, action, description, key, ttl_s", ret_error);

	if (!r)
		r = read_must(body, "service", sizeof(service), service, ret_error);
	if (!r)
		r = read_must(body, "summary", sizeof(report.summary), report.summary, ret_error);
	if (!r)
		r = read_text(body, "version", sizeof(report.version), report.version, ret_error);
	if (!r)
		r = read_text(body, "description", sizeof(report.description), report.description, ret_error);
	if (!r)
		r = read_text(body, "key", sizeof(report.key), report.key, ret_error);
	if (!r)
		r = read_severity(body, rules, &report, ret_error);
	if (!r)
		r = read_action(body, rules, &report, ret_error);
	if (!r)
		r = read_end(body, &report, ret_error);
	if (r)
		return r;
	*ret_service = json_string_value(json_object_get(body, "service"));
	*ret = report;
	return 0;
}

int alert_report_parse_filter(const json_t *body, struct alert_report_filter *ret, char **ret_error)
{
	static const char *const fields[] = { "service", "version", "key", NULL };
	char text[ALERT_KEY];
	int r = check_fields(body, fields, "service, version, key", ret_error);

	if (!r)
		r = read_must(body, "service", CANARY_NAME_MAX, text, ret_error);
	if (!r)
		r = read_text(body, "version", CANARY_NAME_MAX, text, ret_error);
	if (!r)
		r = read_text(body, "key", ALERT_KEY, text, ret_error);
	if (r)
		return r;
	*ret = (struct alert_report_filter){
		.service = json_string_value(json_object_get(body, "service")),
		.version = json_string_value(json_object_get(body, "version")),
		.key = json_string_value(json_object_get(body, "key")),
	};
	return 0;
}

bool alert_report_matches(const struct alert_report *report, const struct alert_report_filter *filter)
{
	return (!filter->version || !strcmp(report->version, filter->version)) &&
	       (!filter->key || !strcmp(report->key, filter->key));
}

/* ---- what it means --------------------------------------------------------------------------------------- */

struct alert_condition alert_report_condition(const struct alert_report *report)
{
	struct alert_condition condition = {
		.on = !report->over, .over = report->over, .severity = report->severity,
		.began_unix_s = report->began_unix_s, .version = report->version,
	};

	memcpy(condition.summary, report->summary, sizeof(condition.summary));
	memcpy(condition.description, report->description, sizeof(condition.description));
	return condition;
}

enum finding_say alert_report_says(const struct alert_report *report)
{
	if (report->over || report->action == CONFIG_ON_SECURITY_TELL)
		return FINDING_SAYS_NOTHING;
	return report->action == CONFIG_ON_SECURITY_HOLD ? FINDING_SAYS_HOLD : FINDING_SAYS_FAIL;
}

const char *alert_report_print(char buf[FINDING_REASON], const struct alert_report *report)
{
	snprintf(buf, FINDING_REASON, "security %s from uid %u: %s", alert_severity_name(report->severity), report->uid,
		 report->summary);
	return buf;
}

json_t *alert_report_json(const struct alert_report *report, const char *service)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:f, s:o, s:b, s:s, s:s}", "alertname", ALERT_REPORT_NAME,
			 "service", service, "version", report->version, "key", report->key, "severity",
			 alert_severity_name(report->severity), "action", alert_action_name(report->action), "uid",
			 (json_int_t)report->uid, "began", report->began_unix_s, "until",
			 report->until_unix_s > 0 ? json_real(report->until_unix_s) : json_null(), "told",
			 report->incident.told, "summary", report->summary, "description", report->description);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "alert_view.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "field.h"
#include "format.h"

static enum tone tone_of(const json_t *alert)
{
	return strcmp(field_text(alert, "severity", ""), "page") == 0 ? TONE_BAD : TONE_WARN;
}

/* "page SecurityAlert of v2 (CVE-2026-1234)" */
static void print_name(const struct page *page, enum tone tone, const char *before, const json_t *alert)
{
	const char *version = field_text(alert, "version", ""), *key = field_text(alert, "key", "");
	char name[256];

	snprintf(name, sizeof(name), "%s %s%s%s%s%s%s", before, field_text(alert, "alertname", "?"), *version ? " of " : "",
		 version, *key ? " (" : "", key, *key ? ")" : "");
	page_wrap(page, tone, 2, name);
}

static const char *action_words(const char *action)
{
	if (strcmp(action, "hold") == 0)
		return "holds a rollout";
	return strcmp(action, "rollback") == 0 ? "rolls back" : "tells only";
}

/* Since when; what others report has more to tell. */
static void print_facts(const struct page *page, const json_t *alert, double now)
{
	double until_s = field_number(alert, "until") - now;
	const char *action = field_text(alert, "action", NULL);
	char facts[256], more[64] = "";

	if (!isnan(until_s))
		snprintf(more, sizeof(more), ", for %s more", format_duration(until_s > 0 ? until_s : 0).text);
	if (action)
		snprintf(facts, sizeof(facts), "since %s, from uid %.0f, %s%s", format_date(field_number(alert, "began")).text,
			 field_number(alert, "uid"), action_words(action), more);
	else
		snprintf(facts, sizeof(facts), "since %s", format_date(field_number(alert, "began")).text);
	page_wrap(page, TONE_DIM, 4, facts);
}

void alert_view(const struct page *page, const json_t *alert, double now)
{
	print_name(page, tone_of(alert), field_text(alert, "severity", "?"), alert);
	page_wrap(page, TONE_PLAIN, 4, field_text(alert, "summary", ""));
	page_wrap(page, TONE_PLAIN, 4, field_text(alert, "description", ""));
	print_facts(page, alert, now);
}

void alert_view_resolved(const struct page *page, const json_t *alert)
{
	print_name(page, TONE_GOOD, "resolved", alert);
	page_wrap(page, TONE_PLAIN, 4, field_text(alert, "summary", ""));
}

void alert_view_service(const struct page *page, const json_t *alerts, const char *service, double now)
{
	json_t *alert;
	size_t i;

	json_array_foreach(json_object_get(alerts, "firing"), i, alert) {
		if (strcmp(field_text(alert, "service", ""), service) == 0)
			alert_view(page, alert, now);
	}
}

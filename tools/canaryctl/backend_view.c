/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backend_view.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "field.h"
#include "format.h"

static enum tone tone_of(const char *state)
{
	if (!strcmp(state, "healthy") || !strcmp(state, "unchecked"))
		return TONE_PLAIN;
	return !strcmp(state, "unhealthy") || !strcmp(state, "ejected") ? TONE_BAD : TONE_WARN;
}

static bool is_well(const json_t *backend)
{
	return tone_of(field_text(backend, "state", "unchecked")) == TONE_PLAIN;
}

void backend_view_all(const struct page *page, const json_t *versions)
{
	static const char *const headings[] = { "version", "backend", "state", "active", "" };
	struct table *table = table_new("lllrl");
	json_t *version, *backend;
	size_t i, j;

	for (i = 0; i < sizeof(headings) / sizeof(*headings); i++)
		table_cell(table, TONE_DIM, "%s", headings[i]);
	table_end(table);
	json_array_foreach(versions, i, version)
		json_array_foreach(json_object_get(version, "backends"), j, backend) {
			const char *state = field_text(backend, "state", "?");

			table_cell(table, TONE_PLAIN, "%s", field_text(version, "name", "?"));
			table_cell(table, TONE_PLAIN, "%s", field_text(backend, "address", "?"));
			table_cell(table, tone_of(state), "%s", state);
			table_cell(table, TONE_PLAIN, "%s", format_count(field_number(backend, "active_flows")).text);
			table_cell(table, TONE_DIM, "%s", field_text(backend, "why", ""));
			table_end(table);
		}
	table_print(table, page, 0);
}

void backend_view_state(const struct page *page, const json_t *backend)
{
	const char *state = field_text(backend, "state", "?");
	double flows = field_number(backend, "active_flows"), ends_s = field_number(backend, "ends_s");

	page_print(page, tone_of(state), "%s %s", field_text(backend, "address", "?"), state);
	if (!strcmp(state, "draining"))
		page_print(page, TONE_PLAIN, ", %s flows left", format_count(flows).text);
	if (!strcmp(state, "draining") && !isnan(ends_s))
		page_print(page, TONE_PLAIN, ", taken away in %s", format_duration(ceil(ends_s)).text);
	page_print(page, TONE_PLAIN, "\n");
}

static void trouble_of(const struct page *page, const json_t *version)
{
	const json_t *rotation = json_object_get(version, "rotation");
	bool panic = json_is_true(json_object_get(rotation, "panic")), none = field_number(rotation, "usable") == 0;
	const char *name = field_text(version, "name", "?");
	bool is_canary = !strcmp(field_text(version, "role", ""), "canary");
	char line[512];
	json_t *backend;
	size_t i;

	json_array_foreach(json_object_get(version, "backends"), i, backend) {
		const char *state = field_text(backend, "state", "?"), *why = field_text(backend, "why", "");

		if (is_well(backend))
			continue;
		snprintf(line, sizeof(line), "%s of %s is %s with %s flows%s%s", field_text(backend, "address", "?"), name, state,
			 format_count(field_number(backend, "active_flows")).text, *why ? ": " : "", why);
		page_wrap(page, tone_of(state), 2, line);
	}
	if (panic)
		page_print(page, TONE_BAD, "  no backend of %s is well: all get new flows, but for those that are drained\n", name);
	else if (none && is_canary)
		page_print(page, TONE_BAD, "  %s has no backend for new flows: they go to the baseline\n", name);
	else if (none)
		page_print(page, TONE_BAD, "  %s has no backend for new flows\n", name);
}

void backend_view_trouble(const struct page *page, const json_t *versions)
{
	json_t *version;
	size_t i;

	json_array_foreach(versions, i, version)
		if (json_is_object(json_object_get(version, "rotation")))
			trouble_of(page, version);
}

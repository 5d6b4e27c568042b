/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "user/cohorts_journal.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "user/error.h"
#include "user/journal_kept.h"
#include "user/log.h"

#define KEY "cohorts"

static json_t *cohort_json(const struct cohort *cohort)
{
	json_t *networks = json_array();

	for (size_t i = 0; i < cohort->count; i++) {
		char text[COHORT_PREFIX_TEXT];

		cohort_prefix_format(&cohort->prefixes[i], text);
		json_array_append_new(networks, json_string(text));
	}
	return json_pack("{s:s, s:b, s:s, s:f, s:o}", "name", cohort->name, "removed", cohort->removed, "action",
			 cohort_action_name(cohort->action), "weight",
			 isnan(cohort->weight_percent) ? 0 : cohort->weight_percent, "prefixes", networks);
}

int cohorts_journal_save(struct journal *journal, const char *service, const struct cohort_list *list,
			 char **ret_error)
{
	json_t *array = json_array();
	char *text;
	int r;

	for (size_t i = 0; i < list->count; i++)
		json_array_append_new(array, cohort_json(&list->items[i]));
	text = json_dumps(array, JSON_COMPACT);
	json_decref(array);
	if (!text)
		return error_set(ret_error, -ENOMEM, "out of memory");
	r = journal_keep(journal, service, KEY, list->count ? text : NULL, true);
	free(text);
	return r ? error_set(ret_error, r, "%s", journal_error(journal)) : 0;
}

static int read_networks(json_t *networks, struct cohort *cohort)
{
	struct canary_prefix prefix;
	const char *problem;
	json_t *value;
	size_t i;
	int r = 0;

	json_array_foreach(networks, i, value) {
		r = json_is_string(value) ? cohort_prefix_parse(json_string_value(value), &prefix, &problem) : -EINVAL;
		if (!r)
			r = cohort_add(cohort, &prefix);
		if (r)
			break;
	}
	return r;
}

static int read_cohort(json_t *value, struct cohort *cohort)
{
	const char *name, *action;
	json_t *networks;
	int removed;

	if (json_unpack(value, "{s:s, s:b, s:s, s:F, s:o}", "name", &name, "removed", &removed, "action", &action, "weight",
			&cohort->weight_percent, "prefixes", &networks) ||
	    strlen(name) >= sizeof(cohort->name) || cohort_action_parse(action, &cohort->action))
		return -EINVAL;
	strcpy(cohort->name, name);
	cohort->removed = removed;
	cohort->live = true;
	if (cohort->action != CANARY_COHORT_WEIGHT)
		cohort->weight_percent = NAN;
	return read_networks(networks, cohort);
}

int cohorts_journal_load(struct journal *journal, const char *service, struct cohort_list *ret, char **ret_error)
{
	struct cohort_list list = { 0 };
	json_t *array, *value;
	char *text = NULL;
	size_t i;
	int r = journal_kept(journal, service, KEY, &text);

	if (r && r != -ENOENT)
		return error_set(ret_error, r, "%s", journal_error(journal));
	array = text ? json_loads(text, 0, NULL) : NULL;
	free(text);
	list.items = calloc(json_array_size(array) + 1, sizeof(*list.items));
	json_array_foreach(array, i, value) {
		if (!list.items)
			break;
		if (!read_cohort(value, &list.items[list.count++]))
			continue;
		log_warning("service %s: a cohort in the journal cannot be read and is left out", service);
		cohort_deinit(&list.items[--list.count]);
	}
	json_decref(array);
	if (!list.items)
		return error_set(ret_error, -ENOMEM, "out of memory");
	*ret = list;
	return 0;
}

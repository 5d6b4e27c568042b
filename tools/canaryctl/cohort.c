/* SPDX-License-Identifier: GPL-2.0-or-later */
/* canaryctl cohort …: which clients have a rule of their own, and changing that while canaryd runs. */
#include "run.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "canaryd/api.h"
#include "client.h"
#include "command.h"
#include "ctl.h"
#include "field.h"
#include "format.h"
#include "user/cohort.h"

/* /v1/services/SERVICE/cohorts[/COHORT]; the caller frees. */
static char *path_of(const char *service, const char *cohort)
{
	char *escaped_service = client_escape(service), *escaped_cohort = client_escape(cohort ? cohort : "");
	char *path = NULL;

	if (escaped_service && escaped_cohort)
		path = ctl_path(API_SERVICES "/%s/cohorts%s%s", escaped_service, cohort ? "/" : "", escaped_cohort);
	free(escaped_service);
	free(escaped_cohort);
	return path;
}

static int ask(struct ctl *ctl, const struct call *call, const char *method, const char *cohort, const json_t *body,
	       json_t **ret_answer)
{
	char *path = path_of(call_argument(call, 0), cohort);
	int code = path ? ctl_request(ctl, method, path, body, ret_answer) : ctl_no_memory(ctl);

	free(path);
	return code;
}

/* ---- showing ----------------------------------------------------------------------------------------------- */

static void print_all(const struct page *page, const json_t *answer)
{
	const json_t *cohorts = json_object_get(answer, "cohorts");
	struct table *table = table_new("llrl");
	json_t *cohort;
	size_t i;

	if (!json_array_size(cohorts))
		page_print(page, TONE_PLAIN, "%s has no cohorts: every client follows the split\n",
			   field_text(answer, "service", "?"));
	json_array_foreach(cohorts, i, cohort) {
		double weight = field_number(cohort, "weight");

		table_cell(table, TONE_BOLD, "%s", field_text(cohort, "name", "?"));
		table_cell(table, TONE_PLAIN, "%s", isnan(weight) ? field_text(cohort, "action", "?") :
								      format_weight(weight).text);
		table_cell(table, TONE_PLAIN, "%.0f networks", field_number(cohort, "networks"));
		table_cell(table, TONE_DIM, "%s", strcmp(field_text(cohort, "source", ""), "api") ? "" : "set at run time");
		table_end(table);
	}
	table_print(table, page, 0);
}

/* One a line: fit for --file. */
static void print_networks(const struct page *page, const json_t *cohort)
{
	json_t *network;
	size_t i;

	json_array_foreach(json_object_get(cohort, "prefixes"), i, network)
		page_print(page, TONE_PLAIN, "%s\n", json_string_value(network));
}

static int show(struct ctl *ctl, json_t *answer)
{
	if (ctl->json)
		ctl_print_json(ctl, answer);
	else
		print_all(&ctl->out, answer);
	json_decref(answer);
	return API_EXIT_OK;
}

int run_cohort_list(struct ctl *ctl, const struct call *call)
{
	const char *cohort = call_argument(call, 1);
	json_t *answer;
	int code = ask(ctl, call, "GET", cohort, NULL, &answer);

	if (code)
		return code;
	if (!cohort || ctl->json)
		return show(ctl, answer);
	print_networks(&ctl->out, answer);
	json_decref(answer);
	return API_EXIT_OK;
}

/* ---- changing ---------------------------------------------------------------------------------------------- */

static int read_file(struct ctl *ctl, const char *path, struct cohort *cohort)
{
	FILE *file = strcmp(path, "-") ? fopen(path, "re") : stdin;
	char *text = NULL, *error = NULL;
	size_t room = 0;
	ssize_t length;
	int r = 0;

	if (!file)
		return ctl_error(ctl, API_EXIT_FAILED, NULL, "cannot read %s: %s", path, strerror(errno));
	length = getdelim(&text, &room, 0, file);
	if (length > 0)
		r = cohort_add_text(cohort, text, (size_t)length, path, &error);
	if (file != stdin)
		fclose(file);
	free(text);
	if (r)
		ctl_error(ctl, API_EXIT_FAILED, NULL, "%s", error ? error : strerror(-r));
	free(error);
	return r ? API_EXIT_FAILED : API_EXIT_OK;
}

static int read_networks(struct ctl *ctl, const struct call *call, struct cohort *cohort)
{
	const char *file = call_value(call, "file", NULL), *problem;

	for (unsigned i = 3; i < call->count; i++) {
		struct canary_prefix prefix;

		if (cohort_prefix_parse(call->arguments[i], &prefix, &problem))
			return ctl_error(ctl, API_EXIT_USAGE, NULL, "\"%s\" %s", call->arguments[i], problem);
		if (cohort_add(cohort, &prefix))
			return ctl_no_memory(ctl);
	}
	return file ? read_file(ctl, file, cohort) : API_EXIT_OK;
}

static json_t *networks_json(const struct cohort *cohort)
{
	json_t *networks = json_array();

	for (size_t i = 0; i < cohort->count; i++) {
		char text[COHORT_PREFIX_TEXT];

		cohort_prefix_format(&cohort->prefixes[i], text);
		json_array_append_new(networks, json_string(text));
	}
	return networks;
}

/* "canary", "baseline", "exclude", or a percentage. NULL after a complaint. */
static json_t *rule_json(struct ctl *ctl, const char *word)
{
	enum canary_cohort_action action;
	char *end;
	double percent = strtod(word, &end);

	if (end != word && !strcmp(end, "%") && percent >= 0 && percent <= 100)
		return json_pack("{s:s, s:f}", "action", "weight", "weight", percent / 100);
	if (!cohort_action_parse(word, &action) && action != CANARY_COHORT_WEIGHT)
		return json_pack("{s:s}", "action", word);
	ctl_error(ctl, API_EXIT_USAGE, "write canary, baseline, exclude, or a share for the canary: 20%",
		  "\"%s\" is no rule for a cohort", word);
	return NULL;
}

static int put(struct ctl *ctl, const struct call *call, json_t *body)
{
	json_t *answer;
	int code = ask(ctl, call, "PUT", call_argument(call, 1), body, &answer);

	if (code)
		return code;
	if (!ctl->json)
		page_print(&ctl->out, TONE_DIM, "in effect after %s\n", format_duration(field_number(answer, "took_s")).text);
	return show(ctl, answer);
}

int run_cohort_set(struct ctl *ctl, const struct call *call)
{
	struct cohort cohort = { 0 };
	json_t *body = rule_json(ctl, call_argument(call, 2));
	int code = body ? read_networks(ctl, call, &cohort) : API_EXIT_USAGE;

	if (!code && (cohort.count || call_has(call, "file")))
		json_object_set_new(body, "prefixes", networks_json(&cohort));
	if (!code)
		code = put(ctl, call, body);
	json_decref(body);
	cohort_deinit(&cohort);
	return code;
}

int run_cohort_remove(struct ctl *ctl, const struct call *call)
{
	json_t *answer;
	int code = ask(ctl, call, "DELETE", call_argument(call, 1), NULL, &answer);

	return code ? code : show(ctl, answer);
}

int run_cohort_reset(struct ctl *ctl, const struct call *call)
{
	json_t *answer;
	int code = ask(ctl, call, "DELETE", NULL, NULL, &answer);

	return code ? code : show(ctl, answer);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* canaryctl flows: samples of flows that failed or were slow, as they are or as they come. */
#include "run.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "canaryd/api.h"
#include "client.h"
#include "command.h"
#include "ctl.h"
#include "field.h"
#include "flows_view.h"
#include "screen.h"

#define POLL_MS 500
#define PIPE_COLUMNS 1000 /* a line each, for grep */

/* ---- asking ------------------------------------------------------------------------------------------------- */

static char *path_of(const struct call *call, const char *service, json_int_t after)
{
	const char *version = call_argument(call, 1);
	bool failed = call_has(call, "failed"), slow = call_has(call, "slow");
	char *name = client_escape(service), *of = client_escape(version ? version : "");
	char *path = NULL;

	if (name && of)
		path = ctl_path(API_SERVICES "/%s/flows?after=%" JSON_INTEGER_FORMAT "%s%s%s", name, after,
				failed == slow ? "" : failed ? "&kind=failed" : "&kind=slow", version ? "&version=" : "", of);
	free(name);
	free(of);
	return path;
}

/* The names of the services: the one that is asked for, or all. */
static int services(struct ctl *ctl, const struct call *call, json_t **ret_names)
{
	json_t *status, *names, *service;
	size_t i;
	int code;

	if (call->count > 0) {
		*ret_names = json_pack("[s]", call_argument(call, 0));
		return *ret_names ? API_EXIT_OK : ctl_no_memory(ctl);
	}
	code = ctl_request(ctl, "GET", API_STATUS, NULL, &status);
	if (code)
		return code;
	names = json_array();
	json_array_foreach(json_object_get(status, "services"), i, service)
		json_array_append(names, json_object_get(service, "name"));
	json_decref(status);
	*ret_names = names;
	return API_EXIT_OK;
}

/* ---- as they are -------------------------------------------------------------------------------------------- */

static int by_time(const void *a, const void *b)
{
	double ta = field_number(*(json_t *const *)a, "t"), tb = field_number(*(json_t *const *)b, "t");

	return ta < tb ? -1 : ta > tb;
}

/* The flows of all answers in the order they came; where there are several, each with its service. */
static json_t *merge(const json_t *answers)
{
	json_t *merged = json_array(), *answer, *flow, **list;
	size_t i, j, count = 0;

	json_array_foreach(answers, i, answer)
		count += json_array_size(json_object_get(answer, "flows"));
	list = calloc(count + 1, sizeof(*list));
	count = 0;
	json_array_foreach(answers, i, answer)
		json_array_foreach(json_object_get(answer, "flows"), j, flow) {
			if (!list)
				break;
			if (json_array_size(answers) > 1)
				json_object_set(flow, "service", json_object_get(answer, "service"));
			list[count++] = flow;
		}
	if (list)
		qsort(list, count, sizeof(*list), by_time);
	for (i = 0; i < count; i++)
		json_array_append(merged, list[i]);
	free(list);
	return merged;
}

static void show(struct ctl *ctl, struct flows_view *view, const json_t *answers)
{
	json_t *flows = merge(answers), *answer;
	size_t i;

	flows_view_print(&ctl->out, view, flows);
	if (json_array_size(flows))
		fputc('\n', ctl->out.out);
	json_array_foreach(answers, i, answer)
		flows_view_summary(&ctl->out, answer);
	json_decref(flows);
}

static int look(struct ctl *ctl, const struct call *call, const json_t *names, json_t *answers)
{
	json_t *name, *answer;
	size_t i;
	int code = API_EXIT_OK;

	json_array_foreach(names, i, name) {
		char *path = path_of(call, json_string_value(name), 0);

		code = path ? ctl_request(ctl, "GET", path, NULL, &answer) : ctl_no_memory(ctl);
		free(path);
		if (code)
			break;
		json_array_append_new(answers, answer);
	}
	return code;
}

/* ---- as they come ------------------------------------------------------------------------------------------- */

struct follow {
	struct ctl *ctl;
	const struct call *call;
	json_t *answers; /* the last ones */
	struct flows_view view;
	bool lost; /* canaryd does not answer now */
};

static void print_lines(struct ctl *ctl, const json_t *answers)
{
	json_t *answer, *flow;
	size_t i, j;

	json_array_foreach(answers, i, answer)
		json_array_foreach(json_object_get(answer, "flows"), j, flow) {
			json_object_set(flow, "service", json_object_get(answer, "service"));
			json_dumpf(flow, ctl->out.out, JSON_COMPACT | JSON_REAL_PRECISION(15));
			fputc('\n', ctl->out.out);
		}
}

static void say_left_out(const struct page *page, const json_t *before, const json_t *answer, const char *class)
{
	double more = field_number2(answer, "left_out", class) - field_number2(before, "left_out", class);

	if (more > 0)
		page_print(page, TONE_WARN, "%s: the kernel's rate limit left out %.0f more that %s\n",
			   field_text(answer, "service", "?"), more, strcmp(class, "slow") ? "failed" : "were slow");
}

static void show_new(struct follow *follow, const json_t *answers)
{
	json_t *answer, *flows;
	size_t i;

	if (follow->ctl->json) {
		print_lines(follow->ctl, answers);
		return;
	}
	follow->view.now = ctl_now();
	flows = merge(answers);
	flows_view_print(&follow->ctl->out, &follow->view, flows);
	json_decref(flows);
	json_array_foreach(answers, i, answer) {
		say_left_out(&follow->ctl->out, json_array_get(follow->answers, i), answer, "failed");
		say_left_out(&follow->ctl->out, json_array_get(follow->answers, i), answer, "slow");
	}
}

/* A number below the last one is of a daemon whose clock was set back: from its beginning, then. */
static int ask_after(struct follow *follow, const json_t *before, json_t **ret_answer, int *ret_error)
{
	json_int_t after = json_integer_value(json_object_get(before, "last"));
	char *path = path_of(follow->call, field_text(before, "service", ""), after);
	int code = path ? ctl_try(follow->ctl, path, ret_answer, ret_error) : ctl_no_memory(follow->ctl);

	free(path);
	if (code || json_integer_value(json_object_get(*ret_answer, "last")) >= after)
		return code;
	json_decref(*ret_answer);
	path = path_of(follow->call, field_text(before, "service", ""), 0);
	code = path ? ctl_try(follow->ctl, path, ret_answer, ret_error) : ctl_no_memory(follow->ctl);
	free(path);
	return code;
}

/* What is new; API_EXIT_UNREACHABLE is waited out. */
static int turn(struct follow *follow)
{
	json_t *answers = json_array(), *before, *answer;
	int error = 0, code = API_EXIT_OK;
	size_t i;

	json_array_foreach(follow->answers, i, before) {
		code = ask_after(follow, before, &answer, &error);
		if (code)
			break;
		json_array_append_new(answers, answer);
	}
	if (code == API_EXIT_UNREACHABLE && !follow->lost)
		fprintf(follow->ctl->err, "canaryctl: canaryd does not answer: %s; waiting for it\n", ctl_unreachable(error));
	follow->lost = code == API_EXIT_UNREACHABLE;
	if (code) {
		json_decref(answers);
		return code;
	}
	show_new(follow, answers);
	json_decref(follow->answers);
	follow->answers = answers;
	return API_EXIT_OK;
}

static int go_on(struct follow *follow)
{
	int code = API_EXIT_OK;

	screen_catch_signals();
	while (!screen_is_over()) {
		if (fflush(follow->ctl->out.out) != 0)
			return API_EXIT_FAILED;
		nanosleep(&(struct timespec){ .tv_nsec = POLL_MS * 1000000L }, NULL);
		if (screen_is_over())
			break;
		code = turn(follow);
		if (code && code != API_EXIT_UNREACHABLE)
			return code;
	}
	return API_EXIT_OK;
}

static void print_answers(struct ctl *ctl, const struct call *call, const json_t *answers)
{
	json_t *all;

	if (call->count > 0) {
		ctl_print_json(ctl, json_array_get(answers, 0));
		return;
	}
	all = json_pack("{s:O}", "services", answers);
	ctl_print_json(ctl, all);
	json_decref(all);
}

int run_flows(struct ctl *ctl, const struct call *call)
{
	struct follow follow = { .ctl = ctl, .call = call, .answers = json_array(), .view = { .headings = true, .now = ctl_now() } };
	json_t *names = NULL;
	int code = services(ctl, call, &names);

	if (!isatty(fileno(ctl->out.out)))
		ctl->out.style.columns = PIPE_COLUMNS;
	if (!code)
		code = look(ctl, call, names, follow.answers);
	if (!code && ctl->json && call_has(call, "follow"))
		print_lines(ctl, follow.answers);
	else if (!code && ctl->json)
		print_answers(ctl, call, follow.answers);
	else if (!code)
		show(ctl, &follow.view, follow.answers);
	if (!code && call_has(call, "follow"))
		code = go_on(&follow);
	json_decref(names);
	json_decref(follow.answers);
	return code;
}

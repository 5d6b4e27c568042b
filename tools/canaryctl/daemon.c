/* SPDX-License-Identifier: GPL-2.0-or-later */
/* canaryctl flow, detach and version: questions to and orders for the daemon that need no view of their own. */
#include "run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "canaryd/api.h"
#include "client.h"
#include "command.h"
#include "ctl.h"
#include "field.h"
#include "format.h"

static int ask_flow(struct ctl *ctl, const char *client, const char *service, json_t **ret_answer)
{
	char *escaped_client = client_escape(client), *escaped_service = client_escape(service);
	char *path = escaped_client && escaped_service ?
			     ctl_path(API_FLOW "?service=%s&client=%s", escaped_service, escaped_client) :
			     NULL;
	int code;

	code = path ? ctl_request(ctl, "GET", path, NULL, ret_answer) : ctl_no_memory(ctl);
	free(escaped_client);
	free(escaped_service);
	free(path);
	return code;
}

static void print_diversion(const struct page *page, const char *source)
{
	if (strcmp(source, "lease") == 0)
		page_print(page, TONE_WARN, "  it would be the canary's, but canaryd's lease was over\n");
	else if (strcmp(source, "breaker") == 0)
		page_print(page, TONE_WARN, "  it would be the canary's, but the breaker has tripped\n");
	else if (strcmp(source, "capacity") == 0)
		page_print(page, TONE_WARN, "  it would be the canary's, but that has max_flows open\n");
}

static void print_cohort(const struct page *page, const json_t *cohort)
{
	double weight = field_number(cohort, "weight");

	if (!json_is_object(cohort))
		return;
	page_print(page, TONE_PLAIN, "  %s is in cohort %s: %s", field_text(cohort, "network", "?"),
		   field_text(cohort, "name", "?"), field_text(cohort, "action", "?"));
	page_print(page, TONE_PLAIN, isnan(weight) ? "\n" : " %s\n", format_weight(weight).text);
}

static void print_flow(const struct page *page, const json_t *flow)
{
	const char *source = field_text(flow, "source", "?");
	const char *backend = field_text(flow, "backend", NULL);

	page_print(page, TONE_PLAIN, "%s %s %s: ", field_text(flow, "client", "?"), page_glyph(page, GLYPH_ARROW),
		   field_text(flow, "service", "?"));
	if (!backend) {
		page_print(page, TONE_BAD, "no version has a usable backend\n");
		return;
	}
	page_print(page, TONE_BOLD, "%s at %s\n", field_text(flow, "version", "?"), backend);
	if (strcmp(source, "flow") == 0) {
		page_print(page, TONE_PLAIN, "  it is open, since epoch %.0f, and stays there until it ends\n",
			   field_number(flow, "epoch"));
	} else {
		page_print(page, TONE_PLAIN,
			   "  a new flow: its place on the circle is %s, the canary's part ends at %s\n",
			   format_share(field_number(flow, "share")).text,
			   format_share(field_number(flow, "canary_threshold") / 4294967296.0).text);
		print_diversion(page, source);
	}
	print_cohort(page, json_object_get(flow, "cohort"));
}

int run_flow(struct ctl *ctl, const struct call *call)
{
	json_t *flow;
	int code;

	code = ask_flow(ctl, call_argument(call, 0), call_argument(call, 1), &flow);
	if (code)
		return code;
	if (ctl->json)
		ctl_print_json(ctl, flow);
	else
		print_flow(&ctl->out, flow);
	json_decref(flow);
	return API_EXIT_OK;
}

static bool confirmed(struct ctl *ctl)
{
	char answer[16] = "";

	fputs("Take canaryd off its interfaces? Services' addresses are not steered any more. [y/N] ", ctl->err);
	fflush(ctl->err);
	return fgets(answer, sizeof(answer), stdin) && (answer[0] == 'y' || answer[0] == 'Y');
}

int run_detach(struct ctl *ctl, const struct call *call)
{
	json_t *answer;
	int code;

	if (!call_has(call, "yes")) {
		if (!isatty(STDIN_FILENO))
			return ctl_error(ctl, API_EXIT_USAGE, "add --yes",
					 "detach asks, and there is no terminal to answer on");
		if (!confirmed(ctl))
			return ctl_error(ctl, API_EXIT_FAILED, NULL, "nothing was changed");
	}
	code = ctl_request(ctl, "POST", API_DETACH, NULL, &answer);
	if (code)
		return code;
	if (ctl->json)
		ctl_print_json(ctl, answer);
	else
		page_print(&ctl->out, TONE_PLAIN, "detached: no program and no pin is left, and canaryd ends\n");
	json_decref(answer);
	return API_EXIT_OK;
}

int run_version(struct ctl *ctl, const struct call *call)
{
	json_t *status = NULL;
	int error = 0;
	const char *daemon;

	(void)call;
	ctl_try(ctl, API_STATUS, &status, &error);
	daemon = field_text(status, "version", NULL);
	if (ctl->json) {
		json_t *versions = json_pack("{s:s, s:s?}", "canaryctl", CANARYD_VERSION, "canaryd", daemon);

		ctl_print_json(ctl, versions);
		json_decref(versions);
	} else if (daemon) {
		page_print(&ctl->out, TONE_PLAIN, "canaryctl %s\ncanaryd %s\n", CANARYD_VERSION, daemon);
	} else {
		page_print(&ctl->out, TONE_PLAIN, "canaryctl %s\ncanaryd does not answer on %s (%s)\n", CANARYD_VERSION,
			   ctl->socket, ctl_unreachable(error));
	}
	json_decref(status);
	return API_EXIT_OK;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "user/hooks_call.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "user/text.h"

#define WHY_MAX 200
#define LINE_SHOWN 100

struct hooks_call {
	struct fetch_job *job;
	struct command *command;
	hooks_call_answer answer;
	void *context;
};

static void finish(struct hooks_call *call, bool agrees, const char *why)
{
	struct hooks_call ended = *call;

	free(call);
	ended.answer(agrees, why, ended.context);
}

static void on_command(const struct command_result *result, void *context)
{
	finish(context, result->ending == COMMAND_EXITED && result->code == 0, result->sentence);
}

/* What stands in front of a hook, and wants a login or is sorry, answers for people. */
static bool is_page(const struct fetch_result *result)
{
	return !strncasecmp(result->content_type, "text/html", strlen("text/html"));
}

static void on_fetched(const struct fetch_result *result, void *context)
{
	bool agrees = result->ending == FETCH_OK && result->status >= 200 && result->status < 300;
	char line[LINE_SHOWN], why[WHY_MAX];

	command_last_line(result->body, line, sizeof(line));
	if (agrees && is_page(result))
		snprintf(why, sizeof(why), "%.40s with a page of HTML, which is no answer of a hook", result->sentence);
	else
		text_print(why, sizeof(why), "%.90s%s%s", result->sentence, *line ? ": " : "", line);
	finish(context, agrees && !is_page(result), why);
}

static int start_command(struct command_runner *commands, const struct config_hook *hook, const char *body,
			 const char *const *environment, struct hooks_call *call)
{
	const char *argv[CONFIG_ARGV_MAX + 1] = { NULL };
	const struct command_request request = {
		.line = hook->argv_count ? NULL : hook->command, .argv = argv, .environment = environment, .input = body, .input_size = strlen(body),
		.timeout_ms = (uint64_t)(hook->timeout_s * 1e3),
	};

	for (uint32_t i = 0; i < hook->argv_count && i < CONFIG_ARGV_MAX; i++)
		argv[i] = hook->argv[i].text;
	return command_start(commands, &request, on_command, call, &call->command);
}

static int start_fetch(struct fetch *fetch, const struct config_hook *hook, const char *body, struct hooks_call *call)
{
	static const char *const headers[] = { "Content-Type: application/json", NULL };
	const struct fetch_request request = {
		.url = hook->url, .headers = headers, .body = body, .body_size = strlen(body),
		.timeout_ms = (uint64_t)(hook->timeout_s * 1e3), .max_bytes = COMMAND_OUTPUT_MAX,
	};

	return fetch_start(fetch, &request, on_fetched, call, &call->job);
}

int hooks_call_start(struct fetch *fetch, struct command_runner *commands, const struct config_hook *hook,
		     const char *body, const char *const *environment, hooks_call_answer answer, void *context,
		     struct hooks_call **ret)
{
	struct hooks_call *call = calloc(1, sizeof(*call));
	int r;

	if (!call)
		return -ENOMEM;
	call->answer = answer;
	call->context = context;
	r = *hook->url ? start_fetch(fetch, hook, body, call) : start_command(commands, hook, body, environment, call);
	if (r) {
		free(call);
		return r;
	}
	*ret = call;
	return 0;
}

struct hooks_call *hooks_call_cancel(struct hooks_call *call)
{
	if (!call)
		return NULL;
	fetch_cancel(call->job);
	command_cancel(call->command);
	free(call);
	return NULL;
}

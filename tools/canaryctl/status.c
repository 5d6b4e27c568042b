/* SPDX-License-Identifier: GPL-2.0-or-later */
/* canaryctl status, once or again and again. */
#include "run.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "canaryd/api.h"
#include "command.h"
#include "ctl.h"
#include "screen.h"
#include "status_view.h"

/* The answer with only the service `name` left in it. */
static int narrow(struct ctl *ctl, json_t *status, const char *name)
{
	const json_t *service = ctl_service(ctl, status, name);
	json_t *only;

	if (!service)
		return API_EXIT_FAILED;
	only = json_pack("[O]", service);
	if (!only || json_object_set_new(status, "services", only) < 0)
		return ctl_no_memory(ctl);
	return API_EXIT_OK;
}

static int fetch(struct ctl *ctl, const struct call *call, json_t **ret_status)
{
	const char *name = call_argument(call, 0);
	json_t *status;
	int code;

	code = ctl_request(ctl, "GET", API_STATUS, NULL, &status);
	if (code)
		return code;
	code = name ? narrow(ctl, status, name) : API_EXIT_OK;
	if (code)
		json_decref(status);
	else
		*ret_status = status;
	return code;
}

/* One view as text. While watching, trouble with the daemon is part of the view. NULL: no memory. */
static char *frame(struct ctl *ctl, const struct call *call, int *ret_code)
{
	struct ctl memory = *ctl;
	json_t *status = NULL;
	char *text = NULL;
	size_t size;

	memory.out.out = open_memstream(&text, &size);
	if (!memory.out.out)
		return NULL;
	memory.err = memory.out.out;
	memory.out.style.columns = style_for(ctl->out.out).columns;
	*ret_code = fetch(&memory, call, &status);
	ctl->client = memory.client;
	if (*ret_code == API_EXIT_OK)
		status_view(&memory.out, status, NULL, call_has(call, "verbose"), ctl_now());
	json_decref(status);
	fclose(memory.out.out);
	return text;
}

static bool goes_on(int code)
{
	return code == API_EXIT_OK || code == API_EXIT_UNREACHABLE;
}

static int watch_screen(struct ctl *ctl, const struct call *call)
{
	struct screen screen;
	int code = API_EXIT_OK, key;
	char *text = NULL;

	screen_open(&screen, ctl->out.out);
	do {
		free(text);
		text = frame(ctl, call, &code);
		if (!text || !goes_on(code))
			break;
		screen_draw(&screen, text, "");
		key = screen_read(&screen, 1000);
	} while (key != SCREEN_END && key != 'q');
	screen_close(&screen, text);
	free(text);
	return code;
}

/* Into a file or a pipe: one view after the other. */
static int watch_text(struct ctl *ctl, const struct call *call)
{
	FILE *out = ctl->out.out;
	int code = API_EXIT_OK;
	char *text;

	screen_catch_signals();
	while (!screen_is_over() && goes_on(code) && (text = frame(ctl, call, &code))) {
		bool written = fprintf(out, "%s\n", text) >= 0 && fflush(out) == 0;

		free(text);
		if (!written)
			break;
		nanosleep(&(struct timespec){ .tv_sec = 1 }, NULL);
	}
	return code;
}

/* -j --watch: one object a line. */
static int watch_json(struct ctl *ctl, const struct call *call)
{
	json_t *status;
	int code;

	screen_catch_signals();
	while (!screen_is_over()) {
		code = fetch(ctl, call, &status);
		if (code)
			return code;
		json_dumpf(status, ctl->out.out, JSON_COMPACT | JSON_REAL_PRECISION(15));
		json_decref(status);
		fputc('\n', ctl->out.out);
		if (fflush(ctl->out.out) != 0)
			return API_EXIT_FAILED;
		nanosleep(&(struct timespec){ .tv_sec = 1 }, NULL);
	}
	return API_EXIT_OK;
}

int run_status(struct ctl *ctl, const struct call *call)
{
	json_t *status;
	int code;

	if (call_has(call, "watch"))
		return ctl->json			       ? watch_json(ctl, call) :
		       isatty(fileno(ctl->out.out)) ? watch_screen(ctl, call) :
						      watch_text(ctl, call);
	code = fetch(ctl, call, &status);
	if (code)
		return code;
	if (ctl->json)
		ctl_print_json(ctl, status);
	else
		status_view(&ctl->out, status, NULL, call_has(call, "verbose"), ctl_now());
	json_decref(status);
	return API_EXIT_OK;
}

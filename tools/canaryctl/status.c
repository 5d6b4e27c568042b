/* SPDX-License-Identifier: GPL-2.0-or-later */
/* canaryctl status, once or again and again. */
#include "run.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "canaryd/api.h"
#include "command.h"
#include "ctl.h"
#include "status_view.h"

static volatile sig_atomic_t interrupted;

static void on_signal(int signal)
{
	(void)signal;
	interrupted = 1;
}

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

static unsigned lines_of(int fd)
{
	struct winsize size = { 0 };

	return ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_row > 2 ? size.ws_row : 24;
}

/* Over the frame before, clearing as it goes, so nothing flickers; what does not fit is named. */
static void draw(FILE *out, const char *text)
{
	unsigned room = lines_of(fileno(out)), line = 0;

	fputs("\033[H", out);
	while (*text && line + 1 < room) {
		size_t length = strcspn(text, "\n");

		fprintf(out, "%.*s\033[K\n", (int)length, text);
		text += length + (text[length] == '\n');
		line++;
	}
	fputs(*text ? "(more lines than the terminal has: name a service, or enlarge it)\033[K" : "\033[J", out);
	fflush(out);
}

static void catch_signals(void)
{
	struct sigaction action = { .sa_handler = on_signal };

	interrupted = 0;
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

/* On a terminal in its second screen, so that the first one keeps its history; the last view is left on that. */
static int watch(struct ctl *ctl, const struct call *call)
{
	FILE *out = ctl->out.out;
	bool terminal = isatty(fileno(out));
	int code = API_EXIT_OK;
	char *text = NULL;

	catch_signals();
	if (terminal)
		fputs("\033[?1049h\033[?25l\033[2J", out);
	while (!interrupted) {
		free(text);
		text = frame(ctl, call, &code);
		if (!text)
			break;
		if (terminal)
			draw(out, text);
		else if (fprintf(out, "%s\n", text) < 0 || fflush(out) != 0)
			break;
		if (code != API_EXIT_OK && code != API_EXIT_UNREACHABLE)
			break;
		nanosleep(&(struct timespec){ .tv_sec = 1 }, NULL);
	}
	if (terminal)
		fprintf(out, "\033[?25h\033[?1049l%s", text ? text : "");
	free(text);
	return code;
}

/* -j --watch: one object a line. */
static int watch_json(struct ctl *ctl, const struct call *call)
{
	json_t *status;
	int code;

	catch_signals();
	while (!interrupted) {
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
		return ctl->json ? watch_json(ctl, call) : watch(ctl, call);
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

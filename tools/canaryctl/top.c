/* SPDX-License-Identifier: GPL-2.0-or-later */
/* canaryctl top: one service as it moves, on a terminal; into a pipe, one look. */
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
#include "screen.h"
#include "top_view.h"

#define LOOK_MS 1000
#define FOOTER "\033[2mq quit   left, right: service   space: freeze\033[0m"
#define FOOTER_FROZEN "\033[1mfrozen: space goes on\033[0m\033[2m   q quit\033[0m"

struct top {
	struct ctl *ctl;
	size_t selected; /* index of the service */
	struct top_history *history; /* one a service */
	size_t n;
	json_t *status, *latency, *rollout; /* the last look */
};

static void clear(struct top *top)
{
	json_decref(top->status);
	json_decref(top->latency);
	json_decref(top->rollout);
	top->status = top->latency = top->rollout = NULL;
}

/* 0 or -ENOMEM-like failure; services that come and go by a reload keep their places as far as there are any. */
static bool remember(struct top *top, const json_t *services)
{
	size_t n = json_array_size(services);

	if (n > top->n) {
		struct top_history *more = reallocarray(top->history, n, sizeof(*more));

		if (!more)
			return false;
		memset(more + top->n, 0, (n - top->n) * sizeof(*more));
		top->history = more;
		top->n = n;
	}
	for (size_t i = 0; i < n; i++)
		top_history_add(&top->history[i], json_array_get(services, i));
	if (top->selected >= n)
		top->selected = n ? n - 1 : 0;
	return true;
}

static const json_t *service_of(const struct top *top)
{
	return json_array_get(json_object_get(top->status, "services"), top->selected);
}

/* What the status has not: distributions and decisions. A view without them is better than none. */
static int fetch_details(struct top *top, struct ctl *ctl)
{
	double id = field_number(json_object_get(service_of(top), "rollout"), "id");
	char *name = client_escape(field_text(service_of(top), "name", ""));
	char *path = name ? ctl_path(API_SERVICES "/%s/latency", name) : NULL;
	int code = path ? ctl_request(ctl, "GET", path, NULL, &top->latency) : ctl_no_memory(ctl);

	free(path);
	free(name);
	if (code || isnan(id))
		return code;
	path = ctl_path(API_ROLLOUTS "/%.0f", id);
	code = path ? ctl_request(ctl, "GET", path, NULL, &top->rollout) : ctl_no_memory(ctl);
	free(path);
	return code;
}

static int look(struct top *top, struct ctl *ctl)
{
	int code;

	clear(top);
	code = ctl_request(ctl, "GET", API_STATUS, NULL, &top->status);
	if (code)
		return code;
	if (!remember(top, json_object_get(top->status, "services")))
		return ctl_no_memory(ctl);
	return service_of(top) ? fetch_details(top, ctl) : API_EXIT_OK;
}

static void draw(const struct top *top, const struct page *page)
{
	struct top_view view = {
		.status = top->status,
		.service = service_of(top),
		.latency = top->latency,
		.rollout = top->rollout,
		.history = &top->history[top->selected],
		.now = ctl_now(),
	};

	if (view.service)
		top_view(page, &view);
	else
		page_print(page, TONE_PLAIN, "no services: canaryctl config init prints a first configuration\n");
}

/* The page as text, trouble with the daemon being part of it. NULL: no memory. */
static char *page_of(struct top *top, bool fresh, int *ret_code)
{
	struct ctl memory = *top->ctl;
	char *text = NULL;
	size_t size;

	memory.out.out = open_memstream(&text, &size);
	if (!memory.out.out)
		return NULL;
	memory.err = memory.out.out;
	memory.out.style.columns = style_for(top->ctl->out.out).columns;
	*ret_code = fresh ? look(top, &memory) : *ret_code;
	top->ctl->client = memory.client;
	if (*ret_code == API_EXIT_OK)
		draw(top, &memory.out);
	fclose(memory.out.out);
	return text;
}

/* The service beside the one that is shown; its details are of the next look. */
static void turn(struct top *top, int by)
{
	size_t n = json_array_size(json_object_get(top->status, "services"));

	if (n > 0)
		top->selected = (top->selected + n + (size_t)by) % n;
	json_decref(top->latency);
	json_decref(top->rollout);
	top->latency = top->rollout = NULL;
}

static int watch(struct top *top)
{
	struct screen screen;
	int code = API_EXIT_OK, key = SCREEN_NOTHING;
	bool frozen = false;
	char *text = NULL;

	screen_open(&screen, top->ctl->out.out);
	while (key != SCREEN_END && key != 'q') {
		if (key == ' ')
			frozen = !frozen;
		if (key == SCREEN_LEFT || key == SCREEN_RIGHT)
			turn(top, key == SCREEN_LEFT ? -1 : 1);
		free(text);
		text = page_of(top, !frozen, &code);
		if (!text || (code != API_EXIT_OK && code != API_EXIT_UNREACHABLE))
			break;
		screen_draw(&screen, text, frozen ? FOOTER_FROZEN : FOOTER);
		key = screen_read(&screen, LOOK_MS);
	}
	screen_close(&screen, text);
	free(text);
	return code;
}

static bool select_service(struct top *top, const char *name)
{
	json_t *service;
	size_t i;

	json_array_foreach(json_object_get(top->status, "services"), i, service)
		if (!strcmp(field_text(service, "name", ""), name)) {
			turn(top, (int)(i - top->selected));
			return true;
		}
	return ctl_service(top->ctl, top->status, name); /* complains */
}

int run_top(struct ctl *ctl, const struct call *call)
{
	struct top top = { .ctl = ctl };
	const char *name = call_argument(call, 0);
	int code = look(&top, ctl);

	if (!code && name && !select_service(&top, name))
		code = API_EXIT_FAILED;
	if (!code && ctl->json) {
		ctl_print_json(ctl, service_of(&top));
	} else if (!code && isatty(fileno(ctl->out.out))) {
		code = watch(&top);
	} else if (!code) {
		if (name && service_of(&top))
			code = fetch_details(&top, ctl);
		draw(&top, &ctl->out);
	}
	clear(&top);
	free(top.history);
	return code;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* canaryctl backend …: which backends get new flows, and taking one out and back. */
#include "run.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "backend_view.h"
#include "canaryd/api.h"
#include "client.h"
#include "command.h"
#include "ctl.h"
#include "field.h"

#define POLL_MS 200
#define RESTART_S 30 /* a daemon that is restarted is waited for */

static void print(struct ctl *ctl, const json_t *backend)
{
	if (ctl->json)
		ctl_print_json(ctl, backend);
	else
		backend_view_state(&ctl->out, backend);
}

int run_backend_list(struct ctl *ctl, const struct call *call)
{
	const json_t *service, *versions;
	json_t *status;
	int code = ctl_request(ctl, "GET", API_STATUS, NULL, &status);

	if (code)
		return code;
	service = ctl_service(ctl, status, call_argument(call, 0));
	versions = json_object_get(service, "versions");
	if (service && ctl->json)
		ctl_print_json(ctl, versions);
	else if (service)
		backend_view_all(&ctl->out, versions);
	json_decref(status);
	return service ? API_EXIT_OK : API_EXIT_FAILED;
}

/* ---- waiting ----------------------------------------------------------------------------------------------- */

static const json_t *find(const json_t *status, const char *service, const char *address)
{
	json_t *each, *version, *backend;
	size_t i, j, k;

	json_array_foreach(json_object_get(status, "services"), i, each) {
		if (strcmp(field_text(each, "name", ""), service))
			continue;
		json_array_foreach(json_object_get(each, "versions"), j, version)
			json_array_foreach(json_object_get(version, "backends"), k, backend)
				if (!strcmp(field_text(backend, "address", ""), address))
					return backend;
	}
	return NULL;
}

/* -EAGAIN: it drains still; else the exit code. */
static int look(struct ctl *ctl, const char *service, const char *address)
{
	const json_t *backend;
	json_t *status;
	int error = 0, code = ctl_try(ctl, API_STATUS, &status, &error);
	const char *state;

	if (code)
		return code;
	backend = find(status, service, address);
	state = backend ? field_text(backend, "state", "") : "gone";
	code = !strcmp(state, "draining") ? -EAGAIN : !strcmp(state, "drained") ? API_EXIT_OK : API_EXIT_UNDECIDED;
	if (code == API_EXIT_OK)
		print(ctl, backend);
	else if (code == API_EXIT_UNDECIDED)
		ctl_error(ctl, code, NULL, "%s is %s: somebody else has ended its drain", address, state);
	json_decref(status);
	return code;
}

static int wait_until_drained(struct ctl *ctl, const char *service, const char *address)
{
	double answered = ctl_now();

	for (;;) {
		int code = look(ctl, service, address);

		if (code != -EAGAIN && code != API_EXIT_UNREACHABLE)
			return code;
		if (code == -EAGAIN)
			answered = ctl_now();
		else if (ctl_now() - answered > RESTART_S)
			return ctl_error(ctl, code, "is canaryd running? systemctl status canaryd", "canaryd has not answered for %d s",
					 RESTART_S);
		nanosleep(&(struct timespec){ .tv_nsec = POLL_MS * 1000000L }, NULL);
	}
}

/* ---- draining ---------------------------------------------------------------------------------------------- */

static json_t *body_of(const struct call *call, double deadline_s)
{
	return json_pack("{s:s, s:o*, s:o*}", "backend", call_argument(call, 1), "deadline_s",
			 isnan(deadline_s) ? NULL : json_real(deadline_s), "force", call_has(call, "force") ? json_true() : NULL);
}

static int post(struct ctl *ctl, const struct call *call, double deadline_s, json_t **ret)
{
	char *service = client_escape(call_argument(call, 0));
	char *path = service ? ctl_path(API_SERVICES "/%s/%s", service, call_verb(call)) : NULL;
	json_t *body = body_of(call, deadline_s);
	int code = path && body ? ctl_request(ctl, "POST", path, body, ret) : ctl_no_memory(ctl);

	free(service);
	free(path);
	json_decref(body);
	return code;
}

int run_backend_verb(struct ctl *ctl, const struct call *call)
{
	double deadline_s = NAN;
	int r = call_seconds(ctl, call, "deadline", &deadline_s), code;
	const json_t *backend;
	json_t *answer;

	if (r && r != -ENOENT)
		return API_EXIT_USAGE;
	code = post(ctl, call, deadline_s, &answer);
	if (code)
		return code;
	backend = json_object_get(answer, "backend");
	if (!call_has(call, "wait") || !ctl->json)
		print(ctl, backend);
	if (call_has(call, "wait"))
		code = wait_until_drained(ctl, field_text(answer, "service", ""), field_text(backend, "address", ""));
	json_decref(answer);
	return code;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* canaryctl rollout …: start, watch, steer and explain rollouts. */
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
#include "rollout_view.h"
#include "status_view.h"
#include "story.h"
#include "wait.h"

static int64_t id_of(const json_t *rollout)
{
	return (int64_t)json_integer_value(json_object_get(rollout, "id"));
}

static void show(struct ctl *ctl, const json_t *rollout)
{
	if (ctl->json)
		ctl_print_json(ctl, rollout);
	else if (!json_is_integer(json_object_get(rollout, "id"))) /* one that never began */
		page_wrap(&ctl->out, TONE_PLAIN, 0, field_text(rollout, "reason", ""));
	else
		rollout_view(&ctl->out, rollout, ctl_now());
}

/* ---- start, wait ------------------------------------------------------------------------------------------- */

/* {service, canary?, backends?, replace?, force?}. NULL: no memory. */
static json_t *start_body(const struct call *call)
{
	json_t *body = json_pack("{s:s, s:s*}", "service", call_argument(call, 0), "canary",
				 call_value(call, "canary", NULL));
	json_t *backends = json_array();
	unsigned position = 0;
	const char *backend;

	while ((backend = call_next(call, "backend", &position)))
		json_array_append_new(backends, json_string(backend));
	if (call_has(call, "replace"))
		json_object_set_new(body, "replace", json_true());
	if (call_has(call, "force"))
		json_object_set_new(body, "force", json_true());
	if (json_array_size(backends) > 0)
		json_object_set(body, "backends", backends);
	json_decref(backends);
	return body;
}

static int timeout_of(struct ctl *ctl, const struct call *call, double *ret_timeout_s)
{
	int r;

	*ret_timeout_s = NAN;
	r = call_seconds(ctl, call, "timeout", ret_timeout_s);
	return r == 0 || r == -ENOENT ? API_EXIT_OK : API_EXIT_USAGE;
}

int run_rollout_start(struct ctl *ctl, const struct call *call)
{
	json_t *body, *rollout;
	double timeout_s;
	int code;

	code = timeout_of(ctl, call, &timeout_s);
	if (code)
		return code;
	if (!isnan(timeout_s) && !call_has(call, "wait"))
		return ctl_error(ctl, API_EXIT_USAGE, "add --wait", "--timeout says how long to wait");
	body = start_body(call);
	code = body ? ctl_request(ctl, "POST", API_ROLLOUTS, body, &rollout) : ctl_no_memory(ctl);
	json_decref(body);
	if (code)
		return code;
	if (json_is_string(json_object_get(rollout, "warning")))
		ctl_error(ctl, API_EXIT_OK, NULL, "%s", field_text(rollout, "warning", ""));
	if (call_has(call, "wait"))
		code = wait_for_outcome(ctl, id_of(rollout), timeout_s);
	else
		show(ctl, rollout);
	json_decref(rollout);
	return code;
}

/* The last rollout of a service, from its status. The caller frees *ret_rollout: JSON null where there is none. */
static int last_rollout(struct ctl *ctl, const char *name, json_t **ret_rollout)
{
	const json_t *service;
	json_t *status;
	int code;

	code = ctl_request(ctl, "GET", API_STATUS, NULL, &status);
	if (code)
		return code;
	service = ctl_service(ctl, status, name);
	if (service) {
		json_t *rollout = json_object_get(service, "rollout");

		*ret_rollout = rollout ? json_incref(rollout) : json_null();
	}
	json_decref(status);
	return service ? API_EXIT_OK : API_EXIT_FAILED;
}

int run_rollout_status(struct ctl *ctl, const struct call *call)
{
	const char *name = call_argument(call, 0);
	json_t *rollout;
	int code;

	code = last_rollout(ctl, name, &rollout);
	if (code)
		return code;
	if (json_is_null(rollout) && !ctl->json)
		page_print(&ctl->out, TONE_PLAIN, "%s has had no rollout: canaryctl rollout start %s\n", name, name);
	else
		show(ctl, rollout);
	json_decref(rollout);
	return API_EXIT_OK;
}

static int no_rollout(struct ctl *ctl, const char *name)
{
	char mend[128];

	snprintf(mend, sizeof(mend), "canaryctl rollout start %s", name);
	return ctl_error(ctl, API_EXIT_FAILED, mend, "%s has had no rollout", name);
}

int run_rollout_wait(struct ctl *ctl, const struct call *call)
{
	json_t *rollout;
	double timeout_s;
	int code;

	code = timeout_of(ctl, call, &timeout_s);
	if (!code)
		code = last_rollout(ctl, call_argument(call, 0), &rollout);
	if (code)
		return code;
	if (json_is_object(rollout))
		code = wait_for_outcome(ctl, id_of(rollout), timeout_s);
	else
		code = no_rollout(ctl, call_argument(call, 0));
	json_decref(rollout);
	return code;
}

static int say_verb(struct ctl *ctl, const char *name, const char *verb)
{
	char *service = client_escape(name);
	char *path = service ? ctl_path(API_SERVICES "/%s/%s", service, verb) : NULL;
	json_t *rollout;
	int code;

	code = path ? ctl_request(ctl, "POST", path, NULL, &rollout) : ctl_no_memory(ctl);
	free(service);
	free(path);
	if (code)
		return code;
	show(ctl, rollout);
	json_decref(rollout);
	return API_EXIT_OK;
}

int run_rollout_verb(struct ctl *ctl, const struct call *call)
{
	return say_verb(ctl, call_argument(call, 0), call_verb(call));
}

int run_breaker_reset(struct ctl *ctl, const struct call *call)
{
	return say_verb(ctl, call_argument(call, 0), "reset-breaker");
}

/* ---- the past ---------------------------------------------------------------------------------------------- */

/* {rollouts: [...]} of `name`, or of every service where it is NULL. */
static int list(struct ctl *ctl, const char *name, json_t **ret_answer)
{
	char *service = name ? client_escape(name) : NULL;
	char *path = service ? ctl_path(API_ROLLOUTS "?service=%s", service) : NULL;
	int code;

	if (name && !path)
		code = ctl_no_memory(ctl);
	else
		code = ctl_request(ctl, "GET", path ? path : API_ROLLOUTS, NULL, ret_answer);
	free(service);
	free(path);
	return code;
}

int run_rollout_history(struct ctl *ctl, const struct call *call)
{
	json_t *answer, *rollouts;
	int code;

	code = list(ctl, call_argument(call, 0), &answer);
	if (code)
		return code;
	rollouts = json_object_get(answer, "rollouts");
	if (ctl->json)
		ctl_print_json(ctl, answer);
	else if (json_array_size(rollouts) == 0)
		page_print(&ctl->out, TONE_PLAIN, "no rollouts yet\n");
	else
		rollout_view_history(&ctl->out, rollouts);
	json_decref(answer);
	return API_EXIT_OK;
}

/* The newest rollout of the service `name`, or `name` itself where it is a number. */
static int find_id(struct ctl *ctl, const char *name, long long *ret_id)
{
	const json_t *newest;
	json_t *answer;
	int code;

	if (strspn(name, "0123456789") == strlen(name)) {
		*ret_id = strtoll(name, NULL, 10);
		return API_EXIT_OK;
	}
	code = list(ctl, name, &answer);
	if (code)
		return code;
	newest = json_array_get(json_object_get(answer, "rollouts"), 0);
	if (newest)
		*ret_id = id_of(newest);
	json_decref(answer);
	return newest ? API_EXIT_OK : no_rollout(ctl, name);
}

/* A start that waits for hooks is no rollout yet. */
static void say_starting(struct ctl *ctl, const char *name)
{
	json_t *status = NULL;
	const json_t *service;
	int error;
	size_t i;

	if (ctl->json || ctl_try(ctl, API_STATUS, &status, &error))
		return;
	json_array_foreach(json_object_get(status, "services"), i, service)
		if (strcmp(field_text(service, "name", ""), name) == 0)
			status_view_starting(&ctl->out, service);
	json_decref(status);
}

int run_rollout_why(struct ctl *ctl, const struct call *call)
{
	json_t *rollout;
	long long id = 0;
	char *path;
	int code;

	say_starting(ctl, call_argument(call, 0));
	code = find_id(ctl, call_argument(call, 0), &id);
	if (code)
		return code;
	path = ctl_path(API_ROLLOUTS "/%lld", id);
	code = path ? ctl_request(ctl, "GET", path, NULL, &rollout) : ctl_no_memory(ctl);
	free(path);
	if (code)
		return code;
	if (ctl->json)
		ctl_print_json(ctl, rollout);
	else
		story_print(&ctl->out, rollout, ctl_now());
	json_decref(rollout);
	return API_EXIT_OK;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "user/api.h"

#include <canaryd/api.h>
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/api_answer.h"
#include "user/api_backends.h"
#include "user/api_cohorts.h"
#include "user/api_drill.h"
#include "user/api_flow.h"
#include "user/api_readers.h"
#include "user/api_samples.h"
#include "user/error.h"
#include "user/page.h"
#include "user/view.h"

#define ROLLOUTS_SHOWN 50
#define BACKENDS_MAX 256

/* ---- routes ------------------------------------------------------------------------------------------------- */

static void get_health(struct api *api, const struct http_request *request, const char *rest,
		       struct http_response *response)
{
	(void)api;
	(void)request;
	(void)rest;
	response->content_type = "text/plain";
	response->body = strdup("ok\n");
}

static void get_config(struct api *api, const struct http_request *request, const char *rest,
		       struct http_response *response)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	(void)request;
	(void)rest;
	if (!out)
		return;
	config_show(api->daemon->config, out);
	fclose(out);
	response->content_type = "application/yaml";
	response->body = text;
}

static void get_rollouts(struct api *api, const struct http_request *request, const char *rest,
			 struct http_response *response)
{
	const char *service = http_argument(request, "service");
	json_t *json = NULL;
	int r;

	(void)rest;
	if (service && !daemon_find_service(api->daemon, service)) {
		api_answer_no_service(response, service);
		return;
	}
	r = view_rollouts(api->daemon, service, ROLLOUTS_SHOWN, &json);
	if (r)
		api_answer_errno(response, r, strdup(journal_error(api->daemon->journal)));
	else
		api_answer(response, 200, json);
}

static void get_rollout(struct api *api, const struct http_request *request, const char *rest,
			struct http_response *response)
{
	json_t *json = NULL;
	char *end;
	long long id = strtoll(rest, &end, 10);
	int r;

	(void)request;
	if (end == rest || *end || id <= 0) {
		api_answer_error(response, 400, "invalid", "a rollout is named by its number (`canaryctl rollout history`)");
		return;
	}
	r = view_past_rollout(api->daemon, id, &json);
	if (r == -ENOENT)
		api_answer_error(response, 404, "not_found", "there is no such rollout (`canaryctl rollout history` lists them)");
	else if (r)
		api_answer_errno(response, r, strdup(journal_error(api->daemon->journal)));
	else
		api_answer(response, 200, json);
}

/* The version to roll out: the one named, or the only one that is not the baseline. */
static const char *choose_canary(const struct daemon_service *service, const char *named, char **ret_error)
{
	const char *baseline = rollout_view(service->rollout).baseline, *found = NULL;

	if (named)
		return named;
	for (uint32_t v = 0; v < service->config->versions_count; v++) {
		const char *name = service->config->versions[v].name;

		if (!strcmp(name, baseline))
			continue;
		if (found) {
			error_set(ret_error, -EINVAL, "service %s has several versions beside its baseline (say which with "
				  "--canary NAME)", service->config->name);
			return NULL;
		}
		found = name;
	}
	if (!found)
		error_set(ret_error, -EINVAL, "service %s has no version beside its baseline (name one with --canary NAME "
			  "--backend ADDR:PORT)", service->config->name);
	return found;
}

struct start {
	const char *service, *canary; /* canary may be NULL */
	json_t *backends;             /* borrowed, or NULL */
	int replace, force;
};

static int add_canary(struct api *api, struct daemon_service *found, const char *canary, const struct start *start,
		      bool replace, char **ret_error)
{
	struct rollout_view view = rollout_view(found->rollout);
	const char *addresses[BACKENDS_MAX], *service = start->service;
	size_t i, n = json_array_size(start->backends);
	json_t *value;
	int r;

	if (start->backends && !json_is_array(start->backends))
		return error_set(ret_error, -EINVAL, "backends is no list (write [\"ADDR:PORT\"])");
	if (!n)
		return 0;
	if (view.canary && (!replace || !strcmp(canary, view.canary)))
		return error_set(ret_error, -EBUSY, "service %s has a rollout of %s under way (add --replace and a name of its "
				 "own for the new canary, or `canaryctl rollout abort %s` first)", service, view.canary, service);
	if (!strcmp(canary, view.baseline))
		return error_set(ret_error, -EINVAL, "%s is the baseline of service %s (give the canary a name of its own)",
				 canary, service);
	if (n > BACKENDS_MAX)
		return error_set(ret_error, -EINVAL, "at most %d backends", BACKENDS_MAX);
	json_array_foreach(start->backends, i, value) {
		addresses[i] = json_string_value(value);
		if (!addresses[i])
			return error_set(ret_error, -EINVAL, "backends: item %zu is no string (write \"ADDR:PORT\")", i);
	}
	r = daemon_check_plan(found, start->force, ret_error);
	return r ? r : daemon_set_version(api->daemon, service, canary, addresses, n, ret_error);
}

static bool read_start(json_t *body, struct start *ret)
{
	*ret = (struct start){ 0 };
	return !json_unpack(body, "{s:s, s?s, s?o, s?b, s?b}", "service", &ret->service, "canary", &ret->canary, "backends",
			    &ret->backends, "replace", &ret->replace, "force", &ret->force);
}

static json_t *view_started(const struct daemon_service *service)
{
	json_t *rollout = view_rollout(service);

	if (*service->warning)
		json_object_set_new(rollout, "warning", json_string(service->warning));
	return rollout;
}

static void on_started(struct daemon_service *service, int r, char *error, void *context)
{
	struct http_response response = { .status = 200, .content_type = "application/json" };

	if (r)
		api_answer_errno(&response, r, error);
	else
		api_answer(&response, 201, view_started(service));
	http_answer(context, &response);
}

/* Where there are hooks, its answer may come later: the peer is kept waiting while they are asked. */
static void ask_and_start(struct daemon_service *service, const struct daemon_start *start,
			  const struct http_request *request, struct http_response *response)
{
	struct http_later *later = NULL;
	char *error = NULL;
	int r = 0;

	if (service->config->hooks_count && !(later = http_defer(request)))
		r = -ENOMEM;
	if (!r)
		r = daemon_start_rollout(service, start, on_started, later, &error);
	if (r > 0)
		return;
	if (later)
		on_started(service, r, error, later);
	else if (r)
		api_answer_errno(response, r, error);
	else
		api_answer(response, 201, view_started(service));
}

static void start_rollout(struct api *api, struct daemon_service *service, const struct start *start,
			  const struct http_request *request, struct http_response *response)
{
	bool replace = start->replace || service->config->rollout.on_new_canary == CONFIG_ON_NEW_CANARY_REPLACE;
	char *error = NULL;
	const char *canary = choose_canary(service, start->canary, &error);
	char *name = canary ? strdup(canary) : NULL; /* a version that is added makes another configuration */
	int r = name ? add_canary(api, service, name, start, replace, &error) : -EINVAL;

	if (r)
		api_answer_errno(response, r, error);
	else
		ask_and_start(service, &(struct daemon_start){ name, replace, start->force }, request, response);
	free(name);
}

static void post_rollouts(struct api *api, const struct http_request *request, const char *rest,
			  struct http_response *response)
{
	json_t *body = json_loadb(request->body, request->body_size, 0, NULL);
	struct daemon_service *service;
	struct start start;

	(void)rest;
	if (!read_start(body, &start)) {
		api_answer_error(response, 400, "invalid", "the body is not {\"service\": NAME, \"canary\": NAME, \"backends\": "
			     "[\"ADDR:PORT\"], \"replace\": false, \"force\": false} (see canaryctl rollout start --help)");
		json_decref(body);
		return;
	}
	service = daemon_find_service(api->daemon, start.service);
	if (service)
		start_rollout(api, service, &start, request, response);
	else
		api_answer_no_service(response, start.service);
	json_decref(body);
}

static int operate(struct rollout *rollout, const char *verb, char **ret_error)
{
	static const char *const verbs[] = { "pause", "resume", "promote", "abort" };

	if (!strcmp(verb, "undo"))
		return rollout_undo(rollout, daemon_unix_s(), ret_error);
	if (!strcmp(verb, "reset-breaker"))
		return rollout_reset_breaker(rollout, daemon_unix_s(), ret_error);
	for (size_t i = 0; i < sizeof(verbs) / sizeof(*verbs); i++)
		if (!strcmp(verb, verbs[i]))
			return rollout_operate(rollout, (enum rollout_verb)i, daemon_unix_s(), ret_error);
	return -ENOSYS;
}

/* {sli, for_s?}; without for_s until it is unmuted. */
static void say_mute(struct api *api, struct daemon_service *service, bool mute, const struct http_request *request,
		     struct http_response *response)
{
	json_t *body = json_loadb(request->body, request->body_size, 0, NULL);
	double for_s = INFINITY;
	const char *sli = "";
	char *error = NULL;
	int r;

	if (json_unpack(body, "{s:s, s?F}", "sli", &sli, "for_s", &for_s) || !(for_s > 0)) {
		api_answer_error(response, 400, "invalid", "the body is not {\"sli\": NAME, \"for_s\": SECONDS} (see canaryctl "
				 "sli mute --help)");
		json_decref(body);
		return;
	}
	r = daemon_mute(api->daemon, service, sli, mute ? for_s : 0, request->uid, &error);
	if (r)
		api_answer_errno(response, r, error);
	else
		api_answer(response, 200, json_pack("{s:s, s:s, s:o}", "service", service->config->name, "sli", sli, "mutes",
						    mutes_json(&service->mutes)));
	json_decref(body);
}

/* Out of a start that waits for hooks; a rollout that it was to replace is aborted as ever. */
static bool gave_up_start(struct daemon_service *service, const char *verb, struct http_response *response)
{
	char canary[CANARY_NAME_MAX];

	if (strcmp(verb, "abort") != 0)
		return false;
	memcpy(canary, service->starting, sizeof(canary));
	if (!daemon_abort_start(service) || rollout_is_active(service->rollout))
		return false;
	api_answer(response, 200, json_pack("{s:n, s:s, s:s, s:s, s:s, s:s, s:f, s:s}", "id", "service", service->config->name,
					    "canary", canary, "baseline", rollout_view(service->rollout).baseline, "state",
					    API_STATE_ABORTED, "phase", API_PHASE_ENDED, "weight", 0.0, "reason",
					    "aborted by an operator before it began: hooks were being asked"));
	return true;
}

static void post_service(struct api *api, const struct http_request *request, const char *rest,
			 struct http_response *response)
{
	const char *slash = strchr(rest, '/');
	struct daemon_service *service;
	char name[CANARY_NAME_MAX] = "", *error = NULL;
	int r;

	if (slash && (size_t)(slash - rest) < sizeof(name))
		memcpy(name, rest, slash - rest);
	service = daemon_find_service(api->daemon, name);
	if (!service) {
		api_answer_no_service(response, name);
		return;
	}
	if (!strcmp(slash + 1, "mute") || !strcmp(slash + 1, "unmute")) {
		say_mute(api, service, slash[1] == 'm', request, response);
		return;
	}
	if (api_backends_verb(slash + 1)) {
		api_backends(api, service, slash + 1, request, response);
		return;
	}
	if (!strcmp(slash + 1, "drill")) {
		api_drill(api, service, request, response);
		return;
	}
	if (gave_up_start(service, slash + 1, response))
		return;
	r = operate(service->rollout, slash + 1, &error);
	if (r == -ENOSYS)
		api_answer_error(response, 404, "not_found", "there is no such verb (pause, resume, promote, abort, undo, "
				 "reset-breaker, drain, undrain or drill)");
	else if (r)
		api_answer_errno(response, r == -EINVAL ? -EBUSY : r, error);
	else
		api_answer(response, 200, view_rollout(service));
}

static void post_report(struct api *api, const struct http_request *request, const char *rest,
			struct http_response *response)
{
	bool resolve = !strcmp(request->path, API_ALERTS_RESOLVE);
	json_t *body = json_loadb(request->body, request->body_size, JSON_REJECT_DUPLICATES, NULL), *json = NULL;
	char *error = NULL;
	int r = resolve ? daemon_resolve_reports(api->daemon, body, request->uid, &json, &error) :
			  daemon_report(api->daemon, body, request->uid, &json, &error);

	(void)rest;
	if (r)
		api_answer_errno(response, r, error);
	else
		api_answer(response, resolve ? 200 : 201, json);
	json_decref(body);
}

static void get_service(struct api *api, const struct http_request *request, const char *rest,
			struct http_response *response)
{
	const char *slash = strchr(rest, '/');
	char *name = strndup(rest, slash ? (size_t)(slash - rest) : strlen(rest));
	struct daemon_service *service = name ? daemon_find_service(api->daemon, name) : NULL;

	if (!service)
		api_answer_no_service(response, name ?: "");
	else if (slash && request->read_only && !strncmp(slash, "/cohorts/", strlen("/cohorts/")))
		api_answer_error(response, 403, "forbidden", "clients' networks are not for everybody to read (ask on the Unix "
				 "socket)");
	else if (slash && !strncmp(slash, "/cohorts", strlen("/cohorts")))
		api_cohorts(api, request, rest, response);
	else if (slash && !strcmp(slash, "/history"))
		api_history(api, service, response);
	else if (slash && !strcmp(slash, "/flows"))
		api_samples(service, request, response);
	else if (slash && !strcmp(slash, "/latency"))
		api_answer(response, 200, view_latency(service));
	else if (!slash || strcmp(slash, "/traffic"))
		api_answer_error(response, 405, "method", "this route does not take that method (see include/canaryd/api.h)");
	else
		api_answer(response, 200, view_traffic(service));
	free(name);
}

static void post_detach(struct api *api, const struct http_request *request, const char *rest,
			struct http_response *response)
{
	char *error = NULL;
	int r = daemon_detach(api->daemon, &error);

	(void)request;
	(void)rest;
	if (r)
		api_answer_errno(response, r, error);
	else
		api_answer(response, 200, json_pack("{s:b}", "detached", 1));
	api->on_detached(api->context);
}

/* ---- dispatch ----------------------------------------------------------------------------------------------- */

static const struct route {
	const char *method;
	const char *path; /* one that ends in "/" takes what follows as `rest` */
	void (*handle)(struct api *, const struct http_request *, const char *rest, struct http_response *);
	bool everybody; /* may read it, by TCP: no secrets of the configuration, no work for the kernel */
} routes[] = {
	{ "GET", API_STATUS, api_status, true },
	{ "GET", API_ROLLOUTS, get_rollouts, true },
	{ "GET", API_ROLLOUTS "/", get_rollout, true },
	{ "POST", API_ROLLOUTS, post_rollouts, false },
	{ "POST", API_SERVICES "/", post_service, false },
	{ "POST", API_ALERTS, post_report, false },
	{ "POST", API_ALERTS_RESOLVE, post_report, false },
	{ "GET", API_SERVICES "/", get_service, true },
	{ "PUT", API_SERVICES "/", api_cohorts, false },
	{ "DELETE", API_SERVICES "/", api_cohorts, false },
	{ "GET", API_FLOW, api_flow, false },
	{ "GET", API_CONFIG, get_config, false },
	{ "POST", API_DETACH, post_detach, false },
	{ "GET", API_HEALTH, get_health, true },
	{ "GET", API_METRICS, api_metrics, true },
};

static bool matches(const struct route *route, const char *path)
{
	size_t length = strlen(route->path);

	if (route->path[length - 1] == '/')
		return !strncmp(path, route->path, length);
	return !strcmp(path, route->path);
}

static const struct route *find_route(const struct http_request *request, bool *ret_known)
{
	*ret_known = false;
	for (size_t i = 0; i < sizeof(routes) / sizeof(*routes); i++) {
		if (!matches(&routes[i], request->path))
			continue;
		*ret_known = true;
		if (!strcmp(routes[i].method, request->method))
			return &routes[i];
	}
	return NULL;
}

/* The live page, for everybody: whether `request` asks for one of its files. */
static bool answer_file(const struct http_request *request, struct http_response *response)
{
	struct page_file file;

	if (!request->read_only || page_find(request->path, &file))
		return false;
	response->content_type = file.content_type;
	response->body_size = file.size;
	response->body = malloc(file.size);
	if (response->body)
		memcpy(response->body, file.text, file.size);
	return true;
}

void api_handle(const struct http_request *request, struct http_response *response, void *context)
{
	bool known;
	const struct route *route = find_route(request, &known);

	if (route && request->read_only && !route->everybody)
		api_answer_error(response, 403, "forbidden", "this is not for everybody to read (ask on the Unix socket)");
	else if (route)
		route->handle(context, request, request->path + strlen(route->path), response);
	else if (known)
		api_answer_error(response, 405, "method", "this route does not take that method (see include/canaryd/api.h)");
	else if (!answer_file(request, response))
		api_answer_error(response, 404, "not_found", "there is no such route (see include/canaryd/api.h)");
}

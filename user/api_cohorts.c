/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "user/api_cohorts.h"

#include <canaryd/api.h>
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/api_answer.h"
#include "user/error.h"
#include "user/log.h"
#include "user/view_cohorts.h"

#define ROUTE "/cohorts"

/* ---- asking ------------------------------------------------------------------------------------------------ */

static void answer_all(const struct daemon_service *service, struct http_response *response)
{
	api_answer(response, 200, json_pack("{s:s, s:o}", "service", service->config->name, "cohorts", view_cohorts(service)));
}

static void answer_one(const struct daemon_service *service, const char *name, struct http_response *response)
{
	const struct cohort *cohort = cohort_find(cohorts_list(service->cohorts), name);

	if (cohort)
		api_answer(response, 200, view_cohort(cohort));
	else
		api_answer_error(response, 404, "not_found", "the service has no such cohort (`canaryctl cohort list` lists them)");
}

/* ---- changing ---------------------------------------------------------------------------------------------- */

/* A line among the decisions of the last rollout, which it may bear on; the change itself is in the journal already. */
static void note(const struct daemon_service *service, const char *sentence)
{
	char *error = NULL;

	log_notice("service %s: %s", service->config->name, sentence);
	if (rollout_view(service->rollout).id && rollout_note(service->rollout, sentence, daemon_unix_s(), &error))
		log_warning("service %s: cannot be noted: %s", service->config->name, error ?: "no journal");
	free(error);
}

static int read_networks(json_t *networks, struct cohort *cohort, char **ret_error)
{
	struct canary_prefix prefix;
	json_t *value;
	size_t i;

	json_array_foreach(networks, i, value) {
		const char *problem = "is no string", *text = json_string_value(value);
		int r = text ? cohort_prefix_parse(text, &prefix, &problem) : -EINVAL;

		if (r)
			return error_set(ret_error, r, "prefixes[%zu]: \"%.60s\" %s", i, text ?: "", problem);
		r = cohort_add(cohort, &prefix);
		if (r)
			return error_set(ret_error, r, "prefixes[%zu]: %s", i, strerror(-r));
	}
	return 0;
}

/* Without networks of its own a cohort that there is keeps those it has. */
static int take_networks(const struct cohort_list *list, json_t *networks, struct cohort *cohort, char **ret_error)
{
	const struct cohort *there = cohort_find(list, cohort->name);
	int r = 0;

	if (networks)
		return read_networks(networks, cohort, ret_error);
	if (!there)
		return error_set(ret_error, -EINVAL, "there is no cohort %s yet (name its networks)", cohort->name);
	for (size_t i = 0; !r && i < there->count; i++)
		r = cohort_add(cohort, &there->prefixes[i]);
	return r;
}

static int read_rule(json_t *body, const char *name, struct cohort *cohort, json_t **ret_networks, char **ret_error)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789._-";
	double weight = NAN;
	const char *action;

	if (!*name || strlen(name) >= sizeof(cohort->name) || strspn(name, allowed) != strlen(name) || strchr("._-", *name))
		return error_set(ret_error, -EINVAL, "\"%.60s\" is not a name (use a-z, 0-9, '.', '_', '-', a letter or digit "
				 "first, at most %zu of them)", name, sizeof(cohort->name) - 1);
	if (json_unpack(body, "{s:s, s?F, s?o}", "action", &action, "weight", &weight, "prefixes", ret_networks) ||
	    cohort_action_parse(action, &cohort->action))
		return error_set(ret_error, -EINVAL, "the body is not {\"action\": \"canary\", \"prefixes\": [\"192.0.2.0/24\"]} "
				 "(see canaryctl cohort set --help)");
	if ((cohort->action == CANARY_COHORT_WEIGHT) != (weight >= 0 && weight <= 1))
		return error_set(ret_error, -EINVAL, "a weight from 0 to 1 goes with the action weight, and with no other");
	strcpy(cohort->name, name);
	cohort->weight_percent = weight * 100;
	return 0;
}

static void put(struct daemon_service *service, const struct http_request *request, const char *name,
		struct http_response *response)
{
	json_t *body = json_loadb(request->body, request->body_size, 0, NULL), *networks = NULL;
	struct cohort cohort = { .weight_percent = NAN };
	uint64_t began_ns = daemon_monotonic_ns();
	char *error = NULL, sentence[200];
	int r = read_rule(body, name, &cohort, &networks, &error);

	if (!r)
		r = take_networks(cohorts_list(service->cohorts), networks, &cohort, &error);
	json_decref(body);
	snprintf(sentence, sizeof(sentence), "cohort %s of %zu networks was set to %s", cohort.name, cohort.count,
		 cohort_action_name(cohort.action));
	if (cohort.action == CANARY_COHORT_WEIGHT)
		snprintf(sentence + strlen(sentence), sizeof(sentence) - strlen(sentence), " %.10g %%", cohort.weight_percent);
	if (r)
		cohort_deinit(&cohort);
	else
		r = cohorts_set(service->cohorts, &cohort, &error);
	if (r) {
		api_answer_errno(response, r == -E2BIG ? -EINVAL : r, error);
		return;
	}
	note(service, sentence);
	api_answer(response, 200, json_pack("{s:s, s:f, s:o}", "service", service->config->name, "took_s",
					    (daemon_monotonic_ns() - began_ns) / 1e9, "cohorts", view_cohorts(service)));
}

static void delete(struct daemon_service *service, const char *name, struct http_response *response)
{
	char *error = NULL, sentence[100] = "cohorts were set back to what the file says";
	int r = *name ? cohorts_remove(service->cohorts, name, &error) : cohorts_reset(service->cohorts, &error);

	if (r) {
		api_answer_errno(response, r, error);
		return;
	}
	if (*name)
		snprintf(sentence, sizeof(sentence), "cohort %s was removed", name);
	note(service, sentence);
	answer_all(service, response);
}

/* ---- dispatch ---------------------------------------------------------------------------------------------- */

void api_cohorts(struct api *api, const struct http_request *request, const char *rest, struct http_response *response)
{
	size_t length = strcspn(rest, "/");
	char name[CANARY_NAME_MAX] = "";
	const char *cohort = rest + length + strlen(ROUTE);
	struct daemon_service *service;

	if (strncmp(rest + length, ROUTE, strlen(ROUTE)) || (*cohort && *cohort != '/')) {
		api_answer_error(response, 404, "not_found", "there is no such route (see include/canaryd/api.h)");
		return;
	}
	if (length < sizeof(name))
		memcpy(name, rest, length);
	cohort += *cohort == '/';
	service = daemon_find_service(api->daemon, name);
	if (!service)
		api_answer_no_service(response, name);
	else if (!strcmp(request->method, "PUT"))
		put(service, request, cohort, response);
	else if (!strcmp(request->method, "DELETE"))
		delete(service, cohort, response);
	else if (*cohort)
		answer_one(service, cohort, response);
	else
		answer_all(service, response);
}

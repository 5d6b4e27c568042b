/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "user/api_drill.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "user/api_answer.h"

static json_t *drill_json(const struct daemon_service *service, const char *what, const char *canary,
			  const struct drill *drill)
{
	json_t *steps = json_array();

	for (unsigned i = 0; i < drill->n_steps; i++)
		json_array_append_new(steps, json_pack("{s:f, s:s}", "at_s", drill->step[i].at_s, "says", drill->step[i].says));
	return json_pack("{s:s, s:s, s:s, s:s, s:b, s:f, s:o}", "service", service->config->name, "drill", what, "baseline",
			 rollout_view(service->rollout).baseline, "canary", canary, "passed", (int)drill->passed, "took_s",
			 drill->took_s, "steps", steps);
}

static enum drill_kind kind_of(const char *what)
{
	int kind = 0;

	while (kind < DRILL_KINDS && strcmp(what, drill_name((enum drill_kind)kind)))
		kind++;
	return (enum drill_kind)kind;
}

/* {drill, canary?} */
void api_drill(struct api *api, struct daemon_service *service, const struct http_request *request,
	       struct http_response *response)
{
	json_t *body = json_loadb(request->body, request->body_size, 0, NULL);
	const char *what = "", *canary = NULL, *released;
	struct drill drill;
	char *error = NULL;
	int r;

	if (json_unpack(body, "{s:s, s?s}", "drill", &what, "canary", &canary) || kind_of(what) == DRILL_KINDS) {
		api_answer_error(response, 400, "invalid", "the body is not {\"drill\": \"breaker\"|\"lease\"|\"rollback\", \"canary\": "
				 "VERSION} (see canaryctl drill --help)");
		json_decref(body);
		return;
	}
	r = daemon_drill(api->daemon, service, kind_of(what), canary, &drill, &released, &error);
	if (r)
		api_answer_errno(response, r == -EINVAL ? -EBUSY : r, error);
	else
		api_answer(response, 200, drill_json(service, what, released, &drill));
	json_decref(body);
}

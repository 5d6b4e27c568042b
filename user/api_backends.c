/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "user/api_backends.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "user/api_answer.h"
#include "user/view_backends.h"

bool api_backends_verb(const char *verb)
{
	return !strcmp(verb, "drain") || !strcmp(verb, "undrain");
}

/* {backend, deadline_s?, force?} */
void api_backends(struct api *api, struct daemon_service *service, const char *verb, const struct http_request *request,
		  struct http_response *response)
{
	json_t *body = json_loadb(request->body, request->body_size, 0, NULL);
	struct rotation_entry *entry;
	const char *address = NULL;
	double deadline_s = INFINITY;
	char *error = NULL;
	int force = 0, r;

	if (json_unpack(body, "{s:s, s?F, s?b}", "backend", &address, "deadline_s", &deadline_s, "force", &force) ||
	    !(deadline_s >= 0)) {
		api_answer_error(response, 400, "invalid", "the body is not {\"backend\": \"ADDR:PORT\", \"deadline_s\": SECONDS, "
				 "\"force\": false} (see canaryctl backend drain --help)");
		json_decref(body);
		return;
	}
	r = !strcmp(verb, "drain") ? daemon_drain(api->daemon, service, address, deadline_s, force, &entry, &error) :
				     daemon_undrain(api->daemon, service, address, &entry, &error);
	if (r)
		api_answer_errno(response, r, error);
	else
		api_answer(response, 200, json_pack("{s:s, s:o}", "service", service->config->name, "backend",
						    view_backend(service, entry)));
	json_decref(body);
}

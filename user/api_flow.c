/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "user/api_flow.h"

#include <string.h>

#include "user/api_answer.h"
#include "user/view_cohorts.h"

static const char *explain_source(uint16_t source)
{
	static const char *const names[] = { "not_service", "flow", "hash", "no_backend", "lease", "breaker", "capacity" };

	return source < sizeof(names) / sizeof(*names) ? names[source] : "not_service";
}

static json_t *explain_json(const struct daemon_service *service, const char *client, const struct canary_explain *explain)
{
	bool found = explain->source != CANARY_EXPLAIN_NOT_SERVICE && explain->source != CANARY_EXPLAIN_NO_BACKEND;
	json_t *version = json_null(), *backend = json_null();

	for (size_t v = 0; found && v < service->inventory->n_versions; v++) {
		const struct inventory_version *of = &service->inventory->versions[v];

		if (of->index == explain->version)
			version = json_string(of->name);
		for (size_t b = 0; b < of->n_backends; b++)
			if (of->backends[b].index == explain->backend)
				backend = json_string(of->backends[b].address);
	}
	return json_pack("{s:s, s:s, s:I, s:f, s:s, s:o, s:o, s:I, s:I, s:o}", "service", service->config->name, "client", client,
			 "position", (json_int_t)explain->position, "share", explain->position / 4294967296.0, "source",
			 explain_source(explain->source), "version", version, "backend", backend, "epoch",
			 (json_int_t)explain->epoch, "canary_threshold", (json_int_t)explain->canary_threshold,
			 "cohort", view_explained_cohort(service, explain));
}

void api_flow(struct api *api, const struct http_request *request, const char *rest, struct http_response *response)
{
	const char *name = http_argument(request, "service"), *client = http_argument(request, "client");
	struct daemon_service *service = name ? daemon_find_service(api->daemon, name) : NULL;
	struct canary_explain explain = {};
	struct canary_endpoint endpoint;
	int r;

	(void)rest;
	if (!service) {
		api_answer_no_service(response, name ?: "");
		return;
	}
	if (!client || address_parse(client, service->config->protocol, &endpoint) ||
	    address_is_ipv4(endpoint.addr) != address_is_ipv4(service->config->endpoint.addr)) {
		api_answer_error(response, 400, "invalid", "the client is not an ADDR:PORT of the service's family (for example "
			     "198.51.100.7:40000, or [2001:db8::7]:40000)");
		return;
	}
	memcpy(explain.key.client, endpoint.addr, sizeof(explain.key.client));
	memcpy(explain.key.vip, service->config->endpoint.addr, sizeof(explain.key.vip));
	explain.key.client_port = endpoint.port;
	explain.key.vip_port = service->config->endpoint.port;
	explain.key.protocol = service->config->protocol;
	r = datapath_explain(api->daemon->datapath, &explain);
	if (r)
		api_answer_errno(response, r, NULL);
	else
		api_answer(response, 200, explain_json(service, client, &explain));
}

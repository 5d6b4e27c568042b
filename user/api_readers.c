/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "user/api_readers.h"

#include <string.h>

#include "user/api_answer.h"
#include "user/metrics_daemon.h"
#include "user/view.h"

/* A receiver's URL may be a secret: scheme and host are left of it. */
static json_t *origin_of(const char *url)
{
	const char *host = strstr(url, "://") + 3, *at;
	size_t length = strcspn(host, "/?#");

	at = memrchr(host, '@', length);
	if (at) {
		length -= at + 1 - host;
		host = at + 1;
	}
	return json_sprintf("%.*s://%.*s", (int)strcspn(url, ":"), url, (int)length, host);
}

static void hide_urls(json_t *status)
{
	json_t *receiver;
	size_t i;

	json_array_foreach(json_object_get(json_object_get(status, "alerts"), "receivers"), i, receiver)
		json_object_set_new(receiver, "url", origin_of(json_string_value(json_object_get(receiver, "url"))));
}

static bool find_kept(struct api *api, const struct api_kept *kept, struct http_response *response)
{
	return api_kept_find(kept, daemon_monotonic_ns(), api->daemon->config->tick_ms * 1000000ULL, response);
}

void api_status(struct api *api, const struct http_request *request, const char *rest, struct http_response *response)
{
	json_t *status;

	(void)rest;
	if (request->read_only && find_kept(api, &api->status, response))
		return;
	status = view_status(api->daemon);
	if (request->read_only)
		hide_urls(status);
	api_answer(response, 200, status);
	if (request->read_only)
		api_kept_set(&api->status, daemon_monotonic_ns(), response);
}

void api_history(struct api *api, const struct daemon_service *service, struct http_response *response)
{
	json_t *history;

	if (api->history_of == service && find_kept(api, &api->history, response))
		return;
	history = view_history(service);
	response->status = 200;
	response->body = json_dumps(history, JSON_COMPACT | JSON_REAL_PRECISION(13));
	json_decref(history);
	api->history_of = service;
	api_kept_set(&api->history, daemon_monotonic_ns(), response);
}

void api_metrics(struct api *api, const struct http_request *request, const char *rest, struct http_response *response)
{
	bool protobuf = metrics_wants_protobuf(http_header(request, "Accept"));
	struct api_kept *kept = protobuf ? &api->protobuf : &api->text;
	struct metrics metrics = {};

	(void)rest;
	if (find_kept(api, kept, response))
		return;
	metrics_collect(&metrics, api->daemon);
	response->content_type = protobuf ? METRICS_PROTOBUF_TYPE : METRICS_TEXT_TYPE;
	response->body = (protobuf ? metrics_protobuf : metrics_text)(&metrics, &response->body_size);
	metrics_deinit(&metrics);
	api_kept_set(kept, daemon_monotonic_ns(), response);
}

void api_deinit(struct api *api)
{
	api_kept_deinit(&api->status);
	api_kept_deinit(&api->text);
	api_kept_deinit(&api->protobuf);
	api_kept_deinit(&api->history);
}

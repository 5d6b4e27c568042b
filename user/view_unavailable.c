/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "user/view_unavailable.h"

#include <netinet/in.h>
#include <stddef.h>
#include <string.h>

/* What needs the reply; the latencies are null by themselves. */
static const char *const needs_reply[] = {
	"ttfb_seconds",    "connect_seconds", "refused",	  "reset_before_response", "reset_mid_response",
	"http_1xx",	   "http_2xx",	      "http_3xx",	  "http_4xx",		   "http_5xx",
	"http_upgrade",    "unparsed",	      "response_packets", "response_bytes",	   "response_retransmits",
	"zero_windows",
};

/* What needs an acknowledgement, which a datagram does not get. */
static const char *const needs_acknowledgement[] = {
	"established",   "syn_timeout", "empty_close",  "abort_connect", "abort_waiting",	   "abort_data",
	"requests",	 "answered",	"late_response", "multiplexed",	 "response_timeout", "request_retransmits",
	"rst_invalid",
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void hide(json_t *counters, const json_t *unavailable)
{
	const json_t *name;
	size_t i;

	json_array_foreach(unavailable, i, name)
		if (json_object_get(counters, json_string_value(name)))
			json_object_set_new(counters, json_string_value(name), json_null());
}

static void append(json_t *list, const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		json_array_append_new(list, json_string(names[i]));
}

static bool is_one_of(const char *name, const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(names[i], name))
			return true;
	return false;
}

bool view_is_available(const struct config_service *config, const char *name)
{
	if (config->mode != CANARY_MODE_DSR)
		return true;
	return !is_one_of(name, needs_reply, COUNT(needs_reply)) &&
	       (config->protocol != IPPROTO_UDP || !is_one_of(name, needs_acknowledgement, COUNT(needs_acknowledgement)));
}

void view_unavailable(json_t *service, const struct config_service *config)
{
	json_t *list = json_array(), *version, *backend;
	size_t v, b;

	if (config->mode == CANARY_MODE_DSR)
		append(list, needs_reply, COUNT(needs_reply));
	if (config->mode == CANARY_MODE_DSR && config->protocol == IPPROTO_UDP)
		append(list, needs_acknowledgement, COUNT(needs_acknowledgement));
	json_array_foreach(json_object_get(service, "versions"), v, version) {
		hide(json_object_get(version, "counters"), list);
		json_array_foreach(json_object_get(version, "backends"), b, backend)
			hide(json_object_get(backend, "counters"), list);
	}
	json_object_set_new(service, "unavailable", list);
}

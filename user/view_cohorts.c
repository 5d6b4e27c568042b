/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "user/view_cohorts.h"

#include <arpa/inet.h>
#include <string.h>

#include "user/rollout_json.h"

static json_t *summary(const struct cohort *cohort)
{
	json_t *weight = cohort->action == CANARY_COHORT_WEIGHT ? json_real(cohort->weight_percent / 100) : json_null();

	return json_pack("{s:s, s:s, s:o, s:I, s:s}", "name", cohort->name, "action", cohort_action_name(cohort->action),
			 "weight", weight, "networks", (json_int_t)cohort->count, "source", cohort->live ? "api" : "file");
}

json_t *view_cohorts(const struct daemon_service *service)
{
	const struct cohort_list *list = cohorts_list(service->cohorts);
	json_t *array = json_array();

	for (size_t i = 0; i < list->count; i++)
		json_array_append_new(array, summary(&list->items[i]));
	return array;
}

json_t *view_cohort(const struct cohort *cohort)
{
	json_t *object = summary(cohort), *networks = json_array();

	for (size_t i = 0; i < cohort->count; i++) {
		char text[COHORT_PREFIX_TEXT];

		cohort_prefix_format(&cohort->prefixes[i], text);
		json_array_append_new(networks, json_string(text));
	}
	json_object_set_new(object, "prefixes", networks);
	return object;
}

/* The first `length` bits of the client's address. */
static struct canary_prefix network_of(const __be32 client[4], uint32_t length)
{
	struct canary_prefix network = { .length = length };

	for (uint32_t i = 0; i < 4; i++) {
		uint32_t bits = length > i * 32 ? length - i * 32 : 0;

		network.addr[i] = client[i] & (bits >= 32 ? UINT32_MAX : bits ? htonl(~0U << (32 - bits)) : 0);
	}
	return network;
}

json_t *view_explained_cohort(const struct daemon_service *service, const struct canary_explain *explain)
{
	const struct cohort_list *list = cohorts_list(service->cohorts);
	struct canary_prefix network = network_of(explain->key.client, explain->prefix_length);
	char text[COHORT_PREFIX_TEXT];
	json_t *object;

	if (explain->cohort >= list->count)
		return json_null();
	cohort_prefix_format(&network, text);
	object = summary(&list->items[explain->cohort]);
	json_object_set_new(object, "network", json_string(text));
	return object;
}

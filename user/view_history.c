/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What became of a service's last rollout. */
#include "user/view.h"

#include "user/history_json.h"

json_t *view_history(const struct daemon_service *service)
{
	const struct history *history = service->history;
	json_t *json = history->rollout ? history_json(history) : json_pack("{s:n}", "rollout");
	json_t *version;
	size_t i;

	json_array_foreach(json_object_get(json, "versions"), i, version) {
		const struct canary_counters *counted = &history->version[i].counted;
		json_t *counters = json_object_get(version, "counters");

		json_object_set_new(counters, "attempts", json_integer((json_int_t)sampler_attempts(counted)));
		json_object_set_new(counters, "failed", json_integer((json_int_t)sampler_failed(counted)));
	}
	json_object_set_new(json, "service", json_string(service->config->name));
	return json;
}

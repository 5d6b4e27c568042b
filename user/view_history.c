/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What became of a service's last rollout. */
#include "user/view.h"

#include "user/history_json.h"

json_t *view_history(const struct daemon_service *service)
{
	json_t *json = service->history->rollout ? history_json(service->history) : json_pack("{s:n}", "rollout");

	json_object_set_new(json, "service", json_string(service->config->name));
	return json;
}

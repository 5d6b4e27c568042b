/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which version gets copies of a service's datagrams, in the kernel. */
#include "user/daemon_internal.h"

#include <string.h>

#include "user/log.h"

bool daemon_is_shadow(const struct daemon_service *service, const struct rollout_view *view, const char *version)
{
	const char *shadow = service->config->shadow.version;

	return *shadow && !strcmp(shadow, version) && strcmp(shadow, view->baseline) &&
	       (!view->canary || strcmp(shadow, view->canary));
}

void daemon_tick_shadow(struct daemon *daemon, struct daemon_service *service, const struct rollout_view *view)
{
	const struct config_shadow *config = &service->config->shadow;
	const struct inventory_version *version = inventory_find_version(service->inventory, config->version);
	struct canary_shadow_rule rule = { .version = CANARY_NONE };
	int r;

	if (version && daemon_is_shadow(service, view, config->version))
		rule = (struct canary_shadow_rule){ (uint64_t)(config->percent / 100 * 4294967296.0), version->index, { 0 } };
	if (service->shadow_told && !memcmp(&rule, &service->shadow, sizeof(rule)))
		return;
	r = datapath_set_shadow(daemon->datapath, service->inventory->id, &rule);
	if (r)
		log_warning("service %s: the kernel does not take its shadow: %s; tried again", service->config->name,
			    strerror(-r));
	service->shadow_told = !r;
	service->shadow = rule;
}

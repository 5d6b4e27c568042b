/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where the daemon's services meet their indicators beyond the packet. */
#include "user/daemon_internal.h"

#include <string.h>

#include "user/log.h"

/* Neither is an error: an SLI that needs it says that it is not there. */
void daemon_open_host(struct daemon *daemon, sd_event *event)
{
	int r = unit_mount(daemon->cgroup_mount, sizeof(daemon->cgroup_mount));

	if (r)
		daemon->cgroup_mount[0] = 0;
	r = unit_bus_new(event, &daemon->unit_bus);
	if (r)
		log_warning("systemd cannot be asked: %s; restarts are taken from the cgroups", strerror(-r));
}

int daemon_open_slis(struct daemon *daemon, struct daemon_service *service)
{
	const struct external_tools tools = {
		.fetch = daemon->fetch,
		.runner = daemon->commands,
		.bus = daemon->unit_bus,
		.cgroup_mount = daemon->cgroup_mount,
	};

	return external_new(&tools, service->config, &service->external);
}

static uint64_t requests(const struct daemon_service *service, const char *version)
{
	const struct sampler_version_view *view = version ? sampler_view(service->sampler, version) : NULL;

	return view ? sampler_attempts(&view->counters) : 0;
}

void daemon_look(struct daemon_service *service, const struct rollout_view *rollout)
{
	const struct external_now now = {
		.baseline = rollout->baseline,
		.canary = rollout->canary,
		.rollout = rollout->id,
		.now_ns = service->sample.now_ns,
		.unix_s = daemon_unix_s(),
		.mutes = &service->mutes,
		.baseline_requests = requests(service, rollout->baseline),
		.canary_requests = requests(service, rollout->canary),
	};

	external_tick(service->external, &now, &service->sample);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the daemon knows of its services, as facts for alerts. */
#include "user/daemon_internal.h"

#include <string.h>
#include <time.h>

/* What is said of a unit in a crash loop, where an SLI of the service looks at one. */
static const char *find_crash_loop(const struct daemon_service *service, const struct finding *finding)
{
	for (uint32_t i = 0; i < service->config->slis_count; i++) {
		const struct config_sli *sli = &service->config->slis[i];

		if (sli->measure != CONFIG_MEASURE_CRASH_LOOP)
			continue;
		for (unsigned f = 0; f < finding->n_slis; f++)
			if (!strcmp(finding->sli[f].name, sli->name) && finding->sli[f].verdict == FINDING_FAIL)
				return finding->sli[f].said;
	}
	return NULL;
}

static bool is_silent(const struct daemon *daemon, const struct daemon_service *service, double unix_s)
{
	time_t now = (time_t)unix_s;
	struct tm local;

	return localtime_r(&now, &local) && config_blackout_active(daemon->config, service->config, &local);
}

void daemon_tick_alerts(struct daemon *daemon)
{
	double now_s = daemon_monotonic_ns() / 1e9, unix_s = daemon_unix_s();

	for (size_t s = 0; s < daemon->n_services; s++) {
		const struct daemon_service *service = &daemon->services[s];
		struct rollout_view view = rollout_view(service->rollout);
		const struct alert_facts facts = {
			.now_s = now_s, .unix_s = unix_s, .service = service->config->name, .baseline = view.baseline,
			.canary = view.last_canary ?: "", .active = rollout_is_active(service->rollout), .ended = view.ended,
			.policy = view.policy, .finding = view.finding,
			.crash_loop = find_crash_loop(service, view.finding),
		};

		alerts_tick(daemon->alerts, (unsigned)s, &facts, &service->sample, is_silent(daemon, service, unix_s));
	}
	alerts_turn(daemon->alerts, now_s);
}

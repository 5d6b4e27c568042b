/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The journal's memory of what looks at units have counted in a rollout. */
#include "user/daemon_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/journal_kept.h"
#include "user/log.h"

#define KEY "looks"
#define EVERY_NS 10000000000ULL

/* Not worth an error, as a checkpoint is not: with the next one it is as it was. */
static void keep(struct daemon *daemon, const struct daemon_service *service)
{
	json_t *json = json_pack("{s:I, s:s, s:o}", "rollout", (json_int_t)rollout_view(service->rollout).id, "boot_id",
				 daemon->boot_id, "looks", external_memory(service->external));
	char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;

	if (text)
		journal_keep(daemon->journal, service->config->name, KEY, text, false);
	free(text);
	json_decref(json);
}

void daemon_keep_looks(struct daemon *daemon, struct daemon_service *service, bool now)
{
	double events = external_events(service->external);
	uint64_t now_ns = daemon_monotonic_ns();

	if (!rollout_is_active(service->rollout))
		return;
	if (!now && events == service->kept_events && now_ns - service->kept_ns < EVERY_NS)
		return;
	service->kept_events = events;
	service->kept_ns = now_ns;
	keep(daemon, service);
}

static int recall(struct daemon *daemon, struct daemon_service *service, const json_t *kept)
{
	const char *boot_id;
	json_int_t id;
	json_t *looks;

	if (json_unpack((json_t *)kept, "{s:I, s:s, s:o}", "rollout", &id, "boot_id", &boot_id, "looks", &looks))
		return -EINVAL;
	if (id != rollout_view(service->rollout).id)
		return 0;
	return external_recall(service->external, looks, id, !strcmp(boot_id, daemon->boot_id));
}

void daemon_recall_looks(struct daemon *daemon, struct daemon_service *service)
{
	char *text = NULL;
	json_t *kept;
	int r;

	if (!rollout_is_active(service->rollout))
		return;
	r = journal_kept(daemon->journal, service->config->name, KEY, &text);
	if (!r) {
		kept = json_loads(text, 0, NULL);
		r = recall(daemon, service, kept);
		json_decref(kept);
	}
	if (r && r != -ENOENT)
		log_warning("service %s: the restarts counted so far cannot be read: %s; counted anew from here",
			    service->config->name, strerror(-r));
	free(text);
	service->kept_events = external_events(service->external);
}

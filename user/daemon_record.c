/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The record of the daemon's ticks. What happens between two of them (operators, notes, what a restart found) is
 * remembered here until the next one is written.
 */
#include "user/daemon_internal.h"

#include <stdio.h>
#include <string.h>

#include "user/log.h"

#define NOTES (RECORD_DECIDED / 2) /* they decide nothing, and are not to push out what does */

void daemon_record_decided(struct daemon_service *service, int64_t rollout, enum policy_kind kind, const char *reason)
{
	struct record_decided *to;

	if (!service->daemon->recorder || (kind == POLICY_NOTE && service->n_decided >= NOTES))
		return;
	if (service->n_decided == RECORD_DECIDED) {
		log_warning("service %s: more was decided in one tick than its record holds (%d): its replay will differ",
			    service->config->name, RECORD_DECIDED);
		return;
	}
	to = &service->decided[service->n_decided++];
	*to = (struct record_decided){ .rollout = rollout, .kind = kind };
	snprintf(to->reason, sizeof(to->reason), "%s", reason);
}

void daemon_record_restart(struct daemon_service *service)
{
	struct rollout_view view = rollout_view(service->rollout);
	bool active = rollout_is_active(service->rollout);

	service->restart = (struct record_restart){
		.restarted = true,
		.under_way = active,
		.evidence = active && !view.forgot,
		.ticks = active ? view.policy->ticks : 0,
	};
}

void daemon_begin_record(struct daemon_service *service, const struct rollout_view *view)
{
	bool active = rollout_is_active(service->rollout);
	struct record *record = &service->daemon->record;

	service->in_tick = true;
	if (!service->daemon->recorder)
		return;
	*record = (struct record){
		.elapsed_s = service->sample.elapsed_ns / 1e9,
		.rollout = active ? view->id : RECORD_NO_ROLLOUT,
		.sample = service->sample,
		.n_decided = service->n_decided,
		.restart = service->restart,
	};
	memcpy(record->decided, service->decided, sizeof(record->decided[0]) * service->n_decided);
	service->n_decided = 0;
	service->restart = (struct record_restart){ 0 };
	snprintf(record->service, sizeof(record->service), "%s", service->config->name);
	snprintf(record->baseline, sizeof(record->baseline), "%s", view->baseline);
	snprintf(record->canary, sizeof(record->canary), "%s", active ? view->canary : "");
}

void daemon_write_record(struct daemon_service *service, int ticked, uint64_t now_ns, double unix_s)
{
	struct record *record = &service->daemon->record;
	struct rollout_view view = rollout_view(service->rollout);

	service->in_tick = false;
	if (!service->daemon->recorder)
		return;
	if (record->rollout != RECORD_NO_ROLLOUT) {
		record->outside = record_outside(view.finding);
		record->kept = view.kept;
		record->refused = ticked < 0;
	}
	recorder_add(service->daemon->recorder, record, now_ns, unix_s);
}

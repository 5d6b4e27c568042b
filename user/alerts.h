/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Alerts of all services to all receivers: an Alertmanager (POST /api/v2/alerts, sent again while it goes on, so that it
 * resolves by itself should canaryd be gone) or a webhook (one POST when an incident begins, one when it is over).
 *
 * What receivers know of, what others have reported, and what a webhook has not taken yet is in the journal: the next
 * daemon goes on with it, tells nobody twice, and ends what has ended meanwhile.
 */
#ifndef CANARYD_ALERTS_H
#define CANARYD_ALERTS_H

#include <jansson.h>

#include "user/alert_queue.h"
#include "user/alert_report.h"
#include "user/alert_rules.h"

struct alerts;

/* All of it must outlive the alerts. */
struct alerts_environment {
	struct fetch *fetch;
	struct journal *journal; /* NULL: nothing outlives the daemon */
	/* A report's time is over. */
	void (*expired)(unsigned service, const struct alert_report *report, void *context);
	void *context;
};

/*
 * Copies what it needs of `config`; its services are known by their index. `now_s` as in struct alert_facts. -ENOMEM, or
 * the journal's errors.
 */
int alerts_new(const struct alerts_environment *environment, const struct config *config, double now_s, double unix_s,
	       struct alerts **ret);
struct alerts *alerts_free(struct alerts *alerts);

/* A service's tick. `silent`: a blackout window is open. */
void alerts_tick(struct alerts *alerts, unsigned service, const struct alert_facts *facts, const struct sample *sample,
		 bool silent);

/* Once a tick, after all services: sends. */
void alerts_turn(struct alerts *alerts, double now_s);

/*
 * Takes a report of a service's version; one of the same version and key has these words now. What the journal cannot
 * take stands all the same, as long as this daemon. -EBUSY: ALERT_REPORTS_MAX stand, or alert_rules has them off.
 */
int alerts_report(struct alerts *alerts, unsigned service, const struct alert_report *report, char **ret_error);

/* Ends the service's reports that match, and appends each to `list`, a JSON array. -ENOENT: none does. */
int alerts_resolve(struct alerts *alerts, unsigned service, const struct alert_report_filter *filter, double unix_s,
		   json_t *list, char **ret_error);

/* What the reports that stand say of a rollout of `version`, and in `why` the gravest one's sentence. */
enum finding_say alerts_say(const struct alerts *alerts, unsigned service, const char *version, char why[FINDING_REASON]);

/* {firing: [{alertname, service, version, severity, began, told, summary, description}, and for reports as
 *  alert_report_json()], receivers: [{url, sent, failed, dropped, waiting}]}; NULL without memory. */
json_t *alerts_view(const struct alerts *alerts);

#endif

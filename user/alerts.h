/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Alerts of all services to all receivers: an Alertmanager (POST /api/v2/alerts, sent again while it goes on, so that it
 * resolves by itself should canaryd be gone) or a webhook (one POST when an incident begins, one when it is over).
 */
#ifndef CANARYD_ALERTS_H
#define CANARYD_ALERTS_H

#include <jansson.h>

#include "user/alert_queue.h"
#include "user/alert_rules.h"

struct alerts;

/* Copies what it needs of `config`; its services are known by their index. */
int alerts_new(struct fetch *fetch, const struct config *config, struct alerts **ret);
struct alerts *alerts_free(struct alerts *alerts);

/* A service's tick. `silent`: a blackout window is open. */
void alerts_tick(struct alerts *alerts, unsigned service, const struct alert_facts *facts, const struct sample *sample,
		 bool silent);

/* Once a tick, after all services: sends. */
void alerts_turn(struct alerts *alerts, double now_s);

/* {firing: [{alertname, service, version, severity, began, told, summary, description}],
 *  receivers: [{url, sent, failed, dropped, waiting}]}; NULL without memory. */
json_t *alerts_view(const struct alerts *alerts);

#endif

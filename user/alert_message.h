/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An incident as JSON: for Alertmanager's API v2, and for webhooks. */
#ifndef CANARYD_ALERT_MESSAGE_H
#define CANARYD_ALERT_MESSAGE_H

#include <jansson.h>

#include "user/alert_rules.h"

struct alert_message {
	const char *service;
	const char *alertname;
	const char *key;  /* of a report; "": none */
	int64_t uid;      /* who reported it; -1: nobody */
	const struct alert_incident *incident;
	const struct config_alert_rules *rules;
	double ends_unix_s; /* when it was over; while it goes on, when it would be were it not sent again */
};

/*
 * {labels: {alertname, service, version, severity, key}, annotations: {summary, description, runbook, reported_by},
 *  startsAt, endsAt, generatorURL}, what there is of them; NULL without memory. The same incident has the same labels, from the first to the last.
 */
json_t *alert_message_json(const struct alert_message *message);

/* The same with {status: "firing"|"resolved", fingerprint}; endsAt is null while it goes on. */
json_t *alert_message_webhook(const struct alert_message *message, bool resolved);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of the alerts share. Private to alerts*.c. */
#ifndef CANARYD_ALERTS_INTERNAL_H
#define CANARYD_ALERTS_INTERNAL_H

#include "user/alert_message.h"
#include "user/alerts.h"

struct alerts_receiver {
	enum config_alert_kind kind;
	struct alert_queue *queue;
};

struct alerts_service {
	char name[CANARY_NAME_MAX];
	struct alert_window window;
	struct alert_incident incidents[ALERT_RULES];
	struct alert_report *reports; /* the oldest first */
	size_t n_reports;
};

struct alerts {
	struct alerts_environment environment;
	struct config_alert_rules rules;
	unsigned n_receivers;
	struct alerts_receiver receivers[CONFIG_ALERTS_MAX];
	unsigned n_services;
	struct alerts_service *services;
	json_t *batch; /* of this tick, for Alertmanagers; NULL: nothing */
	bool unkept;   /* said so already */
};

/* One incident, a rule's or a report's. */
struct alerts_subject {
	const char *service;
	const char *name;
	struct alert_incident *incident;
	const struct alert_report *report; /* NULL: a rule's */
};

struct alerts_subject alerts_subject_of_rule(struct alerts_service *service, enum alert_rule rule);
struct alerts_subject alerts_subject_of_report(struct alerts_service *service, struct alert_report *report);

/* Puts it into the receivers' queues, and into the journal. */
void alerts_tell(struct alerts *alerts, const struct alerts_subject *subject, enum alert_act act, double unix_s);

/* A tick of the service's reports. */
void alerts_tick_reports(struct alerts *alerts, struct alerts_service *service, double now_s, double unix_s, bool silent);

/* A place for one more, zeroed; NULL without memory. */
struct alert_report *alerts_add_report(struct alerts_service *service);

/* Writes the incident into the journal, or takes it out of there; a failure is logged once. */
void alerts_keep(struct alerts *alerts, const struct alerts_subject *subject, bool synced);
void alerts_forget(struct alerts *alerts, const struct alerts_subject *subject, bool synced);

/* Goes on with what the journal has; what belongs to no service or rule of today is told to be over. */
int alerts_load(struct alerts *alerts, double now_s, double unix_s);

#endif

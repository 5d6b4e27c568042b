/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What others say of a version: a scanner, an intrusion detection, an operator. A report stands until it is resolved or
 * its time is over; one with the same version and key again is the same report, with other words. Pure: JSON → plain data.
 */
#ifndef CANARYD_ALERT_REPORT_H
#define CANARYD_ALERT_REPORT_H

#include <jansson.h>

#include "user/alert_rules.h"

#define ALERT_REPORT_NAME "SecurityAlert" /* the alertname */
#define ALERT_REPORTS_MAX 64              /* that stand, of a service */
#define ALERT_KEY 64                      /* bytes, the final NUL included */

struct alert_report {
	char version[CANARY_NAME_MAX];
	char key[ALERT_KEY]; /* "": none */
	enum config_severity severity;
	enum config_on_security action;
	char summary[ALERT_SUMMARY];
	char description[FINDING_REASON];
	double began_unix_s;
	double until_unix_s; /* 0: until it is resolved */
	uint32_t uid;        /* who reported it */
	bool over;
	struct alert_incident incident;
};

/* Which reports; NULL: all. Strings are the JSON's. */
struct alert_report_filter {
	const char *service;
	const char *version;
	const char *key;
};

/*
 * Reads {service, summary, version?, severity?, action?, description?, key?, ttl_s?}; version is "" where it is not
 * given. *ret_service is the JSON's. -EINVAL: *ret_error is a sentence that names the field, the caller's to free.
 */
int alert_report_parse(const json_t *body, const struct config_alert_rules *rules, double unix_s, const char **ret_service,
		       struct alert_report *ret, char **ret_error);

/* Reads {service, version?, key?}. Errors as above. */
int alert_report_parse_filter(const json_t *body, struct alert_report_filter *ret, char **ret_error);

bool alert_report_matches(const struct alert_report *report, const struct alert_report_filter *filter);

/* The condition of its incident. */
struct alert_condition alert_report_condition(const struct alert_report *report);

/* What it says of a rollout of that version. */
enum finding_say alert_report_says(const struct alert_report *report);

/* "security page from uid 1000: SUMMARY". Returns buf. */
const char *alert_report_print(char buf[FINDING_REASON], const struct alert_report *report);

/* "tell", "hold", "rollback"; 0, or -EINVAL for a word that is none. */
const char *alert_action_name(enum config_on_security action);
int alert_action_parse(const char *word, enum config_on_security *ret);

/* "page", "ticket"; 0, or -EINVAL for a word that is neither. */
int alert_severity_parse(const char *word, enum config_severity *ret);

/* {alertname, service, version, key, severity, action, uid, began, until, told, summary, description}; NULL without memory. */
json_t *alert_report_json(const struct alert_report *report, const char *service);

#endif

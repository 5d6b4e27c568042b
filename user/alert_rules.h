/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * When there is an alert: what a service's rollout and traffic say → conditions → incidents. Pure: no I/O, the time is an
 * argument.
 *
 * An incident begins with its condition, and is over when that has not been there for alert_rules.resolve_s. While a
 * blackout window is open nobody is told of anything new; afterwards they are told what is so then. The next daemon goes on
 * with the incidents that receivers know of.
 */
#ifndef CANARYD_ALERT_RULES_H
#define CANARYD_ALERT_RULES_H

#include <stdbool.h>
#include <stdint.h>

#include "user/config.h"
#include "user/finding.h"
#include "user/policy.h"
#include "user/sample.h"

enum alert_rule {
	ALERT_ERROR_DELTA = 0, /* evidence of 20, and the canary fails far more often than the baseline */
	ALERT_SERVICE_DOWN,    /* the baseline fails, or none of it answers */
	ALERT_CRASH_LOOP,
	ALERT_NO_BACKEND, /* none of the baseline's is well */
	ALERT_BACKENDS,   /* some are not */
	ALERT_DRIFT,       /* evidence of 20 that the canary is a little worse */
	ALERT_ROLLED_BACK, /* for an hour, or until the next rollout */
	ALERT_HELD,        /* held or paused for long */
	ALERT_RULES,
};

#define ALERT_WINDOW_S 10
#define ALERT_SUMMARY 160

/* What both versions did in the last ALERT_WINDOW_S seconds, in slots of one. */
struct alert_window {
	uint64_t second[ALERT_WINDOW_S]; /* which one the slot is of */
	struct finding_counts counts[ALERT_WINDOW_S];
};

/* The backends of a version, but for what an operator has taken out. */
struct alert_backends {
	unsigned well;
	unsigned out;        /* unhealthy or ejected */
	const char *address; /* the first of those */
	const char *why;
};

/* All that is known of a service; pointers are borrowed. */
struct alert_facts {
	double now_s;  /* of a clock that does not step */
	double unix_s; /* time of day */
	const char *service;
	const char *baseline;
	const char *canary; /* of the last rollout; "": there was none */
	bool active;
	double ended; /* Unix seconds; 0: not yet */
	const struct policy_state *policy;
	const struct finding *finding;
	struct alert_backends of_baseline;
	struct alert_backends of_canary; /* of a rollout under way */
	const char *crash_loop; /* what is said of a unit that is restarted again and again; NULL: nothing */
};

struct alert_condition {
	bool on;
	bool lasts; /* not on, but an incident that goes on is not over either */
	bool over;  /* not on, and an incident is over at once */
	enum config_severity severity;
	double began_unix_s;
	const char *version; /* "": none */
	char summary[ALERT_SUMMARY];
	char description[FINDING_REASON];
};

/* Counts a tick's sample in. */
void alert_window_add(struct alert_window *window, const struct sample *sample, double now_s);

/* Writes all conditions; those that are off are empty. */
void alert_rules_judge(const struct config_alert_rules *rules, const struct alert_facts *facts,
		       const struct alert_window *window, struct alert_condition ret[ALERT_RULES]);

/* The alert's name, its key in alert_rules, and how grave it is configured to be. */
const char *alert_rule_name(enum alert_rule rule);
enum config_severity alert_rule_severity(const struct config_alert_rules *rules, enum alert_rule rule);
const char *alert_severity_name(enum config_severity severity);

/* One incident of one rule of a service. Plain data. */
struct alert_incident {
	bool firing; /* it goes on */
	bool told;   /* and the receivers know */
	bool kept;   /* and the journal does */
	enum config_severity severity;
	char version[CANARY_NAME_MAX];
	double began_unix_s;
	double last_on_s; /* its condition was there */
	double told_s;
	char summary[ALERT_SUMMARY];
	char description[FINDING_REASON];
};

enum alert_act {
	ALERT_NOTHING = 0,
	ALERT_FIRE,
	ALERT_REPEAT, /* it goes on: receivers that forget are to be told again */
	ALERT_RESOLVE,
};

/*
 * A tick of an incident: what the receivers are to be told. One of another version or severity, which has other labels,
 * resolves the one before first.
 */
enum alert_act alert_incident_tick(struct alert_incident *incident, const struct alert_condition *condition,
				   const struct config_alert_rules *rules, double now_s, bool silent);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of a rollout share. Private to rollout*.c. */
#ifndef CANARYD_ROLLOUT_INTERNAL_H
#define CANARYD_ROLLOUT_INTERNAL_H

#include "user/pace.h"
#include "user/rollout.h"

struct rollout {
	struct rollout_environment environment;
	const struct config *config;
	const struct config_service *service;
	const struct inventory_service *inventory;
	struct judge *judge;
	int64_t id;
	bool active;
	char baseline[CANARY_NAME_MAX];
	char shadow_baseline[CANARY_NAME_MAX]; /* in shadow mode: gets every flow */
	char canary[CANARY_NAME_MAX];        /* "": none */
	char last_baseline[CANARY_NAME_MAX]; /* of the last rollout */
	char last_canary[CANARY_NAME_MAX];
	uint32_t generation;
	double started;
	double ended;
	double since_end_s; /* by the ticks; the time of day may be set meanwhile */
	double last_unix_s; /* of the last tick; 0: none */
	struct policy_plan plan;
	struct policy_state policy;
	struct finding finding;
	enum finding_say alert;         /* what others report of the canary, */
	char alert_why[FINDING_REASON]; /* and their words */
	enum finding_say backends;         /* whether the canary has any for new flows, */
	char backends_why[FINDING_REASON]; /* and why not */
	double since_checkpoint_s;
	bool kept;   /* since the last tick nothing happened that the journal has not */
	bool forgot; /* the judge's state could not be read at the start */
	int unwritten; /* the last decision took effect, but not the journal's: why; it is tried again every tick */
	struct policy_decision last_decision;
	double last_decision_s;
	uint64_t published_ns;
	struct pace pace; /* of the service's requests, */
	double measured_s; /* … since this daemon began */
	void *judge_state;  /* judge_state_size() bytes */
	void *judge_before; /* the same */
};

/* Writes weights and versions, and the configuration's timeouts and breaker, to the kernel. */
void rollout_publish(struct rollout *rollout);
void rollout_publish_limits(struct rollout *rollout);

/* Writes down what `to` has become by `decision`, then makes it so. */
int rollout_commit(struct rollout *rollout, struct rollout *to, const struct policy_decision *decision, double unix_s,
		   char **ret_error);

/*
 * An undo that took effect, and that the daemon before could not write down, is decided again: the kernel's generation is
 * beyond `written`, the journal's. Nothing where there is none.
 */
int rollout_finish_undo(struct rollout *rollout, uint32_t written, double unix_s, char **ret_error);

/* Whether `canary` could be released now, were no other under way. Errors as rollout_start(). */
int rollout_check_canary(const struct rollout *rollout, const char *canary, double unix_s, char **ret_error);

/* -EBUSY, with the mend: `canary` cannot start while another is under way. */
int rollout_refuse_busy(const struct rollout *rollout, const char *canary, char **ret_error);

/* The blackout window that is open, NULL when none is; -EBUSY with when it ends. */
const struct config_blackout *rollout_blackout(const struct rollout *rollout, double unix_s);
int rollout_refuse_blackout(const struct rollout *rollout, double unix_s, char **ret_error);

/*
 * Writes `decision` and what the rollout has become by it, `to`, in one transaction; a start gives it its id. Where a step
 * begins, so does the judge's.
 */
int rollout_write(struct rollout *to, const struct policy_decision *decision, double unix_s, char **ret_error);

/*
 * Writes where the rollout is, for the case that the daemon ends; not synced. 0, or the journal's error: with a
 * crash the evidence since the last one is lost then, which only makes the judge slower.
 */
int rollout_checkpoint(struct rollout *rollout);

/*
 * What this tick decides, and the rollout it leads to: policy_tick(), with the consent of others to a move. Their
 * answer is left in rollout->finding.
 */
void rollout_decide(struct rollout *rollout, struct rollout *to, double elapsed_s, struct policy_decision *ret);

/* Tells others of a decision that has taken effect. */
void rollout_tell(const struct rollout *rollout, const struct policy_decision *decision);

/* A tick of traffic, in a rollout or not. */
void rollout_watch_traffic(struct rollout *rollout, const struct sample *sample);

/* Takes the journal's own sentence for `r` where it has one. Returns `r`. */
int rollout_journal_failed(const struct rollout *rollout, int r, char **ret_error);

#endif

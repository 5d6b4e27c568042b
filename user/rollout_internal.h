/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of a rollout share. Private to rollout*.c. */
#ifndef CANARYD_ROLLOUT_INTERNAL_H
#define CANARYD_ROLLOUT_INTERNAL_H

#include "user/rollout.h"

struct rollout {
	struct rollout_environment environment;
	const struct config_service *service;
	const struct inventory_service *inventory;
	struct judge *judge;
	int64_t id;
	bool active;
	char baseline[CANARY_NAME_MAX];
	char canary[CANARY_NAME_MAX];        /* "": none */
	char last_baseline[CANARY_NAME_MAX]; /* of the last rollout */
	char last_canary[CANARY_NAME_MAX];
	uint32_t generation;
	double started;
	double ended;
	struct policy_plan plan;
	struct policy_state policy;
	struct finding finding;
	double since_checkpoint_s;
	int unwritten; /* the last decision took effect, but not the journal's: why; it is tried again every tick */
	struct policy_decision last_decision;
	double last_decision_s;
	uint64_t published_ns;
	void *judge_state; /* judge_state_size() bytes */
};

/* Writes `decision` and what the rollout has become by it, `to`, in one transaction; a start gives it its id. */
int rollout_write(struct rollout *to, const struct policy_decision *decision, double unix_s, char **ret_error);

/* Writes where the rollout is, for the case that the daemon ends; not synced. */
void rollout_checkpoint(struct rollout *rollout);

/* Takes the journal's own sentence for `r` where it has one. Returns `r`. */
int rollout_journal_failed(const struct rollout *rollout, int r, char **ret_error);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Recorded ticks → decisions: the judge and the policy of the daemon over ticks from anywhere, as fast as they come.
 * Pure.
 *
 * With a plan the policy takes its own steps, as the daemon does. Without one, the weights of the record are the steps:
 * each rise begins one, and the outcome is whether the evidence at the end would let it pass.
 *
 * What others than judge and policy brought about is in the record, and comes about again: what gates, alerts and the
 * kernel's breaker said; with a plan also what operators did; and a restart of the daemon, which goes back to what the
 * journal had.
 */
#ifndef CANARYD_REPLAY_H
#define CANARYD_REPLAY_H

#include <stdbool.h>

#include "user/finding.h"
#include "user/judge_config.h"
#include "user/policy.h"
#include "user/record.h"

struct replay;

struct replay_options {
	struct judge_config judge; /* checked */
	struct policy_plan plan;   /* n_steps 0: none; else checked */
};

enum replay_outcome {
	REPLAY_UNDECIDED = 0,
	REPLAY_ROLLED_BACK,
	REPLAY_PROMOTABLE,
};

/* At most, of one tick: each that a line tells of may begin a rollout, too. */
#define REPLAY_DECISIONS (2 * RECORD_DECIDED + 2)

struct replay_decision {
	const char *name;  /* a word of API_DECISION_, or "promotable" */
	const char *state; /* a word of API_STATE_ */
	struct policy_decision decision;
};

/* NULL when memory is short. */
struct replay *replay_new(const struct replay_options *options);
struct replay *replay_free(struct replay *r);

/*
 * Adds a tick; its sample's now_ns and elapsed_ns are filled in. t must not be before the last one's. Returns how many
 * decisions it led to. After the end of a rollout ticks are history until another one begins.
 */
unsigned replay_tick(struct replay *r, struct record *record, struct replay_decision ret[REPLAY_DECISIONS]);

/* What the last rollout came to, at *ret_t, and a sentence why. */
enum replay_outcome replay_outcome(const struct replay *r, double *ret_t, char reason[FINDING_REASON]);

/* "undecided", "rolled_back", "promotable" */
const char *replay_outcome_name(enum replay_outcome outcome);

/* Of the last judged tick; its n_slis is 0 before there was one. Valid until the next call. */
const struct finding *replay_finding(const struct replay *r);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The conditions the policy decides by, each with its sentence: what makes a canary fail, what holds a rollout, and
 * what a step still waits for.
 */
#ifndef CANARYD_POLICY_RULES_H
#define CANARYD_POLICY_RULES_H

#include <stdbool.h>
#include <stdint.h>

#include "user/finding.h"
#include "user/policy.h"

/* The canary is worse, its guard has fired, or the budget is spent. Never on a sample that is in error. */
bool policy_rules_failed(const struct finding *finding);

/* Fills sli, value, bound, counts and reason of a decision that the canary has failed. */
void policy_rules_say_failed(const struct finding *finding, struct policy_decision *d);

/* Fills the same of a decision that an SLI's bound made, or its silence. */
void policy_rules_say_gauge(const struct finding *finding, struct policy_decision *d);

/* Why nothing may move, POLICY_HELD_NOT if it may; writes the sentence if something does. */
enum policy_held policy_rules_held(const struct finding *finding, char reason[FINDING_REASON]);

/* Which of its causes a hold has, as a bit: an SLI's state, or what an error is of. 0: it has but one. */
uint32_t policy_rules_cause(const struct finding *finding, enum policy_held held);

enum policy_wait {
	POLICY_WAIT_NOT = 0, /* the step may be left */
	POLICY_WAIT_ALERT,   /* others report a security problem */
	POLICY_WAIT_BACKENDS, /* the canary has none for new flows */
	POLICY_WAIT_DATA,    /* no sample to go by */
	POLICY_WAIT_WORSE,   /* evidence of E ≥ 5 that the canary is worse, or a p99's */
	POLICY_WAIT_AA,
	POLICY_WAIT_SLI, /* an SLI is beyond its bound, or cannot be measured */
	POLICY_WAIT_TIME,
	POLICY_WAIT_EVIDENCE,
	POLICY_WAIT_BURN,
	POLICY_WAIT_GATE,
	POLICY_WAIT_BUDGET, /* no weight above this one is within the error budget */
	POLICY_WAIT_END,    /* it is never promoted, and its time is not over */
	POLICY_WAIT_MANUAL, /* the last of all: everything else is met */
};

/* The plan's last weight is reached. */
bool policy_rules_is_last(const struct policy_plan *plan, const struct policy_state *state);

/* At the last weight of a plan that is never promoted: it stays until its time is over. */
bool policy_rules_is_experiment(const struct policy_plan *plan, const struct policy_state *state);

/* What the present step or the bake waits for; ret_sli is the SLI's index with POLICY_WAIT_EVIDENCE. */
enum policy_wait policy_rules_wait(const struct policy_plan *plan, const struct policy_state *state,
				   const struct finding *finding, unsigned *ret_sli);

/* The sentence for a gate that is closed. */
void policy_rules_say_gate(const struct finding *finding, char reason[FINDING_REASON]);

/* The sentence for a step past its deadline: inconclusive, and what would settle it. */
void policy_rules_say_inconclusive(const struct policy_plan *plan, const struct policy_state *state,
				   const struct finding *finding, char reason[FINDING_REASON]);

/* The sentence for a step that is passed, and the SLI that passed it by the least. */
void policy_rules_say_passed(const struct policy_plan *plan, const struct policy_state *state,
			     const struct finding *finding, struct policy_decision *d);

#endif

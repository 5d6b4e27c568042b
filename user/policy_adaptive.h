/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The next weight out of the error budget. At a weight w a regression of ρ times the baseline's share of failures p
 * (the judge's floor where that is more) brings the judge D(w) nats of evidence a second (sequential_ratio_drift) and
 * costs (ρ − 1)·p·w·R failures a second beyond the baseline's, at R attempts a second of both versions. It is found after
 *
 *   T(w) = (ln 1/α + ln 28)·φ / D(w) + 1 s          and has cost          X(w) = (ρ − 1)·p·w·R·T(w)
 *
 * X grows with w while the baseline still has traffic to compare with; where it has none any more, its past is the
 * comparison. The next weight is the largest with X within what is left of the budget, and at most `growth` times the
 * present one, and never beyond a gate that waits for an operator. Pure.
 */
#ifndef CANARYD_POLICY_ADAPTIVE_H
#define CANARYD_POLICY_ADAPTIVE_H

#include "user/policy.h"

struct policy_adaptive_cost {
	double find_s;   /* T; INFINITY where it is never found */
	double failures; /* X */
};

enum policy_adaptive_by {
	POLICY_ADAPTIVE_BY_BUDGET = 0,
	POLICY_ADAPTIVE_BY_PLAN, /* too little traffic to reckon with: the plan's next weight */
	POLICY_ADAPTIVE_SPENT,   /* nothing above the present weight is within the budget: stay */
};

struct policy_adaptive_next {
	enum policy_adaptive_by by;
	double weight;
	unsigned step; /* of the plan, whose times and gate hold at that weight */
	struct policy_adaptive_cost cost; /* at `weight`; where the budget is spent, at the least that would be a step */
	double left;   /* failures of the budget */
};

/* What the stated regression costs at a weight until it is found. */
struct policy_adaptive_cost policy_adaptive_cost(const struct policy_adaptive *adaptive, const struct finding *finding,
						 double weight);

/* The weight after the present one, in a plan whose `adaptive` is on and which is not at its last weight yet. */
struct policy_adaptive_next policy_adaptive_next(const struct policy_plan *plan, const struct policy_state *state,
						 const struct finding *finding);

/* Whether the present weight is the one that the present step of the plan is left at. */
bool policy_adaptive_at_step(const struct policy_plan *plan, const struct policy_state *state);

/* The arithmetic in a sentence without an end. Returns buf. */
const char *policy_adaptive_say(const struct policy_plan *plan, const struct finding *finding,
				const struct policy_adaptive_next *next, char *buf, size_t size);

#endif

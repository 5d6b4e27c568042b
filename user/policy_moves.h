/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How a rollout's state moves: what the tick and the operator's verbs have in common. Private to policy*.c. */
#ifndef CANARYD_POLICY_MOVES_H
#define CANARYD_POLICY_MOVES_H

#include "user/policy.h"

/* A decision that as yet changes nothing. */
struct policy_decision policy_moves_decision(const struct policy_state *state, enum policy_kind kind);

/* Another status; the time it is held begins anew. */
void policy_moves_status(struct policy_state *state, enum policy_status status, enum policy_held held);

/* The decision's reason is the state's. */
void policy_moves_reason(struct policy_state *state, const struct policy_decision *d);

/* Held, running or ended by `d`, whose reason is written already. */
void policy_moves_hold(struct policy_state *state, enum policy_held held, struct policy_decision *d);
void policy_moves_resume(struct policy_state *state, struct policy_decision *d);
void policy_moves_end(struct policy_state *state, enum policy_status status, double weight, struct policy_decision *d);

/* The step's max_s anew, from after_s on; 0: it has no limit. */
double policy_moves_deadline(const struct policy_plan *plan, const struct policy_state *state, double after_s);

/* Into a step at its plan's weight, or from the last one into the bake. */
void policy_moves_enter_step(const struct policy_plan *plan, struct policy_state *state, unsigned step);
void policy_moves_enter_bake(const struct policy_plan *plan, struct policy_state *state);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The policy where others have a say: they are asked before it moves a rollout on. Pure. */
#ifndef CANARYD_POLICY_GATES_H
#define CANARYD_POLICY_GATES_H

#include "user/consent.h"
#include "user/policy.h"

/* Whether the others agree to the move; who does not, and what of them, is written to the finding's gate and gate_why. */
typedef enum consent_verdict (*policy_ask)(const struct policy_decision *move, struct finding *finding, void *context);

/*
 * policy_tick(), which asks in every tick in which it would move on, and does not without their consent. The finding
 * then says that the gates are closed. `ask` may be NULL: nobody is asked.
 */
void policy_tick_asking(const struct policy_plan *plan, struct policy_state *state, struct finding *finding,
			double elapsed_s, policy_ask ask, void *context, struct policy_decision *ret);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A tick is decided as if all agreed; where they do not, it is decided again with the gates closed. */
#include "user/policy_gates.h"

#include <stdio.h>

#include "user/text.h"

/* What a tick would do were every gate open: its decision, or, where a hold is to lift first, the one that follows. */
static bool next_move(const struct policy_plan *plan, const struct policy_state *after, const struct finding *finding,
		      const struct policy_decision *decision, struct policy_decision *ret)
{
	struct policy_state state = *after;

	*ret = *decision;
	if (decision->kind == POLICY_RESUME)
		policy_tick(plan, &state, finding, 0, ret);
	return ret->kind == POLICY_ADVANCE || ret->kind == POLICY_PROMOTE;
}

static void hold(const struct policy_plan *plan, struct policy_state *state, const struct finding *finding,
		 struct policy_decision *ret)
{
	char reason[FINDING_REASON];

	text_print(reason, sizeof(reason), "hook %.60s %.120s (resume, and it is asked again)", finding->gate, finding->gate_why);
	if (policy_hold(plan, state, reason, ret))
		ret->kind = POLICY_NONE;
}

void policy_tick_asking(const struct policy_plan *plan, struct policy_state *state, struct finding *finding,
			double elapsed_s, policy_ask ask, void *context, struct policy_decision *ret)
{
	struct policy_state before = *state;
	enum consent_verdict verdict;
	struct policy_decision move;

	finding->gates_closed = finding->gate_refused = finding->gate_failed = false;
	policy_tick(plan, state, finding, elapsed_s, ret);
	if (!ask || !next_move(plan, state, finding, ret, &move))
		return;
	verdict = ask(&move, finding, context);
	if (verdict == CONSENT_AGREED)
		return;
	finding->gates_closed = true;
	finding->gate_refused = verdict == CONSENT_REFUSED;
	finding->gate_failed = verdict == CONSENT_FAILED;
	*state = before;
	policy_tick(plan, state, finding, elapsed_s, ret);
	if (finding->gate_failed)
		hold(plan, state, finding, ret);
}

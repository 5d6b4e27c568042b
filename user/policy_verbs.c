/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What operators and the caller may say to a rollout, and where. */
#include "user/policy.h"

#include <errno.h>
#include <stdio.h>

#include "user/policy_moves.h"

#define SAY(buf, ...) snprintf(buf, FINDING_REASON, __VA_ARGS__)

int policy_pause(const struct policy_plan *plan, struct policy_state *state, struct policy_decision *ret)
{
	(void)plan;
	if (state->phase == POLICY_ENDED || state->status == POLICY_PAUSED)
		return -EINVAL;
	*ret = policy_moves_decision(state, POLICY_PAUSE);
	SAY(ret->reason, "paused by an operator; still judged, and taken back if it fails");
	policy_moves_status(state, POLICY_PAUSED, POLICY_HELD_NOT);
	policy_moves_reason(state, ret);
	return 0;
}

int policy_resume(const struct policy_plan *plan, struct policy_state *state, struct policy_decision *ret)
{
	if (state->status != POLICY_PAUSED && state->status != POLICY_HELD)
		return -EINVAL;
	*ret = policy_moves_decision(state, POLICY_RESUME);
	SAY(ret->reason, "resumed by an operator after %.0f s", state->held_s);
	if (state->held == POLICY_HELD_MANUAL)
		state->gate_passed = true;
	if (state->held == POLICY_HELD_DEADLINE)
		state->deadline_s = policy_moves_deadline(plan, state, state->step_s);
	state->idle_s = 0;
	state->expiry_warned = false;
	policy_moves_resume(state, ret);
	return 0;
}

int policy_promote(const struct policy_plan *plan, struct policy_state *state, struct policy_decision *ret)
{
	(void)plan;
	if (state->phase == POLICY_ENDED)
		return -EINVAL;
	*ret = policy_moves_decision(state, POLICY_PROMOTE);
	SAY(ret->reason, "promoted by an operator: the canary becomes the baseline");
	policy_moves_end(state, POLICY_PROMOTED, 1, ret);
	return 0;
}

int policy_abort(const struct policy_plan *plan, struct policy_state *state, struct policy_decision *ret)
{
	(void)plan;
	if (state->phase == POLICY_ENDED)
		return -EINVAL;
	*ret = policy_moves_decision(state, POLICY_ABORT);
	SAY(ret->reason, "aborted by an operator: all new flows go to the baseline");
	policy_moves_end(state, POLICY_ABORTED, 0, ret);
	return 0;
}

int policy_supersede(const struct policy_plan *plan, struct policy_state *state, const char *by,
		     struct policy_decision *ret)
{
	(void)plan;
	if (state->phase == POLICY_ENDED)
		return -EINVAL;
	*ret = policy_moves_decision(state, POLICY_ABORT);
	SAY(ret->reason, "superseded by %s, which starts from its first step with evidence of its own", by);
	policy_moves_end(state, POLICY_ABORTED, 0, ret);
	return 0;
}

int policy_undo(const struct policy_plan *plan, struct policy_state *state, double since_s,
		struct policy_decision *ret)
{
	char since[32];

	if (state->status != POLICY_PROMOTED)
		return -EINVAL;
	if (!(since_s <= plan->undo_window_s) || plan->undo_window_s == 0)
		return -ETIME;
	*ret = policy_moves_decision(state, POLICY_UNDO);
	SAY(ret->reason, "undone by an operator %s after the promotion: the version before is the baseline again",
	    finding_print_duration(since, sizeof(since), since_s > 0 ? since_s : 0));
	policy_moves_end(state, POLICY_UNDONE, 0, ret);
	return 0;
}

int policy_hold(const struct policy_plan *plan, struct policy_state *state, const char *why,
		struct policy_decision *ret)
{
	(void)plan;
	if (state->phase == POLICY_ENDED || state->status == POLICY_PAUSED)
		return -EINVAL;
	*ret = policy_moves_decision(state, POLICY_HOLD);
	SAY(ret->reason, "%s", why);
	policy_moves_hold(state, POLICY_HELD_OTHER, ret);
	return 0;
}

int policy_roll_back(const struct policy_plan *plan, struct policy_state *state, const char *why,
		     struct policy_decision *ret)
{
	(void)plan;
	if (state->phase == POLICY_ENDED)
		return -EINVAL;
	*ret = policy_moves_decision(state, POLICY_ROLL_BACK);
	SAY(ret->reason, "%s", why);
	policy_moves_end(state, POLICY_ROLLED_BACK, 0, ret);
	return 0;
}

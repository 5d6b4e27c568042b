/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "user/policy_moves.h"

#include <math.h>
#include <string.h>

struct policy_decision policy_moves_decision(const struct policy_state *state, enum policy_kind kind)
{
	return (struct policy_decision){
		.kind = kind,
		.step = state->step,
		.weight_from = state->weight,
		.weight_to = state->weight,
		.value = NAN,
		.bound = NAN,
	};
}

void policy_moves_status(struct policy_state *state, enum policy_status status, enum policy_held held)
{
	state->status = status;
	state->held = held;
	state->held_s = 0;
}

void policy_moves_reason(struct policy_state *state, const struct policy_decision *d)
{
	memcpy(state->reason, d->reason, sizeof(state->reason));
}

void policy_moves_hold(struct policy_state *state, enum policy_held held, struct policy_decision *d)
{
	policy_moves_status(state, POLICY_HELD, held);
	policy_moves_reason(state, d);
}

void policy_moves_resume(struct policy_state *state, struct policy_decision *d)
{
	policy_moves_status(state, POLICY_RUNNING, POLICY_HELD_NOT);
	policy_moves_reason(state, d);
}

void policy_moves_end(struct policy_state *state, enum policy_status status, double weight, struct policy_decision *d)
{
	d->weight_to = state->weight = weight;
	state->phase = POLICY_ENDED;
	policy_moves_status(state, status, POLICY_HELD_NOT);
	policy_moves_reason(state, d);
}

double policy_moves_deadline(const struct policy_plan *plan, const struct policy_state *state, double after_s)
{
	double max_s = plan->step[state->step].max_s;

	return max_s > 0 ? after_s + max_s : 0;
}

static void begin(const struct policy_plan *plan, struct policy_state *state, enum policy_phase phase, double after_s)
{
	state->phase = phase;
	state->step_s = state->bake_s = state->idle_s = 0;
	state->expiry_warned = false;
	state->gate_passed = false;
	state->deadline_s = policy_moves_deadline(plan, state, after_s);
}

void policy_moves_enter_step(const struct policy_plan *plan, struct policy_state *state, unsigned step)
{
	state->step = step;
	state->weight = plan->step[step].weight;
	begin(plan, state, step == 0 ? POLICY_WARMUP : POLICY_STEP, 0);
}

void policy_moves_enter_bake(const struct policy_plan *plan, struct policy_state *state)
{
	begin(plan, state, POLICY_BAKE, plan->bake_s);
}

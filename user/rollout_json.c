/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "user/rollout_json.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>

json_t *rollout_json_number(double value)
{
	return isfinite(value) ? json_real(value) : json_null();
}

json_t *rollout_json_steps(const struct policy_plan *plan)
{
	json_t *steps = json_array();

	for (unsigned i = 0; i < plan->n_steps; i++) {
		const struct policy_step *step = &plan->step[i];

		json_array_append_new(steps, json_pack("{s:f, s:f, s:f, s:b}", "weight", step->weight, "min_s",
						       step->min_s, "max_s", step->max_s, "manual", step->manual));
	}
	return steps;
}

json_t *rollout_json_plan(const struct policy_plan *plan)
{
	const struct policy_adaptive *a = &plan->adaptive;

	return json_pack("{s:o, s:f, s:s, s:b, s:f, s:f, s:{s:b, s:f, s:f, s:f, s:f}}", "steps", rollout_json_steps(plan),
			 "bake_s", plan->bake_s, "on_fail", plan->on_fail == POLICY_FAIL_HOLD ? "hold" : "rollback",
			 "promote_never", plan->promote_never, "undo_window_s", plan->undo_window_s, "expire_s",
			 plan->expire_s, "adaptive", "on", a->on, "ratio", a->ratio, "growth", a->growth, "margin",
			 a->margin, "floor", a->floor);
}

static int parse_step(json_t *value, struct policy_step *ret)
{
	int manual = 0;

	if (json_unpack(value, "{s:F, s:F, s:F, s:b}", "weight", &ret->weight, "min_s", &ret->min_s, "max_s",
			&ret->max_s, "manual", &manual))
		return -EINVAL;
	ret->manual = manual;
	return 0;
}

/* What a journal may lack that an older daemon wrote: such a plan had none of it. */
static int parse_newer(json_t *root, struct policy_plan *plan)
{
	struct policy_adaptive *a = &plan->adaptive;
	int never = 0, on = 0;

	if (json_unpack(root, "{s?b, s?F, s?F, s?{s:b, s:F, s:F, s:F, s:F}}", "promote_never", &never, "undo_window_s",
			&plan->undo_window_s, "expire_s", &plan->expire_s, "adaptive", "on", &on, "ratio", &a->ratio, "growth",
			&a->growth, "margin", &a->margin, "floor", &a->floor))
		return -EINVAL;
	plan->promote_never = never;
	a->on = on;
	return 0;
}

int rollout_json_plan_parse(const char *text, struct policy_plan *ret)
{
	json_t *root = json_loads(text, 0, NULL), *steps, *step;
	struct policy_plan plan = {};
	const char *on_fail;
	size_t i;
	int r = json_unpack(root, "{s:o, s:F, s:s}", "steps", &steps, "bake_s", &plan.bake_s, "on_fail", &on_fail) ||
			json_array_size(steps) > POLICY_STEPS || parse_newer(root, &plan) ? -EINVAL : 0;

	if (!r) {
		plan.on_fail = on_fail[0] == 'h' ? POLICY_FAIL_HOLD : POLICY_FAIL_ROLL_BACK;
		plan.n_steps = json_array_size(steps);
		json_array_foreach(steps, i, step)
			if (parse_step(step, &plan.step[i]))
				r = -EINVAL;
	}
	json_decref(root);
	if (!r)
		*ret = plan;
	return r;
}

json_t *rollout_json_policy(const struct policy_state *state)
{
	return json_pack("{s:s, s:s, s:i, s:f, s:f, s:f, s:f, s:s, s:f, s:f, s:f, s:b, s:b, s:I, s:I, s:s}", "phase",
			 policy_phase_name(state->phase), "state", policy_status_name(state->status), "step",
			 (int)state->step, "weight", state->weight, "step_s", state->step_s, "bake_s", state->bake_s,
			 "deadline_s", state->deadline_s, "held", policy_held_name(state->held), "held_s", state->held_s,
			 "quiet_s", state->quiet_s, "idle_s", state->idle_s, "expiry_warned", state->expiry_warned, "gate_passed", state->gate_passed,
			 "named", (json_int_t)state->named, "ticks", (json_int_t)state->ticks, "reason", state->reason);
}

int rollout_json_policy_parse(const char *text, struct policy_state *ret)
{
	json_t *root = json_loads(text, 0, NULL);
	struct policy_state state = {};
	const char *phase, *status, *held, *reason;
	int step, gate_passed, expiry_warned = 0, r;
	json_int_t named = 0, ticks = 0;

	r = json_unpack(root, "{s:s, s:s, s:i, s:F, s:F, s:F, s:F, s:s, s:F, s?F, s?F, s?b, s:b, s?I, s?I, s:s}", "phase", &phase, "state",
			&status, "step", &step, "weight", &state.weight, "step_s", &state.step_s, "bake_s",
			&state.bake_s, "deadline_s", &state.deadline_s, "held", &held, "held_s", &state.held_s,
			"quiet_s", &state.quiet_s, "idle_s", &state.idle_s, "expiry_warned", &expiry_warned, "gate_passed", &gate_passed,
			"named", &named, "ticks", &ticks, "reason", &reason);
	if (r || policy_phase_parse(phase, &state.phase) || policy_status_parse(status, &state.status) ||
	    policy_held_parse(held, &state.held) || step < 0 || step >= POLICY_STEPS) {
		json_decref(root);
		return -EINVAL;
	}
	state.step = step;
	state.gate_passed = gate_passed;
	state.named = (uint32_t)named;
	state.ticks = (uint64_t)ticks;
	state.expiry_warned = expiry_warned;
	snprintf(state.reason, sizeof(state.reason), "%s", reason);
	json_decref(root);
	*ret = state;
	return 0;
}

json_t *rollout_json_counts(const struct finding_counts *counts)
{
	return json_pack("{s:{s:I, s:I}, s:{s:I, s:I}}", "baseline", "attempts", (json_int_t)counts->baseline_attempts,
			 "failed", (json_int_t)counts->baseline_failed, "canary", "attempts",
			 (json_int_t)counts->canary_attempts, "failed", (json_int_t)counts->canary_failed);
}

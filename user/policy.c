/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The state machine. policy_tick() reads as the order of precedence: failed, paused, held, moved on. The conditions
 * are in policy_rules.c.
 */
#include "user/policy.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "user/policy_rules.h"

#define STALL_S 60.0 /* a tick longer than this counts as this: the time in between was not watched */

#define SAY(buf, ...) snprintf(buf, FINDING_REASON, __VA_ARGS__)

/* ---- plans ----------------------------------------------------------------------------------------------- */

struct policy_plan policy_default_plan(void)
{
	static const double weight[] = { 0.01, 0.05, 0.25, 0.50, 1.00 };
	struct policy_plan plan = { .n_steps = sizeof(weight) / sizeof(weight[0]), .bake_s = 300 };

	for (unsigned i = 0; i < plan.n_steps; i++)
		plan.step[i] = (struct policy_step){ .weight = weight[i], .min_s = 60, .max_s = 3600 };
	return plan;
}

static int check_step(const struct policy_plan *plan, unsigned i, char reason[FINDING_REASON])
{
	const struct policy_step *s = &plan->step[i];

	if (!(s->weight > 0 && s->weight <= 1))
		SAY(reason, "step %u: weight %g must be above 0 and at most 1 (100 %%)", i + 1, s->weight);
	else if (i > 0 && s->weight < plan->step[i - 1].weight)
		SAY(reason, "step %u: weight %g is below the step before: sort the steps", i + 1, s->weight);
	else if (!(s->min_s >= 0) || isinf(s->min_s))
		SAY(reason, "step %u: the minimum time of %g s must be 0 or more", i + 1, s->min_s);
	else if (!(s->max_s >= 0) || isinf(s->max_s) || (s->max_s > 0 && s->max_s < s->min_s))
		SAY(reason, "step %u: the maximum time of %g s must be 0 (no limit) or at least the minimum of %g s",
		    i + 1, s->max_s, s->min_s);
	else
		return 0;
	return -EINVAL;
}

int policy_plan_check(const struct policy_plan *plan, char reason[FINDING_REASON])
{
	if (plan->n_steps == 0 || plan->n_steps > POLICY_STEPS) {
		SAY(reason, "a plan has 1 to %d steps, this one has %u", POLICY_STEPS, plan->n_steps);
		return -EINVAL;
	}
	if (!(plan->bake_s >= 0) || isinf(plan->bake_s)) {
		SAY(reason, "the bake of %g s must be 0 or more", plan->bake_s);
		return -EINVAL;
	}
	for (unsigned i = 0; i < plan->n_steps; i++)
		if (check_step(plan, i, reason) < 0)
			return -EINVAL;
	return 0;
}

/* ---- moves ----------------------------------------------------------------------------------------------- */

/* A decision that as yet changes nothing. */
static struct policy_decision decision(const struct policy_state *state, enum policy_kind kind)
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

static void keep_reason(struct policy_state *state, const struct policy_decision *d)
{
	memcpy(state->reason, d->reason, sizeof(state->reason));
}

static void set_status(struct policy_state *state, enum policy_status status, enum policy_held held)
{
	state->status = status;
	state->held = held;
	state->held_s = 0;
}

static void hold(struct policy_state *state, enum policy_held held, struct policy_decision *d)
{
	set_status(state, POLICY_HELD, held);
	keep_reason(state, d);
}

static void end(struct policy_state *state, enum policy_status status, double weight, struct policy_decision *d)
{
	d->weight_to = state->weight = weight;
	state->phase = POLICY_ENDED;
	set_status(state, status, POLICY_HELD_NOT);
	keep_reason(state, d);
}

static double deadline(double after_s, double max_s)
{
	return max_s > 0 ? after_s + max_s : 0;
}

static void enter_step(const struct policy_plan *plan, struct policy_state *state, unsigned step)
{
	state->phase = step == 0 ? POLICY_WARMUP : POLICY_STEP;
	state->step = step;
	state->weight = plan->step[step].weight;
	state->step_s = state->bake_s = 0;
	state->deadline_s = deadline(0, plan->step[step].max_s);
	state->gate_passed = false;
}

static void enter_bake(const struct policy_plan *plan, struct policy_state *state)
{
	state->phase = POLICY_BAKE;
	state->step_s = state->bake_s = 0;
	state->deadline_s = deadline(plan->bake_s, plan->step[state->step].max_s);
}

int policy_start(const struct policy_plan *plan, struct policy_state *state, struct policy_decision *ret)
{
	char share[32], why[FINDING_REASON];

	if (policy_plan_check(plan, why) < 0)
		return -EINVAL;
	*state = (struct policy_state){ 0 };
	*ret = decision(state, POLICY_START);
	enter_step(plan, state, 0);
	ret->weight_to = state->weight;
	SAY(ret->reason, "starts with step 1 of %u: %s of the new flows", plan->n_steps,
	    finding_print_share(share, sizeof(share), state->weight));
	keep_reason(state, ret);
	return 0;
}

/* ---- a tick ---------------------------------------------------------------------------------------------- */

static bool has_data(const struct finding *f)
{
	return f->data == FINDING_DATA_OK || f->data == FINDING_DATA_NO_BASELINE;
}

static void pass_time(struct policy_state *state, const struct finding *f, double elapsed_s)
{
	double s = elapsed_s > 0 ? fmin(elapsed_s, STALL_S) : 0;

	if (state->status != POLICY_RUNNING)
		state->held_s += s;
	if (state->phase != POLICY_WARMUP && state->status != POLICY_PAUSED)
		state->step_s += s;
	if (state->phase == POLICY_BAKE && state->status == POLICY_RUNNING && has_data(f))
		state->bake_s += s;
	if (state->phase == POLICY_WARMUP && has_data(f))
		state->phase = POLICY_STEP;
}

/* True when the canary has failed, whether or not that is news. */
static bool fail(const struct policy_plan *plan, struct policy_state *state, const struct finding *f,
		 struct policy_decision *d)
{
	if (!policy_rules_failed(f))
		return false;
	if (plan->on_fail == POLICY_FAIL_ROLL_BACK) {
		d->kind = POLICY_ROLL_BACK;
		policy_rules_say_failed(f, d);
		end(state, POLICY_ROLLED_BACK, 0, d);
	} else if (state->status != POLICY_PAUSED && state->held != POLICY_HELD_FAILED) {
		d->kind = POLICY_HOLD;
		policy_rules_say_failed(f, d);
		hold(state, POLICY_HELD_FAILED, d);
	}
	return true;
}

static void speak_of_loudest(const struct finding *f, struct policy_decision *d)
{
	const struct finding_sli *sli = &f->sli[f->loudest];

	snprintf(d->sli, sizeof(d->sli), "%s", sli->name);
	d->value = exp(f->ln_e_rollback);
	d->bound = exp(f->ln_hold);
	d->counts = sli->telling;
}

/* True when something holds the rollout, whether or not that is news. */
static bool is_held(struct policy_state *state, const struct finding *f, struct policy_decision *d)
{
	enum policy_held why = policy_rules_held(f, d->reason);

	if (why == POLICY_HELD_NOT)
		return false;
	if (state->status == POLICY_HELD && (state->held == why || state->held == POLICY_HELD_FAILED ||
					     state->held == POLICY_HELD_OTHER))
		return true;
	d->kind = POLICY_HOLD;
	if (why == POLICY_HELD_EVIDENCE)
		speak_of_loudest(f, d);
	else if (why == POLICY_HELD_SLI)
		policy_rules_say_gauge(f, d);
	hold(state, why, d);
	return true;
}

/* A hold that lifts itself. True when the rollout stays held. */
static bool stays_held(struct policy_state *state, const struct finding *f, enum policy_wait wait,
		       struct policy_decision *d)
{
	if (state->status != POLICY_HELD)
		return false;
	if (f->data == FINDING_DATA_ERROR || state->held == POLICY_HELD_MANUAL || state->held == POLICY_HELD_FAILED ||
	    state->held == POLICY_HELD_OTHER)
		return true;
	if (state->held == POLICY_HELD_GATE && wait == POLICY_WAIT_GATE)
		return true;
	if (state->held == POLICY_HELD_DEADLINE && wait != POLICY_WAIT_NOT && wait != POLICY_WAIT_MANUAL)
		return true;
	d->kind = POLICY_RESUME;
	SAY(d->reason, "what held it for %.0f s is over", state->held_s);
	set_status(state, POLICY_RUNNING, POLICY_HELD_NOT);
	keep_reason(state, d);
	return true;
}

static void promote(struct policy_state *state, struct policy_decision *d)
{
	d->kind = POLICY_PROMOTE;
	SAY(d->reason, "every step passed and %.0f s watched in the bake: the canary becomes the baseline",
	    state->bake_s);
	end(state, POLICY_PROMOTED, 1, d);
}

static void advance(const struct policy_plan *plan, struct policy_state *state, const struct finding *f,
		    struct policy_decision *d)
{
	bool last = state->step + 1 == plan->n_steps;

	if (state->phase == POLICY_BAKE || (last && plan->bake_s == 0)) {
		promote(state, d);
		return;
	}
	d->kind = POLICY_ADVANCE;
	policy_rules_say_passed(plan, state, f, d);
	if (last)
		enter_bake(plan, state);
	else
		enter_step(plan, state, state->step + 1);
	d->step = state->step;
	d->weight_to = state->weight;
	keep_reason(state, d);
}

static void move_on(const struct policy_plan *plan, struct policy_state *state, const struct finding *f,
		    enum policy_wait wait, struct policy_decision *d)
{
	if (wait == POLICY_WAIT_NOT) {
		advance(plan, state, f, d);
	} else if (wait == POLICY_WAIT_MANUAL) {
		d->kind = POLICY_HOLD;
		policy_print_waiting(plan, state, f, d->reason);
		hold(state, POLICY_HELD_MANUAL, d);
	} else if (wait == POLICY_WAIT_GATE && f->gate_refused) {
		d->kind = POLICY_HOLD;
		policy_print_waiting(plan, state, f, d->reason);
		hold(state, POLICY_HELD_GATE, d);
	} else if (state->deadline_s > 0 && state->step_s >= state->deadline_s && has_data(f)) {
		d->kind = POLICY_HOLD;
		policy_rules_say_inconclusive(plan, state, f, d->reason);
		hold(state, POLICY_HELD_DEADLINE, d);
	}
}

void policy_tick(const struct policy_plan *plan, struct policy_state *state, const struct finding *finding,
		 double elapsed_s, struct policy_decision *ret)
{
	enum policy_wait wait;
	unsigned sli;

	*ret = decision(state, POLICY_NONE);
	if (state->phase == POLICY_ENDED)
		return;
	pass_time(state, finding, elapsed_s);
	if (fail(plan, state, finding, ret) || state->status == POLICY_PAUSED)
		return;
	if (is_held(state, finding, ret))
		return;
	wait = policy_rules_wait(plan, state, finding, &sli);
	if (!stays_held(state, finding, wait, ret) && state->phase != POLICY_WARMUP)
		move_on(plan, state, finding, wait, ret);
}

/* ---- verbs ----------------------------------------------------------------------------------------------- */

int policy_pause(const struct policy_plan *plan, struct policy_state *state, struct policy_decision *ret)
{
	(void)plan;
	if (state->phase == POLICY_ENDED || state->status == POLICY_PAUSED)
		return -EINVAL;
	*ret = decision(state, POLICY_PAUSE);
	SAY(ret->reason, "paused by an operator; still judged, and taken back if it fails");
	set_status(state, POLICY_PAUSED, POLICY_HELD_NOT);
	keep_reason(state, ret);
	return 0;
}

int policy_resume(const struct policy_plan *plan, struct policy_state *state, struct policy_decision *ret)
{
	if (state->status != POLICY_PAUSED && state->status != POLICY_HELD)
		return -EINVAL;
	*ret = decision(state, POLICY_RESUME);
	SAY(ret->reason, "resumed by an operator after %.0f s", state->held_s);
	if (state->held == POLICY_HELD_MANUAL)
		state->gate_passed = true;
	if (state->held == POLICY_HELD_DEADLINE)
		state->deadline_s = deadline(state->step_s, plan->step[state->step].max_s);
	set_status(state, POLICY_RUNNING, POLICY_HELD_NOT);
	keep_reason(state, ret);
	return 0;
}

int policy_promote(const struct policy_plan *plan, struct policy_state *state, struct policy_decision *ret)
{
	(void)plan;
	if (state->phase == POLICY_ENDED)
		return -EINVAL;
	*ret = decision(state, POLICY_PROMOTE);
	SAY(ret->reason, "promoted by an operator: the canary becomes the baseline");
	end(state, POLICY_PROMOTED, 1, ret);
	return 0;
}

int policy_abort(const struct policy_plan *plan, struct policy_state *state, struct policy_decision *ret)
{
	(void)plan;
	if (state->phase == POLICY_ENDED)
		return -EINVAL;
	*ret = decision(state, POLICY_ABORT);
	SAY(ret->reason, "aborted by an operator: all new flows go to the baseline");
	end(state, POLICY_ABORTED, 0, ret);
	return 0;
}

int policy_hold(const struct policy_plan *plan, struct policy_state *state, const char *why,
		struct policy_decision *ret)
{
	(void)plan;
	if (state->phase == POLICY_ENDED || state->status == POLICY_PAUSED)
		return -EINVAL;
	*ret = decision(state, POLICY_HOLD);
	SAY(ret->reason, "%s", why);
	hold(state, POLICY_HELD_OTHER, ret);
	return 0;
}

int policy_roll_back(const struct policy_plan *plan, struct policy_state *state, const char *why,
		     struct policy_decision *ret)
{
	(void)plan;
	if (state->phase == POLICY_ENDED)
		return -EINVAL;
	*ret = decision(state, POLICY_ROLL_BACK);
	SAY(ret->reason, "%s", why);
	end(state, POLICY_ROLLED_BACK, 0, ret);
	return 0;
}

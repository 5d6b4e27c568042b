/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The state machine. policy_tick() reads as the order of precedence: failed, over, paused, held, moved on. The
 * conditions are in policy_rules.c, the operator's verbs in policy_verbs.c.
 */
#include "user/policy.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "user/policy_adaptive.h"
#include "user/policy_moves.h"
#include "user/policy_rules.h"
#include "user/text.h"

#define SETTLED_S 10.0 /* without an error, until one is over */
#define STALL_S 60.0   /* a tick longer than this counts as this: the time in between was not watched */

#define SAY(buf, ...) text_print(buf, FINDING_REASON, __VA_ARGS__)

int policy_start(const struct policy_plan *plan, struct policy_state *state, struct policy_decision *ret)
{
	char share[32], why[FINDING_REASON];

	if (policy_plan_check(plan, why) < 0)
		return -EINVAL;
	*state = (struct policy_state){ 0 };
	*ret = policy_moves_decision(state, POLICY_START);
	policy_moves_enter_step(plan, state, 0);
	ret->weight_to = state->weight;
	SAY(ret->reason, "starts with step 1 of %u: %s of the new flows", plan->n_steps,
	    finding_print_share(share, sizeof(share), state->weight));
	policy_moves_reason(state, ret);
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
	bool blackout = state->held == POLICY_HELD_BLACKOUT;

	if (state->status != POLICY_RUNNING)
		state->held_s += s;
	state->quiet_s += s;
	if (state->status != POLICY_RUNNING && !blackout)
		state->idle_s += s;
	if (state->phase != POLICY_WARMUP && state->status != POLICY_PAUSED && !blackout)
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
	if (plan->on_fail == POLICY_FAIL_ROLL_BACK || f->alert == FINDING_SAYS_FAIL) {
		d->kind = POLICY_ROLL_BACK;
		policy_rules_say_failed(f, d);
		policy_moves_end(state, POLICY_ROLLED_BACK, 0, d);
	} else if (state->status != POLICY_PAUSED && state->held != POLICY_HELD_FAILED) {
		d->kind = POLICY_HOLD;
		policy_rules_say_failed(f, d);
		policy_moves_hold(state, POLICY_HELD_FAILED, d);
	}
	return true;
}

/* The warning is a decision of its own: it is in the journal, and whoever listens for holds hears it. */
static void warn_of_expiry(struct policy_state *state, double left_s, struct policy_decision *d)
{
	char left[32];

	d->kind = state->status == POLICY_PAUSED ? POLICY_PAUSE : POLICY_HOLD;
	SAY(d->reason, "expires in %s and goes back to 0, unless an operator resumes it; %.170s",
	    finding_print_duration(left, sizeof(left), left_s), state->reason);
	state->expiry_warned = true;
	policy_moves_reason(state, d);
}

/* No canary for ever: one that is neither moving nor decided is taken back. */
static void expire(const struct policy_plan *plan, struct policy_state *state, struct policy_decision *d)
{
	double left_s = plan->expire_s - state->idle_s;
	char lasted[32], why[FINDING_REASON];

	if (plan->expire_s <= 0 || state->status == POLICY_RUNNING || state->held == POLICY_HELD_BLACKOUT)
		return;
	if (left_s > 0) {
		if (!state->expiry_warned && left_s <= fmin(POLICY_WARN_S, plan->expire_s / 4))
			warn_of_expiry(state, left_s, d);
		return;
	}
	d->kind = POLICY_ABORT;
	memcpy(why, state->reason, sizeof(why));
	SAY(d->reason, "expired: %s for %s in this step; it was: %.170s", policy_status_name(state->status),
	    finding_print_duration(lasted, sizeof(lasted), state->idle_s), why);
	policy_moves_end(state, POLICY_ABORTED, 0, d);
}

/* The planned end of what is never promoted. */
static void complete(const struct policy_plan *plan, struct policy_state *state, const struct finding *f,
		     struct policy_decision *d)
{
	char lasted[32], measured[FINDING_REASON - 64];

	if (!policy_rules_is_experiment(plan, state) || state->status == POLICY_PAUSED || state->deadline_s <= 0 ||
	    state->step_s < state->deadline_s)
		return;
	d->kind = POLICY_COMPLETE;
	finding_print_measured(measured, sizeof(measured), &f->sli[FINDING_ERRORS]);
	SAY(d->reason, "complete after %s: %s", finding_print_duration(lasted, sizeof(lasted), state->step_s), measured);
	d->counts = f->sli[FINDING_ERRORS].counts;
	policy_moves_end(state, POLICY_COMPLETED, 0, d);
}

static void speak_of_loudest(const struct finding *f, struct policy_decision *d)
{
	const struct finding_sli *sli = &f->sli[f->loudest];

	snprintf(d->sli, sizeof(d->sli), "%s", sli->name);
	d->value = exp(f->ln_e_rollback);
	d->bound = exp(f->ln_hold);
	d->unit = POLICY_UNIT_EVIDENCE;
	d->counts = sli->telling;
}

/* Held by one SLI, and now by another: the sentences of SLIs begin with their names. */
static bool by_another_sli(const struct policy_state *state, const struct finding *f)
{
	const char *name = f->sli[f->saying].name;
	size_t length = strlen(name);

	return strncmp(state->reason, name, length) != 0 || state->reason[length] != ':';
}

/* Of SLIs and of alerts there are several. A warning of expiry repeats the beginning of the reason. */
static bool by_another(const struct policy_state *state, const struct finding *f, enum policy_held why)
{
	char words[160];

	snprintf(words, sizeof(words), "%.159s", f->alert_why);
	if (why == POLICY_HELD_ALERT)
		return !strstr(state->reason, words);
	return why == POLICY_HELD_SLI && by_another_sli(state, f);
}

/* One hold can have many causes after each other: each is named once, however often it comes and goes. */
static bool is_news(struct policy_state *state, const struct finding *f, enum policy_held why)
{
	uint32_t cause = policy_rules_cause(f, why);
	bool same = state->status == POLICY_HELD && state->held == why && !by_another(state, f, why);
	bool news = !same || (state->named & cause) != cause;

	state->named = same ? state->named | cause : cause;
	return news;
}

/* True when something holds the rollout, whether or not that is news. */
static bool is_held(struct policy_state *state, const struct finding *f, struct policy_decision *d)
{
	enum policy_held why = policy_rules_held(f, d->reason);

	if (why == POLICY_HELD_ERROR)
		state->quiet_s = 0;
	if (why == POLICY_HELD_NOT)
		return false;
	if (state->status == POLICY_HELD && (state->held == POLICY_HELD_FAILED || state->held == POLICY_HELD_OTHER))
		return true;
	if (!is_news(state, f, why)) {
		if (why == POLICY_HELD_SLI)
			memcpy(state->reason, d->reason, sizeof(state->reason)); /* its last answer */
		return true;
	}
	d->kind = POLICY_HOLD;
	if (why == POLICY_HELD_EVIDENCE)
		speak_of_loudest(f, d);
	else if (why == POLICY_HELD_SLI)
		policy_rules_say_gauge(f, d);
	policy_moves_hold(state, why, d);
	return true;
}

/* A hold that lifts itself. True when the rollout stays held. */
static bool stays_held(struct policy_state *state, const struct finding *f, enum policy_wait wait,
		       struct policy_decision *d)
{
	if (state->status != POLICY_HELD)
		return false;
	if (state->held == POLICY_HELD_ERROR && state->quiet_s < SETTLED_S)
		return true;
	if (f->data == FINDING_DATA_ERROR || state->held == POLICY_HELD_MANUAL || state->held == POLICY_HELD_FAILED ||
	    state->held == POLICY_HELD_OTHER)
		return true;
	if (state->held == POLICY_HELD_GATE && wait == POLICY_WAIT_GATE) {
		if (f->gate_refused)
			policy_rules_say_gate(f, state->reason); /* its last answer, or another gate's */
		return true;
	}
	if (state->held == POLICY_HELD_DEADLINE && wait != POLICY_WAIT_NOT && wait != POLICY_WAIT_MANUAL)
		return true;
	d->kind = POLICY_RESUME;
	SAY(d->reason, "what held it for %.0f s is over", state->held_s);
	policy_moves_resume(state, d);
	return true;
}

static void promote(struct policy_state *state, struct policy_decision *d)
{
	d->kind = POLICY_PROMOTE;
	SAY(d->reason, "every step passed and %.0f s watched in the bake: the canary becomes the baseline",
	    state->bake_s);
	policy_moves_end(state, POLICY_PROMOTED, 1, d);
}

/* The plan's weight, or in its place the one that the error budget can bear. */
static void step_up(const struct policy_plan *plan, struct policy_state *state, const struct finding *f)
{
	struct policy_adaptive_next next = { .step = state->step + 1 };

	if (plan->adaptive.on)
		next = policy_adaptive_next(plan, state, f);
	else
		next.weight = plan->step[next.step].weight;
	policy_moves_enter_step(plan, state, next.step);
	state->weight = next.weight;
	state->phase = POLICY_STEP;
}

static void advance(const struct policy_plan *plan, struct policy_state *state, const struct finding *f,
		    struct policy_decision *d)
{
	bool last = policy_rules_is_last(plan, state);

	if (state->phase == POLICY_BAKE || (last && plan->bake_s == 0)) {
		promote(state, d);
		return;
	}
	d->kind = POLICY_ADVANCE;
	policy_rules_say_passed(plan, state, f, d);
	if (last)
		policy_moves_enter_bake(plan, state);
	else
		step_up(plan, state, f);
	d->step = state->step;
	d->weight_to = state->weight;
	policy_moves_reason(state, d);
}

static void move_on(const struct policy_plan *plan, struct policy_state *state, const struct finding *f,
		    enum policy_wait wait, struct policy_decision *d)
{
	if (wait == POLICY_WAIT_NOT) {
		advance(plan, state, f, d);
	} else if (wait == POLICY_WAIT_MANUAL) {
		d->kind = POLICY_HOLD;
		policy_print_waiting(plan, state, f, d->reason);
		policy_moves_hold(state, POLICY_HELD_MANUAL, d);
	} else if (wait == POLICY_WAIT_GATE && f->gate_refused) {
		d->kind = POLICY_HOLD;
		policy_print_waiting(plan, state, f, d->reason);
		policy_moves_hold(state, POLICY_HELD_GATE, d);
	} else if (state->deadline_s > 0 && state->step_s >= state->deadline_s && has_data(f) &&
		   !policy_rules_is_experiment(plan, state)) {
		d->kind = POLICY_HOLD;
		policy_rules_say_inconclusive(plan, state, f, d->reason);
		policy_moves_hold(state, POLICY_HELD_DEADLINE, d);
	}
}

void policy_tick(const struct policy_plan *plan, struct policy_state *state, const struct finding *finding,
		 double elapsed_s, struct policy_decision *ret)
{
	enum policy_wait wait;
	unsigned sli;
	bool failed;

	*ret = policy_moves_decision(state, POLICY_NONE);
	if (state->phase == POLICY_ENDED)
		return;
	state->ticks++;
	pass_time(state, finding, elapsed_s);
	failed = fail(plan, state, finding, ret);
	if (ret->kind == POLICY_NONE)
		expire(plan, state, ret);
	if (ret->kind == POLICY_NONE && !failed && state->held != POLICY_HELD_FAILED)
		complete(plan, state, finding, ret);
	if (ret->kind != POLICY_NONE || failed || state->status == POLICY_PAUSED)
		return;
	if (is_held(state, finding, ret))
		return;
	wait = policy_rules_wait(plan, state, finding, &sli);
	if (!stays_held(state, finding, wait, ret) && state->phase != POLICY_WARMUP)
		move_on(plan, state, finding, wait, ret);
}

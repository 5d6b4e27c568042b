/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The policy's conditions and their sentences.
 */
#include "user/policy_rules.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "user/policy_adaptive.h"
#include "user/text.h"

/* Of an error; those of SLIs are the bits of their states. */
#define CAUSE_SAMPLE (1U << 24)
#define CAUSE_CLOCK (1U << 25)
#define CAUSE_SLEEP (1U << 26)
_Static_assert(FINDING_STATE_UNAVAILABLE < 24, "causes are told apart");

#define LN_LARGEST 700.0 /* e to this is still a number */

#define SAY(buf, ...) text_print(buf, FINDING_REASON, __VA_ARGS__)

static double plain(double ln_e)
{
	return exp(fmin(ln_e, LN_LARGEST));
}

/* ---- failed ---------------------------------------------------------------------------------------------- */

static bool is_worse(const struct finding *f)
{
	return f->ln_e_rollback >= f->ln_bound;
}

bool policy_rules_failed(const struct finding *finding)
{
	if (finding->alert == FINDING_SAYS_FAIL || finding->tripped || finding->backends == FINDING_SAYS_FAIL)
		return true;
	return finding->data != FINDING_DATA_ERROR &&
	       (is_worse(finding) || finding->guard_fired || finding->budget_spent ||
		finding->says == FINDING_SAYS_FAIL);
}

void policy_rules_say_gauge(const struct finding *finding, struct policy_decision *d)
{
	const struct finding_sli *sli = &finding->sli[finding->saying];

	snprintf(d->sli, sizeof(d->sli), "%s", sli->name);
	finding_print_said(d->reason, sizeof(d->reason), finding);
	d->value = sli->kind == FINDING_GAUGE ? sli->canary : NAN;
	d->bound = sli->kind == FINDING_GAUGE ? sli->bound : NAN;
	d->unit = sli->kind == FINDING_GAUGE ? POLICY_UNIT_MEASURED + sli->unit : POLICY_UNIT_NONE;
	d->counts = sli->counts;
}

/* False: it is the judge that found it. */
static bool say_others(const struct finding *finding, struct policy_decision *d)
{
	if (finding->alert == FINDING_SAYS_FAIL) {
		SAY(d->reason, "%s", finding->alert_why);
	} else if (finding->tripped) {
		SAY(d->reason, "%s", finding->tripped_why);
		d->counts.canary_attempts = finding->tripped_attempts;
		d->counts.canary_failed = finding->tripped_failed;
	} else if (finding->backends == FINDING_SAYS_FAIL) {
		SAY(d->reason, "%s", finding->backends_why);
	} else {
		return false;
	}
	return true;
}

void policy_rules_say_failed(const struct finding *finding, struct policy_decision *d)
{
	const struct finding_sli *sli = &finding->sli[is_worse(finding) ? finding->loudest : FINDING_ERRORS];

	if (say_others(finding, d))
		return;
	if (!is_worse(finding) && !finding->guard_fired && !finding->budget_spent) {
		policy_rules_say_gauge(finding, d);
		return;
	}
	snprintf(d->sli, sizeof(d->sli), "%s", sli->name);
	snprintf(d->reason, sizeof(d->reason), "%s", finding->reason);
	d->counts = sli->telling;
	d->unit = POLICY_UNIT_EVIDENCE;
	if (is_worse(finding)) {
		d->value = plain(finding->ln_e_rollback);
		d->bound = plain(finding->ln_bound);
	} else if (finding->guard_fired) {
		d->value = plain(finding->ln_e_guard);
		d->bound = plain(finding->ln_bound_guard);
		d->counts = finding->guard_counts;
	} else {
		d->value = finding->excess_failures;
		d->bound = finding->budget_failures;
		d->unit = POLICY_UNIT_MEASURED + FINDING_NUMBER;
	}
}

/* ---- held ------------------------------------------------------------------------------------------------ */

enum policy_held policy_rules_held(const struct finding *finding, char reason[FINDING_REASON])
{
	char step[32];

	if (finding->alert == FINDING_SAYS_HOLD) {
		SAY(reason, "%s", finding->alert_why);
		return POLICY_HELD_ALERT;
	}
	if (finding->backends == FINDING_SAYS_HOLD) {
		SAY(reason, "%s", finding->backends_why);
		return POLICY_HELD_BACKENDS;
	}
	if (finding->data == FINDING_DATA_ERROR) {
		SAY(reason, "%s", finding->reason);
		return POLICY_HELD_ERROR;
	}
	if (finding->asleep_s > 0) {
		SAY(reason, "the host was asleep for %s: nothing was watched meanwhile",
		    finding_print_duration(step, sizeof(step), finding->asleep_s));
		return POLICY_HELD_ERROR;
	}
	if (finding->clock_step_s != 0) {
		SAY(reason, "the clock was set %s %s: blackouts, dates and the undo window go by it",
		    finding_print_duration(step, sizeof(step), fabs(finding->clock_step_s)),
		    finding->clock_step_s > 0 ? "forward" : "back");
		return POLICY_HELD_ERROR;
	}
	if (finding->data == FINDING_DATA_NO_DATA) {
		SAY(reason, "%s", finding->reason);
		return POLICY_HELD_NO_DATA;
	}
	if (finding->aa_unhealthy) {
		SAY(reason, "the baseline's own backends differ from each other as a bad canary would: no verdict "
			    "can be trusted until ten minutes after they agree again");
		return POLICY_HELD_AA;
	}
	if (finding->holds) {
		SAY(reason, "%s", finding->reason);
		return POLICY_HELD_EVIDENCE;
	}
	if (finding->says == FINDING_SAYS_HOLD) {
		finding_print_said(reason, FINDING_REASON, finding);
		return POLICY_HELD_SLI;
	}
	if (finding->blackout) {
		SAY(reason, "a blackout window is open until %s: nothing moves up", finding->blackout_until);
		return POLICY_HELD_BLACKOUT;
	}
	return POLICY_HELD_NOT;
}

uint32_t policy_rules_cause(const struct finding *finding, enum policy_held held)
{
	if (held == POLICY_HELD_SLI)
		return 1U << finding->sli[finding->saying].state;
	if (held != POLICY_HELD_ERROR)
		return 0;
	if (finding->data == FINDING_DATA_ERROR)
		return CAUSE_SAMPLE;
	return finding->asleep_s > 0 ? CAUSE_SLEEP : CAUSE_CLOCK;
}

/* ---- waiting --------------------------------------------------------------------------------------------- */

/*
 * Without a baseline there is only the absolute test of errors. Where those have no say the others are asked for all the
 * same, unless the weight leaves the baseline nothing. What nobody measures cannot be asked for.
 */
static bool is_asked(const struct policy_state *state, const struct finding *f, unsigned i)
{
	if (f->sli[i].unasked)
		return false;
	if (i == FINDING_ERRORS)
		return true;
	if (f->data == FINDING_DATA_NO_BASELINE && (!f->sli[FINDING_ERRORS].unasked || state->weight >= 1))
		return false;
	return !(isnan(f->sli[i].baseline) && isnan(f->sli[i].canary));
}

static bool lacks_evidence(const struct policy_state *state, const struct finding *f, unsigned *ret_sli)
{
	for (unsigned i = 0; i < f->n_slis; i++) {
		if (!is_asked(state, f, i) || f->sli[i].promotion.ln_e >= f->sli[i].promotion.ln_bound)
			continue;
		*ret_sli = i;
		return true;
	}
	return false;
}

bool policy_rules_is_last(const struct policy_plan *plan, const struct policy_state *state)
{
	return state->step + 1 == plan->n_steps && (!plan->adaptive.on || policy_adaptive_at_step(plan, state));
}

bool policy_rules_is_experiment(const struct policy_plan *plan, const struct policy_state *state)
{
	return plan->promote_never && policy_rules_is_last(plan, state) && state->phase == POLICY_STEP;
}

/* A gate that is passed, or that the weight has not come to yet. */
static bool gate_is_open(const struct policy_plan *plan, const struct policy_state *state)
{
	return !plan->step[state->step].manual || state->gate_passed || state->phase == POLICY_BAKE ||
	       (plan->adaptive.on && !policy_adaptive_at_step(plan, state));
}

static bool lacks_budget(const struct policy_plan *plan, const struct policy_state *state, const struct finding *f)
{
	return plan->adaptive.on && state->phase != POLICY_BAKE && !policy_rules_is_last(plan, state) &&
	       policy_adaptive_next(plan, state, f).by == POLICY_ADAPTIVE_SPENT;
}

enum policy_wait policy_rules_wait(const struct policy_plan *plan, const struct policy_state *state,
				   const struct finding *finding, unsigned *ret_sli)
{
	const struct policy_step *step = &plan->step[state->step];
	bool bake = state->phase == POLICY_BAKE;

	if (finding->alert != FINDING_SAYS_NOTHING)
		return POLICY_WAIT_ALERT;
	if (finding->backends != FINDING_SAYS_NOTHING)
		return POLICY_WAIT_BACKENDS;
	if (finding->data != FINDING_DATA_OK && finding->data != FINDING_DATA_NO_BASELINE)
		return POLICY_WAIT_DATA;
	if (finding->holds || finding->p99_holds)
		return POLICY_WAIT_WORSE;
	if (finding->aa_unhealthy)
		return POLICY_WAIT_AA;
	if (finding->says != FINDING_SAYS_NOTHING)
		return POLICY_WAIT_SLI;
	if (policy_rules_is_experiment(plan, state))
		return POLICY_WAIT_END;
	if (!bake && lacks_evidence(state, finding, ret_sli))
		return POLICY_WAIT_EVIDENCE;
	if (bake ? state->bake_s < plan->bake_s : state->step_s < step->min_s)
		return POLICY_WAIT_TIME;
	if (finding->burn_blocks) /* a page is an alert: a baseline that burns as fast is not the canary's fault */
		return POLICY_WAIT_BURN;
	if (finding->gates_closed)
		return POLICY_WAIT_GATE;
	if (lacks_budget(plan, state, finding))
		return POLICY_WAIT_BUDGET;
	if (!gate_is_open(plan, state))
		return POLICY_WAIT_MANUAL;
	return POLICY_WAIT_NOT;
}

/* "errors: promotion evidence 3.1 of 20 at 1 %" */
static void print_promotion(const struct policy_state *state, const struct finding_sli *sli, char *buf, size_t size)
{
	char evidence[32], bound[32], share[32];

	snprintf(buf, size, "%s: promotion evidence %s of %s at %s", sli->name,
		 finding_print_evidence(evidence, sizeof(evidence), sli->promotion.ln_e),
		 finding_print_evidence(bound, sizeof(bound), sli->promotion.ln_bound),
		 finding_print_share(share, sizeof(share), state->weight));
}

static void say_evidence(const struct policy_state *state, const struct finding_sli *sli,
			 char reason[FINDING_REASON])
{
	char promotion[160], eta[32];

	print_promotion(state, sli, promotion, sizeof(promotion));
	finding_print_duration(eta, sizeof(eta), sli->time_to_verdict_s);
	if (isnan(sli->time_to_verdict_s))
		SAY(reason, "%s", promotion);
	else
		SAY(reason, "%s, about %s more", promotion, eta);
}

static void say_burn(const struct finding *f, char reason[FINDING_REASON])
{
	SAY(reason, "burn gate: the canary burns its error budget %.3g times as fast as it may, the baseline %.3g",
	    f->burn_canary, f->burn_baseline);
}

static void say_time(const struct policy_plan *plan, const struct policy_state *state, char reason[FINDING_REASON])
{
	if (state->phase == POLICY_BAKE)
		SAY(reason, "baking: %.0f of %.0f s watched", state->bake_s, plan->bake_s);
	else
		SAY(reason, "the evidence is there, %.0f of at least %.0f s have passed", state->step_s,
		    plan->step[state->step].min_s);
}

void policy_rules_say_gate(const struct finding *f, char reason[FINDING_REASON])
{
	SAY(reason, "gate %s %s", f->gate, *f->gate_why ? f->gate_why : "is closed");
}

static void say_worse(const struct finding *f, char reason[FINDING_REASON])
{
	char evidence[32];

	if (f->holds)
		SAY(reason, "%s", f->reason);
	else
		SAY(reason, "latency: evidence %s ≥ %.4g that the canary's p99 is slower",
		    finding_print_evidence(evidence, sizeof(evidence), f->ln_e_p99), exp(f->ln_hold));
}

static void say_budget(const struct policy_plan *plan, const struct policy_state *state, const struct finding *f,
		       char reason[FINDING_REASON])
{
	struct policy_adaptive_next next = policy_adaptive_next(plan, state, f);

	policy_adaptive_say(plan, f, &next, reason, FINDING_REASON);
}

static void say_end(const struct policy_state *state, char reason[FINDING_REASON])
{
	char lasted[32], planned[32];

	finding_print_duration(lasted, sizeof(lasted), state->step_s);
	finding_print_duration(planned, sizeof(planned), state->deadline_s);
	SAY(reason, "stays at this weight, never promoted: %s of %s", lasted,
	    state->deadline_s > 0 ? planned : "no end but an operator's");
}

void policy_print_waiting(const struct policy_plan *plan, const struct policy_state *state,
			  const struct finding *finding, char reason[FINDING_REASON])
{
	unsigned sli = 0;

	switch (policy_rules_wait(plan, state, finding, &sli)) {
	case POLICY_WAIT_ALERT: SAY(reason, "%s", finding->alert_why); break;
	case POLICY_WAIT_BACKENDS: SAY(reason, "%s", finding->backends_why); break;
	case POLICY_WAIT_NOT: SAY(reason, "every condition is met"); break;
	case POLICY_WAIT_DATA: SAY(reason, "%s", finding->reason); break;
	case POLICY_WAIT_WORSE: say_worse(finding, reason); break;
	case POLICY_WAIT_AA: policy_rules_held(finding, reason); break;
	case POLICY_WAIT_SLI: finding_print_said(reason, FINDING_REASON, finding); break;
	case POLICY_WAIT_TIME: say_time(plan, state, reason); break;
	case POLICY_WAIT_EVIDENCE: say_evidence(state, &finding->sli[sli], reason); break;
	case POLICY_WAIT_BURN: say_burn(finding, reason); break;
	case POLICY_WAIT_GATE: policy_rules_say_gate(finding, reason); break;
	case POLICY_WAIT_BUDGET: say_budget(plan, state, finding, reason); break;
	case POLICY_WAIT_END: say_end(state, reason); break;
	case POLICY_WAIT_MANUAL: SAY(reason, "the step has passed, its gate waits for an operator's resume"); break;
	}
}

/* ---- inconclusive and passed ----------------------------------------------------------------------------- */

/* The time to a verdict goes with the number of canary events, that is, with its share. */
static void say_remedy(const struct policy_state *state, const struct finding_sli *sli, char *buf, size_t size)
{
	double now = state->weight, next = fmin(0.5, now * 5);
	char eta[32], share[32], quicker[32];

	if (isnan(sli->time_to_verdict_s) || sli->time_to_verdict_s <= 0) {
		snprintf(buf, size, "a larger share or more traffic would settle it");
		return;
	}
	finding_print_duration(eta, sizeof(eta), sli->time_to_verdict_s);
	if (next <= now) {
		snprintf(buf, size, "about %s more would settle it", eta);
		return;
	}
	finding_print_share(share, sizeof(share), next);
	finding_print_duration(quicker, sizeof(quicker), sli->time_to_verdict_s * now / next);
	snprintf(buf, size, "about %s more would settle it, or %s at %s", eta, quicker, share);
}

void policy_rules_say_inconclusive(const struct policy_plan *plan, const struct policy_state *state,
				   const struct finding *finding, char reason[FINDING_REASON])
{
	char text[FINDING_REASON], lasted[32], remedy[160];
	unsigned sli = 0;

	finding_print_duration(lasted, sizeof(lasted), state->step_s);
	if (policy_rules_wait(plan, state, finding, &sli) != POLICY_WAIT_EVIDENCE) {
		policy_print_waiting(plan, state, finding, text);
		SAY(reason, "inconclusive after %s: %.190s", lasted, text);
		return;
	}
	print_promotion(state, &finding->sli[sli], text, sizeof(text));
	say_remedy(state, &finding->sli[sli], remedy, sizeof(remedy));
	SAY(reason, "inconclusive after %s: %.90s; %.90s", lasted, text, remedy);
}

static void say_promotion(const struct policy_state *state, const struct finding *f, char *buf, size_t size)
{
	char evidence[32];
	size_t used = 0;

	buf[0] = 0;
	for (unsigned i = 0; i < f->n_slis && used < size; i++)
		if (is_asked(state, f, i))
			used += (size_t)snprintf(buf + used, size - used, "%s%s %s", used ? ", " : "", f->sli[i].name,
						 finding_print_evidence(evidence, sizeof(evidence),
									f->sli[i].promotion.ln_e));
}

/* "; 12 % next: …" where it is not the plan alone that says so. */
static void say_next(const struct policy_plan *plan, const struct policy_state *state, const struct finding *f,
			    char *buf, size_t size)
{
	struct policy_adaptive_next next;

	buf[0] = 0;
	if (!plan->adaptive.on || policy_rules_is_last(plan, state))
		return;
	next = policy_adaptive_next(plan, state, f);
	snprintf(buf, size, "; ");
	policy_adaptive_say(plan, f, &next, buf + 2, size - 2);
}

/* "step 2 of 5 passed after 60 s"; on the way to a step it is the weight that has passed. */
static void say_lasted(const struct policy_plan *plan, const struct policy_state *state, char *buf, size_t size)
{
	char lasted[32], share[32];

	finding_print_duration(lasted, sizeof(lasted), state->step_s);
	finding_print_share(share, sizeof(share), state->weight);
	if (plan->adaptive.on && !policy_adaptive_at_step(plan, state))
		snprintf(buf, size, "%s passed after %s", share, lasted);
	else
		snprintf(buf, size, "step %u of %u passed after %s", state->step + 1, plan->n_steps, lasted);
}

void policy_rules_say_passed(const struct policy_plan *plan, const struct policy_state *state,
			     const struct finding *finding, struct policy_decision *d)
{
	const struct finding_sli *least = NULL;
	char lasted[80], evidence[128];
	int used;

	for (unsigned i = 0; i < finding->n_slis; i++)
		if (is_asked(state, finding, i) && (!least || finding->sli[i].promotion.ln_e < least->promotion.ln_e))
			least = &finding->sli[i];
	say_lasted(plan, state, lasted, sizeof(lasted));
	if (!least) {
		SAY(d->reason, "%s: no SLI asks for evidence", lasted);
		return;
	}
	snprintf(d->sli, sizeof(d->sli), "%s", least->name);
	d->value = plain(least->promotion.ln_e);
	d->bound = plain(least->promotion.ln_bound);
	d->unit = POLICY_UNIT_EVIDENCE;
	d->counts = least->counts;
	say_promotion(state, finding, evidence, sizeof(evidence));
	used = SAY(d->reason, "%s: promotion evidence %.60s (≥ %.4g)", lasted, evidence, d->bound);
	say_next(plan, state, finding, d->reason + used, sizeof(d->reason) - (size_t)used);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Indicators from outside the packets. What cannot be measured is neither pass nor fail: it keeps the rollout from
 * going up at once, and after a few looks in a row holds it.
 */
#include "user/judge_external.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "user/text.h"

#define BAD_LOOKS_HOLD 3
#define PATIENCE_NS 300000000000ULL /* looks are far apart: events of one side wait so long for the other's */
#define PAST_STANDARD_ERRORS 2.0
#define SKEW_S 60.0    /* time constant */
#define SKEW_SURE 4.0  /* standard errors that chance does not explain */

/* ---- a rollout, a block, a step -------------------------------------------------------------------------- */

static void begin(struct judge_external_state *x, const struct judge_external *spec, bool late)
{
	*x = (struct judge_external_state){ .kind = spec->kind };
	memcpy(x->name, spec->name, sizeof(x->name));
	errors_init(&x->count, late);
	gauge_init(&x->gauge);
}

void judge_external_begin(struct judge_external_state *states, const struct judge_config *config)
{
	for (unsigned i = 0; i < config->n_externals; i++)
		begin(&states[i], &config->external[i], config->block_s > 0);
}

void judge_external_restart(struct judge_external_state *states, const struct judge_config *config)
{
	for (unsigned i = 0; i < config->n_externals; i++)
		errors_restart(&states[i].count);
}

void judge_external_step(struct judge_external_state *states, const struct judge_config *config)
{
	for (unsigned i = 0; i < config->n_externals; i++)
		errors_step(&states[i].count);
}

void judge_external_fit(struct judge_external_state *states, const struct judge_config *config)
{
	struct judge_external_state saved[FINDING_EXTERNALS];

	memcpy(saved, states, sizeof(saved));
	judge_external_begin(states, config);
	for (unsigned i = 0; i < config->n_externals; i++)
		for (unsigned k = 0; k < FINDING_EXTERNALS; k++)
			if (saved[k].kind == states[i].kind && !strncmp(saved[k].name, states[i].name, FINDING_NAME))
				states[i] = saved[k];
}

/* ---- learning -------------------------------------------------------------------------------------------- */

static struct gauge_terms gauge_terms(const struct judge_external *spec)
{
	return (struct gauge_terms){ spec->max, spec->min, spec->max_ratio, spec->min_ratio, spec->for_s };
}

/* The baseline's share of bad events since the rollout began stands for it where it has no traffic any more. */
static struct errors_terms count_terms(const struct judge_external_state *x, const struct judge_external *spec,
				       const struct errors_terms *failures)
{
	const struct sequential_counts *total = &x->count.recent.total;
	struct errors_terms t = *failures;
	double n = (double)total->baseline_n, y = (double)total->baseline_y;
	double error = PAST_STANDARD_ERRORS * sqrt(fmax(y, 1));

	t.margin = spec->margin;
	t.p0 = t.p0_rollback = spec->p0;
	t.phi = spec->noise ? failures->phi : 1;
	t.kappa = spec->noise ? failures->kappa : REGRESSION_NO_EXCUSE;
	t.patience_ns = PATIENCE_NS;
	t.alone = failures->alone && n > 0;
	t.past_high = n > 0 ? fmin(1, (y + error) / n) : NAN;
	t.past_low = n > 0 ? fmax(0, (y - error) / n) : NAN;
	return t;
}

static void learn_count(struct judge_external_state *x, const struct judge_external *spec,
			const struct errors_terms *failures, const struct sample_external *look, uint64_t elapsed_ns)
{
	struct errors_terms terms = count_terms(x, spec, failures);
	bool usable = look->fresh && look->state == FINDING_STATE_OK;
	struct warmup_split canary = { 0 };

	canary.warm_n = usable ? look->canary_n : 0;
	canary.warm_y = usable ? look->canary_y : 0;
	errors_add(&x->count, &terms, &canary, usable ? look->baseline_n : 0, usable ? look->baseline_y : 0, elapsed_ns);
}

static void learn_gauge(struct judge_external_state *x, const struct judge_external *spec,
			const struct sample_external *look, double elapsed_s, bool judged)
{
	const struct gauge_terms none = { NAN, NAN, NAN, NAN, 0 }, terms = judged ? gauge_terms(spec) : none;

	if (look->state != FINDING_STATE_OK)
		return;
	gauge_pass(&x->gauge, elapsed_s);
	if (look->fresh)
		gauge_look(&x->gauge, &terms, look->canary, look->baseline);
}

/*
 * Shares that chance explains are within any bound; so are those of a weight that is no choice. The requests are those
 * of flows opened in this rollout, so the weights they came under are this rollout's too.
 */
static void learn_skew(struct judge_external_state *x, const struct judge_external *spec, const struct sample *sample,
		       double elapsed_s, bool judged)
{
	double w = sample->weight, n = (double)(sample->canary.attempts + sample->baseline.attempts);
	double keep = exp(-elapsed_s / SKEW_S);
	struct judge_skew *s = &x->skew;
	struct sample_external look = { .fresh = true, .state = FINDING_STATE_OK };
	bool sure;

	if (!(w > 0 && w < 1))
		return;
	s->requests = s->requests * keep + n;
	s->canary = s->canary * keep + (double)sample->canary.attempts;
	s->expected = s->expected * keep + n * w;
	s->variance = s->variance * keep + n * w * (1 - w);
	if (!(s->requests > 0))
		return;
	sure = fabs(s->canary - s->expected) > SKEW_SURE * sqrt(s->variance);
	look.canary = s->canary / s->requests;
	look.baseline = s->expected / s->requests;
	learn_gauge(x, spec, &look, elapsed_s, judged && sure);
}

static void count_look(struct judge_external_state *x, const struct sample_external *look)
{
	if (look->state == FINDING_STATE_OK || look->state == FINDING_STATE_WAITING)
		x->bad_looks = 0;
	else if (look->fresh && x->bad_looks < UINT32_MAX)
		x->bad_looks++;
}

void judge_external_learn(struct judge_external_state *states, const struct judge_config *config,
			  const struct errors_terms *terms, const struct sample *sample, bool warm)
{
	double elapsed_s = (double)sample->elapsed_ns / 1e9;

	for (unsigned i = 0; i < config->n_externals; i++) {
		const struct judge_external *spec = &config->external[i];
		const struct sample_external *look = &sample->external[i];
		bool judged = warm || spec->in_warmup;

		if (sample->muted[i + FINDING_SLIS - FINDING_EXTERNALS])
			continue;
		count_look(&states[i], look);
		if (spec->kind == JUDGE_GAUGE)
			learn_gauge(&states[i], spec, look, elapsed_s, judged);
		else if (spec->kind == JUDGE_SKEW)
			learn_skew(&states[i], spec, sample, elapsed_s, judged);
		else if (judged)
			learn_count(&states[i], spec, terms, look, sample->elapsed_ns);
	}
}

/* ---- the finding ----------------------------------------------------------------------------------------- */

static void find_count(const struct judge_external_state *x, const struct judge_external *spec,
		       const struct judge_config *config, const struct errors_terms *failures, struct finding_sli *sli)
{
	const struct sequential_counts *total = &x->count.recent.total;
	struct errors_terms terms = count_terms(x, spec, failures);
	double p_b = total->baseline_n ? (double)total->baseline_y / (double)total->baseline_n : NAN;

	sli->rollback.ln_e = errors_ln_worse(&x->count);
	sli->rollback.ln_bound = -log(config->alpha * (spec->weight > 0 ? spec->weight : 1));
	sli->promotion.ln_e = errors_ln_better(&x->count);
	sli->promotion.ln_bound = -log(config->alpha_promotion);
	errors_measure(&x->count, &terms, p_b, sli);
}

static void find_gauge(const struct judge_external_state *x, const struct judge_external *spec, struct finding_sli *sli)
{
	const struct gauge_terms terms = gauge_terms(spec);

	sli->kind = FINDING_GAUGE;
	sli->unit = spec->unit;
	sli->baseline = x->gauge.baseline;
	sli->canary = x->gauge.canary;
	sli->quantile = sli->time_to_verdict_s = NAN;
	sli->rollback = sli->promotion = (struct finding_evidence){ NAN, NAN };
	sli->bound = gauge_bound_value(&x->gauge, &terms);
	gauge_print(sli->said, sizeof(sli->said), &x->gauge, &terms, spec->unit);
}

/* Not measured, or beyond a bound. */
static enum finding_say say(const struct judge_external_state *x, const struct judge_external *spec,
			    const struct finding_sli *sli)
{
	const struct gauge_terms terms = gauge_terms(spec);

	if (spec->kind != JUDGE_COUNT && gauge_failed(&x->gauge, &terms))
		return spec->critical ? FINDING_SAYS_FAIL : FINDING_SAYS_HOLD;
	if (sli->bad_looks >= BAD_LOOKS_HOLD || sli->state == FINDING_STATE_BACKWARDS)
		return FINDING_SAYS_HOLD; /* a counter falls in one look alone: it is named all the same */
	if (sli->state != FINDING_STATE_OK || x->gauge.crossed != GAUGE_WITHIN)
		return FINDING_SAYS_WAIT;
	if (spec->kind == JUDGE_COUNT && sli->counts.canary_attempts == 0)
		return FINDING_SAYS_WAIT;
	return FINDING_SAYS_NOTHING;
}

static void print_said(const struct judge_external_state *x, const struct judge_external *spec,
		       const struct sample_external *look, struct finding_sli *sli)
{
	if (sli->state == FINDING_STATE_WAITING)
		snprintf(sli->said, sizeof(sli->said), "not looked at yet");
	else if (sli->state != FINDING_STATE_OK && sli->bad_looks > 1)
		text_print(sli->said, sizeof(sli->said), "%u looks in a row without a value: %.150s", sli->bad_looks,
			   look->said);
	else if (sli->state != FINDING_STATE_OK)
		snprintf(sli->said, sizeof(sli->said), "%s", look->said);
	else if (spec->kind == JUDGE_COUNT && x->count.recent.total.canary_n == 0)
		snprintf(sli->said, sizeof(sli->said), "the canary has had no events yet");
	else if (spec->kind == JUDGE_GAUGE && x->gauge.crossed != GAUGE_WITHIN && *look->said)
		snprintf(sli->said, sizeof(sli->said), "%s", look->said);
}

static enum finding_verdict gauge_verdict(const struct judge_external_state *x, const struct judge_external *spec)
{
	const struct gauge_terms terms = gauge_terms(spec);

	if (isnan(x->gauge.canary))
		return FINDING_NO_DATA;
	if (gauge_failed(&x->gauge, &terms))
		return FINDING_FAIL;
	return x->gauge.crossed == GAUGE_WITHIN ? FINDING_PASS : FINDING_INCONCLUSIVE;
}

static void find_one(const struct judge_external_state *x, const struct judge_external *spec,
		     const struct judge_config *config, const struct errors_terms *failures,
		     const struct sample_external *look, struct finding_sli *sli)
{
	memcpy(sli->name, spec->name, sizeof(sli->name));
	sli->critical = spec->critical;
	sli->dry_run = spec->dry_run;
	sli->weight = spec->weight;
	sli->state = spec->kind == JUDGE_SKEW ? FINDING_STATE_OK : look->state;
	sli->bad_looks = x->bad_looks;
	sli->bound = NAN;
	if (spec->kind == JUDGE_COUNT)
		find_count(x, spec, config, failures, sli);
	else
		find_gauge(x, spec, sli);
	sli->unasked = sli->dry_run || sli->muted || !spec->proof || spec->kind != JUDGE_COUNT;
	sli->verdict = spec->kind == JUDGE_COUNT ? FINDING_INCONCLUSIVE : gauge_verdict(x, spec);
	print_said(x, spec, look, sli);
	if (!sli->dry_run && !sli->muted)
		sli->says = say(x, spec, sli);
}

void judge_external_find(const struct judge_external_state *states, const struct judge_config *config,
			 const struct errors_terms *terms, const struct sample *sample, struct finding *f)
{
	for (unsigned i = 0; i < config->n_externals; i++) {
		struct finding_sli *sli = &f->sli[f->n_slis];

		sli->muted = sample->muted[f->n_slis];
		find_one(&states[i], &config->external[i], config, terms, &sample->external[i], sli);
		f->n_slis++;
	}
}

static bool has_say(const struct finding_sli *sli)
{
	return !sli->dry_run && !sli->muted;
}

/* A promotion does not ask for what nobody measures (policy_rules.c). */
static bool latency_has_say(const struct finding_sli *sli)
{
	return has_say(sli) && !(isnan(sli->baseline) && isnan(sli->canary));
}

void judge_external_say(const struct judge_config *config, struct finding *f)
{
	bool anyone = has_say(&f->sli[FINDING_ERRORS]) || latency_has_say(&f->sli[FINDING_LATENCY]);

	for (unsigned i = f->n_slis - config->n_externals; i < f->n_slis; i++) {
		struct finding_sli *sli = &f->sli[i];

		anyone = anyone || has_say(sli);
		if (sli->state == FINDING_STATE_NO_DATA || sli->state == FINDING_STATE_WAITING)
			sli->verdict = FINDING_NO_DATA;
		else if (sli->state != FINDING_STATE_OK)
			sli->verdict = FINDING_ERROR;
		if (sli->says > f->says) {
			f->says = sli->says;
			f->saying = i;
		}
	}
	if (!anyone && f->says == FINDING_SAYS_NOTHING) {
		f->says = FINDING_SAYS_WAIT;
		f->saying = FINDING_ERRORS;
		snprintf(f->sli[FINDING_ERRORS].said, FINDING_DETAIL,
			 "no SLI has a say, all are muted, in a dry run or not measured: give one its say back");
	}
}

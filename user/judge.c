/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The judge. A tick is learnt from in two strokes: first it is judged by what was known before it (τ, φ, the baseline's
 * past), which is what keeps the evidence valid, and then it becomes part of what is known.
 */
#include "user/judge.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "user/burn.h"
#include "user/errors_sli.h"
#include "user/judge_external.h"
#include "user/judge_saved.h"
#include "user/judge_words.h"
#include "user/latency_sli.h"
#include "user/noise.h"
#include "user/past.h"
#include "user/warmup.h"

#define STATE_VERSION 6
#define FEW_EVENTS 3.0 /* so many events should have come before silence means anything */
#define PAST_STANDARD_ERRORS 2.0
#define UNKNOWN_SUDDEN 1.2 /* φ where nothing is known yet: failures come in twos and threes, */
#define UNKNOWN_GUARD 3.0  /* … in a warm-up all the more */
#define KAPPA_YOUNG 200.0

/* Plain data without a pointer: all that judge_save() saves. */
struct judge_state {
	struct errors_sli errors;
	struct latency_sli latency;
	struct past past; /* the baseline's */
	struct noise noise;
	struct latency_noise latency_noise;
	struct noise_aa aa;
	struct warmup warmup;
	struct burn burn;
	struct judge_external_state external[FINDING_EXTERNALS];
	uint64_t canary_silent_ns;
	uint64_t baseline_silent_ns;
	uint64_t block_age_ns;
	uint32_t begun; /* the first block has */
	uint32_t data;  /* enum finding_data */
	uint32_t data_ticks;
	uint32_t zero;
};

struct judge {
	struct judge_config config;
	struct judge_state state;
};

static uint64_t ns(double seconds)
{
	return (uint64_t)(seconds * 1e9);
}

struct judge *judge_new(const struct judge_config *config)
{
	struct judge *j = calloc(1, sizeof(*j));

	if (!j)
		return NULL;
	j->config = *config;
	judge_rollout_begin(j);
	return j;
}

struct judge *judge_free(struct judge *j)
{
	free(j);
	return NULL;
}

void judge_rollout_begin(struct judge *j)
{
	struct judge_state *s = &j->state;
	bool late = j->config.block_s > 0;

	errors_init(&s->errors, late);
	latency_init(&s->latency, late);
	latency_noise_cut(&s->latency_noise);
	noise_aa_init(&s->aa);
	memset(&s->warmup, 0, sizeof(s->warmup));
	memset(&s->burn, 0, sizeof(s->burn));
	judge_external_begin(s->external, &j->config);
	s->canary_silent_ns = s->baseline_silent_ns = s->block_age_ns = 0;
	s->begun = s->data = s->data_ticks = 0;
}

void judge_step_begin(struct judge *j, uint64_t now_ns)
{
	(void)now_ns;
	errors_step(&j->state.errors);
	latency_step(&j->state.latency);
	latency_noise_cut(&j->state.latency_noise);
	judge_external_step(j->state.external, &j->config);
}

/* ---- learning -------------------------------------------------------------------------------------------- */

static double phi(const struct judge *j)
{
	return j->config.noise ? noise_phi(&j->state.noise) : 1;
}

static void remember_baseline(struct judge *j, const struct sample *sample, const struct latency_baseline *latency,
			      double forget_s)
{
	latency_noise_add(&j->state.latency_noise, latency, sample->elapsed_ns, forget_s);
	past_add(&j->state.past, &sample->baseline, sample->elapsed_ns, j->config.history_s);
	noise_add(&j->state.noise, &sample->baseline, sample->elapsed_ns, forget_s);
}

void judge_history(struct judge *j, const struct sample *sample)
{
	struct latency_baseline latency;

	if (sample->suspect)
		return;
	latency_baseline(&j->state.past, &sample->baseline, &latency);
	remember_baseline(j, sample, &latency, j->config.noise_history_s);
}

/* The baseline has no traffic to compare with, and none is to be expected. */
static bool is_alone(const struct judge *j, const struct sample *sample)
{
	return sample->weight >= 1 || j->state.baseline_silent_ns >= ns(j->config.no_data_s);
}

static struct errors_terms errors_terms(const struct judge *j, const struct sample *sample)
{
	return (struct errors_terms){
		.margin = j->config.margin,
		.margin_promotion = j->config.margin_promotion,
		.p0 = j->config.p0,
		.p0_rollback = j->config.p0_rollback,
		.phi = phi(j),
		.phi_sudden = j->config.noise ? noise_phi_cautious(&j->state.noise, UNKNOWN_SUDDEN) : 1,
		.unseen = j->config.noise ? noise_unseen(&j->state.noise) : 0,
		.kappa = j->config.noise ? noise_kappa(&j->state.noise) : REGRESSION_NO_EXCUSE,
		.kappa_young = KAPPA_YOUNG,
		.guard_margin = j->config.guard_margin,
		.guard_phi = j->config.noise ? noise_phi_cautious(&j->state.noise, UNKNOWN_GUARD) : 1,
		.alone = is_alone(j, sample),
		.past_high = past_share_bound(&j->state.past, PAST_STANDARD_ERRORS),
		.past_low = past_share_bound(&j->state.past, -PAST_STANDARD_ERRORS),
		.patience_ns = ns(j->config.no_data_s),
	};
}

static struct latency_terms latency_terms(const struct judge *j)
{
	struct latency_terms terms = {
		.delta = j->config.delta,
		.delta_promotion = j->config.delta_promotion,
		.own = j->config.noise,
		.patience = j->config.noise ? noise_patience(&j->state.noise) : 1,
		.history_s = j->config.history_s,
		.patience_ns = ns(j->config.no_data_s),
	};

	for (unsigned i = 0; i < LATENCY_MARKS; i++)
		terms.phi[i] = j->config.noise ? noise_series_phi(&j->state.latency_noise.mark[i]) : 1;
	return terms;
}

static void begin_block(struct judge *j)
{
	struct judge_state *s = &j->state;
	uint64_t block_ns = ns(j->config.block_s);

	if (block_ns == 0 || (s->begun && s->block_age_ns < block_ns))
		return;
	errors_restart(&s->errors);
	latency_restart(&s->latency);
	judge_external_restart(s->external, &j->config);
	s->begun = 1;
	s->block_age_ns = 0;
}

static void add_silence(uint64_t *silent_ns, uint64_t events, uint64_t elapsed_ns)
{
	*silent_ns = events > 0 ? 0 : *silent_ns + elapsed_ns;
}

static void add_burn(struct judge *j, const struct sample *sample, const struct warmup_split *split)
{
	double p_b = past_share(&j->state.past);
	struct sequential_counts c = {
		.canary_n = split->warm_n + split->cold_n,
		.canary_y = split->warm_y + split->cold_y,
		.baseline_n = sample->baseline.attempts,
		.baseline_y = sample->baseline.failed,
	};

	burn_add(&j->state.burn, &c, isnan(p_b) ? 0 : p_b, sample->elapsed_ns);
}

/* A muted SLI's evidence stays as it is; what it measures is shown all the same. */
static void weigh_errors(struct judge *j, const struct errors_terms *terms, const struct sample *sample,
			 const struct warmup_split *split)
{
	struct sequential_counts c = { split->warm_n, split->warm_y, sample->baseline.attempts, sample->baseline.failed };

	if (sample->muted[FINDING_ERRORS])
		recent_add(&j->state.errors.recent, &c, sample->elapsed_ns);
	else
		errors_add(&j->state.errors, terms, split, c.baseline_n, c.baseline_y, sample->elapsed_ns);
}

/* Everything here may use what was known before the tick only. */
static struct warmup_split weigh(struct judge *j, const struct sample *sample, const struct latency_baseline *latency)
{
	struct judge_state *s = &j->state;
	uint64_t elapsed_ns = sample->elapsed_ns;
	struct errors_terms e = errors_terms(j, sample);
	struct latency_terms l = latency_terms(j);
	struct warmup_split split = warmup_split(&s->warmup, &sample->canary, elapsed_ns, ns(j->config.warmup_s));

	if (s->begun || split.warm_n + split.cold_n > 0)
		begin_block(j);
	weigh_errors(j, &e, sample, &split);
	latency_add(&s->latency, &l, latency, &sample->canary, split.cold_n == 0 && !sample->muted[FINDING_LATENCY],
		    elapsed_ns);
	judge_external_learn(s->external, &j->config, &e, sample, s->warmup.any_warm);
	s->block_age_ns += elapsed_ns;
	return split;
}

static void watch_aa(struct judge *j, const struct sample *sample, double phi_before)
{
	if (j->config.aa)
		noise_aa_add(&j->state.aa, &j->state.noise, &sample->baseline, j->config.margin, phi_before,
			     sample->elapsed_ns, -log(j->config.alpha));
}

static struct warmup_split learn(struct judge *j, const struct sample *sample)
{
	struct judge_state *s = &j->state;
	double phi_before = phi(j);
	struct latency_baseline latency;
	struct warmup_split split;

	latency_baseline(&s->past, &sample->baseline, &latency);
	split = weigh(j, sample, &latency);
	remember_baseline(j, sample, &latency, 0);
	watch_aa(j, sample, phi_before);
	add_burn(j, sample, &split);
	add_silence(&s->canary_silent_ns, split.warm_n + split.cold_n, sample->elapsed_ns);
	add_silence(&s->baseline_silent_ns, sample->baseline.attempts, sample->elapsed_ns);
	return split;
}

/* ---- the finding ----------------------------------------------------------------------------------------- */

/* Where the canary's share of the traffic is thin, a silence must last longer before it means anything. */
static double patience_s(const struct judge *j, double weight)
{
	double minute_s, shortest = j->config.no_data_s, expected;
	struct sequential_counts c = recent_minute(&j->state.errors.recent, &minute_s);

	expected = weight > 0 && weight < 1 && minute_s > 0 ?
			   (double)c.baseline_n / minute_s * weight / (1 - weight) :
			   0;
	return expected > 0 ? fmin(fmax(shortest, FEW_EVENTS / expected), 10 * shortest) : shortest;
}

static enum finding_data data_of(const struct judge *j, const struct sample *sample, const struct warmup_split *split)
{
	const struct judge_state *s = &j->state;

	if (sample->suspect)
		return FINDING_DATA_ERROR;
	if (s->canary_silent_ns >= ns(patience_s(j, sample->weight)))
		return FINDING_DATA_NO_DATA;
	if (!s->warmup.any_warm || (split->cold_n > 0 && split->warm_n == 0))
		return FINDING_DATA_WARMUP;
	return is_alone(j, sample) ? FINDING_DATA_NO_BASELINE : FINDING_DATA_OK;
}

/* What it would take alone; an SLI that runs dry has no share of α, and is shown as if it had all. */
static double ln_bound(const struct judge *j, double weight)
{
	return -log(j->config.alpha * (weight > 0 ? weight : 1));
}

static void give_say(struct finding_sli *sli, bool dry_run, bool muted)
{
	sli->dry_run = dry_run;
	sli->muted = muted;
	sli->unasked = dry_run || muted;
	sli->bound = NAN;
	sli->state = FINDING_STATE_OK;
}

static void find_errors(const struct judge *j, const struct sample *sample, struct finding_sli *sli)
{
	const struct errors_sli *e = &j->state.errors;
	struct errors_terms terms = errors_terms(j, sample);

	strcpy(sli->name, "errors");
	sli->critical = j->config.critical_errors;
	sli->weight = j->config.weight_errors;
	sli->rollback = (struct finding_evidence){ errors_ln_worse(e), ln_bound(j, sli->weight) };
	sli->promotion = (struct finding_evidence){ errors_ln_better(e), -log(j->config.alpha_promotion) };
	errors_measure(e, &terms, past_share(&j->state.past), sli);
	give_say(sli, j->config.dry_run_errors, sample->muted[FINDING_ERRORS]);
	judge_words_unavailable(sli, j->config.unavailable_errors);
}

static void find_latency(const struct judge *j, const struct sample *sample, struct finding_sli *sli)
{
	const struct latency_sli *l = &j->state.latency;

	strcpy(sli->name, "latency");
	sli->critical = j->config.critical_latency;
	sli->weight = j->config.weight_latency;
	sli->rollback = (struct finding_evidence){ latency_ln_worse(l), ln_bound(j, sli->weight) };
	sli->promotion = (struct finding_evidence){ latency_ln_better(l), -log(j->config.alpha_promotion) };
	latency_measure(l, &j->state.past, sli);
	give_say(sli, j->config.dry_run_latency, sample->muted[FINDING_LATENCY]);
	judge_words_unavailable(sli, j->config.unavailable_latency);
}

static void combine(const struct judge *j, struct finding *f)
{
	double loudest = -INFINITY;

	f->ln_e_rollback = -INFINITY;
	for (unsigned i = 0; i < f->n_slis; i++) {
		double ln_e = f->sli[i].rollback.ln_e + log(f->sli[i].weight);

		if (f->sli[i].muted || !(f->sli[i].weight > 0))
			continue;
		f->ln_e_rollback = sequential_log_add(f->ln_e_rollback, ln_e);
		f->loudest = ln_e > loudest ? i : f->loudest;
		loudest = fmax(loudest, ln_e);
	}
	f->ln_bound = -log(j->config.alpha);
	f->ln_e_p99 = latency_ln_worse_p99(&j->state.latency);
	f->ln_hold = log(j->config.hold_evidence);
	f->holds = f->ln_e_rollback >= f->ln_hold;
	f->p99_holds = f->ln_e_p99 >= f->ln_hold && !f->sli[FINDING_LATENCY].unasked;
}

static enum finding_verdict verdict(const struct finding *f, const struct finding_sli *sli)
{
	bool worse = f->ln_e_rollback >= f->ln_bound;

	if (f->data == FINDING_DATA_ERROR)
		return FINDING_ERROR;
	if (sli->rollback.ln_e >= sli->rollback.ln_bound || (worse && sli == &f->sli[f->loudest]))
		return FINDING_FAIL;
	if (sli->counts.canary_attempts == 0)
		return FINDING_NO_DATA;
	if (sli->promotion.ln_e >= sli->promotion.ln_bound && sli->rollback.ln_e < f->ln_hold)
		return FINDING_PASS;
	return FINDING_INCONCLUSIVE;
}

static double clamped(double x)
{
	return fmin(1, fmax(0, x));
}

static double score(const struct finding *f)
{
	double sum = 0;

	for (unsigned i = 0; i < f->n_slis; i++) {
		const struct finding_sli *sli = &f->sli[i];
		double u = clamped(sli->rollback.ln_e / f->ln_bound);
		double v = clamped(sli->promotion.ln_e / sli->promotion.ln_bound);

		if (sli->critical && !sli->dry_run && !sli->muted && (u == 1 || sli->says == FINDING_SAYS_FAIL))
			return 0;
		if (!(sli->weight > 0))
			continue;
		sum += sli->weight * (50 * (1 - u) + 50 * v);
	}
	return sum;
}

static void find_guard(const struct judge *j, struct finding *f)
{
	const struct sequential_counts *c = &j->state.errors.guard_total;

	f->ln_e_guard = errors_ln_guard(&j->state.errors);
	f->guard_counts = (struct finding_counts){ c->baseline_n, c->baseline_y, c->canary_n, c->canary_y };
	f->ln_bound_guard = log(j->config.guard_evidence);
	f->guard_fired = f->ln_e_guard >= f->ln_bound_guard &&
			 (double)c->canary_y >= j->config.guard_failures && !f->sli[FINDING_ERRORS].unasked;
}

static void find_budget(const struct judge *j, struct finding *f)
{
	struct burn_terms terms = { j->config.slo, j->config.burn_ratio, j->config.burn_failures };
	struct burn_state burn = burn_read(&j->state.burn, &terms);

	f->burn_blocks = burn.blocks && !f->sli[FINDING_ERRORS].unasked;
	f->burn_pages = burn.pages && !f->sli[FINDING_ERRORS].unasked;
	f->burn_baseline = burn.baseline;
	f->burn_canary = burn.canary;
	f->excess_failures = j->state.burn.excess_failures;
	f->budget_failures = j->config.budget_failures;
	f->budget_spent = f->budget_failures > 0 && f->excess_failures > f->budget_failures &&
			  !f->sli[FINDING_ERRORS].unasked;
}

static void find_externals(const struct judge *j, const struct sample *sample, struct finding *f)
{
	struct errors_terms terms = errors_terms(j, sample);

	judge_external_find(j->state.external, &j->config, &terms, sample, f);
}

static double attempts_per_s(const struct judge *j)
{
	double minute_s;
	struct sequential_counts c = recent_minute(&j->state.errors.recent, &minute_s);

	return minute_s > 0 ? (double)(c.baseline_n + c.canary_n) / minute_s : 0;
}

static void count_data_ticks(struct judge_state *s, enum finding_data data)
{
	s->data_ticks = s->data == (uint32_t)data && s->data_ticks < UINT32_MAX ? s->data_ticks + 1 : 1;
	s->data = (uint32_t)data;
}

static void find(struct judge *j, const struct sample *sample, const struct warmup_split *split, struct finding *f)
{
	f->n_slis = 2;
	f->data = data_of(j, sample, split);
	count_data_ticks(&j->state, f->data);
	f->data_ticks = j->state.data_ticks;
	find_errors(j, sample, &f->sli[FINDING_ERRORS]);
	find_latency(j, sample, &f->sli[FINDING_LATENCY]);
	find_externals(j, sample, f);
	combine(j, f);
	find_guard(j, f);
	find_budget(j, f);
	f->aa_unhealthy = j->config.aa && noise_aa_alarm(&j->state.aa);
	f->noise = phi(j);
	f->attempts_per_s = attempts_per_s(j);
	for (unsigned i = 0; i < f->n_slis; i++)
		if (f->sli[i].kind == FINDING_COUNT)
			f->sli[i].verdict = verdict(f, &f->sli[i]);
	judge_external_say(&j->config, f);
	f->score = score(f);
	judge_words(&j->config, sample->suspect_why, f, (double)j->state.canary_silent_ns / 1e9);
}

void judge_tick(struct judge *j, const struct sample *sample, struct finding *ret)
{
	struct warmup_split split = { 0 };

	memset(ret, 0, sizeof(*ret));
	if (!sample->suspect)
		split = learn(j, sample);
	find(j, sample, &split, ret);
}

struct judge_baseline judge_baseline(const struct judge *j)
{
	struct judge_baseline baseline = { .past = &j->state.past, .phi = phi(j) };

	for (unsigned i = 0; i < LATENCY_MARKS; i++) {
		const struct noise_series *series = &j->state.latency_noise.mark[i];

		baseline.phi_latency[i] = j->config.noise && noise_series_is_known(series) ? noise_series_phi(series) : 1;
	}
	return baseline;
}

/* ---- a restart of the daemon ----------------------------------------------------------------------------- */

size_t judge_state_size(void)
{
	return judge_saved_size(sizeof(struct judge_state));
}

void judge_save(const struct judge *j, void *buf)
{
	judge_saved_seal(buf, STATE_VERSION, &j->state, sizeof(j->state));
}

int judge_restore(struct judge *j, const void *buf, size_t size)
{
	const void *state = judge_saved_open(buf, size, STATE_VERSION, sizeof(j->state));

	if (!state)
		return -EINVAL;
	memcpy(&j->state, state, sizeof(j->state));
	judge_external_fit(j->state.external, &j->config);
	return 0;
}

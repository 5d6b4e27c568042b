/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Latency by counting: exact on buckets, no interpolation. δ is a margin already, so m is 1.
 */
#include "user/latency_sli.h"

#include <math.h>

#define KAPPA 1.5          /* requests several times as slow are found at once; */
#define SUDDEN 11.0
#define LN_LEAST 0.1       /* of the alternatives, in terms of the boundary: e^0.1 times it */
#define LN_MOST 4.85
#define WEIGHT_LASTING 0.7 /* … what is less must last, which a burst or a stall does not */

static const double mark[LATENCY_MARKS] = { 0.50, 0.95, 0.99, 0.80 };

void latency_init(struct latency_sli *l, bool late)
{
	*l = (struct latency_sli){ 0 };
	for (unsigned i = 0; i < LATENCY_MARKS; i++)
		regression_init(&l->worse[i], late);
	latency_step(l);
}

void latency_restart(struct latency_sli *l)
{
	for (unsigned i = 0; i < LATENCY_MARKS; i++)
		regression_restart(&l->worse[i]);
}

void latency_step(struct latency_sli *l)
{
	for (unsigned i = 0; i < LATENCY_PROMOTION_MARKS; i++) {
		sequential_init(&l->better[i]);
		l->better_pool[i] = (struct sequential_pool){ 0 };
		l->better_total[i] = (struct sequential_counts){ 0 };
	}
}

/*
 * From 1.1 times the boundary to as far as the usual ones go, dense at the low end: of +20 % in all latencies comes a ratio
 * of 1.1 at the p50 and of 1.4 at the p95. One nearer the boundary would add up burst after burst. Those beyond what a
 * share can grow to stay: what they have of the prior is what a short burst lacks to reach the bound.
 */
static void alternatives(double ret[SEQUENTIAL_ALTERNATIVES])
{
	for (unsigned k = 0; k < SEQUENTIAL_ALTERNATIVES; k++) {
		double x = k / (SEQUENTIAL_ALTERNATIVES - 1.0);

		ret[k] = LN_LEAST + (LN_MOST - LN_LEAST) * x * x;
	}
}

static void add_worse(struct latency_sli *l, const struct latency_terms *t, unsigned i,
		      const struct sequential_counts *c, uint64_t elapsed_ns)
{
	const struct regression_burst burst = { 1, 0, KAPPA, SUDDEN, INFINITY, true };
	struct regression_phi phi = { t->phi[i], fmax(t->phi[i], t->own ? noise_series_phi_seen(&l->own[i]) : 1) };
	struct regression_excuse excuse;
	struct sequential_counts both = { 0 };
	double ln_ratio[SEQUENTIAL_ALTERNATIVES];

	recent_add(&l->recent[i], c, elapsed_ns);
	regression_excuse(&l->lately[i], &burst, &excuse);
	alternatives(ln_ratio);
	excuse.ln_lasting = ln_ratio;
	if (sequential_pool_add(&l->worse_pool[i], c, elapsed_ns, t->patience_ns, &both))
		regression_ratio(&l->worse[i], 1, &phi, &excuse, &both);
	regression_lately_add(&l->lately[i], &both, elapsed_ns);
	noise_series_add_counts(&l->own[i], c->canary_n, c->canary_y, elapsed_ns);
	regression_pass(&l->worse[i], t->patience, false, elapsed_ns);
}

static void add_better(struct latency_sli *l, const struct latency_terms *t, unsigned i,
		       const struct sequential_counts *c, uint64_t elapsed_ns)
{
	struct sequential_counts both;

	sequential_counts_add(&l->better_total[i], c);
	if (sequential_pool_add(&l->better_pool[i], c, elapsed_ns, t->patience_ns, &both))
		sequential_ratio(&l->better[i], SEQUENTIAL_BETTER, 1, t->phi[i], &both);
}

void latency_baseline(const struct past *past, const struct sample_version *baseline, struct latency_baseline *ret)
{
	past_quantile_buckets(past, mark, LATENCY_MARKS, ret->tau, ret->known);
	histogram_tail(&baseline->ttfb, &ret->tail);
}

static void judge_mark(struct latency_sli *l, const struct latency_terms *terms, unsigned i, unsigned tau,
		       const struct histogram_tail *baseline, const struct histogram_tail *canary, uint64_t elapsed_ns)
{
	struct sequential_counts c = { .canary_n = canary->count, .baseline_n = baseline->count };
	double tau_s = histogram_upper_s(tau);

	c.baseline_y = baseline->above[tau];
	c.canary_y = canary->above[histogram_bucket((1 + terms->delta) * tau_s)];
	add_worse(l, terms, i, &c, elapsed_ns);
	if (i == LATENCY_P95) {
		c.canary_y = canary->above[tau];
		sequential_interval_add(&l->interval, terms->phi[i], &c);
	}
	if (i >= LATENCY_PROMOTION_MARKS)
		return;
	c.canary_y = canary->above[histogram_edge_at_most((1 + terms->delta_promotion) * tau_s)];
	add_better(l, terms, i, &c, elapsed_ns);
}

void latency_add(struct latency_sli *l, const struct latency_terms *terms, const struct latency_baseline *baseline,
		 const struct sample_version *canary, bool judged, uint64_t elapsed_ns)
{
	struct histogram_tail tail;

	past_add(&l->canary, canary, elapsed_ns, terms->history_s);
	histogram_tail(&canary->ttfb, &tail);
	for (unsigned i = 0; judged && i < LATENCY_MARKS; i++)
		if (baseline->known[i])
			judge_mark(l, terms, i, baseline->tau[i], &baseline->tail, &tail, elapsed_ns);
}

void latency_noise_add(struct latency_noise *noise, const struct latency_baseline *baseline, uint64_t elapsed_ns,
		       double forget_s)
{
	for (unsigned i = 0; i < LATENCY_MARKS; i++)
		if (baseline->known[i])
			noise_series_add(&noise->mark[i], &baseline->tail, baseline->tau[i], elapsed_ns, forget_s);
}

void latency_noise_cut(struct latency_noise *noise)
{
	for (unsigned i = 0; i < LATENCY_MARKS; i++)
		noise_series_cut(&noise->mark[i]);
}

static double ln_worse(const struct latency_sli *l, unsigned i)
{
	return regression_ln_e(&l->worse[i], WEIGHT_LASTING);
}

double latency_ln_worse(const struct latency_sli *l)
{
	double ln_e[LATENCY_MARKS];

	for (unsigned i = 0; i < LATENCY_MARKS; i++)
		ln_e[i] = ln_worse(l, i);
	return sequential_log_sum(ln_e, LATENCY_MARKS) - log(LATENCY_MARKS);
}

double latency_ln_worse_p99(const struct latency_sli *l)
{
	return ln_worse(l, LATENCY_P99);
}

double latency_ln_better(const struct latency_sli *l)
{
	return fmin(sequential_ln_e(&l->better[LATENCY_P50]), sequential_ln_e(&l->better[LATENCY_P95]));
}

/* The mark with the most evidence against the canary; the p95 where none has any. */
static unsigned loudest(const struct latency_sli *l)
{
	double ln_best = ln_worse(l, LATENCY_P95);
	unsigned best = LATENCY_P95;

	for (unsigned i = 0; i < LATENCY_MARKS; i++) {
		double ln_e = i == LATENCY_P95 ? ln_best : ln_worse(l, i);

		if (ln_e <= fmax(0, ln_best))
			continue;
		best = i;
		ln_best = ln_e;
	}
	return best;
}

/* Seconds until E = e^ln_bound at the share seen so far, against p_C = p_B, at the last minute's pace. */
static double time_at(const struct latency_sli *l, const struct sequential_counts *seen, bool worse, double ln_bound,
		      double ln_e)
{
	double minute_s, rho, p_b = (double)seen->baseline_y / (double)seen->baseline_n;
	struct sequential_counts c = recent_minute(&l->recent[LATENCY_P50], &minute_s);

	rho = (double)seen->canary_y / (double)seen->canary_n / p_b;
	if (!(minute_s > 0) || !(p_b > 0) || isnan(rho) || (rho > 1) != worse)
		return NAN;
	return sequential_time_to(ln_bound, ln_e,
				  sequential_ratio_drift(p_b, rho, 1, (double)c.canary_n / minute_s,
							 (double)c.baseline_n / minute_s));
}

static double time_to_verdict(const struct latency_sli *l, const struct finding_sli *sli)
{
	double longest = 0;

	if (sli->rollback.ln_e > fmax(0, sli->promotion.ln_e)) {
		unsigned i = loudest(l);

		return time_at(l, &l->recent[i].total, true, sli->rollback.ln_bound, ln_worse(l, i));
	}
	for (unsigned i = 0; i < LATENCY_PROMOTION_MARKS; i++) {
		double ln_e = sequential_ln_e(&l->better[i]);
		double seconds = time_at(l, &l->better_total[i], false, sli->promotion.ln_bound, ln_e);

		if (ln_e >= sli->promotion.ln_bound)
			continue;
		if (isnan(seconds))
			return NAN;
		longest = fmax(longest, seconds);
	}
	return longest;
}

void latency_measure(const struct latency_sli *l, const struct past *past, struct finding_sli *sli)
{
	unsigned i = loudest(l);

	recent_tell(&l->recent[i], sli);
	sli->unit = FINDING_SECONDS;
	sli->quantile = mark[i];
	sli->canary = past_quantile_s(&l->canary, mark[i]);
	sli->baseline = past_quantile_s(past, mark[i]);
	sli->interval_valid = sequential_interval_get(&l->interval, &sli->interval_low, &sli->interval_high);
	sli->time_to_verdict_s = time_to_verdict(l, sli);
}

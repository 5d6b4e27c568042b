/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Failures. For a rollback the canary must be worse than the baseline and worse than the floor: twice nothing is still
 * nothing. For a promotion it is enough to be not much worse than the one or surely below the other.
 */
#include "user/errors_sli.h"

#include <math.h>

#define WEIGHT_LASTING 0.1 /* small: what matters here is fast */
#define SUDDEN 11.0 /* times the boundary: what is less may be a burst, and must last; */
#define UNSEEN 8.0  /* … and so much more where none was there to be seen, */
#define UNSEEN_YOUNG 5.0 /* … less while the canary is young: what is wrong with it mostly is from the start; */
#define UNSEEN_PHI 2.0   /* … and afterwards so much more than chance is to be expected */
#define DEAD 0.5    /* … unless it is a share of failures that no burst brings */
#define YOUNG_NS 22000000000ULL

void errors_init(struct errors_sli *e, bool late)
{
	void (*init)(struct sequential *s) = late ? sequential_init_late : sequential_init;

	*e = (struct errors_sli){ 0 };
	regression_init(&e->worse_relative, late);
	regression_init(&e->worse_absolute, late);
	init(&e->guard_relative);
	init(&e->guard_absolute);
	errors_step(e);
}

void errors_restart(struct errors_sli *e)
{
	regression_restart(&e->worse_relative);
	regression_restart(&e->worse_absolute);
	sequential_restart(&e->guard_relative);
	sequential_restart(&e->guard_absolute);
}

void errors_step(struct errors_sli *e)
{
	sequential_init(&e->better_relative);
	sequential_init(&e->better_absolute);
}

/* The share a canary without a baseline beside it may have. */
static double allowed_alone(const struct errors_terms *t)
{
	return fmax(t->p0, isnan(t->past_high) ? 0 : fmin(1, t->margin * t->past_high));
}

static void add_alone(struct errors_sli *e, const struct errors_terms *t, const struct regression_phi *phi,
		      const struct regression_excuse *excuse, uint64_t y, uint64_t n)
{
	double better = isnan(t->past_low) ? 0 : t->margin_promotion * t->past_low;

	regression_single(&e->worse_relative, allowed_alone(t), phi, excuse, y, n);
	if (better > 0)
		sequential_single(&e->better_relative, SEQUENTIAL_BETTER, better, t->phi, y, n);
}

static void excuse(const struct errors_sli *e, const struct errors_terms *t, bool alone, struct regression_excuse *ret)
{
	bool young = e->age_ns < YOUNG_NS;
	struct regression_burst burst = {
		.margin = t->margin,
		.p0 = alone ? allowed_alone(t) : t->p0_rollback,
		.kappa = young ? fmax(t->kappa, t->kappa_young) : t->kappa,
		.beyond = SUDDEN + (young ? UNSEEN_YOUNG : UNSEEN) * t->unseen,
		.share = DEAD,
	};

	regression_excuse(&e->lately, &burst, ret);
}

/* A canary that fails now and then more is like a baseline that does. */
static struct regression_phi phi(const struct errors_sli *e, const struct errors_terms *t)
{
	double own = t->kappa < REGRESSION_NO_EXCUSE ? noise_series_phi_seen(&e->own) : 1;
	double unseen = e->age_ns < YOUNG_NS ? 0 : t->unseen;

	return (struct regression_phi){ t->phi_sudden * (1 + UNSEEN_PHI * unseen), fmax(t->phi, own) };
}

static void add_warm(struct errors_sli *e, const struct errors_terms *t, const struct sequential_counts *c,
		     uint64_t elapsed_ns)
{
	bool alone = t->alone && c->baseline_n == 0;
	struct regression_phi noise = phi(e, t);
	struct regression_excuse excused;
	struct sequential_counts both = { 0 }; /* what is weighed now: it excuses what comes later */

	excuse(e, t, alone, &excused);
	if (alone) {
		both = *c;
		add_alone(e, t, &noise, &excused, c->canary_y, c->canary_n);
	} else if (sequential_pool_add(&e->pool, c, elapsed_ns, t->patience_ns, &both)) {
		regression_ratio(&e->worse_relative, t->margin, &noise, &excused, &both);
		sequential_ratio(&e->better_relative, SEQUENTIAL_BETTER, t->margin_promotion, t->phi, &both);
		sequential_interval_add(&e->interval, t->phi, &both);
	}
	regression_single(&e->worse_absolute, t->p0_rollback, &noise, &excused, c->canary_y, c->canary_n);
	regression_lately_add(&e->lately, &both, elapsed_ns);
	noise_series_add_counts(&e->own, c->canary_n, c->canary_y, elapsed_ns);
	regression_pass(&e->worse_relative, 1, true, elapsed_ns);
	regression_pass(&e->worse_absolute, 1, true, elapsed_ns);
	sequential_single(&e->better_absolute, SEQUENTIAL_BETTER, t->p0, t->phi, c->canary_y, c->canary_n);
}

static void add_cold(struct errors_sli *e, const struct errors_terms *t, const struct sequential_counts *c,
		     uint64_t elapsed_ns)
{
	struct sequential_counts both;

	if (t->alone && c->baseline_n == 0)
		sequential_single(&e->guard_relative, SEQUENTIAL_WORSE, fmin(1, t->guard_margin * allowed_alone(t)),
				  t->guard_phi, c->canary_y, c->canary_n);
	else if (sequential_pool_add(&e->guard_pool, c, elapsed_ns, t->patience_ns, &both))
		sequential_ratio(&e->guard_relative, SEQUENTIAL_WORSE, t->guard_margin, t->guard_phi, &both);
	sequential_single(&e->guard_absolute, SEQUENTIAL_WORSE, t->p0_rollback, t->guard_phi, c->canary_y, c->canary_n);
	sequential_counts_add(&e->guard_total, c);
}

void errors_add(struct errors_sli *e, const struct errors_terms *terms, const struct warmup_split *canary,
		uint64_t baseline_n, uint64_t baseline_y, uint64_t elapsed_ns)
{
	struct sequential_counts warm = { canary->warm_n, canary->warm_y, baseline_n, baseline_y };
	struct sequential_counts cold = { canary->cold_n, canary->cold_y, baseline_n, baseline_y };

	if (canary->cold_n > 0)
		add_cold(e, terms, &cold, elapsed_ns);
	if (canary->warm_n > 0 || canary->cold_n == 0) {
		add_warm(e, terms, &warm, elapsed_ns);
		recent_add(&e->recent, &warm, elapsed_ns);
	}
	e->age_ns += e->age_ns > 0 || warm.canary_n + cold.canary_n > 0 ? elapsed_ns : 0;
}

double errors_ln_worse(const struct errors_sli *e)
{
	return fmin(regression_ln_e(&e->worse_relative, WEIGHT_LASTING),
		    regression_ln_e(&e->worse_absolute, WEIGHT_LASTING));
}

double errors_ln_better(const struct errors_sli *e)
{
	return sequential_log_add(sequential_ln_e(&e->better_relative), sequential_ln_e(&e->better_absolute)) - M_LN2;
}

double errors_ln_guard(const struct errors_sli *e)
{
	return fmin(sequential_ln_e(&e->guard_relative), sequential_ln_e(&e->guard_absolute));
}

static double share(uint64_t y, uint64_t n)
{
	return n ? (double)y / (double)n : NAN;
}

/* The smaller of two times, either of which may be unknown. */
static double sooner(double a, double b)
{
	return isnan(a) ? b : isnan(b) ? a : fmin(a, b);
}

/* To a promotion were both alike, or to a rollback were the canary as bad as it looks. */
static double time_to_verdict(const struct errors_sli *e, const struct errors_terms *t, double p_b,
			      const struct finding_sli *sli)
{
	double minute_s, p_c = sli->canary;
	struct sequential_counts c = recent_minute(&e->recent, &minute_s);
	double n_c = (double)c.canary_n / minute_s / t->phi, n_b = (double)c.baseline_n / minute_s / t->phi;

	if (!(minute_s > 0) || isnan(p_b) || isnan(p_c))
		return NAN;
	if (p_c > t->margin * p_b && p_c > t->p0_rollback && sli->rollback.ln_e > sli->promotion.ln_e) {
		double relative = p_b > 0 ? sequential_ratio_drift(p_b, p_c / p_b, t->margin, n_c, n_b) : INFINITY;
		double drift = fmin(relative, sequential_single_drift(p_c, t->p0_rollback, n_c));

		return sequential_time_to(sli->rollback.ln_bound, sli->rollback.ln_e, drift);
	}
	return sooner(sequential_time_to(sli->promotion.ln_bound, sli->promotion.ln_e,
					 sequential_ratio_drift(p_b, 1, t->margin_promotion, n_c, n_b)),
		      p_b < t->p0 ? sequential_time_to(sli->promotion.ln_bound, sli->promotion.ln_e,
						       sequential_single_drift(p_b, t->p0, n_c)) :
				    NAN);
}

void errors_measure(const struct errors_sli *e, const struct errors_terms *terms, double p_b, struct finding_sli *sli)
{
	const struct sequential_counts *total = &e->recent.total;

	recent_tell(&e->recent, sli);
	sli->unit = FINDING_RATIO;
	sli->quantile = NAN;
	sli->canary = share(total->canary_y, total->canary_n);
	sli->baseline = share(total->baseline_y, total->baseline_n);
	sli->interval_valid = sequential_interval_get(&e->interval, &sli->interval_low, &sli->interval_high);
	sli->time_to_verdict_s = time_to_verdict(e, terms, p_b, sli);
}

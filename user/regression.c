/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * With y failures lately where μ were allowed, the posterior of the canary's multiple is gamma with the mean
 * (κ + y)/(κ + μ); under the alternative that it is r times as bad anyway, (κ + y)/(κ + r·μ). Boundary and alternatives
 * are the allowed rate times these means; not so those that no burst explains, or a canary that dies late, after much
 * that was good, would be excused.
 *
 * That an alternative R against a boundary M has an expectation of at most 1 wherever the true ratio ρ is at most M:
 * given the rates, it is so if and only if ρ·(R/M − 1) ≤ R − M, and R ≥ M here.
 */
#include "user/regression.h"

#include <math.h>

#define K SEQUENTIAL_ALTERNATIVES
#define LATELY_S 30.0       /* time constant of the canary's own past: bursts are mostly shorter */
#define EXCUSED 8.0        /* times the allowed rate: no burst is larger, */
#define BEYOND 16.0        /* … and an alternative so large is not tempered by it */
#define ONE_TICK 3.0        /* nats of one tick that count in full; of what is above, the logarithm: */
#define ONE_TICK_SCALE 1.2  /* failures that come together may have one cause, */
#define ONE_TICK_CROWD 60.0 /* … except so many that none of that kind would explain them */
#define PACE 0.2            /* nats per second */
#define SLACK 2.5           /* nats above the pace, for chance to go up and down in */

void regression_lately_add(struct regression_lately *lately, const struct sequential_counts *c, uint64_t elapsed_ns)
{
	double keep = exp(-(double)elapsed_ns / 1e9 / LATELY_S);

	lately->canary_n = lately->canary_n * keep + (double)c->canary_n;
	lately->canary_y = lately->canary_y * keep + (double)c->canary_y;
	lately->baseline_n = lately->baseline_n * keep + (double)c->baseline_n;
	lately->baseline_y = lately->baseline_y * keep + (double)c->baseline_y;
}

void regression_excuse(const struct regression_lately *lately, double margin, double p0, double kappa,
		       struct regression_excuse *ret)
{
	double p_b = lately->baseline_n > 0 ? lately->baseline_y / lately->baseline_n : 0;
	double allowed = lately->canary_n * fmax(p0, margin * p_b);

	ret->factor = fmin(EXCUSED, fmax(1, (kappa + lately->canary_y) / (kappa + allowed)));
	for (int k = 0; k < K; k++) {
		double r = sequential_alternative(k + 1);

		ret->ratio[k] = r >= BEYOND ? r / ret->factor : r * (kappa + allowed) / (kappa + r * allowed);
		ret->ln_ratio[k] = log(ret->ratio[k]);
	}
}

void regression_init(struct regression *r, bool late)
{
	void (*init)(struct sequential *s) = late ? sequential_init_late : sequential_init;

	init(&r->sudden);
	init(&r->lasting);
	for (int k = 0; k < K; k++)
		r->ln_top[k] = SLACK;
}

void regression_restart(struct regression *r)
{
	double ln_w = sequential_restart(&r->lasting);

	sequential_restart(&r->sudden);
	for (int k = 0; k < K; k++)
		r->ln_top[k] = fmax(r->ln_top[k], ln_w + SLACK);
}

static double sobered(double l)
{
	if (l <= ONE_TICK)
		return l;
	return ONE_TICK + ONE_TICK_SCALE * log1p((l - ONE_TICK) / ONE_TICK_SCALE) + fmax(0, l - ONE_TICK_CROWD);
}

void regression_ratio(struct regression *r, double margin, double phi, const struct regression_excuse *excuse,
		      const struct sequential_counts *c)
{
	double n_c = (double)c->canary_n, n_b = (double)c->baseline_n;
	double y_c = (double)c->canary_y, y = y_c + (double)c->baseline_y;
	double boundary = margin * excuse->factor, ln_null;

	if (c->canary_n == 0 || c->baseline_n == 0 || y == 0)
		return;
	ln_null = log(boundary * n_c + n_b);
	for (int k = 0; k < K; k++) {
		double l = y_c * excuse->ln_ratio[k] - y * (log(boundary * excuse->ratio[k] * n_c + n_b) - ln_null);

		r->sudden.ln_s[k] += sobered(l / phi);
	}
	sequential_ratio(&r->lasting, SEQUENTIAL_WORSE, margin, phi, c);
}

void regression_single(struct regression *r, double p0, double phi, const struct regression_excuse *excuse, uint64_t y,
		       uint64_t n)
{
	double expected = (double)n * p0 * excuse->factor;

	for (int k = 0; k < K; k++)
		r->sudden.ln_s[k] +=
			sobered(((double)y * excuse->ln_ratio[k] - expected * (excuse->ratio[k] - 1)) / phi);
	sequential_single(&r->lasting, SEQUENTIAL_WORSE, p0, phi, y, n);
}

/* Before the first block there is no evidence, and nothing to keep a pace. */
void regression_pass(struct regression *r, uint64_t elapsed_ns)
{
	double more = PACE * (double)elapsed_ns / 1e9;

	for (int k = 0; k < K; k++) {
		double *ln_s = &r->lasting.ln_s[k];

		if (*ln_s == -INFINITY)
			continue;
		*ln_s = fmin(*ln_s, r->ln_top[k] + more);
		r->ln_top[k] = fmin(r->ln_top[k] + more, *ln_s + SLACK);
	}
}

double regression_ln_e(const struct regression *r, double weight_lasting)
{
	return sequential_log_add(log1p(-weight_lasting) + sequential_ln_e(&r->sudden),
				  log(weight_lasting) + sequential_ln_e(&r->lasting));
}

double regression_lasting_s(double ln_e)
{
	return fmax(0, (ln_e - SLACK) / PACE);
}

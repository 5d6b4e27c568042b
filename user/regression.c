/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * With y failures lately where μ were allowed, the posterior of the canary's multiple is gamma with the mean
 * (κ + y)/(κ + μ). The boundary is the allowed rate times this mean; the alternatives stay where they are, or a canary
 * that dies late, after much that was good, would be excused.
 *
 * That an alternative R against a boundary M has an expectation of at most 1 wherever the true ratio ρ is at most M:
 * given the rates, it is so if and only if ρ·(R/M − 1) ≤ R − M, and R ≥ M here. What a second brings is replaced by
 * something that is never more, at any time in it.
 */
#include "user/regression.h"

#include <math.h>
#include <string.h>

#define K SEQUENTIAL_ALTERNATIVES
#define LATELY_S 30.0       /* time constant of the canary's own past: bursts are mostly shorter */
#define EXCUSED 8.0         /* times the allowed rate: no burst is larger */
#define SECOND_NS 1000000000ULL
#define ONE_SECOND 3.0       /* nats of one second that count in full; of what is above, the logarithm: */
#define ONE_SECOND_SCALE 1.0 /* failures that come together may have one cause, */
#define CROWD 60.0           /* … except so many that none of that kind would explain them: what is beyond this counts, */
#define CROWD_OF_MOST 16.0   /* or this, where most of what the canary was asked has failed */
#define CROWD_LEAST 8
#define COMMON 0.9           /* of the prior is on the upper half of the alternatives: `sudden` is for them */
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

void regression_excuse(const struct regression_lately *lately, const struct regression_burst *burst,
		       struct regression_excuse *ret)
{
	double p_b = lately->baseline_n > 0 ? lately->baseline_y / lately->baseline_n : 0;
	double share = fmax(burst->p0, burst->margin * p_b), allowed = lately->canary_n * share;
	double most = fmax(1, fmin(EXCUSED, share > 0 ? burst->share / share : EXCUSED));
	bool all = burst->kappa >= REGRESSION_NO_EXCUSE;

	ret->stalls = burst->stalls;
	ret->ln_lasting = NULL;
	ret->factor = fmin(most, fmax(1, (burst->kappa + lately->canary_y) / (burst->kappa + allowed)));
	for (int k = 0; k < K; k++) {
		double r = sequential_alternative(k + 1);
		bool weighed = all || r >= burst->beyond || r * share >= burst->share;

		ret->ratio[k] = weighed ? fmax(1, r / ret->factor) : 0;
		ret->ln_ratio[k] = weighed ? log(ret->ratio[k]) : 0;
	}
}

void regression_init(struct regression *r, bool late)
{
	void (*init)(struct sequential *s) = late ? sequential_init_late : sequential_init;

	*r = (struct regression){ 0 };
	init(&r->sudden);
	init(&r->lasting);
	for (int k = 0; k < K; k++)
		r->ln_top[k] = SLACK;
}

static void begin_second(struct regression *r)
{
	memset(r->ln_second, 0, sizeof(r->ln_second));
	memset(r->sobered, 0, sizeof(r->sobered));
	r->second_ns = r->second_n = r->second_y = 0;
}

void regression_restart(struct regression *r)
{
	double ln_w = sequential_restart(&r->lasting);

	sequential_restart(&r->sudden);
	begin_second(r);
	for (int k = 0; k < K; k++)
		r->ln_top[k] = fmax(r->ln_top[k], ln_w + SLACK);
}

/* Never more than l. */
static double sobered(double l, double crowd)
{
	if (l <= ONE_SECOND)
		return l;
	return fmax(ONE_SECOND + ONE_SECOND_SCALE * log1p((l - ONE_SECOND) / ONE_SECOND_SCALE), l - crowd);
}

/* Of how much the failures of this second are too many to have one cause. */
static double add_to_second(struct regression *r, const struct regression_excuse *excuse, uint64_t n, uint64_t y)
{
	r->second_n += n;
	r->second_y += y;
	if (excuse->stalls)
		return INFINITY;
	return r->second_y >= CROWD_LEAST && 2 * r->second_y >= r->second_n ? CROWD_OF_MOST : CROWD;
}

static void add_sudden(struct regression *r, int k, double l, double crowd)
{
	r->ln_second[k] += l;
	l = sobered(r->ln_second[k], crowd);
	r->sudden.ln_s[k] += l - r->sobered[k];
	r->sobered[k] = l;
}

void regression_ratio(struct regression *r, double margin, const struct regression_phi *phi,
		      const struct regression_excuse *excuse, const struct sequential_counts *c)
{
	double n_c = (double)c->canary_n, n_b = (double)c->baseline_n;
	double y_c = (double)c->canary_y, y = y_c + (double)c->baseline_y;
	double boundary = margin * excuse->factor, ln_null, crowd;

	if (c->canary_n == 0 || c->baseline_n == 0)
		return;
	crowd = add_to_second(r, excuse, c->canary_n, c->canary_y);
	ln_null = log(boundary * n_c + n_b);
	for (int k = 0; y > 0 && k < K; k++) {
		double ratio = excuse->ratio[k];

		if (ratio > 0)
			add_sudden(r, k, (y_c * excuse->ln_ratio[k] - y * (log(boundary * ratio * n_c + n_b) - ln_null)) /
					 phi->sudden, crowd);
	}
	if (excuse->ln_lasting)
		sequential_ratio_against(&r->lasting, excuse->ln_lasting, margin, phi->lasting, c);
	else
		sequential_ratio(&r->lasting, SEQUENTIAL_WORSE, margin, phi->lasting, c);
}

void regression_single(struct regression *r, double p0, const struct regression_phi *phi,
		       const struct regression_excuse *excuse, uint64_t y, uint64_t n)
{
	double expected = (double)n * p0 * excuse->factor, crowd = add_to_second(r, excuse, n, y);

	for (int k = 0; k < K; k++) {
		double ratio = excuse->ratio[k];

		if (ratio > 0)
			add_sudden(r, k, ((double)y * excuse->ln_ratio[k] - expected * (ratio - 1)) / phi->sudden, crowd);
	}
	sequential_single(&r->lasting, SEQUENTIAL_WORSE, p0, phi->lasting, y, n);
}

/* Before the first block there is no evidence, and nothing to keep a pace. */
void regression_pass(struct regression *r, double patience, bool gentle, uint64_t elapsed_ns)
{
	double most = PACE / patience * (double)elapsed_ns / 1e9;

	r->second_ns += elapsed_ns;
	if (r->second_ns >= SECOND_NS)
		begin_second(r);
	for (int k = 0; k < K; k++) {
		double more = most * (gentle ? fmin(1, sequential_alternative(k + 1) - 1) : 1);
		double *ln_s = &r->lasting.ln_s[k];

		if (*ln_s == -INFINITY)
			continue;
		*ln_s = fmin(*ln_s, r->ln_top[k] + more);
		r->ln_top[k] = fmin(r->ln_top[k] + more, *ln_s + SLACK);
	}
}

/* Half of the prior is on what is less than 20 times as bad: there it takes long enough. */
static double common(const double *ln_s)
{
	return sequential_log_add(sequential_log_sum(ln_s, K / 8) + log(COMMON / 2 / (K / 8)),
				  sequential_log_sum(ln_s + K / 8, K / 2 - K / 8) + log(COMMON / 2 / (K / 2 - K / 8)));
}

static double ln_sudden(const struct sequential *s)
{
	double upper = common(s->ln_s + K / 2);
	double lower = sequential_log_sum(s->ln_s, K / 2) + log((1 - COMMON) / (K / 2));
	double left = 1 - s->prior_used;

	return sequential_log_add(sequential_log_add(upper, lower), left > 0 ? log(left) : -INFINITY);
}

double regression_ln_e(const struct regression *r, double weight_lasting)
{
	return sequential_log_add(log1p(-weight_lasting) + ln_sudden(&r->sudden),
				  log(weight_lasting) + sequential_ln_e(&r->lasting));
}

double regression_lasting_s(double ln_e)
{
	return fmax(0, (ln_e - SLACK) / PACE);
}

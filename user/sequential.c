/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The e-processes' arithmetic. That each increment has an expectation of at most 1 under the null follows from
 * 1 + x ≤ e^x, for any counts and any weights fixed before the tick.
 */
#include "user/sequential.h"

#include <math.h>

#define K SEQUENTIAL_ALTERNATIVES
#define LN_STEP (M_LN2 / 4) /* between neighbouring alternatives */
#define LOWEST_RATIO (-12)
#define TOO_SMALL (-50.0) /* e to the power of it is lost in the sum of a double: most alternatives are, soon */
#define LN_INTERVAL_BOUND 2.995732273553991 /* ln 20: 95 % */

double sequential_alternative(int k)
{
	static const double root[] = { 1, 1.189207115002721, 1.4142135623730951, 1.681792830507429 };

	return k >= 0 ? root[k & 3] * (double)(1U << (k >> 2)) : root[k & 3] / (double)(1U << -(k >> 2));
}

void sequential_counts_add(struct sequential_counts *sum, const struct sequential_counts *c)
{
	sum->canary_n += c->canary_n;
	sum->canary_y += c->canary_y;
	sum->baseline_n += c->baseline_n;
	sum->baseline_y += c->baseline_y;
}

void sequential_init(struct sequential *s)
{
	*s = (struct sequential){ .prior_used = 1 };
}

void sequential_init_late(struct sequential *s)
{
	*s = (struct sequential){ .prior_used = 0 };
	for (unsigned k = 0; k < K; k++)
		s->ln_s[k] = -INFINITY;
}

double sequential_restart(struct sequential *s)
{
	double j = s->restarts++;
	double w = j == 0 ? 0.5 : 1 / (2 * j * (j + 1));

	for (unsigned k = 0; k < K; k++)
		s->ln_s[k] = sequential_log_add(s->ln_s[k], log(w));
	s->prior_used += w;
	return log(w);
}

void sequential_ratio(struct sequential *s, enum sequential_side side, double margin, double phi,
		      const struct sequential_counts *c)
{
	double n_c = (double)c->canary_n, n_b = (double)c->baseline_n;
	double y_c = (double)c->canary_y, y = y_c + (double)c->baseline_y;
	double ln_null;

	if (c->canary_n == 0 || c->baseline_n == 0 || y == 0)
		return;
	ln_null = log(margin * n_c + n_b);
	for (int k = 1; k <= K; k++) {
		double ln_r = side * k * LN_STEP;
		double l = y_c * ln_r - y * (log(margin * sequential_alternative(side * k) * n_c + n_b) - ln_null);

		s->ln_s[k - 1] += l / phi;
	}
}

void sequential_ratio_against(struct sequential *s, const double ln_ratio[K], double margin, double phi,
			      const struct sequential_counts *c)
{
	double n_c = margin * (double)c->canary_n, share = n_c / (n_c + (double)c->baseline_n);
	double y_c = (double)c->canary_y, y = y_c + (double)c->baseline_y;

	if (c->canary_n == 0 || c->baseline_n == 0 || y == 0)
		return;
	for (unsigned k = 0; k < K; k++)
		s->ln_s[k] += (y_c * ln_ratio[k] - y * log1p(share * expm1(ln_ratio[k]))) / phi;
}

void sequential_single(struct sequential *s, enum sequential_side side, double p0, double phi, uint64_t y, uint64_t n)
{
	for (int k = 1; k <= K; k++) {
		double ln_r = side * k * LN_STEP;

		s->ln_s[k - 1] += ((double)y * ln_r - (double)n * p0 * expm1(ln_r)) / phi;
	}
}

double sequential_ln_e(const struct sequential *s)
{
	double left = 1 - s->prior_used;

	return sequential_log_add(sequential_log_sum(s->ln_s, K) - log(K), left > 0 ? log(left) : -INFINITY);
}

double sequential_log_add(double a, double b)
{
	double high = a > b ? a : b, low = a > b ? b : a;

	if (high == -INFINITY || low - high < TOO_SMALL)
		return high;
	return high + log1p(exp(low - high));
}

double sequential_log_sum(const double *x, unsigned n)
{
	double high = -INFINITY, sum = 0;

	for (unsigned i = 0; i < n; i++)
		high = x[i] > high ? x[i] : high;
	if (high == -INFINITY)
		return high;
	for (unsigned i = 0; i < n; i++)
		sum += x[i] - high > TOO_SMALL ? exp(x[i] - high) : 0;
	return high + log(sum);
}

bool sequential_pool_add(struct sequential_pool *pool, const struct sequential_counts *c, uint64_t elapsed_ns,
			 uint64_t patience_ns, struct sequential_counts *ret)
{
	bool ready;

	if (pool->age_ns >= patience_ns)
		*pool = (struct sequential_pool){ 0 };
	sequential_counts_add(&pool->waiting, c);
	ready = pool->waiting.canary_n > 0 && pool->waiting.baseline_n > 0;
	if (ready)
		*ret = pool->waiting;
	if (ready || pool->waiting.canary_n + pool->waiting.baseline_n == 0)
		*pool = (struct sequential_pool){ 0 };
	else
		pool->age_ns += elapsed_ns;
	return ready;
}

void sequential_interval_add(struct sequential_interval *v, double phi, const struct sequential_counts *c)
{
	double n_c = (double)c->canary_n, n_b = (double)c->baseline_n;
	double y_c = (double)c->canary_y, y = y_c + (double)c->baseline_y;

	if (c->canary_n == 0 || c->baseline_n == 0 || y == 0)
		return;
	v->events += c->canary_y + c->baseline_y;
	for (int i = 0; i < SEQUENTIAL_RATIOS; i++) {
		double ln_r = (i + LOWEST_RATIO) * LN_STEP;

		v->ln_l[i] += (y_c * ln_r - y * log(sequential_alternative(i + LOWEST_RATIO) * n_c + n_b)) / phi;
	}
}

bool sequential_interval_get(const struct sequential_interval *v, double *ret_low, double *ret_high)
{
	double bound = sequential_log_sum(v->ln_l, SEQUENTIAL_RATIOS) - log(SEQUENTIAL_RATIOS) - LN_INTERVAL_BOUND;
	int low = 0, high = SEQUENTIAL_RATIOS - 1;

	if (v->events == 0)
		return false;
	while (low < high && v->ln_l[low] <= bound)
		low++;
	while (high > low && v->ln_l[high] <= bound)
		high--;
	*ret_low = exp2((low + LOWEST_RATIO) / 4.0);
	*ret_high = exp2((high + LOWEST_RATIO) / 4.0);
	return true;
}

double sequential_ratio_drift(double p_b, double rho, double margin, double n_c, double n_b)
{
	double bad = rho * n_c + n_b;

	if (!(n_c > 0) || !(n_b > 0) || !(p_b > 0))
		return 0;
	return p_b * ((rho > 0 ? rho * n_c * log(rho / margin) : 0) - bad * log(bad / (margin * n_c + n_b)));
}

double sequential_single_drift(double p, double p0, double n)
{
	if (!(n > 0) || !(p0 > 0))
		return 0;
	return n * ((p > 0 ? p * log(p / p0) : 0) - p + p0);
}

double sequential_time_to(double ln_bound, double ln_e, double drift)
{
	double progress = ln_e > 0 ? ln_e / ln_bound : 0;

	if (progress >= 1)
		return 0;
	return drift > 0 ? (ln_bound + log(K)) * (1 - progress) / drift : NAN;
}

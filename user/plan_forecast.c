/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How soon: evidence grows by the expectation of the best alternative's increment each second, and needs ln(bound)
 * plus what spreading it over the alternatives and over the restarts costs.
 */
#include "user/plan.h"

#include <math.h>

#include "user/sequential.h"

#define K SEQUENTIAL_ALTERNATIVES
#define LN_STEP (M_LN2 / 4)
#define LN_LATE M_LN2 /* half of the evidence begins with the first block */
#define MARKS 3
#define PASS_MARKS 2
#define NO_LIMIT_S 86400.0 /* a step without a limit is asked for a day */
#define LARGEST_SHARE 0.5
#define LARGEST_SLOWER 100.0
#define HALVINGS 50

static const double mark_share[MARKS] = { 0.50, 0.05, 0.01 }; /* of the baseline above its p50, p95, p99 */
static const double mark_z[MARKS] = { 0, 1.6448536269514722, 2.3263478740408408 };

/* ---- evidence a second ----------------------------------------------------------------------------------- */

/* Shares p of n events a second, canary and baseline. */
struct flow {
	double n_c, p_c, n_b, p_b;
};

static double ratio_drift(const struct flow *f, enum sequential_side side, double margin)
{
	double y_c = f->n_c * f->p_c, y = y_c + f->n_b * f->p_b, best = 0;

	for (int k = 1; k <= K && f->n_c > 0 && f->n_b > 0; k++) {
		double ln_r = side * k * LN_STEP;

		best = fmax(best, y_c * ln_r - y * log((margin * exp(ln_r) * f->n_c + f->n_b) / (margin * f->n_c + f->n_b)));
	}
	return best;
}

static double single_drift(double n, double p, double p0, enum sequential_side side)
{
	double best = 0;

	for (int k = 1; k <= K; k++)
		best = fmax(best, n * (p * side * k * LN_STEP - p0 * expm1(side * k * LN_STEP)));
	return best;
}

static double seconds(double ln_bound, double drift)
{
	return drift > 0 ? (ln_bound + log(K)) / drift : NAN;
}

static double larger(double a, double b)
{
	return isnan(a) || isnan(b) ? NAN : fmax(a, b);
}

static struct flow errors_flow(double weight, const struct plan_traffic *t, double p_c)
{
	return (struct flow){ t->rate * weight, p_c, t->rate * (1 - weight), t->error_share };
}

/* ---- latency --------------------------------------------------------------------------------------------- */

static double sigma(const struct plan_traffic *t)
{
	return log(t->p95_s / t->p50_s) / mark_z[1];
}

static bool knows_latency(const struct plan_traffic *t)
{
	return sigma(t) > 0 && isfinite(sigma(t));
}

/* The canary is `slower` times the baseline and asked whether it is above `margin` times the baseline's mark. */
static struct flow latency_flow(double weight, const struct plan_traffic *t, unsigned mark, double slower, double margin)
{
	double z = mark_z[mark] + log(margin / slower) / sigma(t);
	double n = t->rate * (1 - t->error_share);

	return (struct flow){ n * weight, 0.5 * erfc(z / M_SQRT2), n * (1 - weight), mark_share[mark] };
}

/* ---- found ----------------------------------------------------------------------------------------------- */

double plan_seconds_to_find(const struct judge_config *judge, double weight, const struct plan_traffic *t, double share)
{
	struct flow f = errors_flow(weight, t, share);
	double relative = weight < 1 ? ratio_drift(&f, SEQUENTIAL_WORSE, judge->margin) :
				       single_drift(f.n_c, share, fmax(judge->p0, judge->margin * t->error_share),
						    SEQUENTIAL_WORSE);
	double drift = fmin(relative, single_drift(f.n_c, share, judge->p0_rollback, SEQUENTIAL_WORSE)) / t->phi;

	return seconds(-log(judge->alpha * judge->weight_errors) + LN_LATE, drift);
}

double plan_seconds_to_find_slower(const struct judge_config *judge, double weight, const struct plan_traffic *t,
				   double factor)
{
	double drift = 0;

	if (!knows_latency(t) || weight >= 1)
		return NAN;
	for (unsigned i = 0; i < MARKS; i++) {
		struct flow f = latency_flow(weight, t, i, factor, 1 + judge->delta);

		drift = fmax(drift, ratio_drift(&f, SEQUENTIAL_WORSE, 1));
	}
	return seconds(-log(judge->alpha * judge->weight_latency) + LN_LATE + log(MARKS), drift);
}

typedef double (*find_function)(const struct judge_config *, double weight, const struct plan_traffic *, double value);

/* The smallest value that is found within the limit, between one that is not and `high`; NAN where that is not. */
static double smallest(find_function find, const struct judge_config *judge, double weight, const struct plan_traffic *t,
		       double limit_s, double low, double high)
{
	if (!(find(judge, weight, t, high) <= limit_s))
		return NAN;
	for (unsigned i = 0; i < HALVINGS; i++) {
		double middle = (low + high) / 2;

		if (find(judge, weight, t, middle) <= limit_s)
			high = middle;
		else
			low = middle;
	}
	return high;
}

/* ---- passed ---------------------------------------------------------------------------------------------- */

static double errors_pass_s(const struct judge_config *judge, double weight, const struct plan_traffic *t)
{
	struct flow f = errors_flow(weight, t, t->error_share);
	double better = judge->margin_promotion * t->error_share;
	double relative = weight < 1 ? ratio_drift(&f, SEQUENTIAL_BETTER, judge->margin_promotion) :
				       single_drift(f.n_c, t->error_share, better, SEQUENTIAL_BETTER);
	double absolute = single_drift(f.n_c, t->error_share, judge->p0, SEQUENTIAL_BETTER);

	return seconds(-log(judge->alpha_promotion) + M_LN2, fmax(relative, absolute) / t->phi);
}

static double latency_pass_s(const struct judge_config *judge, double weight, const struct plan_traffic *t)
{
	double longest = 0;

	for (unsigned i = 0; i < PASS_MARKS && knows_latency(t) && weight < 1; i++) {
		struct flow f = latency_flow(weight, t, i, 1, 1 + judge->delta_promotion);

		longest = larger(longest, seconds(-log(judge->alpha_promotion), ratio_drift(&f, SEQUENTIAL_BETTER, 1)));
	}
	return longest;
}

static double pass_s(const struct judge_config *judge, double weight, const struct plan_traffic *t)
{
	return larger(errors_pass_s(judge, weight, t), latency_pass_s(judge, weight, t));
}

static double needed_share(const struct judge_config *judge, double low, double limit_s, const struct plan_traffic *t)
{
	double high = LARGEST_SHARE;

	if (low >= high || !(pass_s(judge, high, t) <= limit_s))
		return NAN;
	for (unsigned i = 0; i < HALVINGS; i++) {
		double middle = (low + high) / 2;

		if (pass_s(judge, middle, t) <= limit_s)
			high = middle;
		else
			low = middle;
	}
	return high;
}

struct plan_forecast plan_forecast(const struct judge_config *judge, const struct policy_step *step,
				   const struct plan_traffic *t)
{
	double limit_s = step->max_s > 0 ? step->max_s : NO_LIMIT_S, errors_s = errors_pass_s(judge, step->weight, t);
	struct plan_forecast f = { .pass_s = pass_s(judge, step->weight, t), .needed_share = NAN };

	f.by_latency = !isnan(errors_s) && !(f.pass_s <= errors_s);
	f.decides = f.pass_s <= limit_s;
	if (!f.decides)
		f.needed_share = needed_share(judge, step->weight, limit_s, t);
	f.smallest_share = smallest(plan_seconds_to_find, judge, step->weight, t, limit_s, 0, 1);
	f.smallest_slower = smallest(plan_seconds_to_find_slower, judge, step->weight, t, limit_s, 1, LARGEST_SLOWER);
	return f;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How soon: evidence grows by the expectation of the best alternative's increment each second, and needs ln(bound)
 * plus what spreading it over the alternatives and over the restarts costs.
 */
#include "user/plan.h"

#include <math.h>

#include "user/regression.h"
#include "user/sequential.h"

#define K SEQUENTIAL_ALTERNATIVES
#define LN_STEP (M_LN2 / 4)
#define LN_LATE M_LN2 /* half of the evidence begins with the first block */
#define DAY_S 86400.0 /* what a step without a limit finds, it finds in a day */
#define LARGEST_SHARE 0.5
#define LARGEST_SLOWER 100.0
#define HALVINGS 50

static const double mark_quantile[LATENCY_MARKS] = { 0.50, 0.95, 0.99, 0.80 };

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

/* The share of the baseline's requests above so many seconds; within a bucket they are spread evenly. */
static double share_above(const struct plan_traffic *t, double seconds)
{
	unsigned bucket = histogram_bucket(seconds);
	double low = bucket > 0 ? histogram_upper_s(bucket - 1) : 0, high = histogram_upper_s(bucket), above = 0;

	for (unsigned i = bucket + 1; i < CANARY_HISTOGRAM_BUCKETS; i++)
		above += t->ttfb[i];
	return above + (isinf(high) ? 1 : (high - seconds) / (high - low)) * t->ttfb[bucket];
}

/* τ, as the judge has it. False where the past is too short to know it. */
static bool find_tau(const struct plan_traffic *t, unsigned mark, double *ret_s)
{
	double seen = 0;
	unsigned i = 0;

	if (t->samples * (1 - mark_quantile[mark]) < 1)
		return false;
	while (i < CANARY_HISTOGRAM_BUCKETS - 1 && (seen += t->ttfb[i]) < mark_quantile[mark])
		i++;
	*ret_s = histogram_upper_s(i);
	return isfinite(*ret_s);
}

/* The canary is `slower` times the baseline, and slow where it is above `edge_s`. */
static struct flow latency_flow(double weight, const struct plan_traffic *t, double tau_s, double slower, double edge_s)
{
	double n = t->rate * (1 - t->error_share);

	return (struct flow){ n * weight, share_above(t, edge_s / slower), n * (1 - weight), share_above(t, tau_s) };
}

/* A share that few samples speak of, a standard error lower: nothing is called undecidable by a few slow ones. */
static double at_least(const struct plan_traffic *t, double share)
{
	return fmax(0, share - sqrt(share / t->samples));
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
	double ln_bound = -log(judge->alpha * judge->weight_latency) + LN_LATE + log(LATENCY_MARKS);
	double drift = 0, tau_s, found_s;

	if (judge->weight_latency <= 0 || weight >= 1)
		return NAN;
	for (unsigned i = 0; i < LATENCY_MARKS; i++) {
		struct flow f;

		if (!find_tau(t, i, &tau_s))
			continue;
		f = latency_flow(weight, t, tau_s, factor, histogram_upper_s(histogram_bucket((1 + judge->delta) * tau_s)));
		drift = fmax(drift, ratio_drift(&f, SEQUENTIAL_WORSE, 1) / t->phi_latency[i]);
	}
	found_s = seconds(ln_bound, drift);
	return isnan(found_s) ? NAN : fmax(found_s, regression_lasting_s(ln_bound));
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

	if (judge->dry_run_errors)
		return 0;
	return seconds(-log(judge->alpha_promotion) + M_LN2, fmax(relative, absolute) / t->phi);
}

static double latency_pass_s(const struct judge_config *judge, double weight, const struct plan_traffic *t)
{
	double longest = 0, tau_s;

	if (judge->dry_run_latency || weight >= 1)
		return 0;
	for (unsigned i = 0; i < LATENCY_PROMOTION_MARKS; i++) {
		struct flow f;
		double drift;

		if (!find_tau(t, i, &tau_s))
			continue;
		f = latency_flow(weight, t, tau_s, 1,
				 histogram_upper_s(histogram_edge_at_most((1 + judge->delta_promotion) * tau_s)));
		f.p_c = at_least(t, f.p_c);
		drift = ratio_drift(&f, SEQUENTIAL_BETTER, 1) / t->phi_latency[i];
		longest = larger(longest, seconds(-log(judge->alpha_promotion), drift));
	}
	return longest;
}

static double pass_s(const struct judge_config *judge, double weight, const struct plan_traffic *t)
{
	return larger(errors_pass_s(judge, weight, t), latency_pass_s(judge, weight, t));
}

static double limit_s(const struct policy_step *step)
{
	return step->max_s > 0 ? step->max_s : INFINITY;
}

static double needed_share(const struct judge_config *judge, const struct policy_step *step,
			   const struct plan_traffic *t)
{
	double low = step->weight, high = LARGEST_SHARE;

	if (low >= high || !(pass_s(judge, high, t) <= limit_s(step)))
		return NAN;
	for (unsigned i = 0; i < HALVINGS; i++) {
		double middle = (low + high) / 2;

		if (pass_s(judge, middle, t) <= limit_s(step))
			high = middle;
		else
			low = middle;
	}
	return high;
}

struct plan_forecast plan_forecast(const struct judge_config *judge, const struct policy_step *step,
				   const struct plan_traffic *t)
{
	double within_s = step->max_s > 0 ? step->max_s : DAY_S;
	double errors_s = errors_pass_s(judge, step->weight, t);
	struct plan_forecast f = { .pass_s = pass_s(judge, step->weight, t), .needed_share = NAN };

	f.by_latency = !isnan(errors_s) && !(f.pass_s <= errors_s);
	f.decides = f.pass_s <= limit_s(step);
	if (!f.decides)
		f.needed_share = needed_share(judge, step, t);
	f.smallest_share = smallest(plan_seconds_to_find, judge, step->weight, t, within_s, 0, 1);
	f.smallest_slower = smallest(plan_seconds_to_find_slower, judge, step->weight, t, within_s, 1, LARGEST_SLOWER);
	return f;
}

unsigned plan_undecided(const struct policy_plan *plan, const struct judge_config *judge, const struct plan_traffic *t)
{
	unsigned n = plan->promote_never && plan->n_steps > 0 ? plan->n_steps - 1 : plan->n_steps;

	for (unsigned i = 0; i < n; i++)
		if (!(pass_s(judge, plan->step[i].weight, t) <= limit_s(&plan->step[i])))
			return i;
	return plan->n_steps;
}

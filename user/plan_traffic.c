/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The traffic a plan is held against. */
#include "user/plan.h"

#include <math.h>

#define LAST (CANARY_HISTOGRAM_BUCKETS - 1)
#define Z95 1.6448536269514722
#define SURELY_ENOUGH 1e9

struct plan_traffic plan_traffic(double rate)
{
	struct plan_traffic t = { .rate = rate, .phi = 1 };

	for (unsigned i = 0; i < LATENCY_MARKS; i++)
		t.phi_latency[i] = 1;
	return t;
}

void plan_traffic_log_normal(struct plan_traffic *t, double p50_s, double p95_s)
{
	double sigma = log(p95_s / p50_s) / Z95, below = 0;

	for (unsigned i = 0; i <= LAST; i++) {
		double upto = 0.5 * erfc(-log(histogram_upper_s(i) / p50_s) / sigma / M_SQRT2);

		t->ttfb[i] = upto - below;
		below = upto;
	}
	t->samples = SURELY_ENOUGH;
}

void plan_traffic_past(struct plan_traffic *t, const struct past *past)
{
	t->samples = past->samples >= 1 ? past->samples : 0;
	for (unsigned i = 0; i <= LAST; i++)
		t->ttfb[i] = t->samples > 0 ? past->latency[i] / past->samples : 0;
}

double plan_traffic_quantile_s(const struct plan_traffic *t, double q)
{
	double seen = 0;
	unsigned i = 0;

	if (t->samples <= 0)
		return NAN;
	while (i < LAST && (seen += t->ttfb[i]) < q)
		i++;
	return histogram_mid_s(i);
}

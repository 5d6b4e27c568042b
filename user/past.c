/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fading counts.
 */
#include "user/past.h"

#include <math.h>

#define FORGOTTEN 1e-9 /* less than this of an event is none: keeps the arithmetic away from denormal numbers */

static double faded(double value, double keep)
{
	return value * keep < FORGOTTEN ? 0 : value * keep;
}

static void add_latency(struct past *past, const struct histogram *h, double keep)
{
	past->samples = 0;
	for (unsigned i = 0; i < CANARY_HISTOGRAM_BUCKETS; i++) {
		if (past->latency[i] == 0 && h->bucket[i] == 0)
			continue;
		past->latency[i] = faded(past->latency[i], keep) + (double)h->bucket[i];
		past->samples += past->latency[i];
	}
}

void past_add(struct past *past, const struct sample_version *version, uint64_t elapsed_ns, double history_s)
{
	double keep = exp(-(double)elapsed_ns / 1e9 / history_s);
	uint64_t failed = version->failed < version->attempts ? version->failed : version->attempts;

	if (version->attempts > 0) {
		past->attempts = faded(past->attempts, keep) + (double)version->attempts;
		past->failed = faded(past->failed, keep) + (double)failed;
	}
	if (histogram_count(&version->ttfb) > 0)
		add_latency(past, &version->ttfb, keep);
}

double past_share(const struct past *past)
{
	return past->attempts > 0 ? past->failed / past->attempts : NAN;
}

double past_share_bound(const struct past *past, double z)
{
	double bound = past->failed + z * sqrt(past->failed + (z > 0)) + (z > 0);

	return past->attempts > 0 ? fmin(1, fmax(0, bound / past->attempts)) : NAN;
}

static unsigned quantile_bucket(const struct past *past, double q)
{
	double seen = 0;
	unsigned last = 0;

	for (unsigned i = 0; i < CANARY_HISTOGRAM_BUCKETS; i++) {
		if (past->latency[i] <= 0)
			continue;
		seen += past->latency[i];
		last = i;
		if (seen >= q * past->samples)
			break;
	}
	return last;
}

bool past_quantile_bucket(const struct past *past, double q, unsigned *ret)
{
	unsigned bucket;
	bool known;

	past_quantile_buckets(past, &q, 1, &bucket, &known);
	if (known)
		*ret = bucket;
	return known;
}

void past_quantile_buckets(const struct past *past, const double *q, unsigned n, unsigned *ret, bool *ret_known)
{
	unsigned left = 0;
	double seen = 0;

	for (unsigned k = 0; k < n; k++) {
		ret_known[k] = false;
		left += past->samples * (1 - q[k]) >= 1;
	}
	for (unsigned i = 0; left > 0 && i < CANARY_HISTOGRAM_BUCKETS - 1; i++) {
		if (past->latency[i] <= 0)
			continue;
		seen += past->latency[i];
		for (unsigned k = 0; k < n; k++) {
			if (ret_known[k] || past->samples * (1 - q[k]) < 1 || seen < q[k] * past->samples)
				continue;
			ret[k] = i;
			ret_known[k] = true;
			left--;
		}
	}
}

double past_quantile_s(const struct past *past, double q)
{
	return past->samples > 0 ? histogram_mid_s(quantile_bucket(past, q)) : NAN;
}

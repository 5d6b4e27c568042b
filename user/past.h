/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a version was like lately: its failures and its latency, older ticks fading with a time constant. From the
 * baseline's past come τ, the mark that is slow for a request, and what the canary is compared with when the baseline
 * has no traffic any more. Plain data, zero to begin.
 */
#ifndef CANARYD_PAST_H
#define CANARYD_PAST_H

#include <stdbool.h>
#include <stdint.h>

#include "user/histogram.h"
#include "user/sample.h"

struct past {
	double attempts; /* faded counts */
	double failed;
	double samples;  /* Σ latency */
	double latency[CANARY_HISTOGRAM_BUCKETS];
};

/* Adds a tick, and fades what was before. A tick without events changes nothing: the past is kept, however old. */
void past_add(struct past *past, const struct sample_version *version, uint64_t elapsed_ns, double history_s);

/* The share of failures; NAN without a past. */
double past_share(const struct past *past);

/* A share of failures that is surely not below (z > 0) or above (z < 0) the true one, z standard errors away. */
double past_share_bound(const struct past *past, double z);

/*
 * The bucket of the q-quantile. False, and nothing written, while the past is too short to know it (less than one
 * sample beyond it) or where it lies in the last bucket, which has no upper edge.
 */
bool past_quantile_bucket(const struct past *past, double q, unsigned *ret);

/* The same for n quantiles at once; ret_known says of each whether it is known. */
void past_quantile_buckets(const struct past *past, const double *q, unsigned n, unsigned *ret, bool *ret_known);

/* The q-quantile in seconds, for showing: the middle of its bucket, also from a short past; NAN without one. */
double past_quantile_s(const struct past *past, double q);

#endif

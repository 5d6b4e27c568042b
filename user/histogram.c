/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Histogram arithmetic. The edges are computed, not stored: bucket i ends at 2^((i - 544) / 32) s, with bucket 0 for
 * everything up to 2^-17 s, so an edge is always the same double wherever it is asked for.
 */
#include "user/histogram.h"

#include <math.h>

#define LAST (CANARY_HISTOGRAM_BUCKETS - 1)
#define PER_OCTAVE (1 << CANARY_HISTOGRAM_SCHEMA)

_Static_assert((CANARY_HISTOGRAM_OCTAVES * PER_OCTAVE) + 2 == CANARY_HISTOGRAM_BUCKETS, "the geometry of abi.h");
_Static_assert(sizeof(struct histogram) == sizeof(struct canary_histogram), "one layout");

double histogram_upper_s(unsigned bucket)
{
	if (bucket >= LAST)
		return INFINITY;
	return exp2((double)bucket / PER_OCTAVE + CANARY_HISTOGRAM_MIN_EXP);
}

double histogram_mid_s(unsigned bucket)
{
	return histogram_upper_s(bucket) * (bucket > 0 ? exp2(-0.5 / PER_OCTAVE) : 1);
}

unsigned histogram_bucket(double seconds)
{
	unsigned bucket;
	double position;

	if (!(seconds > histogram_upper_s(0)))
		return 0;
	position = (log2(seconds) - CANARY_HISTOGRAM_MIN_EXP) * PER_OCTAVE;
	if (position >= LAST)
		return LAST;
	/* log2 may be off in its last bit: the edges themselves have the final word. */
	bucket = (unsigned)position;
	while (bucket < LAST && seconds > histogram_upper_s(bucket))
		bucket++;
	return bucket;
}

unsigned histogram_edge_at_most(double seconds)
{
	unsigned bucket = histogram_bucket(seconds);

	return bucket > 0 && histogram_upper_s(bucket) > seconds ? bucket - 1 : bucket;
}

/* Four sums at a time. */
static uint64_t count_from(const struct histogram *h, unsigned first)
{
	uint64_t sum[4] = { 0 };
	unsigned i = first;

	for (; i + 4 <= CANARY_HISTOGRAM_BUCKETS; i += 4)
		for (unsigned k = 0; k < 4; k++)
			sum[k] += h->bucket[i + k];
	for (; i < CANARY_HISTOGRAM_BUCKETS; i++)
		sum[0] += h->bucket[i];
	return sum[0] + sum[1] + sum[2] + sum[3];
}

uint64_t histogram_count(const struct histogram *h)
{
	return count_from(h, 0);
}

uint64_t histogram_count_above(const struct histogram *h, unsigned bucket)
{
	return count_from(h, bucket + 1);
}

void histogram_tail(const struct histogram *h, struct histogram_tail *ret)
{
	uint64_t above = 0;

	for (unsigned i = CANARY_HISTOGRAM_BUCKETS; i-- > 0;) {
		ret->above[i] = above;
		above += h->bucket[i];
	}
	ret->count = above;
}

unsigned histogram_quantile_bucket(const struct histogram *h, double q)
{
	double wanted = q * (double)histogram_count(h);
	uint64_t seen = 0;
	unsigned last = 0;

	for (unsigned i = 0; i < CANARY_HISTOGRAM_BUCKETS; i++) {
		if (h->bucket[i] == 0)
			continue;
		seen += h->bucket[i];
		last = i;
		if ((double)seen >= wanted)
			break;
	}
	return last;
}

double histogram_quantile_s(const struct histogram *h, double q)
{
	return histogram_count(h) ? histogram_upper_s(histogram_quantile_bucket(h, q)) : NAN;
}

void histogram_add(struct histogram *sum, const struct histogram *other)
{
	for (unsigned i = 0; i < CANARY_HISTOGRAM_BUCKETS; i++)
		sum->bucket[i] += other->bucket[i];
}

bool histogram_subtract(struct histogram *left, const struct histogram *other)
{
	bool forward = true;

	for (unsigned i = 0; i < CANARY_HISTOGRAM_BUCKETS; i++) {
		forward = forward && left->bucket[i] >= other->bucket[i];
		left->bucket[i] = left->bucket[i] >= other->bucket[i] ? left->bucket[i] - other->bucket[i] : 0;
	}
	return forward;
}

double histogram_quantile_mid_s(const struct histogram *h, double q)
{
	return histogram_count(h) ? histogram_mid_s(histogram_quantile_bucket(h, q)) : NAN;
}

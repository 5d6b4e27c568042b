/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel's latency histogram (struct canary_histogram in abi.h) as the judge and the views see it: base-2
 * exponential, 32 buckets an octave, from 2^-17 s to 2^6 s. Pure arithmetic; a quantile is the upper edge of a
 * bucket, never interpolated, so it is at most 2.2 % too long and a comparison on buckets is exact.
 */
#ifndef CANARYD_HISTOGRAM_H
#define CANARYD_HISTOGRAM_H

#include <canaryd/abi.h>
#include <stdbool.h>
#include <stdint.h>

struct histogram {
	uint64_t bucket[CANARY_HISTOGRAM_BUCKETS];
};

/* The upper edge of a bucket in seconds, which the bucket includes. INFINITY for the last one and beyond. */
double histogram_upper_s(unsigned bucket);

/* The geometric middle of a bucket, for showing; the edge where the bucket has but one. */
double histogram_mid_s(unsigned bucket);

/* The bucket (lower, upper] that holds a duration. What is negative or NaN is in bucket 0. */
unsigned histogram_bucket(double seconds);

/* The largest bucket whose upper edge is at most `seconds`; 0 when even bucket 0 ends later. */
unsigned histogram_edge_at_most(double seconds);

/* The number of samples. */
uint64_t histogram_count(const struct histogram *h);

/* The number of samples in buckets above `bucket`, that is, longer than its upper edge. */
uint64_t histogram_count_above(const struct histogram *h, unsigned bucket);

/* All of histogram_count_above() at once, where several marks are asked for. */
struct histogram_tail {
	uint64_t count;
	uint64_t above[CANARY_HISTOGRAM_BUCKETS];
};

void histogram_tail(const struct histogram *h, struct histogram_tail *ret);

/* The bucket that holds the q-quantile: the first with at least q of the samples in it and below. 0 when empty. */
unsigned histogram_quantile_bucket(const struct histogram *h, double q);

/* The q-quantile in seconds: the upper edge of its bucket. NAN when empty, INFINITY in the last bucket. */
double histogram_quantile_s(const struct histogram *h, double q);

/* sum += other */
void histogram_add(struct histogram *sum, const struct histogram *other);

/* The same for people: the geometric middle of that bucket, at most 1.09 % from the quantile itself. */
double histogram_quantile_mid_s(const struct histogram *h, double q);

/*
 * left -= other, bucket by bucket. False when some bucket of `other` is larger, that is, the counters went backwards;
 * such buckets become 0.
 */
bool histogram_subtract(struct histogram *left, const struct histogram *other);

#endif

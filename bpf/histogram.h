/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The bucket of a duration in the histograms of abi.h (schema 5: bounds at 2^(i/32) s, upper bound inclusive). Pure;
 * no floating point, no count of leading zeros (clang-14 has none for BPF).
 */
#ifndef CANARYD_BPF_HISTOGRAM_H
#define CANARYD_BPF_HISTOGRAM_H

#include "parse.h"

/* 10^9 * 2^(j/32) in units of 2^-32 ns, rounded down: the lower bounds of the 32 parts of the octave from 1 s. */
static const __u64 histogram_bound[32] = {
	0x3b9aca0000000000ULL, 0x3ce8e9bca77430ccULL, 0x3e3e5a766d6afe52ULL, 0x3f9b4530ad445009ULL,
	0x40ffd3d4aa4e5371ULL, 0x426c3136988c69cbULL, 0x43e0891ac1b68b51ULL, 0x455d083ac70f51e7ULL,
	0x46e1dc4b00b253ecULL, 0x486f33fffb000226ULL, 0x4a053f1412cfd9c1ULL, 0x4ba42e4d31156db0ULL,
	0x4d4c3382a6a891c8ULL, 0x4efd81a328e4ce34ULL, 0x50b84cbaefd833abULL, 0x527cc9f9f6bdb0e5ULL,
	0x544b2fba5f832838ULL, 0x5623b586fa1fba2fULL, 0x58069421f08306e1ULL, 0x59f4058b97ea8d7bULL,
	0x5bec4509686ecf50ULL, 0x5def8f2d1b9e72e3ULL, 0x5ffe21dbf3025491ULL, 0x62183c56276a3d73ULL,
	0x643e1f3e81e6df61ULL, 0x66700ca21f5ab672ULL, 0x68ae48005f908e0fULL, 0x6af9165300cba1f0ULL,
	0x6d50be1668caaaedULL, 0x6fb587521c3c9d44ULL, 0x7227bba165ab71eeULL, 0x74a7a63c2ce70833ULL,
};

#define HISTOGRAM_SECOND_NS 1000000000ULL
#define HISTOGRAM_MAX_NS (HISTOGRAM_SECOND_NS << (CANARY_HISTOGRAM_MIN_EXP + CANARY_HISTOGRAM_OCTAVES))

/*
 * 1 where a > b, else 0, for a, b < 2^63, by arithmetic: the ten comparisons below as branches would be a thousand
 * paths for the verifier.
 */
static __always_inline __u64 histogram_exceeds(__u64 a, __u64 b)
{
	return (b - a) >> 63;
}

/* Below 32. Said where the compiler cannot know better and leave it out: a verifier before Linux 6.10 does not. */
static __always_inline __u64 histogram_index(__u64 index)
{
	asm volatile("" : "+r"(index));
	return index & 31;
}

/* How many of the octaves' upper bounds 2^(1-17) s, 2^(2-17) s … are shorter than `ns`, which is below 2^14 s. */
static __always_inline __u32 histogram_octave(__u64 ns)
{
	__u32 octave = 0;

#pragma unroll
	for (__u32 step = 16; step; step >>= 1)
		octave += histogram_exceeds(ns, HISTOGRAM_SECOND_NS << 14 >> (31 - octave - step)) * step;
	return octave;
}

/*
 * The bucket of a duration, 0 … CANARY_HISTOGRAM_BUCKETS - 1. Exact: the duration is shifted to the octave from 1 s, in
 * units of 2^-32 ns, and an integer exceeds a bound where it exceeds the bound rounded down.
 */
static __always_inline __u32 histogram_bucket_of_ns(__u64 ns)
{
	__u32 octave, part = 0;
	__u64 place;

	if (ns > HISTOGRAM_MAX_NS)
		return CANARY_HISTOGRAM_BUCKETS - 1;
	if (ns <= HISTOGRAM_SECOND_NS >> -CANARY_HISTOGRAM_MIN_EXP)
		return 0;
	octave = histogram_octave(ns);
	place = ns << (32 - CANARY_HISTOGRAM_MIN_EXP - octave);
#pragma unroll
	for (__u32 step = 16; step; step >>= 1)
		part += histogram_exceeds(place, histogram_bound[histogram_index(part + step)]) * step;
	return 1 + octave * 32 + part;
}

#endif

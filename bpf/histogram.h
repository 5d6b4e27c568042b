/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The bucket of a duration in the histograms of abi.h (schema 5: bounds at 2^(i/32) s, upper bound inclusive). Pure;
 * no floating point, no count of leading zeros (clang-14 has none for BPF).
 */
#ifndef CANARYD_BPF_HISTOGRAM_H
#define CANARYD_BPF_HISTOGRAM_H

#include "parse.h"

/* 2^(j/32) in units of 2^-31, rounded up: the lower bounds of the 32 parts of an octave. */
static const __u32 histogram_bound[32] = {
	0x80000000U, 0x82cd8699U, 0x85aac368U, 0x88980e81U, 0x8b95c1e4U, 0x8ea4398cU, 0x91c3d374U, 0x94f4efa9U,
	0x9837f052U, 0x9b8d39baU, 0x9ef53261U, 0xa2704304U, 0xa5fed6aaU, 0xa9a15ab5U, 0xad583eebU, 0xb123f582U,
	0xb504f334U, 0xb8fbaf48U, 0xbd08a3a0U, 0xc12c4ccbU, 0xc5672a12U, 0xc9b9bd87U, 0xce248c16U, 0xd2a81d92U,
	0xd744fccbU, 0xdbfbb798U, 0xe0ccdeedU, 0xe5b906e8U, 0xeac0c6e8U, 0xefe4b99cU, 0xf5257d16U, 0xfa83b2dcU,
};

/* Nanoseconds in units of 2^-32 s, by the fixed-point factor 2^32/10^9 = 144115188 / 2^25 (relative error 6e-10). */
#define HISTOGRAM_UNITS_MUL 144115188ULL
#define HISTOGRAM_UNITS_SHIFT 25
#define HISTOGRAM_UNITS_EXP 32
#define HISTOGRAM_MAX_NS (1ULL << 36)

/*
 * 1 where a >= b, else 0, for a, b < 2^63, by arithmetic: the eleven comparisons below as branches would be two
 * thousand paths for the verifier.
 */
static __always_inline __u64 histogram_reaches(__u64 a, __u64 b)
{
	return (b - 1 - a) >> 63;
}

/* The place of the highest bit that is set; 0 < x < 2^63. */
static __always_inline __u32 histogram_log2(__u64 x)
{
	__u64 log = 0;

#pragma unroll
	for (__u32 bits = 32; bits; bits >>= 1)
		log += histogram_reaches(x >> log, 1ULL << bits) * bits;
	return log;
}

/* The bucket of a duration, 0 … CANARY_HISTOGRAM_BUCKETS - 1. */
static __always_inline __u32 histogram_bucket_of_ns(__u64 ns)
{
	__u64 units;
	__u32 log, mantissa, part = 0;

	if (ns >= HISTOGRAM_MAX_NS)
		return CANARY_HISTOGRAM_BUCKETS - 1;
	units = ns * HISTOGRAM_UNITS_MUL >> HISTOGRAM_UNITS_SHIFT;
	if (units <= 1ULL << (HISTOGRAM_UNITS_EXP + CANARY_HISTOGRAM_MIN_EXP))
		return 0;
	units--; /* the upper bound belongs to its bucket */
	log = histogram_log2(units);
	if (log >= HISTOGRAM_UNITS_EXP + CANARY_HISTOGRAM_MIN_EXP + CANARY_HISTOGRAM_OCTAVES)
		return CANARY_HISTOGRAM_BUCKETS - 1;
	mantissa = units << ((63 - log) & 63) >> 32;
#pragma unroll
	for (__u32 step = 16; step; step >>= 1)
		part += histogram_reaches(mantissa, histogram_bound[(part + step) & 31]) * step;
	return 1 + (log - (HISTOGRAM_UNITS_EXP + CANARY_HISTOGRAM_MIN_EXP)) * 32 + part;
}

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel's bucket of a duration (fixed point) is the one user space computes (floating point). */
#include "bpf/histogram.h"

#include "user/histogram.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static void expect_same(uint64_t ns)
{
	unsigned expected = histogram_bucket((double)ns / 1e9);
	unsigned bucket = histogram_bucket_of_ns(ns);

	if (bucket != expected)
		fail_msg("%llu ns: bucket %u, not %u", (unsigned long long)ns, bucket, expected);
}

static void test_every_edge(void **state)
{
	(void)state;
	for (unsigned bucket = 0; bucket < CANARY_HISTOGRAM_BUCKETS - 1; bucket++) {
		uint64_t edge_ns = (uint64_t)(histogram_upper_s(bucket) * 1e9);

		for (int64_t offset = -2; offset <= 2; offset++)
			expect_same(edge_ns + offset);
	}
}

static void test_powers_of_two(void **state)
{
	(void)state;
	for (int bit = 0; bit < 64; bit++)
		for (int64_t offset = -2; offset <= 2; offset++)
			if (bit > 1 || offset > 0)
				expect_same((1ULL << bit) + offset);
	expect_same(0);
	expect_same(UINT64_MAX);
	assert_int_equal(histogram_bucket_of_ns(0), 0);
	assert_int_equal(histogram_bucket_of_ns(7629), 0); /* 2^-17 s = 7629.39 ns */
	assert_int_equal(histogram_bucket_of_ns(7630), 1);
	assert_int_equal(histogram_bucket_of_ns(64000000000ULL), CANARY_HISTOGRAM_BUCKETS - 2);
	assert_int_equal(histogram_bucket_of_ns(64000000001ULL), CANARY_HISTOGRAM_BUCKETS - 1);
}

static void test_random_durations(void **state)
{
	uint64_t random = 88172645463325252ULL;

	(void)state;
	for (int i = 0; i < 1000000; i++) {
		random ^= random << 13;
		random ^= random >> 7;
		random ^= random << 17;
		expect_same(random >> (random & 63));
	}
}

static void test_monotone(void **state)
{
	unsigned before = 0;

	(void)state;
	for (uint64_t ns = 1; ns < 1ULL << 37; ns += ns / 1000 + 1) {
		unsigned bucket = histogram_bucket_of_ns(ns);

		assert_true(bucket >= before && bucket <= before + 1);
		before = bucket;
	}
	assert_int_equal(before, CANARY_HISTOGRAM_BUCKETS - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_edge),
		cmocka_unit_test(test_powers_of_two),
		cmocka_unit_test(test_random_durations),
		cmocka_unit_test(test_monotone),
	};

	return cmocka_run_group_tests_name("histogram_bpf", tests, NULL, NULL);
}

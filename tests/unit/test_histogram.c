/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The histogram's geometry and its quantiles.
 */
#include "user/histogram.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LAST (CANARY_HISTOGRAM_BUCKETS - 1)

static void edges_are_those_of_the_contract(void **state)
{
	(void)state;
	assert_true(histogram_upper_s(0) == ldexp(1, -17));
	assert_true(histogram_upper_s(544) == 1.0);
	assert_true(histogram_upper_s(544 + 32) == 2.0);
	assert_true(histogram_upper_s(LAST - 1) == 64.0);
	assert_true(isinf(histogram_upper_s(LAST)));
	for (unsigned i = 1; i < LAST; i++)
		assert_true(fabs(histogram_upper_s(i) / histogram_upper_s(i - 1) - exp2(1.0 / 32)) < 1e-12);
}

static void a_bucket_holds_its_upper_edge_and_not_its_lower(void **state)
{
	(void)state;
	for (unsigned i = 0; i < LAST; i++) {
		double upper = histogram_upper_s(i);

		assert_int_equal(histogram_bucket(upper), i);
		assert_int_equal(histogram_bucket(nextafter(upper, INFINITY)), i + 1);
		assert_int_equal(histogram_bucket(nextafter(upper, 0)), i);
	}
}

static void odd_durations_have_a_bucket(void **state)
{
	(void)state;
	assert_int_equal(histogram_bucket(0), 0);
	assert_int_equal(histogram_bucket(-1), 0);
	assert_int_equal(histogram_bucket(NAN), 0);
	assert_int_equal(histogram_bucket(INFINITY), LAST);
	assert_int_equal(histogram_bucket(65), LAST);
}

static void an_edge_at_most_is_not_above(void **state)
{
	(void)state;
	assert_int_equal(histogram_edge_at_most(1.0), 544);
	assert_int_equal(histogram_edge_at_most(nextafter(1.0, 0)), 543);
	assert_int_equal(histogram_edge_at_most(nextafter(1.0, 2)), 544);
	assert_int_equal(histogram_edge_at_most(100), LAST - 1);
	assert_int_equal(histogram_edge_at_most(0), 0);
}

static void quantiles_are_upper_edges(void **state)
{
	struct histogram *h = calloc(1, sizeof(*h));

	(void)state;
	assert_true(isnan(histogram_quantile_s(h, 0.5)));
	assert_int_equal(histogram_quantile_bucket(h, 0.5), 0);
	h->bucket[100] = 50;
	h->bucket[200] = 45;
	h->bucket[300] = 5;
	assert_int_equal(histogram_count(h), 100);
	assert_int_equal(histogram_quantile_bucket(h, 0), 100);
	assert_int_equal(histogram_quantile_bucket(h, 0.50), 100);
	assert_int_equal(histogram_quantile_bucket(h, 0.51), 200);
	assert_int_equal(histogram_quantile_bucket(h, 0.95), 200);
	assert_int_equal(histogram_quantile_bucket(h, 0.99), 300);
	assert_int_equal(histogram_quantile_bucket(h, 1), 300);
	assert_true(histogram_quantile_s(h, 0.95) == histogram_upper_s(200));
	assert_int_equal(histogram_count_above(h, 199), 50);
	assert_int_equal(histogram_count_above(h, 200), 5);
	assert_int_equal(histogram_count_above(h, LAST), 0);
	free(h);
}

static void quantiles_are_at_most_one_bucket_long(void **state)
{
	struct histogram *h = calloc(1, sizeof(*h));

	(void)state;
	for (unsigned i = 1; i <= 1000; i++)
		h->bucket[histogram_bucket(i / 1000.0)]++;
	for (double q = 0.1; q < 1; q += 0.1) {
		double ratio = histogram_quantile_s(h, q) / q;

		assert_true(ratio > 0.999 && ratio < exp2(1.0 / 32) * 1.002);
	}
	free(h);
}

static void sums_and_differences(void **state)
{
	struct histogram *a = calloc(1, sizeof(*a)), *b = calloc(1, sizeof(*b));

	(void)state;
	a->bucket[1] = 5;
	b->bucket[1] = 2;
	b->bucket[LAST] = 1;
	histogram_add(a, b);
	assert_int_equal(a->bucket[1], 7);
	assert_int_equal(a->bucket[LAST], 1);
	assert_true(histogram_subtract(a, b));
	assert_int_equal(a->bucket[1], 5);
	assert_int_equal(histogram_count(a), 5);
	assert_false(histogram_subtract(a, b)); /* the last bucket went backwards */
	assert_int_equal(a->bucket[1], 3);
	assert_int_equal(a->bucket[LAST], 0);
	free(a);
	free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(edges_are_those_of_the_contract),
		cmocka_unit_test(a_bucket_holds_its_upper_edge_and_not_its_lower),
		cmocka_unit_test(odd_durations_have_a_bucket),
		cmocka_unit_test(an_edge_at_most_is_not_above),
		cmocka_unit_test(quantiles_are_upper_edges),
		cmocka_unit_test(quantiles_are_at_most_one_bucket_long),
		cmocka_unit_test(sums_and_differences),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Gauges: which bound is crossed, for how long, and the words for it. */
#include "user/gauge_sli.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const struct gauge_terms absolute = { 0.9, NAN, NAN, NAN, 60 };
static const struct gauge_terms relative = { NAN, NAN, 1.2, 0.5, 0 };

static uint32_t crossing(const struct gauge_terms *terms, double canary, double baseline)
{
	struct gauge_sli g;

	gauge_init(&g);
	gauge_look(&g, terms, canary, baseline);
	return g.crossed;
}

static void test_absolute(void **state)
{
	const struct gauge_terms least = { NAN, 10, NAN, NAN, 0 };

	(void)state;
	assert_int_equal(crossing(&absolute, 0.9, NAN), GAUGE_WITHIN);
	assert_int_equal(crossing(&absolute, 0.901, NAN), GAUGE_MAX);
	assert_int_equal(crossing(&least, 9.99, NAN), GAUGE_MIN);
	assert_int_equal(crossing(&least, 10, NAN), GAUGE_WITHIN);
	assert_false(gauge_is_relative(&absolute));
}

/* A ratio of a value that is 0 or negative means what it means of a positive one. */
static void test_relative(void **state)
{
	(void)state;
	assert_true(gauge_is_relative(&relative));
	assert_int_equal(crossing(&relative, 12, 10), GAUGE_WITHIN);
	assert_int_equal(crossing(&relative, 12.1, 10), GAUGE_MAX_RATIO);
	assert_int_equal(crossing(&relative, 5, 10), GAUGE_WITHIN);
	assert_int_equal(crossing(&relative, 4.9, 10), GAUGE_MIN_RATIO);
	assert_int_equal(crossing(&relative, 0, 0), GAUGE_WITHIN);
	assert_int_equal(crossing(&relative, 0.1, 0), GAUGE_MAX_RATIO);
	assert_int_equal(crossing(&relative, -10, -10), GAUGE_WITHIN);
	assert_int_equal(crossing(&relative, -7, -10), GAUGE_MAX_RATIO);
	assert_int_equal(crossing(&relative, 5, NAN), GAUGE_WITHIN);
}

/* The time between two looks counts when both cross the bound; a look within it ends the stretch. */
static void test_duration(void **state)
{
	struct gauge_sli g;

	(void)state;
	gauge_init(&g);
	for (unsigned i = 0; i < 60; i += 10) {
		gauge_look(&g, &absolute, 0.95, NAN);
		assert_false(gauge_failed(&g, &absolute));
		gauge_pass(&g, 10);
		assert_false(gauge_failed(&g, &absolute));
	}
	gauge_look(&g, &absolute, 0.95, NAN);
	assert_true(gauge_failed(&g, &absolute));
	gauge_look(&g, &absolute, 0.5, NAN);
	assert_false(gauge_failed(&g, &absolute));
	gauge_pass(&g, 1000);
	gauge_look(&g, &absolute, 0.95, NAN);
	assert_false(gauge_failed(&g, &absolute));
}

static void test_at_once(void **state)
{
	struct gauge_sli g;

	(void)state;
	gauge_init(&g);
	assert_false(gauge_failed(&g, &relative));
	gauge_look(&g, &relative, 13, 10);
	assert_true(gauge_failed(&g, &relative));
}

static void test_words(void **state)
{
	struct gauge_sli g;
	char buf[FINDING_DETAIL];

	(void)state;
	gauge_init(&g);
	assert_string_equal(gauge_print(buf, sizeof(buf), &g, &absolute, FINDING_NUMBER), "");
	assert_true(gauge_bound_value(&g, &absolute) == 0.9);
	gauge_look(&g, &absolute, 0.95, NAN);
	gauge_pass(&g, 62);
	gauge_look(&g, &absolute, 0.95, NAN);
	assert_string_equal(gauge_print(buf, sizeof(buf), &g, &absolute, FINDING_NUMBER),
			    "canary 0.95, above its bound of 0.9 for 62 s (it may be for 60 s)");
	gauge_look(&g, &relative, 3.0 * 1024 * 1024, 10 * 1024 * 1024);
	assert_string_equal(gauge_print(buf, sizeof(buf), &g, &relative, FINDING_BYTES),
			    "canary 3 MiB, below 0.5 times the baseline's 10 MiB");
	assert_true(gauge_bound_value(&g, &relative) == 5.0 * 1024 * 1024);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_absolute), cmocka_unit_test(test_relative), cmocka_unit_test(test_duration),
		cmocka_unit_test(test_at_once),  cmocka_unit_test(test_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

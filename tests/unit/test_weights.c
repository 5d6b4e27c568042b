/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Weights: exact at the ends, and a split is only ever seen whole. */
#include "user/weights.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void thresholds(void **state)
{
	(void)state;
	assert_true(weights_threshold(0) == 0);
	assert_true(weights_threshold(-1) == 0);
	assert_true(weights_threshold(0.0 / 0.0) == 0);
	assert_true(weights_threshold(1) == 1ULL << 32);
	assert_true(weights_threshold(7) == 1ULL << 32);
	assert_true(weights_threshold(0.5) == 1ULL << 31);
	assert_true(weights_threshold(0.01) == 42949673);
	assert_true(weights_threshold(1e-6) == 4295);
	for (unsigned i = 0; i <= 1000; i++)
		assert_float_equal(weights_share(weights_threshold(i / 1000.0)), i / 1000.0, 1e-9);
	for (unsigned i = 1; i <= 1000; i++)
		assert_true(weights_threshold(i / 1000.0) > weights_threshold((i - 1) / 1000.0));
}

static void a_publication_is_a_new_epoch(void **state)
{
	struct canary_split split = {};
	struct canary_split_view view = { .generation = 3, .baseline = 1, .canary = 2, .canary_threshold = 77, .epoch = 99 };
	uint64_t published_ns = 0;

	(void)state;
	assert_int_equal(weights_active(&split)->epoch, 0);
	for (uint32_t epoch = 1; epoch < 10; epoch++) {
		const struct canary_split_view *before = weights_active(&split);
		struct canary_split_view old = *before;

		view.canary_threshold++;
		weights_publish(&split, &view, &published_ns);
		assert_ptr_not_equal(weights_active(&split), before);
		assert_memory_equal(before, &old, sizeof(old)); /* who still looks at it sees no change */
		assert_int_equal(weights_active(&split)->epoch, epoch);
		assert_true(weights_active(&split)->canary_threshold == view.canary_threshold);
		assert_int_equal(weights_active(&split)->generation, 3);
	}
}

/* A view that was just replaced may still be in use: it is not overwritten within a millisecond. */
static void the_view_in_use_has_its_time(void **state)
{
	struct canary_split split = {};
	struct canary_split_view view = { .baseline = 1, .canary = CANARY_NONE };
	uint64_t published_ns = 0;

	(void)state;
	weights_publish(&split, &view, &published_ns);
	for (unsigned i = 0; i < 20; i++) {
		uint64_t before_ns = published_ns;

		weights_publish(&split, &view, &published_ns);
		assert_true(published_ns - before_ns >= 1000000);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(thresholds),
		cmocka_unit_test(a_publication_is_a_new_epoch),
		cmocka_unit_test(the_view_in_use_has_its_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

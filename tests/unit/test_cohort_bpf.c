/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bpf/cohort.h: what a cohort changes, and what no cohort leaves as it is. */
#include "bpf/cohort.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const struct canary_split_view view = { .generation = 4, .canary_threshold = 1000, .baseline = 3, .canary = 5 };

static void test_none(void **state)
{
	(void)state;
	assert_int_equal(cohort_threshold(NULL, &view), 1000);
	assert_int_equal(cohort_generation(NULL, &view), 4);
}

static void test_some(void **state)
{
	struct canary_cohort cohort = { .canary_threshold = 1ULL << 32 };

	(void)state;
	for (int action = CANARY_COHORT_BASELINE; action <= CANARY_COHORT_EXCLUDE; action++) {
		cohort.action = action;
		assert_true(cohort_threshold(&cohort, &view) == 1ULL << 32);
		assert_int_equal(cohort_generation(&cohort, &view),
				 action == CANARY_COHORT_EXCLUDE ? CANARY_GENERATION_UNJUDGED : 4);
	}
}

static void test_client(void **state)
{
	struct canary_flow_key key = { .client = { 1, 2, 3, 4 }, .vip = { 5, 6, 7, 8 } };
	struct canary_prefix client = cohort_client(&key);

	(void)state;
	assert_int_equal(client.length, 128);
	assert_memory_equal(client.addr, key.client, sizeof(key.client));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_none),
		cmocka_unit_test(test_some),
		cmocka_unit_test(test_client),
	};

	return cmocka_run_group_tests_name("cohort_bpf", tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The e-processes against values computed independently, and the properties they promise.
 */
#include "user/sequential.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

/* canary n, y, baseline n, y */
static const struct sequential_counts ticks[] = {
	{ 50, 0, 950, 1 }, { 48, 1, 951, 0 }, { 53, 2, 940, 1 }, { 0, 0, 1000, 0 }, { 50, 3, 950, 1 },
};

#define TICKS (sizeof(ticks) / sizeof(ticks[0]))

static void assert_near(double got, double wanted)
{
	if (!(fabs(got - wanted) < 5e-10))
		fail_msg("%.12f is not %.9f", got, wanted);
}

static void the_ratio_process_has_its_value(void **state)
{
	struct sequential s;

	(void)state;
	sequential_init(&s);
	for (unsigned i = 0; i < TICKS; i++)
		sequential_ratio(&s, SEQUENTIAL_WORSE, 1.5, 1, &ticks[i]);
	assert_near(sequential_ln_e(&s), 9.093344954);
}

static void the_late_process_has_its_value(void **state)
{
	struct sequential s;

	(void)state;
	sequential_init_late(&s);
	for (unsigned i = 0; i < TICKS; i++) {
		if (i % 2 == 0)
			sequential_restart(&s);
		sequential_ratio(&s, SEQUENTIAL_WORSE, 1.5, 1, &ticks[i]);
	}
	assert_near(sequential_ln_e(&s), 8.562033795);
}

static void the_single_process_has_its_value(void **state)
{
	static const uint64_t yn[][2] = { { 0, 50 }, { 1, 48 }, { 0, 400 } };
	struct sequential s;

	(void)state;
	sequential_init(&s);
	for (unsigned i = 0; i < 3; i++)
		sequential_single(&s, SEQUENTIAL_BETTER, 0.005, 1, yn[i][0], yn[i][1]);
	assert_near(sequential_ln_e(&s), -0.128635478);
}

static void other_alternatives_are_weighed_the_same_way(void **state)
{
	const struct sequential_counts c = { 48, 3, 951, 7 };
	double usual[SEQUENTIAL_ALTERNATIVES];
	struct sequential a, b;

	(void)state;
	for (int k = 0; k < SEQUENTIAL_ALTERNATIVES; k++)
		usual[k] = log(sequential_alternative(k + 1));
	sequential_init(&a);
	sequential_init(&b);
	sequential_ratio(&a, SEQUENTIAL_WORSE, 1.5, 1.3, &c);
	sequential_ratio_against(&b, usual, 1.5, 1.3, &c);
	for (int k = 0; k < SEQUENTIAL_ALTERNATIVES; k++)
		assert_near(b.ln_s[k], a.ln_s[k]);
	sequential_ratio_against(&b, usual, 1, 1, &(struct sequential_counts){ 0, 0, 951, 7 });
	assert_near(b.ln_s[0], a.ln_s[0]); /* one-sided: skipped */
}

static void phi_divides_the_increments(void **state)
{
	struct sequential once, twice;

	(void)state;
	sequential_init(&once);
	sequential_init(&twice);
	for (unsigned i = 0; i < TICKS; i++) {
		sequential_ratio(&once, SEQUENTIAL_WORSE, 1.5, 1, &ticks[i]);
		sequential_ratio(&twice, SEQUENTIAL_WORSE, 1.5, 2, &ticks[i]);
		sequential_ratio(&twice, SEQUENTIAL_WORSE, 1.5, 2, &ticks[i]);
	}
	assert_near(sequential_ln_e(&twice), sequential_ln_e(&once));
}

static void evidence_begins_at_one(void **state)
{
	struct sequential s;

	(void)state;
	sequential_init(&s);
	assert_near(sequential_ln_e(&s), 0);
	sequential_init_late(&s);
	assert_near(sequential_ln_e(&s), 0);
	for (unsigned i = 0; i < 1000; i++)
		sequential_restart(&s);
	assert_near(sequential_ln_e(&s), 0); /* restarting is no evidence */
	assert_true(s.prior_used < 1);
}

static void one_sided_ticks_are_skipped(void **state)
{
	const struct sequential_counts canary_only = { 10, 10, 0, 0 }, baseline_only = { 0, 0, 10, 10 };
	struct sequential s;

	(void)state;
	sequential_init(&s);
	sequential_ratio(&s, SEQUENTIAL_WORSE, 1.5, 1, &canary_only);
	sequential_ratio(&s, SEQUENTIAL_BETTER, 1.5, 1, &baseline_only);
	assert_near(sequential_ln_e(&s), 0);
}

/* The increments' expectation is at most 1 at the null boundary: summed over every outcome of a small tick. */
static void an_increment_is_fair(void **state)
{
	const double p_b = 0.10, margin = 1.5;

	(void)state;
	for (int side = -1; side <= 1; side += 2) {
		double expected = 0;

		for (uint64_t y_c = 0; y_c <= 5; y_c++)
			for (uint64_t y_b = 0; y_b <= 20; y_b++) {
				const struct sequential_counts c = { 5, y_c, 20, y_b };
				double p_c = margin * p_b, ln_p;
				struct sequential s;

				sequential_init(&s);
				sequential_ratio(&s, side, margin, 1, &c);
				ln_p = lgamma(6) - lgamma(y_c + 1.0) - lgamma(6.0 - y_c) + y_c * log(p_c) +
				       (5.0 - y_c) * log1p(-p_c) + lgamma(21) - lgamma(y_b + 1.0) -
				       lgamma(21.0 - y_b) + y_b * log(p_b) + (20.0 - y_b) * log1p(-p_b);
				expected += exp(ln_p + sequential_ln_e(&s));
			}
		assert_true(expected <= 1 + 1e-9);
		assert_true(expected > 0.5);
	}
}

static void a_late_onset_does_not_dig(void **state)
{
	const struct sequential_counts good = { 50, 0, 950, 1 }, bad = { 50, 3, 950, 1 };
	struct sequential plain, late;
	unsigned plain_ticks = 0, late_ticks = 0;

	(void)state;
	sequential_init(&plain);
	sequential_init_late(&late);
	for (unsigned i = 0; i < 3600; i++) {
		if (i % 30 == 0)
			sequential_restart(&late);
		sequential_ratio(&plain, SEQUENTIAL_WORSE, 1.25, 1, &good);
		sequential_ratio(&late, SEQUENTIAL_WORSE, 1.25, 1, &good);
	}
	for (; sequential_ln_e(&plain) < log(100) && plain_ticks < 3600; plain_ticks++)
		sequential_ratio(&plain, SEQUENTIAL_WORSE, 1.25, 1, &bad);
	for (; sequential_ln_e(&late) < log(100) && late_ticks < 3600; late_ticks++) {
		if (late_ticks % 30 == 0)
			sequential_restart(&late);
		sequential_ratio(&late, SEQUENTIAL_WORSE, 1.25, 1, &bad);
	}
	assert_true(late_ticks < 10);
	assert_true(plain_ticks > 5 * late_ticks);
}

static void the_logarithms_hold_at_the_ends(void **state)
{
	const double huge[] = { 5000, 5000 }, none[] = { -INFINITY, -INFINITY };

	(void)state;
	assert_near(sequential_log_sum(huge, 2), 5000 + M_LN2);
	assert_true(sequential_log_sum(none, 2) == -INFINITY);
	assert_true(sequential_log_add(-INFINITY, -INFINITY) == -INFINITY);
	assert_near(sequential_log_add(-INFINITY, 3), 3);
	assert_near(sequential_log_add(3, -INFINITY), 3);
}

static void thin_traffic_waits_for_the_other_side(void **state)
{
	const struct sequential_counts canary = { 2, 1, 0, 0 }, baseline = { 0, 0, 3, 0 };
	struct sequential_pool pool = { 0 };
	struct sequential_counts both = { 0 };

	(void)state;
	assert_false(sequential_pool_add(&pool, &canary, 1, 10, &both));
	assert_false(sequential_pool_add(&pool, &canary, 1, 10, &both));
	assert_true(sequential_pool_add(&pool, &baseline, 1, 10, &both));
	assert_int_equal(both.canary_n, 4);
	assert_int_equal(both.canary_y, 2);
	assert_int_equal(both.baseline_n, 3);
	assert_false(sequential_pool_add(&pool, &baseline, 10, 10, &both)); /* the pool was emptied, and is now old */
	assert_false(sequential_pool_add(&pool, &canary, 1, 10, &both));
}

static void the_interval_narrows_around_the_truth(void **state)
{
	const struct sequential_counts c = { 100, 4, 1000, 10 };
	struct sequential_interval v = { 0 };
	double low = -1, high = -1;

	(void)state;
	assert_false(sequential_interval_get(&v, &low, &high));
	assert_true(low == -1 && high == -1);
	for (unsigned i = 0; i < 10; i++)
		sequential_interval_add(&v, 1, &c);
	assert_true(sequential_interval_get(&v, &low, &high));
	assert_true(low > 1 && low <= 4 && high >= 4 && high < 10);
	for (unsigned i = 0; i < 1000; i++)
		sequential_interval_add(&v, 1, &c);
	assert_true(sequential_interval_get(&v, &low, &high));
	assert_near(low, 4);
	assert_near(high, 4);
}

static void time_to_a_verdict(void **state)
{
	/* 0.1 % against 1 % at 5 % of 1000/s, m = 1.25: about half a nat a second */
	double drift = sequential_ratio_drift(0.001, 10, 1.25, 50, 950);

	(void)state;
	assert_true(drift > 0.5 && drift < 0.54);
	assert_near(sequential_ratio_drift(0.001, 1.25, 1.25, 50, 950), 0);
	assert_true(sequential_ratio_drift(0.001, 1, 2, 50, 950) > 0);
	assert_true(sequential_ratio_drift(0.001, 0, 2, 50, 950) > 0);
	assert_true(sequential_ratio_drift(0.001, 2, 1.25, 0, 950) == 0);
	assert_near(sequential_single_drift(0.005, 0.005, 100), 0);
	assert_near(sequential_single_drift(0, 0.005, 100), 0.5);
	assert_near(sequential_time_to(log(100), 0, drift), (log(100) + log(28)) / drift);
	assert_true(sequential_time_to(log(100), 5, drift) == 0);
	assert_true(isnan(sequential_time_to(log(100), 0, 0)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_ratio_process_has_its_value),
		cmocka_unit_test(the_late_process_has_its_value),
		cmocka_unit_test(the_single_process_has_its_value),
		cmocka_unit_test(other_alternatives_are_weighed_the_same_way),
		cmocka_unit_test(phi_divides_the_increments),
		cmocka_unit_test(evidence_begins_at_one),
		cmocka_unit_test(one_sided_ticks_are_skipped),
		cmocka_unit_test(an_increment_is_fair),
		cmocka_unit_test(a_late_onset_does_not_dig),
		cmocka_unit_test(the_logarithms_hold_at_the_ends),
		cmocka_unit_test(thin_traffic_waits_for_the_other_side),
		cmocka_unit_test(the_interval_narrows_around_the_truth),
		cmocka_unit_test(time_to_a_verdict),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

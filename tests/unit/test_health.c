/* SPDX-License-Identifier: GPL-2.0-or-later */
/* When a backend is out by its checks, and when it is back; by its flows, and for how long. */
#include "user/health.h"
#include "user/outlier.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define S 1000000000ULL

static const struct config_health checks = { .type = CONFIG_HEALTH_TCP, .interval_s = 2, .jitter_percent = 20, .rise = 2,
					     .fall = 3 };
static const struct config_outlier flows = {
	.enabled = true, .consecutive = 5, .ratio_percent = 50, .min_attempts = 20, .window_s = 10, .ejection_s = 30,
	.max_ejection_s = 70, .max_ejected_percent = 50,
};

/* ---- checks ---- */

static void it_takes_fall_failures_and_rise_successes(void **state)
{
	struct health health = { 0 };

	(void)state;
	assert_false(health_result(&health, &checks, true, ""));
	assert_false(health_result(&health, &checks, false, "refused"));
	assert_false(health_result(&health, &checks, false, "refused"));
	assert_false(health.down);
	assert_true(health_result(&health, &checks, false, "refused"));
	assert_true(health.down);
	assert_string_equal(health.why, "refused");
	assert_false(health_result(&health, &checks, true, ""));
	assert_true(health.down);
	assert_true(health_result(&health, &checks, true, ""));
	assert_false(health.down);
	assert_string_equal(health.why, "");
}

static void a_row_that_is_broken_begins_anew(void **state)
{
	struct health health = { .checked = true };

	(void)state;
	health_result(&health, &checks, false, "refused");
	health_result(&health, &checks, false, "refused");
	health_result(&health, &checks, true, "");
	health_result(&health, &checks, false, "refused");
	assert_false(health_result(&health, &checks, false, "refused"));
	assert_false(health.down);
	assert_true(health_result(&health, &checks, false, "refused"));
	health_result(&health, &checks, true, "");
	health_result(&health, &checks, false, "refused");
	assert_false(health_result(&health, &checks, true, ""));
	assert_true(health.down);
}

static void the_first_check_decides_by_itself(void **state)
{
	struct health bad = { 0 }, good = { 0 };

	(void)state;
	assert_true(health_result(&bad, &checks, false, "refused"));
	assert_true(bad.down);
	assert_false(health_result(&good, &checks, true, ""));
	assert_false(good.down);
	assert_true(good.checked);
}

static void checks_are_spread_around_their_interval(void **state)
{
	struct config_health regular = checks;

	(void)state;
	regular.jitter_percent = 0;
	assert_int_equal(health_next_ns(&regular, 7, 12345), 7 + 2 * S);
	assert_in_range(health_next_ns(&checks, 0, 0), 16 * S / 10 - 1, 16 * S / 10 + 1);
	assert_in_range(health_next_ns(&checks, 0, UINT32_MAX), 24 * S / 10 - 1, 24 * S / 10 + 1);
}

/* ---- flows ---- */

static bool look(struct outlier *outlier, uint64_t attempts, uint64_t failed, uint64_t now_ns)
{
	char why[OUTLIER_WHY] = "";

	return outlier_look(outlier, &flows, (struct outlier_count){ attempts, failed }, now_ns, why);
}

static void failures_in_a_row_make_an_outlier(void **state)
{
	struct outlier outlier = { 0 };

	(void)state;
	assert_false(look(&outlier, 1000, 900, 1 * S)); /* from before it was looked at */
	assert_false(look(&outlier, 1004, 904, 2 * S));
	assert_true(look(&outlier, 1005, 905, 3 * S));
}

static void a_success_ends_the_row(void **state)
{
	struct outlier outlier = { 0 };

	(void)state;
	look(&outlier, 0, 0, 1 * S);
	assert_false(look(&outlier, 4, 4, 2 * S));
	assert_false(look(&outlier, 9, 8, 3 * S)); /* four failures and a success, in whatever order */
	assert_false(look(&outlier, 13, 12, 4 * S));
	assert_true(look(&outlier, 14, 13, 5 * S));
}

static void their_share_in_the_window_makes_one_too(void **state)
{
	struct outlier outlier = { 0 };

	(void)state;
	look(&outlier, 0, 0, 1 * S);
	assert_false(look(&outlier, 19, 10, 2 * S)); /* too few to tell */
	assert_true(look(&outlier, 20, 11, 3 * S));
	assert_false(look(&outlier, 40, 11, 4 * S));
	assert_false(look(&outlier, 60, 12, 30 * S)); /* what came before is out of the window */
	assert_false(look(&outlier, 60, 12, 31 * S));
}

/* Else one that was let off because others were out would follow them as they return, without a request in between. */
static void old_failures_eject_nobody(void **state)
{
	struct outlier outlier = { 0 };

	(void)state;
	look(&outlier, 0, 0, 1 * S);
	assert_true(look(&outlier, 9, 9, 2 * S));
	assert_false(look(&outlier, 9, 9, 3 * S));
	assert_false(look(&outlier, 10, 9, 4 * S));
}

static void counts_that_fell_begin_anew(void **state)
{
	struct outlier outlier = { 0 };

	(void)state;
	look(&outlier, 100, 100, 1 * S);
	look(&outlier, 104, 104, 2 * S);
	assert_false(look(&outlier, 3, 3, 3 * S));
	assert_false(look(&outlier, 7, 7, 4 * S));
	assert_true(look(&outlier, 8, 8, 5 * S));
}

static void an_ejection_grows_and_is_forgotten(void **state)
{
	struct outlier outlier = { 0 };

	(void)state;
	look(&outlier, 0, 0, 1);
	outlier_eject(&outlier, &flows, "why", 0);
	assert_int_equal(outlier.until_ns, 30 * S);
	assert_false(outlier_returns(&outlier, &flows, 30 * S - 1));
	assert_true(outlier_returns(&outlier, &flows, 30 * S));
	assert_false(outlier_returns(&outlier, &flows, 31 * S));
	outlier_eject(&outlier, &flows, "why", 100 * S);
	assert_int_equal(outlier.until_ns, 160 * S);
	assert_true(outlier_returns(&outlier, &flows, 160 * S));
	outlier_eject(&outlier, &flows, "why", 170 * S);
	assert_int_equal(outlier.until_ns, 240 * S); /* not 90 s */
	assert_true(outlier_returns(&outlier, &flows, 240 * S));
	assert_int_equal(outlier.ejections, 3);
	look(&outlier, 1, 0, 271 * S);
	look(&outlier, 2, 0, 302 * S);
	look(&outlier, 3, 0, 333 * S);
	assert_int_equal(outlier.ejections, 0);
	outlier_eject(&outlier, &flows, "why", 400 * S);
	assert_int_equal(outlier.until_ns, 430 * S);
}

static void one_that_is_ejected_is_not_judged(void **state)
{
	struct outlier outlier = { 0 };

	(void)state;
	look(&outlier, 0, 0, 1);
	outlier_eject(&outlier, &flows, "why", 0);
	assert_false(look(&outlier, 100, 100, 2 * S));
	assert_true(outlier_returns(&outlier, &flows, 30 * S));
	assert_false(look(&outlier, 104, 104, 31 * S)); /* those of its open flows meanwhile don't count */
	assert_true(look(&outlier, 105, 105, 32 * S));
}

static void only_a_share_may_be_out(void **state)
{
	(void)state;
	assert_int_equal(outlier_limit(&flows, 1), 0);
	assert_int_equal(outlier_limit(&flows, 2), 1);
	assert_int_equal(outlier_limit(&flows, 5), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_takes_fall_failures_and_rise_successes),
		cmocka_unit_test(a_row_that_is_broken_begins_anew),
		cmocka_unit_test(the_first_check_decides_by_itself),
		cmocka_unit_test(checks_are_spread_around_their_interval),
		cmocka_unit_test(failures_in_a_row_make_an_outlier),
		cmocka_unit_test(a_success_ends_the_row),
		cmocka_unit_test(their_share_in_the_window_makes_one_too),
		cmocka_unit_test(old_failures_eject_nobody),
		cmocka_unit_test(counts_that_fell_begin_anew),
		cmocka_unit_test(an_ejection_grows_and_is_forgotten),
		cmocka_unit_test(one_that_is_ejected_is_not_judged),
		cmocka_unit_test(only_a_share_may_be_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests per second: known soon, soon again where they become more, forgotten after a minute. */
#include "user/pace.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static double pace(struct pace *p, unsigned ticks, uint64_t each, double *ret_s)
{
	for (unsigned i = 0; i < ticks; i++)
		pace_add(p, each, 250000000);
	return pace_rate(p, ret_s);
}

static void from_the_first_request_on(void **state)
{
	struct pace p = { 0 };
	double s;

	(void)state;
	assert_true(pace(&p, 100, 0, &s) == 0 && s == 0);
	assert_true(pace(&p, 12, 50, &s) == 200 && s == 3);
	assert_true(pace(&p, 1000, 50, &s) == 200);
	assert_true(s > 59 && s <= 60);
}

static void what_rises_is_seen_at_once_and_what_falls_in_a_minute(void **state)
{
	struct pace p = { 0 };
	double s, rate;

	(void)state;
	pace(&p, 240, 1, &s);
	rate = pace(&p, 8, 250, &s);
	assert_true(fabs(rate - 1000) < 130);
	rate = pace(&p, 80, 0, &s);
	assert_true(rate > 20 && rate < 60);
	assert_true(pace(&p, 240, 0, &s) == 0 && s == 0); /* as if there had never been any */
}

/* A request now and then is what it is, not the burst that its own tick would make of it. */
static void a_few_are_few(void **state)
{
	struct pace p = { 0 };
	double s, rate;

	(void)state;
	for (unsigned i = 0; i < 12; i++) {
		pace(&p, 1, 1, &s);
		rate = pace(&p, 19, 0, &s);
	}
	assert_true(rate > 0.15 && rate < 0.3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(from_the_first_request_on),
		cmocka_unit_test(what_rises_is_seen_at_once_and_what_falls_in_a_minute),
		cmocka_unit_test(a_few_are_few),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Evidence that is sceptical of bursts: what it excuses, what it does not, and that chance alone is no evidence.
 */
#include "traffic.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "user/regression.h"

#define SECOND 1000000000ULL
#define KAPPA 5.0
#define MARGIN 1.25
#define P0 0.001

struct canary {
	struct regression r;
	struct regression_lately lately;
};

static void begin(struct canary *x)
{
	*x = (struct canary){ 0 };
	regression_init(&x->r, false);
}

static double tick(struct canary *x, double kappa, struct sequential_counts c)
{
	struct regression_excuse excuse;

	regression_excuse(&x->lately, MARGIN, P0, kappa, &excuse);
	regression_ratio(&x->r, MARGIN, 1, &excuse, &c);
	regression_lately_add(&x->lately, &c, SECOND);
	regression_pass(&x->r, SECOND);
	return regression_ln_e(&x->r, 0.1);
}

/* Without an excuse, and as long as a tick brings little, it is the process of sequential.h. */
static void without_an_excuse_it_is_the_plain_process(void **state)
{
	struct sequential plain;
	struct canary x;

	(void)state;
	begin(&x);
	sequential_init(&plain);
	for (unsigned i = 0; i < 20; i++) {
		struct sequential_counts c = { 50, i % 2, 950, 10 };

		tick(&x, REGRESSION_NO_EXCUSE, c);
		sequential_ratio(&plain, SEQUENTIAL_WORSE, MARGIN, 1, &c);
	}
	assert_true(fabs(sequential_ln_e(&x.r.sudden) - sequential_ln_e(&plain)) < 1e-6);
}

/* Nothing failed where 10 were allowed; then 25 failed: twice the boundary. */
static void the_excuse_by_hand(void **state)
{
	struct regression_lately lately = { .canary_n = 1000, .baseline_n = 10000, .baseline_y = 80 };
	struct regression_excuse excuse;

	(void)state;
	regression_excuse(&lately, MARGIN, P0, KAPPA, &excuse);
	assert_true(excuse.factor == 1);
	assert_true(fabs(excuse.ratio[3] - 2 * (5 + 10.0) / (5 + 2 * 10.0)) < 1e-12);
	assert_true(excuse.ratio[14] < 1.5 && excuse.ratio[15] == 16);
	for (unsigned k = 0; k < SEQUENTIAL_ALTERNATIVES; k++)
		assert_true(fabs(exp(excuse.ln_ratio[k]) - excuse.ratio[k]) < 1e-12);
	lately.canary_y = 25;
	regression_excuse(&lately, MARGIN, P0, KAPPA, &excuse);
	assert_true(fabs(excuse.factor - 2) < 1e-12);
	assert_true(excuse.ratio[15] == 8);
	lately.baseline_y = 0; /* the floor is allowed: 1 of 1000 */
	regression_excuse(&lately, MARGIN, P0, KAPPA, &excuse);
	assert_true(fabs(excuse.factor - 5) < 1e-12);
}

/* Six times the failures for 20 s, then as before. */
static void a_burst_is_excused(void **state)
{
	struct canary x, plain;
	double most = 0, most_plain = 0;

	(void)state;
	begin(&x);
	begin(&plain);
	for (unsigned i = 0; i < 60; i++) {
		struct sequential_counts c = { 50, i >= 20 && i < 40 ? 3 : i % 2, 950, 10 };

		most = fmax(most, tick(&x, 3, c));
		most_plain = fmax(most_plain, tick(&plain, REGRESSION_NO_EXCUSE, c));
	}
	assert_true(most < log(100));
	assert_true(most_plain > 2 * log(100));
}

static void what_is_fifty_times_worse_is_not(void **state)
{
	struct canary x;
	unsigned i = 0;

	(void)state;
	begin(&x);
	while (i < 10 && tick(&x, 3, (struct sequential_counts){ 50, 2 + i % 2, 950, 1 }) < log(100))
		i++;
	assert_true(i < 4);
}

/* However much was good before. */
static void nor_is_one_that_dies_late(void **state)
{
	struct canary x;

	(void)state;
	begin(&x);
	for (unsigned i = 0; i < 600; i++)
		tick(&x, 3, (struct sequential_counts){ 1000, 0, 1000, 0 });
	regression_init(&x.r, false);
	tick(&x, 3, (struct sequential_counts){ 1000, 500, 1000, 0 });
	assert_true(tick(&x, 3, (struct sequential_counts){ 1000, 500, 1000, 0 }) > log(100));
}

/* Twice as bad is found all the same, by what lasts. */
static void what_lasts_is_found(void **state)
{
	struct canary x;
	unsigned i = 0;

	(void)state;
	begin(&x);
	while (i < 300 && tick(&x, 3, (struct sequential_counts){ 50, 1, 950, 10 }) < log(100))
		i++;
	assert_true(i < 300);
	assert_true(sequential_ln_e(&x.r.lasting) > sequential_ln_e(&x.r.sudden));
}

/* … also after an hour in which nothing was wrong. */
static void what_lasts_is_found_late(void **state)
{
	struct canary x = { 0 };

	(void)state;
	regression_init(&x.r, true);
	for (unsigned i = 0; i < 3780; i++) {
		if (i % 30 == 0)
			regression_restart(&x.r);
		tick(&x, 3, (struct sequential_counts){ 1000, i < 3600 ? 10 : 30, 1000, 10 });
		assert_true(i >= 3600 || regression_ln_e(&x.r, 0.1) < log(100));
	}
	assert_true(regression_ln_e(&x.r, 0.1) > log(100));
}

/* At the boundary itself, at any time: 1 % of the runs, give or take. */
static void chance_alone_keeps_alpha(void **state)
{
	struct traffic t = traffic(11);
	unsigned above = 0;

	(void)state;
	for (unsigned run = 0; run < 1000; run++) {
		struct canary x;
		double most = 0;

		begin(&x);
		for (unsigned i = 0; i < 200; i++) {
			struct sequential_counts c = { 50, 0, 950, 0 };

			c.canary_y = traffic_poisson(&t, 50 * 0.01 * MARGIN);
			c.baseline_y = traffic_poisson(&t, 950 * 0.01);
			most = fmax(most, tick(&x, KAPPA, c));
		}
		above += most >= log(100);
	}
	assert_true(above <= 15);
}

/* Before the first block a late process has no evidence; one tick counts its logarithm at most. */
static void late_and_in_one_tick(void **state)
{
	struct canary x = { 0 };

	(void)state;
	regression_init(&x.r, true);
	assert_true(fabs(tick(&x, KAPPA, (struct sequential_counts){ 50, 50, 950, 1 })) < 1e-9);
	regression_restart(&x.r);
	assert_true(tick(&x, KAPPA, (struct sequential_counts){ 50, 10, 950, 1 }) < 10);
	assert_true(x.r.lasting.ln_s[0] <= 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_an_excuse_it_is_the_plain_process),
		cmocka_unit_test(the_excuse_by_hand),
		cmocka_unit_test(a_burst_is_excused),
		cmocka_unit_test(what_is_fifty_times_worse_is_not),
		cmocka_unit_test(nor_is_one_that_dies_late),
		cmocka_unit_test(what_lasts_is_found),
		cmocka_unit_test(what_lasts_is_found_late),
		cmocka_unit_test(chance_alone_keeps_alpha),
		cmocka_unit_test(late_and_in_one_tick),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

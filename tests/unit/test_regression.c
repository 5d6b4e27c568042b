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

static struct regression_burst burst(double kappa)
{
	return (struct regression_burst){ MARGIN, P0, kappa, 11, 0.5, false };
}

static double tick_of(struct canary *x, double kappa, struct sequential_counts c, uint64_t elapsed_ns)
{
	const struct regression_burst b = burst(kappa);
	const struct regression_phi phi = { 1, 1 };
	struct regression_excuse excuse;

	regression_excuse(&x->lately, &b, &excuse);
	regression_ratio(&x->r, MARGIN, &phi, &excuse, &c);
	regression_lately_add(&x->lately, &c, elapsed_ns);
	regression_pass(&x->r, 1, true, elapsed_ns);
	return regression_ln_e(&x->r, 0.1);
}

static double tick(struct canary *x, double kappa, struct sequential_counts c)
{
	return tick_of(x, kappa, c, SECOND);
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

/* Nothing failed where 10 were allowed; then 25 failed: twice the boundary. What is less than 11 times is not sudden. */
static void the_excuse_by_hand(void **state)
{
	struct regression_lately lately = { .canary_n = 1000, .baseline_n = 10000, .baseline_y = 80 };
	const struct regression_burst b = burst(KAPPA);
	struct regression_excuse excuse;

	(void)state;
	regression_excuse(&lately, &b, &excuse);
	assert_true(excuse.factor == 1);
	for (unsigned k = 0; k < 13; k++)
		assert_true(excuse.ratio[k] == 0);
	assert_true(fabs(excuse.ratio[13] - pow(2, 3.5)) < 1e-12 && excuse.ratio[15] == 16);
	for (unsigned k = 13; k < SEQUENTIAL_ALTERNATIVES; k++)
		assert_true(fabs(exp(excuse.ln_ratio[k]) - excuse.ratio[k]) < 1e-9);
	lately.canary_y = 25;
	regression_excuse(&lately, &b, &excuse);
	assert_true(fabs(excuse.factor - 2) < 1e-12);
	assert_true(excuse.ratio[15] == 8);
	lately.baseline_y = 0; /* the floor is allowed: 1 of 1000 */
	regression_excuse(&lately, &b, &excuse);
	assert_true(fabs(excuse.factor - 5) < 1e-12);
	lately.baseline_y = 1600; /* three times of that is 60 %: no burst */
	regression_excuse(&lately, &b, &excuse);
	assert_true(excuse.ratio[4] == 0 && excuse.ratio[5] > 0);
}

/* Six times the failures for 20 s, as before for four minutes, and again. */
static void bursts_are_excused(void **state)
{
	struct canary x, plain;
	double most = 0, most_plain = 0;

	(void)state;
	begin(&x);
	begin(&plain);
	for (unsigned i = 0; i < 600; i++) {
		struct sequential_counts c = { 50, i % 260 >= 20 && i % 260 < 40 ? 3 : i % 2, 950, 10 };

		most = fmax(most, tick(&x, 3, c));
		most_plain = fmax(most_plain, tick(&plain, REGRESSION_NO_EXCUSE, c));
	}
	assert_true(most < log(100));
	assert_true(most_plain > 2 * log(100));
}

/* Failures of one second may have one cause, whether they came in one tick or in ten of them. */
static void a_second_is_a_second(void **state)
{
	struct canary one, ten;
	double ln_one, ln_ten = 0;

	(void)state;
	begin(&one);
	begin(&ten);
	ln_one = tick(&one, 3, (struct sequential_counts){ 50, 10, 950, 10 });
	for (unsigned i = 0; i < 10; i++)
		ln_ten = tick_of(&ten, 3, (struct sequential_counts){ 5, 1, 95, 1 }, SECOND / 10);
	assert_true(ln_one < log(300) && ln_ten < log(300));
	assert_true(fabs(ln_one - ln_ten) < 1.5);
}

/* … but for a canary that answers nothing, in two ticks of a tenth; and where a third of the baseline fails as well. */
static void a_dead_canary_is_none(void **state)
{
	struct canary x, bad;
	unsigned i = 0;

	(void)state;
	begin(&x);
	tick_of(&x, 200, (struct sequential_counts){ 5, 5, 95, 0 }, SECOND / 10);
	assert_true(tick_of(&x, 200, (struct sequential_counts){ 5, 5, 95, 0 }, SECOND / 10) > log(300));
	begin(&bad);
	while (i < 20 && tick(&bad, 3, (struct sequential_counts){ 50, 50, 950, 300 }) < log(100))
		i++;
	assert_true(i < 8);
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
		cmocka_unit_test(bursts_are_excused),
		cmocka_unit_test(a_second_is_a_second),
		cmocka_unit_test(a_dead_canary_is_none),
		cmocka_unit_test(what_is_fifty_times_worse_is_not),
		cmocka_unit_test(nor_is_one_that_dies_late),
		cmocka_unit_test(what_lasts_is_found),
		cmocka_unit_test(what_lasts_is_found_late),
		cmocka_unit_test(chance_alone_keeps_alpha),
		cmocka_unit_test(late_and_in_one_tick),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bpf/breaker.h: what trips it and what does not, its window, one rollout's counts apart from another's; user/breaker.c. */
#include "user/breaker.h"

#include "bpf/breaker.h"
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SLOT 5000000000ULL /* of a window of 10 s */
#define GENERATION 7
#define CANARY 3

static const struct config_breaker settings = { true, 10, 10, 50, false };

static struct canary_breaker breaker_with(uint32_t min_failures, double ratio_percent)
{
	struct config_breaker config = settings;
	struct canary_breaker breaker = { 0 };

	config.min_failures = min_failures;
	config.ratio_percent = ratio_percent;
	breaker_configure(&breaker, &config);
	return breaker;
}

static const struct canary_flow of_canary = { .generation = GENERATION, .version = CANARY };

static bool fail_at(struct canary_breaker *breaker, uint64_t now_ns)
{
	return breaker_failure(breaker, &of_canary, CANARY_COUNTER_refused, now_ns);
}

/* The tenth refusal trips it, not the ninth, and says so once. */
static void test_trips_at_the_bound(void **state)
{
	struct canary_breaker breaker = breaker_with(10, 50);
	struct breaker_trip trip;
	char text[128];

	(void)state;
	for (unsigned i = 0; i < 9; i++)
		assert_false(fail_at(&breaker, SLOT + 1000000000 + i * 1000000));
	assert_false(breaker_tripped(&breaker, GENERATION, &trip));
	assert_true(fail_at(&breaker, SLOT + 1500000000));
	assert_true(breaker_tripped(&breaker, GENERATION, &trip));
	assert_false(breaker_tripped(&breaker, GENERATION + 1, &trip));
	assert_int_equal(trip.attempts, 10);
	assert_int_equal(trip.failures, 10);
	assert_int_equal(trip.version, CANARY);
	assert_true(trip.at_ns == SLOT + 1500000000);
	breaker_print(&trip, text, sizeof(text));
	assert_string_equal(text, "the kernel's breaker tripped: 10 of 10 attempts failed within 0.5 s, the last: refused");
	assert_false(fail_at(&breaker, SLOT + 1600000000));
}

/* A canary that was never released has generation 0, which is nobody's. */
static void test_generation_zero(void **state)
{
	struct canary_breaker breaker = { 0 };
	struct breaker_trip trip;

	(void)state;
	assert_false(breaker_tripped(&breaker, 0, &trip));
}

/* Requests are attempts when they begin; half of them have to fail. */
static void test_ratio(void **state)
{
	struct canary_breaker breaker = breaker_with(10, 50);

	(void)state;
	for (unsigned i = 0; i < 30; i++)
		breaker_attempt(&breaker, GENERATION, SLOT + i);
	for (unsigned i = 0; i < 14; i++)
		assert_false(breaker_failure(&breaker, &of_canary, CANARY_COUNTER_empty_close, SLOT + i));
	assert_true(breaker_failure(&breaker, &of_canary, CANARY_COUNTER_empty_close, SLOT + 14));
	assert_int_equal(breaker.tripped_attempts, 30);
	assert_int_equal(breaker.tripped_failures, 15);
}

/* What is older than the window does not count, however the failures are spread. */
static void test_window(void **state)
{
	struct canary_breaker breaker = breaker_with(10, 50);

	(void)state;
	for (unsigned i = 0; i < 100; i++) /* 8 in the window at most */
		assert_false(fail_at(&breaker, i * SLOT / 4 + 1));
	breaker = breaker_with(10, 50);
	for (unsigned i = 0; i < 9; i++)
		assert_false(fail_at(&breaker, SLOT + i));
	assert_false(fail_at(&breaker, 3 * SLOT)); /* an hour later, or the slot after the next: the same */
	breaker = breaker_with(10, 50);
	for (unsigned i = 0; i < 9; i++)
		assert_false(fail_at(&breaker, SLOT + i));
	assert_true(fail_at(&breaker, 3 * SLOT - 1)); /* in the next slot it still counts */
	assert_true(breaker.tripped_window_ns == 2 * SLOT - 1);
}

/* Attempts of the slot before belong to the window, too: a burst of failures among many successes trips nothing. */
static void test_attempts_of_the_slot_before(void **state)
{
	struct canary_breaker breaker = breaker_with(5, 10);

	(void)state;
	for (unsigned i = 0; i < 1000; i++)
		breaker_attempt(&breaker, GENERATION, SLOT + i);
	for (unsigned i = 0; i < 20; i++)
		assert_false(fail_at(&breaker, 2 * SLOT + i));
	assert_true(fail_at(&breaker, 3 * SLOT)); /* the successes are too old now */
}

/* The next rollout's canary does not pay for the one before. */
static void test_generations(void **state)
{
	const struct canary_flow of_next = { .generation = GENERATION + 1, .version = CANARY };
	struct canary_breaker breaker = breaker_with(10, 50);
	struct breaker_trip trip;

	(void)state;
	for (unsigned i = 0; i < 9; i++)
		assert_false(fail_at(&breaker, SLOT + i));
	for (unsigned i = 0; i < 9; i++)
		assert_false(breaker_failure(&breaker, &of_next, CANARY_COUNTER_refused, SLOT + 10 + i));
	assert_true(breaker_failure(&breaker, &of_next, CANARY_COUNTER_refused, SLOT + 20));
	assert_false(breaker_tripped(&breaker, GENERATION, &trip));
	assert_true(breaker_tripped(&breaker, GENERATION + 1, &trip));
}

static void test_kinds(void **state)
{
	struct canary_breaker breaker = breaker_with(10, 50);
	struct config_breaker with = settings;

	(void)state;
	assert_true(breaker_counts(&breaker, CANARY_COUNTER_refused) && breaker_counts(&breaker, CANARY_COUNTER_syn_timeout));
	assert_true(breaker_counts(&breaker, CANARY_COUNTER_reset_before_response));
	assert_true(breaker_counts(&breaker, CANARY_COUNTER_empty_close));
	assert_true(breaker_counts(&breaker, CANARY_COUNTER_response_timeout));
	assert_false(breaker_counts(&breaker, CANARY_COUNTER_http_5xx));
	assert_false(breaker_counts(&breaker, CANARY_COUNTER_reset_mid_response));
	assert_false(breaker_counts(&breaker, CANARY_EVENT_TRIPPED));
	with.http_5xx = true;
	breaker_configure(&breaker, &with);
	assert_true(breaker_counts(&breaker, CANARY_COUNTER_http_5xx));
	with.enabled = false;
	breaker_configure(&breaker, &with);
	assert_true(breaker.slot_ns == 0);
}

/* After a reset it takes the whole bound again. */
static void test_reset(void **state)
{
	struct canary_breaker breaker = breaker_with(10, 50);
	struct breaker_trip trip;

	(void)state;
	assert_false(breaker_reset(&breaker));
	for (unsigned i = 0; i < 10; i++)
		fail_at(&breaker, SLOT + i);
	assert_true(breaker_reset(&breaker));
	assert_false(breaker_tripped(&breaker, GENERATION, &trip));
	for (unsigned i = 0; i < 9; i++)
		assert_false(fail_at(&breaker, SLOT + 100 + i));
	assert_true(fail_at(&breaker, SLOT + 200));
}

/* ---- two CPUs ------------------------------------------------------------------------------------------------- */

#define EACH 200000

static void *fail_much(void *context)
{
	for (unsigned i = 0; i < EACH; i++) {
		breaker_attempt(context, GENERATION, SLOT + i);
		breaker_failure(context, &of_canary, CANARY_COUNTER_empty_close, SLOT + i);
	}
	return NULL;
}

/* Two that count at once lose nothing, and one of them sees the bound reached. */
static void test_two_at_once(void **state)
{
	struct canary_breaker breaker = breaker_with(2 * EACH - 4, 50);
	struct breaker_trip trip;
	pthread_t threads[2];

	(void)state;
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, fail_much, &breaker), 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	assert_true(breaker.attempts == 2 * EACH && breaker.failures == 2 * EACH);
	assert_true(breaker_tripped(&breaker, GENERATION, &trip));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_trips_at_the_bound), cmocka_unit_test(test_generation_zero),
		cmocka_unit_test(test_ratio),		   cmocka_unit_test(test_window),
		cmocka_unit_test(test_attempts_of_the_slot_before),
		cmocka_unit_test(test_generations),	   cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_reset),		   cmocka_unit_test(test_two_at_once),
	};

	return cmocka_run_group_tests_name("breaker", tests, NULL, NULL);
}

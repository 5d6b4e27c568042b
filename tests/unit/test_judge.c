/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The judge's rules one by one: what is found, what is no evidence, what is said.
 * test_judge_power.c has its promises, test_judge_state.c what is saved.
 */
#include "judge_fixture.h"

#include <string.h>

/* ---- findings -------------------------------------------------------------------------------------------- */

static void a_finding_is_whole_from_the_first_tick(void **state)
{
	struct fixture *x = *state;

	tick(x, 0, 0, 0, 0);
	assert_int_equal(x->f->n_slis, 2);
	assert_string_equal(x->f->sli[FINDING_ERRORS].name, "errors");
	assert_string_equal(x->f->sli[FINDING_LATENCY].name, "latency");
	assert_true(x->f->ln_e_rollback == 0);
	assert_int_equal(x->f->sli[FINDING_ERRORS].verdict, FINDING_NO_DATA);
	assert_true(isnan(x->f->sli[FINDING_ERRORS].canary));
	assert_true(isnan(x->f->sli[FINDING_ERRORS].time_to_verdict_s));
	assert_false(x->f->sli[FINDING_ERRORS].interval_valid);
	assert_true(strlen(x->f->reason) > 0);
}

static void a_good_canary_passes(void **state)
{
	struct fixture *x = *state;

	x->traffic.latency = 1;
	ticks(x, 120);
	assert_int_equal(x->f->sli[FINDING_ERRORS].verdict, FINDING_PASS);
	assert_int_equal(x->f->sli[FINDING_LATENCY].verdict, FINDING_PASS);
	assert_int_equal(x->f->data, FINDING_DATA_OK);
	assert_false(x->f->holds || x->f->p99_holds || x->f->burn_blocks);
	assert_true(x->f->score > 80);
	assert_true(x->f->sli[FINDING_LATENCY].canary > 0.01 && x->f->sli[FINDING_LATENCY].canary < 0.1);
	assert_true(x->f->sli[FINDING_ERRORS].interval_valid);
	assert_true(x->f->sli[FINDING_ERRORS].interval_low <= 1 && x->f->sli[FINDING_ERRORS].interval_high >= 1);
	assert_true(x->f->sli[FINDING_ERRORS].time_to_verdict_s == 0);
}

static void a_bad_canary_fails_and_the_sentence_says_why(void **state)
{
	struct fixture *x = *state;

	tick(x, 125, 6, 2375, 2);
	tick(x, 125, 6, 2375, 3);
	assert_true(x->f->ln_e_rollback >= x->f->ln_bound);
	assert_int_equal(x->f->sli[FINDING_ERRORS].verdict, FINDING_FAIL);
	assert_true(x->f->score == 0);
	assert_non_null(strstr(x->f->reason, "errors: canary 4.8 % (12 of 250) against baseline 0.11 % (5 of 4750)"));
	assert_non_null(strstr(x->f->reason, " ≥ 100"));
}

static void what_begins_late_is_told_from_the_last_minute(void **state)
{
	struct fixture *x = *state;
	const struct finding_sli *sli = &x->f->sli[FINDING_ERRORS];

	ticks(x, 600);
	x->traffic.p_canary = 0.05;
	ticks(x, 5);
	assert_true(sli->telling_s > 0 && sli->telling_s <= 70);
	assert_true(sli->telling.canary_attempts < sli->counts.canary_attempts);
	assert_non_null(strstr(x->f->reason, "in the last "));
}

static void more_failures_than_attempts_are_clamped(void **state)
{
	struct fixture *x = *state;

	tick(x, 5, 500, 100, 1);
	assert_int_equal(x->f->sli[FINDING_ERRORS].counts.canary_failed, 5);
}

/* However odd the numbers, no evidence becomes NaN and nothing overflows into undefined behaviour. */
static void odd_numbers_do_no_harm(void **state)
{
	struct fixture *x = *state;

	for (unsigned i = 0; i < 3000; i++) {
		memset(x->sample, 0, sizeof(*x->sample));
		traffic_tick(&x->traffic, x->sample);
		for (unsigned k = 0; k < 4; k++) {
			uint64_t *n = k % 2 ? &x->sample->canary.attempts : &x->sample->baseline.failed;

			*n = (uint64_t)(traffic_uniform(&x->traffic) * exp2(40 * traffic_uniform(&x->traffic)));
		}
		x->sample->canary.ttfb.bucket[(unsigned)(traffic_uniform(&x->traffic) * 738)] = i;
		x->sample->baseline.ttfb.bucket[(unsigned)(traffic_uniform(&x->traffic) * 738)] = i;
		x->sample->elapsed_ns = (uint64_t)(1e9 * exp2(30 * traffic_uniform(&x->traffic) - 20));
		x->sample->weight = 1.2 * traffic_uniform(&x->traffic) - 0.1;
		judge_tick(x->j, x->sample, x->f);
		assert_false(isnan(x->f->ln_e_rollback));
		assert_false(isnan(x->f->sli[0].promotion.ln_e) || isnan(x->f->sli[1].promotion.ln_e));
		assert_true(x->f->score >= 0 && x->f->score <= 100);
		assert_true(strlen(x->f->reason) < FINDING_REASON);
	}
}

static void the_wall_clock_is_not_believed(void **state)
{
	struct fixture *x = *state, *y;
	void *other;

	set_up(&other);
	y = other;
	for (unsigned i = 0; i < 50; i++) {
		ticks(x, 1);
		traffic_tick(&y->traffic, y->sample);
		y->sample->now_ns = i * 0x123456789abcdefULL; /* steps back and forth */
		judge_tick(y->j, y->sample, y->f);
		assert_true(x->f->ln_e_rollback == y->f->ln_e_rollback);
		assert_string_equal(x->f->reason, y->f->reason);
	}
	tear_down(&other);
}

/* ---- what is no evidence --------------------------------------------------------------------------------- */

static void a_suspect_sample_changes_nothing(void **state)
{
	struct fixture *x = *state;
	struct finding before;
	double next;

	ticks(x, 20);
	before = *x->f;
	traffic_tick(&x->traffic, x->sample);
	x->sample->suspect = true;
	x->sample->canary.failed = x->sample->canary.attempts = 100000;
	for (unsigned i = 0; i < 4; i++)
		judge_tick(x->j, x->sample, x->f);
	assert_int_equal(x->f->data, FINDING_DATA_ERROR);
	assert_int_equal(x->f->data_ticks, 4);
	assert_int_equal(x->f->sli[0].verdict, FINDING_ERROR);
	assert_true(x->f->ln_e_rollback == before.ln_e_rollback);
	assert_true(x->f->sli[0].promotion.ln_e == before.sli[0].promotion.ln_e);
	assert_int_equal(x->f->sli[0].counts.canary_attempts, before.sli[0].counts.canary_attempts);
	assert_string_equal(x->f->reason, "the sample is suspect: counters went backwards or could not be read, nothing was "
					  "learnt from it");
	strcpy(x->sample->suspect_why, "the counters of v2 went backwards");
	judge_tick(x->j, x->sample, x->f);
	assert_string_equal(x->f->reason, "the sample is suspect: the counters of v2 went backwards, nothing was learnt from it");
	next = x->f->ln_e_rollback;
	judge_history(x->j, x->sample);
	x->sample->suspect = false;
	memset(&x->sample->canary, 0, sizeof(x->sample->canary));
	memset(&x->sample->baseline, 0, sizeof(x->sample->baseline));
	judge_tick(x->j, x->sample, x->f);
	assert_true(x->f->ln_e_rollback == next);
	assert_int_equal(x->f->data_ticks, 1);
}

static void no_canary_traffic_is_no_failure(void **state)
{
	struct fixture *x = *state;
	double before;

	ticks(x, 30);
	before = x->f->sli[FINDING_ERRORS].promotion.ln_e;
	for (unsigned i = 0; i < 9; i++) {
		tick(x, 0, 0, 950, 1);
		assert_int_equal(x->f->data, FINDING_DATA_OK);
	}
	tick(x, 0, 0, 950, 1);
	assert_int_equal(x->f->data, FINDING_DATA_NO_DATA);
	assert_true(x->f->ln_e_rollback < x->f->ln_hold);
	assert_true(x->f->sli[FINDING_ERRORS].promotion.ln_e == before);
	assert_non_null(strstr(x->f->reason, "no canary traffic for 10 s"));
	tick(x, 50, 0, 950, 1);
	assert_int_equal(x->f->data, FINDING_DATA_OK);
}

static void thin_traffic_is_given_more_time(void **state)
{
	struct fixture *x = *state;

	x->traffic.share = 0.01;
	for (unsigned i = 0; i < 60; i++)
		tick(x, i == 30, 0, 10, 0); /* about one canary event in ten seconds is to be expected */
	assert_int_equal(x->f->data, FINDING_DATA_OK);
	for (unsigned i = 0; i < 60; i++)
		tick(x, 0, 0, 10, 0);
	assert_int_equal(x->f->data, FINDING_DATA_NO_DATA);
}

static void without_a_baseline_there_is_the_absolute_test(void **state)
{
	struct fixture *x = *state;

	x->traffic.share = 1;
	for (unsigned i = 0; i < 300; i++)
		tick(x, 1000, i % 2 ? 1 : 0, 0, 0); /* 0.05 % */
	assert_int_equal(x->f->data, FINDING_DATA_NO_BASELINE);
	assert_true(x->f->ln_e_rollback < x->f->ln_hold);
	assert_int_equal(x->f->sli[FINDING_ERRORS].verdict, FINDING_PASS);
	tick(x, 1000, 200, 0, 0);
	assert_true(x->f->ln_e_rollback >= x->f->ln_bound);
}

static void without_a_baseline_its_past_counts(void **state)
{
	struct fixture *x = *state;

	for (unsigned i = 0; i < 60; i++)
		tick(x, 500, 10, 500, 10); /* both fail 2 % */
	x->traffic.share = 1;
	for (unsigned i = 0; i < 600; i++)
		tick(x, 1000, 20, 0, 0);
	assert_true(x->f->ln_e_rollback < x->f->ln_hold);
	for (unsigned i = 0; i < 10; i++)
		tick(x, 1000, 60, 0, 0);
	assert_true(x->f->ln_e_rollback < x->f->ln_bound); /* three times as many might be a burst; */
	for (unsigned i = 0; i < 110; i++)
		tick(x, 1000, 60, 0, 0);
	assert_true(x->f->ln_e_rollback >= x->f->ln_bound); /* … that does not last */
}

static void twice_nothing_is_nothing(void **state)
{
	struct fixture *x = *state;

	for (unsigned i = 0; i < 3600; i++)
		tick(x, 1000, i % 4 == 0, 1000, i % 40 == 0); /* 0.025 % against 0.0025 % */
	assert_true(x->f->ln_e_rollback < x->f->ln_hold);
	assert_true(x->f->sli[FINDING_ERRORS].interval_low > 5);
}

/* ---- warm-up --------------------------------------------------------------------------------------------- */

static void the_first_minute_is_not_judged(void **state)
{
	struct fixture *x = *state;

	x->config.warmup_s = 60;
	configure(x);
	for (unsigned i = 0; i < 60; i++) {
		tick(x, 50, 2, 950, 10); /* 4 % against 1 %: a cold start, not a dead one */
		assert_int_equal(x->f->data, FINDING_DATA_WARMUP);
		assert_false(x->f->guard_fired);
	}
	assert_true(fabs(x->f->ln_e_rollback) < 1e-9);
	assert_int_equal(x->f->guard_counts.canary_attempts, 3000);
	assert_int_equal(x->f->sli[FINDING_ERRORS].counts.canary_attempts, 0);
	assert_non_null(strstr(x->f->reason, "warming up"));
	tick(x, 50, 0, 950, 10);
	assert_int_equal(x->f->data, FINDING_DATA_OK);
	assert_int_equal(x->f->sli[FINDING_ERRORS].counts.canary_attempts, 50);
}

static void the_guard_wants_five_failures(void **state)
{
	struct fixture *x = *state;

	x->config.warmup_s = 60;
	x->config.noise = false; /* unknown noise would want a few more */
	configure(x);
	for (unsigned i = 0; i < 60 && !x->f->guard_fired; i++)
		tick(x, 1, i % 2, 100000, 1);
	assert_true(x->f->guard_fired);
	assert_int_equal(x->f->guard_counts.canary_failed, 5);
	assert_non_null(strstr(x->f->reason, "warm-up guard"));
	assert_non_null(strstr(x->f->reason, "≥ 1000"));
}

static void add_backend(struct sample_version *v, const char *address, uint64_t n, uint64_t y)
{
	struct sample_backend *b = &v->backend[v->n_backends++];

	strcpy(b->address, address);
	b->attempts = n;
	b->failed = y;
	v->attempts += n;
	v->failed += y;
}

/* A backend that joins late has a warm-up of its own, wherever it stands in the sample. */
static void each_backend_warms_up_for_itself(void **state)
{
	struct fixture *x = *state;

	x->config.warmup_s = 60;
	configure(x);
	for (unsigned i = 0; i < 160; i++) {
		memset(x->sample, 0, sizeof(*x->sample));
		x->sample->elapsed_ns = 1000000000;
		x->sample->weight = 0.05;
		x->sample->baseline.attempts = 950;
		x->sample->baseline.failed = 10;
		if (i >= 100)
			add_backend(&x->sample->canary, "10.0.1.2:80", 50, 3);
		add_backend(&x->sample->canary, "10.0.1.1:80", 50, 0);
		judge_tick(x->j, x->sample, x->f);
		assert_int_equal(x->f->sli[FINDING_ERRORS].counts.canary_failed, 0);
	}
	assert_int_equal(x->f->data, FINDING_DATA_OK);
	assert_int_equal(x->f->sli[FINDING_ERRORS].counts.canary_attempts, 100 * 50);
	judge_tick(x->j, x->sample, x->f); /* the 61st second of the second backend */
	assert_int_equal(x->f->sli[FINDING_ERRORS].counts.canary_failed, 3);
}

/* ---- steps, budget --------------------------------------------------------------------------------------- */

static void a_step_starts_the_promotion_again_and_nothing_else(void **state)
{
	struct fixture *x = *state;
	double rollback;

	x->traffic.latency = 1;
	ticks(x, 100);
	rollback = x->f->ln_e_rollback;
	assert_true(x->f->sli[0].promotion.ln_e > x->f->sli[0].promotion.ln_bound);
	judge_step_begin(x->j, 0);
	x->sample->suspect = true; /* look without adding */
	judge_tick(x->j, x->sample, x->f);
	assert_true(fabs(x->f->sli[0].promotion.ln_e) < 1e-9);
	assert_true(fabs(x->f->sli[1].promotion.ln_e) < 1e-9);
	assert_true(x->f->ln_e_rollback == rollback);
}

static void a_new_rollout_keeps_the_past_alone(void **state)
{
	struct fixture *x = *state;

	x->traffic.p_canary = 0.05;
	x->traffic.latency = 1;
	ticks(x, 20);
	assert_true(x->f->ln_e_rollback >= x->f->ln_bound);
	judge_rollout_begin(x->j);
	x->sample->suspect = true;
	judge_tick(x->j, x->sample, x->f);
	assert_true(x->f->ln_e_rollback == 0);
	assert_int_equal(x->f->sli[0].counts.baseline_attempts, 0);
	assert_false(isnan(x->f->sli[FINDING_LATENCY].baseline));
}

static void the_burn_gate_compares_with_the_baseline(void **state)
{
	struct fixture *x = *state;

	x->config.p0_rollback = 0.5; /* the burn alone */
	configure(x);
	for (unsigned i = 0; i < 60; i++)
		tick(x, 1000, 2, 1000, 2);
	assert_false(x->f->burn_blocks);
	assert_true(fabs(x->f->burn_canary - 2) < 1e-6);
	for (unsigned i = 0; i < 60; i++)
		tick(x, 1000, 8, 1000, 2);
	assert_true(x->f->burn_blocks);
	assert_false(x->f->burn_pages);
	for (unsigned i = 0; i < 3600; i++)
		tick(x, 1000, 20, 1000, 20);
	assert_false(x->f->burn_blocks);
	assert_true(x->f->burn_pages); /* 20 times as fast as it may, for an hour */
}

static void the_budget_counts_failures_in_excess(void **state)
{
	struct fixture *x = *state;

	x->config.budget_failures = 50;
	x->config.p0_rollback = 0.5; /* the budget alone */
	configure(x);
	for (unsigned i = 0; i < 100; i++)
		tick(x, 1000, 10, 1000, 10);
	assert_false(x->f->budget_spent);
	assert_true(fabs(x->f->excess_failures) < 1);
	for (unsigned i = 0; i < 10; i++)
		tick(x, 1000, 16, 1000, 10);
	assert_true(x->f->budget_spent);
	assert_non_null(strstr(x->f->reason, "error budget: 60 failures more"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_finding_is_whole_from_the_first_tick),
		TEST(a_good_canary_passes),
		TEST(a_bad_canary_fails_and_the_sentence_says_why),
		TEST(what_begins_late_is_told_from_the_last_minute),
		TEST(more_failures_than_attempts_are_clamped),
		TEST(odd_numbers_do_no_harm),
		TEST(the_wall_clock_is_not_believed),
		TEST(a_suspect_sample_changes_nothing),
		TEST(no_canary_traffic_is_no_failure),
		TEST(thin_traffic_is_given_more_time),
		TEST(without_a_baseline_there_is_the_absolute_test),
		TEST(without_a_baseline_its_past_counts),
		TEST(twice_nothing_is_nothing),
		TEST(the_first_minute_is_not_judged),
		TEST(the_guard_wants_five_failures),
		TEST(each_backend_warms_up_for_itself),
		TEST(a_step_starts_the_promotion_again_and_nothing_else),
		TEST(a_new_rollout_keeps_the_past_alone),
		TEST(the_burn_gate_compares_with_the_baseline),
		TEST(the_budget_counts_failures_in_excess),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Steps out of the error budget: the arithmetic against a simulation of what it predicts, and the steps it takes.
 */
#include "policy_fixture.h"

#include "user/policy_adaptive.h"
#include "user/sequential.h"

/* 1 % of failures at 1000 requests a second; a budget of so many. */
static void traffic(struct finding *f, double rate, double budget)
{
	f->attempts_per_s = rate;
	f->budget_failures = budget;
	f->sli[FINDING_ERRORS].counts = (struct finding_counts){ .baseline_attempts = 99999, .baseline_failed = 999 };
	f->sli[FINDING_ERRORS].rollback.ln_bound = log(100);
}

static void adapt(struct fixture *x, double budget)
{
	x->plan.adaptive = (struct policy_adaptive){ .on = true, .ratio = 3, .growth = 5, .margin = 1.25 };
	traffic(&x->f, 1000, budget);
	assert_int_equal(policy_start(&x->plan, &x->state, &x->d), 0);
}

/* ---- the arithmetic -------------------------------------------------------------------------------------- */

/* Feeds the judge's own process with exactly the expected counts, until it decides. */
static double seconds_to_find(double p, double ratio, double weight, double rate)
{
	struct sequential s;
	double scale = 1000; /* in thousandths of events: counts are whole numbers */
	struct sequential_counts c = {
		.canary_n = (uint64_t)(weight * rate * scale), .canary_y = (uint64_t)(ratio * p * weight * rate * scale),
		.baseline_n = (uint64_t)((1 - weight) * rate * scale),
		.baseline_y = (uint64_t)(p * (1 - weight) * rate * scale),
	};
	double seconds = 0;

	sequential_init(&s);
	for (; sequential_ln_e(&s) < log(100) && seconds < 1e5; seconds++)
		sequential_ratio(&s, SEQUENTIAL_WORSE, 1.25, scale, &c);
	return seconds;
}

/* The prediction allows for the price of not knowing the ratio beforehand, so it is never much too early. */
static void the_time_is_what_the_judge_takes(void **state)
{
	static const double weights[] = { 0.01, 0.05, 0.25, 0.5, 0.9 };
	struct fixture *x = *state;

	adapt(x, 100);
	for (unsigned i = 0; i < sizeof(weights) / sizeof(*weights); i++) {
		struct policy_adaptive_cost cost = policy_adaptive_cost(&x->plan.adaptive, &x->f, weights[i]);
		double found_s = seconds_to_find(0.01, 3, weights[i], 1000);

		assert_true(cost.find_s >= found_s * 0.95 && cost.find_s <= found_s * 2 + 2);
		assert_true(fabs(cost.failures - 2 * 0.01 * weights[i] * 1000 * cost.find_s) < 1e-3 * cost.failures);
	}
}

static void it_costs_more_the_larger_the_share(void **state)
{
	struct fixture *x = *state;
	double before = 0;

	adapt(x, 100);
	for (double w = 0.001; w < 0.99; w *= 1.2) {
		double failures = policy_adaptive_cost(&x->plan.adaptive, &x->f, w).failures;

		assert_true(failures > before);
		before = failures;
	}
	x->f.noise = 3; /* discounted evidence takes longer */
	assert_true(policy_adaptive_cost(&x->plan.adaptive, &x->f, 0.5).failures > 2 * before / 3);
}

static void what_cannot_be_found_costs_without_end(void **state)
{
	struct fixture *x = *state;

	adapt(x, 100);
	traffic(&x->f, 0, 100);
	assert_true(isinf(policy_adaptive_cost(&x->plan.adaptive, &x->f, 0.5).failures));
	traffic(&x->f, 1000, 100);
	x->f.sli[FINDING_ERRORS].counts.baseline_failed = 99999; /* nothing can be three times that */
	assert_true(isinf(policy_adaptive_cost(&x->plan.adaptive, &x->f, 0.5).failures));
}

/* Twice nothing is nothing: what the judge tolerates of any version is what a perfect one is taken for. */
static void a_perfect_baseline_is_reckoned_with_its_floor(void **state)
{
	struct fixture *x = *state;
	struct policy_adaptive_cost perfect;

	adapt(x, 100);
	x->f.sli[FINDING_ERRORS].counts.baseline_failed = 0;
	x->plan.adaptive.floor = 0.001;
	perfect = policy_adaptive_cost(&x->plan.adaptive, &x->f, 0.05);
	x->f.sli[FINDING_ERRORS].counts.baseline_failed = 99;
	x->plan.adaptive.floor = 0;
	assert_true(fabs(perfect.find_s / policy_adaptive_cost(&x->plan.adaptive, &x->f, 0.05).find_s - 1) < 0.01);
}

/* ---- the steps ------------------------------------------------------------------------------------------- */

static void the_next_weight_is_the_largest_within_the_budget(void **state)
{
	struct fixture *x = *state;

	for (double budget = 1; budget < 1000; budget *= 1.3) {
		struct policy_adaptive_next next;

		adapt(x, budget);
		x->state.weight = 0.3;
		x->state.step = 3; /* on the way to 50 % */
		next = policy_adaptive_next(&x->plan, &x->state, &x->f);
		if (next.by == POLICY_ADAPTIVE_SPENT) {
			assert_true(next.weight == 0.3 && next.step == 3 && next.cost.failures > budget);
			continue;
		}
		assert_int_equal(next.by, POLICY_ADAPTIVE_BY_BUDGET);
		assert_true(next.weight > 0.3 && next.weight <= 1 && next.cost.failures <= budget);
		assert_true(next.weight >= 1 || /* a candidate more would have been too much */
			    policy_adaptive_cost(&x->plan.adaptive, &x->f, next.weight * 1.06).failures > budget);
		assert_true(x->plan.step[next.step].weight >= next.weight - 1e-9);
	}
}

static void what_was_spent_counts(void **state)
{
	struct fixture *x = *state;
	struct policy_adaptive_next all, rest;

	adapt(x, 45);
	x->state.weight = 0.25;
	x->state.step = 2;
	all = policy_adaptive_next(&x->plan, &x->state, &x->f);
	x->f.excess_failures = 20;
	rest = policy_adaptive_next(&x->plan, &x->state, &x->f);
	assert_true(rest.weight < all.weight && rest.left == 25);
	x->f.excess_failures = -50; /* a canary better than the baseline earns nothing */
	rest = policy_adaptive_next(&x->plan, &x->state, &x->f);
	assert_true(rest.weight == all.weight && rest.left == 45);
}

static void it_grows_by_its_factor_at_most(void **state)
{
	struct fixture *x = *state;
	double before = 0.01;

	adapt(x, 1e6);
	while (until(x, 100) == POLICY_ADVANCE && x->state.phase != POLICY_BAKE) {
		assert_true(x->state.weight > before && x->state.weight <= before * 5 + 1e-9);
		assert_int_equal(x->state.phase, POLICY_STEP);
		before = x->state.weight;
	}
	assert_true(before == 1);
	assert_int_equal(x->state.phase, POLICY_BAKE);
	assert_int_equal(until(x, 400), POLICY_PROMOTE);
}

static void a_step_says_its_arithmetic(void **state)
{
	struct fixture *x = *state;

	adapt(x, 100);
	assert_int_equal(until(x, 100), POLICY_ADVANCE);
	assert_non_null(strstr(x->d.reason, "; 5 % next: a regression of 3 times would cost "));
	assert_non_null(strstr(x->d.reason, "100 of 100 are left"));
}

static void it_stays_where_the_budget_allows_no_more(void **state)
{
	struct fixture *x = *state;
	char waiting[FINDING_REASON];

	adapt(x, 5);
	assert_int_equal(until(x, 3600), POLICY_NONE);
	assert_true(x->state.weight == 0.01);
	policy_print_waiting(&x->plan, &x->state, &x->f, waiting);
	assert_non_null(strstr(waiting, "error budget: above 1 % a regression of 3 times would cost"));
	assert_int_equal(until(x, 10), POLICY_HOLD);
	assert_int_equal(x->state.held, POLICY_HELD_DEADLINE);
	assert_non_null(strstr(x->d.reason, "error budget"));
	x->f.budget_failures = 100;
	assert_int_equal(tick(x, 1), POLICY_RESUME);
	assert_int_equal(tick(x, 1), POLICY_ADVANCE);
}

static void without_enough_traffic_it_goes_by_the_plan(void **state)
{
	static const double weight[] = { 0.05, 0.25, 0.5, 1 };
	struct fixture *x = *state;

	adapt(x, 100);
	traffic(&x->f, 0.01, 100);
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(until(x, 100), POLICY_ADVANCE);
		assert_true(x->state.weight == weight[i]);
		assert_non_null(strstr(x->d.reason, "by the plan: too little traffic"));
	}
	assert_int_equal(until(x, 100), POLICY_ADVANCE);
	assert_int_equal(x->state.phase, POLICY_BAKE);
}

/* Between two weights of the plan the next one of the plan is the one above. */
static void the_plan_goes_on_from_in_between(void **state)
{
	struct fixture *x = *state;
	struct policy_adaptive_next next;

	adapt(x, 100);
	traffic(&x->f, 0.01, 100);
	x->state.weight = 0.1;
	x->state.step = 2;
	next = policy_adaptive_next(&x->plan, &x->state, &x->f);
	assert_true(next.by == POLICY_ADAPTIVE_BY_PLAN && next.weight == 0.25 && next.step == 2);
}

/* A gate is asked at its weight, and no growth goes past it. */
static void a_manual_gate_is_not_passed_over(void **state)
{
	struct fixture *x = *state;

	adapt(x, 1e6);
	x->plan.adaptive.growth = 100;
	x->plan.step[2].manual = true;
	assert_int_equal(until(x, 100), POLICY_ADVANCE);
	assert_true(x->state.weight == 0.25 && x->state.step == 2);
	assert_int_equal(until(x, 100), POLICY_HOLD);
	assert_int_equal(x->state.held, POLICY_HELD_MANUAL);
	assert_int_equal(policy_resume(&x->plan, &x->state, &x->d), 0);
	assert_int_equal(until(x, 100), POLICY_ADVANCE);
	assert_true(x->state.weight == 1);
}

static void plans_that_cannot_adapt_are_refused(void **state)
{
	struct fixture *x = *state;
	char reason[FINDING_REASON];

	adapt(x, 100);
	x->plan.adaptive.ratio = 1.25;
	assert_true(policy_plan_check(&x->plan, reason) < 0);
	x->plan.adaptive.ratio = NAN;
	assert_true(policy_plan_check(&x->plan, reason) < 0);
	x->plan.adaptive.ratio = 3;
	x->plan.adaptive.growth = 1;
	assert_true(policy_plan_check(&x->plan, reason) < 0);
	x->plan.adaptive.on = false;
	assert_int_equal(policy_plan_check(&x->plan, reason), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_time_is_what_the_judge_takes),
		TEST(it_costs_more_the_larger_the_share),
		TEST(what_cannot_be_found_costs_without_end),
		TEST(a_perfect_baseline_is_reckoned_with_its_floor),
		TEST(the_next_weight_is_the_largest_within_the_budget),
		TEST(what_was_spent_counts),
		TEST(it_grows_by_its_factor_at_most),
		TEST(a_step_says_its_arithmetic),
		TEST(it_stays_where_the_budget_allows_no_more),
		TEST(without_enough_traffic_it_goes_by_the_plan),
		TEST(the_plan_goes_on_from_in_between),
		TEST(a_manual_gate_is_not_passed_over),
		TEST(plans_that_cannot_adapt_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What bounds a rollout's life: blackouts, clocks and samples in error, expiry, experiments, undo, a newer canary.
 */
#include "policy_fixture.h"

#include <errno.h>

/* ---- blackouts ------------------------------------------------------------------------------------------- */

static void blackout(struct fixture *x, bool open)
{
	x->f.blackout = open;
	strcpy(x->f.blackout_until, "06:00");
}

static void nothing_moves_up_in_a_blackout(void **state)
{
	struct fixture *x = *state;

	blackout(x, true);
	assert_int_equal(tick(x, 1), POLICY_HOLD);
	assert_int_equal(x->state.held, POLICY_HELD_BLACKOUT);
	assert_string_equal(x->d.reason, "a blackout window is open until 06:00: nothing moves up");
	assert_int_equal(until(x, 200000), POLICY_NONE); /* two days: nor does it expire */
	assert_true(x->state.weight == 0.01 && x->state.step_s <= 1);
	blackout(x, false);
	assert_int_equal(tick(x, 1), POLICY_RESUME);
	assert_int_equal(until(x, 100), POLICY_ADVANCE);
}

static void a_bad_canary_goes_in_a_blackout_too(void **state)
{
	struct fixture *x = *state;

	blackout(x, true);
	assert_int_equal(tick(x, 1), POLICY_HOLD);
	x->f.ln_e_rollback = log(101);
	assert_int_equal(tick(x, 1), POLICY_ROLL_BACK);
}

/* What waits for an operator does so after the window as before. */
static void a_blackout_keeps_what_waits_for_an_operator(void **state)
{
	struct fixture *x = *state;

	x->plan.on_fail = POLICY_FAIL_HOLD;
	x->f.ln_e_rollback = log(101);
	assert_int_equal(tick(x, 1), POLICY_HOLD);
	x->f = good();
	blackout(x, true);
	assert_int_equal(until(x, 100), POLICY_NONE);
	assert_int_equal(x->state.held, POLICY_HELD_FAILED);
	blackout(x, false);
	assert_int_equal(until(x, 100), POLICY_NONE);
	assert_int_equal(policy_resume(&x->plan, &x->state, &x->d), 0);
	assert_int_equal(policy_pause(&x->plan, &x->state, &x->d), 0);
	blackout(x, true);
	assert_int_equal(until(x, 100), POLICY_NONE);
	assert_int_equal(x->state.status, POLICY_PAUSED);
}

/* ---- bad input ------------------------------------------------------------------------------------------- */

/* Everything else is met, and would move it up in this very tick. */
static void ready_to_advance(struct fixture *x)
{
	assert_int_equal(until(x, 60), POLICY_NONE);
	assert_true(x->state.step_s == 59);
}

static void a_clock_that_was_set_is_named(void **state)
{
	struct fixture *x = *state;

	ready_to_advance(x);
	x->f.clock_step_s = -3600;
	assert_int_equal(tick(x, 1), POLICY_HOLD);
	assert_int_equal(x->state.held, POLICY_HELD_ERROR);
	assert_string_equal(x->d.reason, "the clock was set 60 min back: blackouts, dates and the undo window go by it");
	assert_true(x->state.weight == 0.01);
	x->f.clock_step_s = 0;
	assert_int_equal(until(x, 9), POLICY_NONE); /* a clock that is set over and over is no flood of decisions */
	assert_int_equal(tick(x, 1), POLICY_RESUME);
	assert_int_equal(tick(x, 1), POLICY_ADVANCE);
}

static void a_sample_in_error_is_named_and_moves_nothing(void **state)
{
	struct fixture *x = *state;

	ready_to_advance(x);
	x->f.data = FINDING_DATA_ERROR;
	strcpy(x->f.reason, "the sample is suspect: counters of v2 went backwards");
	assert_int_equal(tick(x, 1), POLICY_HOLD);
	assert_string_equal(x->d.reason, "the sample is suspect: counters of v2 went backwards");
	assert_int_equal(until(x, 3000), POLICY_NONE);
	assert_true(x->state.weight == 0.01);
	x->f = good();
	assert_int_equal(until(x, 9), POLICY_NONE);
	assert_int_equal(tick(x, 1), POLICY_RESUME);
}

/* A burn gate and a budget that is nearly spent: `why` says which. */
static void the_burn_gate_says_so(void **state)
{
	struct fixture *x = *state;
	char waiting[FINDING_REASON];

	ready_to_advance(x);
	x->f.burn_blocks = true;
	x->f.burn_canary = 20;
	x->f.burn_baseline = 0.5;
	assert_int_equal(until(x, 1000), POLICY_NONE);
	policy_print_waiting(&x->plan, &x->state, &x->f, waiting);
	assert_non_null(strstr(waiting, "burn gate: the canary burns its error budget 20 times"));
	assert_int_equal(until(x, 3000), POLICY_HOLD); /* at the step's deadline */
	assert_non_null(strstr(x->d.reason, "burn gate"));
}

/* ---- expiry ---------------------------------------------------------------------------------------------- */

static void a_paused_rollout_expires_after_a_warning(void **state)
{
	struct fixture *x = *state;

	assert_int_equal(policy_pause(&x->plan, &x->state, &x->d), 0);
	assert_int_equal(until(x, 86400), POLICY_PAUSE);
	assert_true(x->state.idle_s == 82800);
	assert_true(strncmp(x->d.reason, "expires in 60 min and goes back to 0", 36) == 0);
	assert_int_equal(x->state.status, POLICY_PAUSED);
	assert_int_equal(until(x, 3599), POLICY_NONE);
	assert_int_equal(tick(x, 1), POLICY_ABORT);
	assert_true(x->d.weight_to == 0 && x->state.weight == 0);
	assert_int_equal(x->state.status, POLICY_ABORTED);
	assert_true(strncmp(x->d.reason, "expired: paused for 24 h in this step", 37) == 0);
}

static void so_does_a_failed_one_that_is_held(void **state)
{
	struct fixture *x = *state;

	x->plan.on_fail = POLICY_FAIL_HOLD;
	x->plan.expire_s = 100;
	x->f.ln_e_rollback = log(312);
	assert_int_equal(tick(x, 1), POLICY_HOLD);
	assert_int_equal(until(x, 99), POLICY_HOLD); /* the warning, a quarter of the time before */
	assert_true(x->state.idle_s == 75);
	assert_int_equal(until(x, 100), POLICY_ABORT);
	assert_non_null(strstr(x->d.reason, "expired: held"));
}

/* Neither a hold that comes and goes nor another cause begins the time anew; a way on and an operator do. */
static void what_counts_is_the_time_without_a_way_on(void **state)
{
	struct fixture *x = *state;
	unsigned decisions = 0;

	x->plan.expire_s = 1000;
	x->f.sli[FINDING_ERRORS].promotion.ln_e = 0;
	while (x->state.phase != POLICY_ENDED && decisions < 1000) {
		x->f.data = decisions / 2 % 2 ? FINDING_DATA_NO_DATA : FINDING_DATA_OK;
		x->f.aa_unhealthy = decisions % 2;
		tick(x, 20);
		decisions++;
	}
	assert_int_equal(x->d.kind, POLICY_ABORT);
	policy_start(&x->plan, &x->state, &x->d);
	x->f = good();
	assert_int_equal(policy_pause(&x->plan, &x->state, &x->d), 0);
	assert_int_equal(until(x, 999), POLICY_PAUSE);
	assert_int_equal(policy_resume(&x->plan, &x->state, &x->d), 0);
	assert_true(x->state.idle_s == 0 && !x->state.expiry_warned);
	assert_int_equal(until(x, 100), POLICY_ADVANCE);
	assert_int_equal(policy_pause(&x->plan, &x->state, &x->d), 0);
	assert_int_equal(until(x, 740), POLICY_NONE);
}

static void without_an_expiry_it_waits_for_ever(void **state)
{
	struct fixture *x = *state;

	x->plan.expire_s = 0;
	assert_int_equal(policy_pause(&x->plan, &x->state, &x->d), 0);
	assert_int_equal(until(x, 200000), POLICY_NONE);
}

/* ---- experiments ----------------------------------------------------------------------------------------- */

static void experiment(struct fixture *x)
{
	x->plan.promote_never = true;
	x->plan.n_steps = 1;
	x->plan.step[0] = (struct policy_step){ .weight = 0.5, .min_s = 60, .max_s = 3600 };
	assert_int_equal(policy_start(&x->plan, &x->state, &x->d), 0);
}

static void an_experiment_ends_by_its_time(void **state)
{
	struct fixture *x = *state;
	char waiting[FINDING_REASON];

	experiment(x);
	assert_int_equal(until(x, 3600), POLICY_NONE);
	policy_print_waiting(&x->plan, &x->state, &x->f, waiting);
	assert_string_equal(waiting, "stays at this weight, never promoted: 60 min of 60 min");
	assert_int_equal(tick(x, 1), POLICY_COMPLETE);
	assert_int_equal(x->state.status, POLICY_COMPLETED);
	assert_true(x->d.weight_from == 0.5 && x->d.weight_to == 0);
	assert_non_null(strstr(x->d.reason, "complete after 60 min: errors: canary"));
}

static void and_is_taken_back_or_promoted_before(void **state)
{
	struct fixture *x = *state;

	experiment(x);
	x->f.data = FINDING_DATA_NO_DATA;
	assert_int_equal(until(x, 100), POLICY_HOLD);
	x->f = good();
	x->f.ln_e_rollback = log(101);
	assert_int_equal(tick(x, 1), POLICY_ROLL_BACK);
	x->f = good();
	experiment(x);
	assert_int_equal(until(x, 100), POLICY_NONE);
	assert_int_equal(policy_promote(&x->plan, &x->state, &x->d), 0);
}

/* Steps before the last are left as ever. */
static void an_experiment_may_have_steps(void **state)
{
	struct fixture *x = *state;

	x->plan.promote_never = true;
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(until(x, 100), POLICY_ADVANCE);
	assert_true(x->state.weight == 1);
	assert_int_equal(until(x, 3599), POLICY_NONE);
	assert_int_equal(tick(x, 1), POLICY_COMPLETE);
}

/* ---- undo and replacement -------------------------------------------------------------------------------- */

static void a_promotion_can_be_undone_for_a_while(void **state)
{
	struct fixture *x = *state;

	assert_int_equal(policy_undo(&x->plan, &x->state, 1, &x->d), -EINVAL); /* it is under way */
	assert_int_equal(policy_promote(&x->plan, &x->state, &x->d), 0);
	assert_int_equal(policy_undo(&x->plan, &x->state, 3601, &x->d), -ETIME);
	assert_int_equal(policy_undo(&x->plan, &x->state, NAN, &x->d), -ETIME);
	assert_int_equal(x->state.status, POLICY_PROMOTED);
	assert_int_equal(policy_undo(&x->plan, &x->state, 3600, &x->d), 0);
	assert_int_equal(x->d.kind, POLICY_UNDO);
	assert_true(x->d.weight_from == 1 && x->d.weight_to == 0);
	assert_string_equal(x->d.reason, "undone by an operator 60 min after the promotion: the version before is the "
					 "baseline again");
	assert_int_equal(policy_undo(&x->plan, &x->state, 1, &x->d), -EINVAL); /* once */
	assert_int_equal(tick(x, 1), POLICY_NONE);
}

static void a_window_of_0_is_none(void **state)
{
	struct fixture *x = *state;

	x->plan.undo_window_s = 0;
	assert_int_equal(policy_promote(&x->plan, &x->state, &x->d), 0);
	assert_int_equal(policy_undo(&x->plan, &x->state, 0, &x->d), -ETIME);
}

static void a_newer_canary_ends_it(void **state)
{
	struct fixture *x = *state;

	assert_int_equal(policy_supersede(&x->plan, &x->state, "v3", &x->d), 0);
	assert_int_equal(x->d.kind, POLICY_ABORT);
	assert_true(strncmp(x->d.reason, "superseded by v3", 16) == 0);
	assert_int_equal(x->state.status, POLICY_ABORTED);
	assert_true(x->state.weight == 0);
	assert_int_equal(policy_supersede(&x->plan, &x->state, "v4", &x->d), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(nothing_moves_up_in_a_blackout),
		TEST(a_bad_canary_goes_in_a_blackout_too),
		TEST(a_blackout_keeps_what_waits_for_an_operator),
		TEST(a_clock_that_was_set_is_named),
		TEST(a_sample_in_error_is_named_and_moves_nothing),
		TEST(the_burn_gate_says_so),
		TEST(a_paused_rollout_expires_after_a_warning),
		TEST(so_does_a_failed_one_that_is_held),
		TEST(what_counts_is_the_time_without_a_way_on),
		TEST(without_an_expiry_it_waits_for_ever),
		TEST(an_experiment_ends_by_its_time),
		TEST(and_is_taken_back_or_promoted_before),
		TEST(an_experiment_may_have_steps),
		TEST(a_promotion_can_be_undone_for_a_while),
		TEST(a_window_of_0_is_none),
		TEST(a_newer_canary_ends_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

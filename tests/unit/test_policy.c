/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The rollout's state machine: each condition alone, tick by tick. test_policy_verbs.c has the operator's part.
 */
#include "policy_fixture.h"

/* ---- the way up ------------------------------------------------------------------------------------------ */

static void a_good_canary_goes_all_the_way(void **state)
{
	struct fixture *x = *state;
	static const double weight[] = { 0.01, 0.05, 0.25, 0.5, 1 };
	unsigned seconds = 0;

	assert_int_equal(x->d.kind, POLICY_START);
	assert_true(x->d.weight_from == 0 && x->d.weight_to == 0.01);
	assert_string_equal(x->d.reason, "starts with step 1 of 5: 1 % of the new flows");
	for (unsigned step = 1; step < 5; step++) {
		assert_int_equal(until(x, 100), POLICY_ADVANCE);
		assert_int_equal(x->d.step, step);
		assert_true(x->d.weight_from == weight[step - 1] && x->d.weight_to == weight[step]);
		assert_int_equal(x->state.phase, POLICY_STEP);
		assert_true(x->d.value > 39 && x->d.bound < 21);
	}
	assert_int_equal(until(x, 100), POLICY_ADVANCE); /* into the bake */
	assert_int_equal(x->state.phase, POLICY_BAKE);
	assert_true(x->state.weight == 1);
	while (tick(x, 1) == POLICY_NONE)
		seconds++;
	assert_int_equal(x->d.kind, POLICY_PROMOTE);
	assert_int_equal(seconds + 1, 300);
	assert_int_equal(x->state.status, POLICY_PROMOTED);
	assert_int_equal(x->state.phase, POLICY_ENDED);
	assert_int_equal(tick(x, 1), POLICY_NONE); /* nothing comes after the end */
}

static void the_minimum_time_begins_after_the_warm_up(void **state)
{
	struct fixture *x = *state;

	x->f.data = FINDING_DATA_WARMUP;
	assert_int_equal(until(x, 500), POLICY_NONE);
	assert_int_equal(x->state.phase, POLICY_WARMUP);
	x->f.data = FINDING_DATA_OK;
	assert_int_equal(until(x, 60), POLICY_NONE);
	assert_int_equal(x->state.phase, POLICY_STEP);
	assert_int_equal(tick(x, 1), POLICY_ADVANCE);
}

/* Each condition alone keeps a step; without it the step is left at once. */
static void each_condition_alone_blocks(void **state)
{
	struct fixture *x = *state;
	struct finding all[7];

	for (unsigned i = 0; i < 7; i++)
		all[i] = good();
	all[0].sli[FINDING_ERRORS].promotion.ln_e = log(19.9);
	all[1].sli[FINDING_LATENCY].promotion.ln_e = log(19.9);
	all[2].p99_holds = true;
	all[3].burn_blocks = true;
	all[4].gates_closed = true;
	all[5].data = FINDING_DATA_WARMUP;
	all[6].sli[FINDING_LATENCY].canary = NAN; /* the canary alone has no latency */
	all[6].sli[FINDING_LATENCY].promotion.ln_e = 0;
	assert_int_equal(until(x, 60), POLICY_NONE);
	for (unsigned i = 0; i < 7; i++) {
		char waiting[FINDING_REASON];

		x->f = all[i];
		assert_int_equal(until(x, 100), POLICY_NONE);
		assert_true(x->state.weight == 0.01);
		policy_print_waiting(&x->plan, &x->state, &x->f, waiting);
		assert_true(strlen(waiting) > 0 && !strstr(waiting, "every condition"));
	}
	x->f = good();
	assert_int_equal(tick(x, 1), POLICY_ADVANCE);
}

static void the_minimum_time_alone_blocks(void **state)
{
	struct fixture *x = *state;

	x->plan.step[0].min_s = 500;
	assert_int_equal(until(x, 500), POLICY_NONE);
	assert_int_equal(until(x, 2), POLICY_ADVANCE);
}

static void what_nobody_measures_is_not_asked_for(void **state)
{
	struct fixture *x = *state;

	x->f.sli[FINDING_LATENCY].promotion.ln_e = 0;
	x->f.sli[FINDING_LATENCY].baseline = x->f.sli[FINDING_LATENCY].canary = NAN;
	assert_int_equal(until(x, 70), POLICY_ADVANCE);
	x->f = good();
	x->f.data = FINDING_DATA_NO_BASELINE; /* errors alone: the absolute test */
	x->f.sli[FINDING_LATENCY].promotion.ln_e = 0;
	assert_int_equal(until(x, 70), POLICY_ADVANCE);
	x->f.sli[FINDING_ERRORS].promotion.ln_e = 0;
	assert_int_equal(until(x, 70), POLICY_NONE);
}

/* Where errors have no say, a baseline without traffic is no reason to ask for nothing; at 100 % it has none to have. */
static void without_a_baseline_something_is_asked_for(void **state)
{
	struct fixture *x = *state;

	x->f.sli[FINDING_ERRORS].unasked = true;
	assert_int_equal(until(x, 70), POLICY_ADVANCE);
	x->state.weight = 0.5;
	x->f.data = FINDING_DATA_NO_BASELINE;
	x->f.sli[FINDING_LATENCY].promotion.ln_e = 0;
	assert_int_equal(until(x, 70), POLICY_NONE);
	x->state.weight = 1;
	assert_int_equal(until(x, 70), POLICY_ADVANCE);
}

static void a_manual_gate_waits_for_an_operator(void **state)
{
	struct fixture *x = *state;

	x->plan.step[0].manual = true;
	assert_int_equal(until(x, 70), POLICY_HOLD);
	assert_int_equal(x->state.held, POLICY_HELD_MANUAL);
	assert_int_equal(until(x, 5000), POLICY_NONE); /* not even the deadline moves it */
	assert_int_equal(policy_resume(&x->plan, &x->state, &x->d), 0);
	assert_int_equal(tick(x, 1), POLICY_ADVANCE);
	assert_false(x->state.gate_passed);
}

static void a_gate_holds_once_it_has_refused(void **state)
{
	struct fixture *x = *state;

	x->f.gates_closed = true;
	strcpy(x->f.gate, "tickets");
	strcpy(x->f.gate_why, "is being asked");
	assert_int_equal(until(x, 70), POLICY_NONE);
	policy_print_waiting(&x->plan, &x->state, &x->f, x->d.reason);
	assert_string_equal(x->d.reason, "gate tickets is being asked");

	x->f.gate_refused = true;
	strcpy(x->f.gate_why, "does not agree: exit status 1");
	assert_int_equal(tick(x, 1), POLICY_HOLD);
	assert_int_equal(x->state.held, POLICY_HELD_GATE);
	assert_string_equal(x->state.reason, "gate tickets does not agree: exit status 1");
	strcpy(x->f.gate_why, "does not agree: exit status 2");
	assert_int_equal(tick(x, 1), POLICY_NONE);
	assert_string_equal(x->state.reason, "gate tickets does not agree: exit status 2");
	x->f.gate_refused = false; /* asked again */
	assert_int_equal(until(x, 5000), POLICY_NONE);
	assert_true(x->state.weight == x->plan.step[0].weight);

	x->f.gates_closed = false;
	assert_int_equal(tick(x, 1), POLICY_RESUME);
	assert_int_equal(tick(x, 1), POLICY_ADVANCE);
}

static void a_gate_does_not_keep_a_failed_canary(void **state)
{
	struct fixture *x = *state;

	x->f.gates_closed = x->f.gate_refused = true;
	assert_int_equal(until(x, 70), POLICY_HOLD);
	x->f.ln_e_rollback = 100;
	assert_int_equal(tick(x, 1), POLICY_ROLL_BACK);
}

static void the_bake_counts_watched_time_only(void **state)
{
	struct fixture *x = *state;

	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(until(x, 100), POLICY_ADVANCE);
	assert_int_equal(until(x, 200), POLICY_NONE);
	x->f.data = FINDING_DATA_ERROR;
	assert_int_equal(tick(x, 1), POLICY_HOLD);
	assert_int_equal(until(x, 500), POLICY_NONE);
	x->f = good();
	x->f.holds = true;
	assert_int_equal(until(x, 500), POLICY_HOLD);
	x->f = good();
	assert_int_equal(tick(x, 1), POLICY_RESUME);
	assert_int_equal(until(x, 99), POLICY_NONE);
	assert_int_equal(tick(x, 1), POLICY_PROMOTE);
}

static void a_leak_in_the_bake_is_taken_back(void **state)
{
	struct fixture *x = *state;

	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(until(x, 100), POLICY_ADVANCE);
	assert_int_equal(until(x, 299), POLICY_NONE);
	x->f.data = FINDING_DATA_NO_BASELINE;
	x->f.ln_e_rollback = log(101);
	assert_int_equal(tick(x, 1), POLICY_ROLL_BACK);
	assert_true(x->d.weight_from == 1 && x->d.weight_to == 0);
}

/* ---- the way back ---------------------------------------------------------------------------------------- */

static void evidence_takes_it_back(void **state)
{
	struct fixture *x = *state;

	x->f.ln_e_rollback = log(99.9);
	x->f.holds = true;
	assert_int_equal(tick(x, 1), POLICY_HOLD);
	x->f.ln_e_rollback = log(312);
	x->f.loudest = FINDING_LATENCY;
	x->f.sli[FINDING_LATENCY].telling.canary_attempts = 250;
	strcpy(x->f.reason, "latency: why");
	assert_int_equal(tick(x, 1), POLICY_ROLL_BACK);
	assert_string_equal(x->d.sli, "latency");
	assert_string_equal(x->d.reason, "latency: why");
	assert_true(fabs(x->d.value - 312) < 1e-6 && fabs(x->d.bound - 100) < 1e-6);
	assert_int_equal(x->d.counts.canary_attempts, 250);
	assert_int_equal(x->state.status, POLICY_ROLLED_BACK);
	assert_true(x->state.weight == 0);
}

static void so_do_the_guard_and_the_budget(void **state)
{
	struct fixture *x = *state;

	x->f.data = FINDING_DATA_WARMUP;
	x->f.guard_fired = true;
	x->f.ln_e_guard = log(2000);
	assert_int_equal(tick(x, 1), POLICY_ROLL_BACK);
	assert_true(fabs(x->d.value - 2000) < 1e-6 && fabs(x->d.bound - 1000) < 1e-6);
	assert_string_equal(policy_unit_name(x->d.unit), "evidence");
	policy_start(&x->plan, &x->state, &x->d);
	x->f = good();
	x->f.budget_spent = true;
	x->f.excess_failures = 60;
	x->f.budget_failures = 50;
	assert_int_equal(tick(x, 1), POLICY_ROLL_BACK);
	assert_true(x->d.value == 60 && x->d.bound == 50);
	assert_string_equal(policy_unit_name(x->d.unit), "number");
}

static void never_on_a_sample_in_error(void **state)
{
	struct fixture *x = *state;

	x->f.data = FINDING_DATA_ERROR;
	x->f.ln_e_rollback = log(1e9);
	x->f.guard_fired = x->f.budget_spent = true;
	assert_int_equal(tick(x, 1), POLICY_HOLD);
	assert_int_equal(until(x, 100), POLICY_NONE);
}

static void a_paused_rollout_is_taken_back_all_the_same(void **state)
{
	struct fixture *x = *state;

	assert_int_equal(policy_pause(&x->plan, &x->state, &x->d), 0);
	assert_int_equal(until(x, 1000), POLICY_NONE);
	x->f.ln_e_rollback = 800; /* e to this is no number any more */
	assert_int_equal(tick(x, 1), POLICY_ROLL_BACK);
	assert_true(isfinite(x->d.value));
}

static void on_fail_hold_waits_for_an_operator(void **state)
{
	struct fixture *x = *state;

	x->plan.on_fail = POLICY_FAIL_HOLD;
	x->f.ln_e_rollback = log(312);
	x->f.holds = true;
	assert_int_equal(tick(x, 1), POLICY_HOLD);
	assert_int_equal(x->state.held, POLICY_HELD_FAILED);
	assert_true(x->state.weight == 0.01);
	assert_int_equal(until(x, 100), POLICY_NONE); /* said once */
	x->f = good();
	assert_int_equal(until(x, 100), POLICY_NONE); /* and not forgotten when the evidence falls */
	assert_int_equal(policy_resume(&x->plan, &x->state, &x->d), 0);
	assert_int_equal(until(x, 100), POLICY_ADVANCE);
}

/* ---- held ------------------------------------------------------------------------------------------------ */

static void it_holds_and_resumes_with_the_evidence(void **state)
{
	struct fixture *x = *state;

	x->f.holds = true;
	x->f.ln_e_rollback = log(8);
	assert_int_equal(tick(x, 1), POLICY_HOLD);
	assert_true(fabs(x->d.value - 8) < 1e-6 && fabs(x->d.bound - 5) < 1e-6);
	assert_int_equal(x->state.status, POLICY_HELD);
	assert_int_equal(until(x, 10), POLICY_NONE);
	assert_true(x->state.held_s == 10);
	x->f = good();
	assert_int_equal(tick(x, 1), POLICY_RESUME);
	assert_int_equal(x->state.status, POLICY_RUNNING);
}

static void no_data_errors_and_aa_hold(void **state)
{
	struct fixture *x = *state;

	x->f.data = FINDING_DATA_NO_DATA;
	assert_int_equal(tick(x, 1), POLICY_HOLD);
	assert_int_equal(x->state.held, POLICY_HELD_NO_DATA);
	x->f.data = FINDING_DATA_ERROR; /* no sample that is in error lifts a hold */
	strcpy(x->f.reason, "the sample is suspect: counters of v2 went backwards");
	assert_int_equal(tick(x, 1), POLICY_HOLD);
	assert_int_equal(x->state.held, POLICY_HELD_ERROR);
	assert_string_equal(x->d.reason, "the sample is suspect: counters of v2 went backwards");
	x->f = good();
	x->f.aa_unhealthy = true;
	assert_int_equal(tick(x, 1), POLICY_HOLD);
	assert_int_equal(x->state.held, POLICY_HELD_AA);
	x->f = good();
	assert_int_equal(tick(x, 1), POLICY_RESUME);
}

static void a_step_past_its_deadline_is_inconclusive(void **state)
{
	struct fixture *x = *state;

	x->f.sli[FINDING_ERRORS].promotion.ln_e = log(3.1);
	x->f.sli[FINDING_ERRORS].time_to_verdict_s = 900;
	assert_int_equal(until(x, 3600), POLICY_NONE);
	assert_int_equal(until(x, 2), POLICY_HOLD);
	assert_int_equal(x->state.held, POLICY_HELD_DEADLINE);
	assert_string_equal(x->d.reason, "inconclusive after 60 min: errors: promotion evidence 3.1 of 20 at 1 %; "
					 "about 15 min more would settle it, or 3 min at 5 %");
	assert_int_equal(until(x, 100), POLICY_NONE);
	x->f = good(); /* the evidence comes after all */
	assert_int_equal(tick(x, 1), POLICY_RESUME);
	assert_int_equal(tick(x, 1), POLICY_ADVANCE);
}

static void resume_gives_a_step_its_time_again(void **state)
{
	struct fixture *x = *state;

	x->f.sli[FINDING_ERRORS].promotion.ln_e = 0;
	x->f.sli[FINDING_ERRORS].time_to_verdict_s = NAN;
	assert_int_equal(until(x, 4000), POLICY_HOLD);
	assert_non_null(strstr(x->d.reason, "a larger share or more traffic would settle it"));
	assert_int_equal(policy_resume(&x->plan, &x->state, &x->d), 0);
	assert_int_equal(until(x, 3599), POLICY_NONE);
	assert_int_equal(until(x, 2), POLICY_HOLD);
}

static void no_limit_is_no_deadline(void **state)
{
	struct fixture *x = *state;

	x->plan.step[0].max_s = 0;
	assert_int_equal(policy_start(&x->plan, &x->state, &x->d), 0);
	x->f.sli[FINDING_ERRORS].promotion.ln_e = 0;
	assert_int_equal(until(x, 20000), POLICY_NONE);
}

static void odd_times_do_no_harm(void **state)
{
	struct fixture *x = *state;

	tick(x, 1);
	assert_int_equal(tick(x, -1e9), POLICY_NONE);
	assert_int_equal(tick(x, NAN), POLICY_NONE);
	assert_true(x->state.step_s == 0);
	assert_int_equal(tick(x, 1e12), POLICY_ADVANCE); /* a stall is a minute, which is the minimum */
	x->f.sli[FINDING_ERRORS].promotion.ln_e = 0;
	assert_int_equal(tick(x, 1e12), POLICY_NONE); /* and no hour */
	assert_true(x->state.step_s == 60);
}

/* An SLI beyond the packet: waits, holds and lets go, or fails; its sentence is the decision's. */
static void test_an_sli_says(void **state)
{
	struct fixture *x = *state;
	struct finding_sli *sli = &x->f.sli[2];

	x->f.n_slis = 3;
	*sli = (struct finding_sli){ .kind = FINDING_GAUGE, .unasked = true, .canary = 0.95, .bound = 0.9 };
	strcpy(sli->name, "cpu");
	strcpy(sli->said, "canary 0.95, above its bound of 0.9");
	x->f.saying = 2;
	x->f.says = FINDING_SAYS_WAIT;
	assert_int_equal(until(x, 600), POLICY_NONE);
	x->f.says = FINDING_SAYS_HOLD;
	assert_int_equal(tick(x, 1), POLICY_HOLD);
	assert_int_equal(x->state.held, POLICY_HELD_SLI);
	assert_string_equal(x->d.sli, "cpu");
	assert_string_equal(x->d.reason, "cpu: canary 0.95, above its bound of 0.9");
	assert_true(x->d.value == 0.95 && x->d.bound == 0.9);
	assert_string_equal(policy_unit_name(x->d.unit), "ratio");
	assert_int_equal(tick(x, 1), POLICY_NONE);
	strcpy(sli->said, "canary 0.99, above its bound of 0.9");
	assert_int_equal(tick(x, 1), POLICY_NONE);
	assert_string_equal(x->state.reason, "cpu: canary 0.99, above its bound of 0.9");
	strcpy(sli->name, "memory");
	assert_int_equal(tick(x, 1), POLICY_HOLD);
	assert_string_equal(x->d.sli, "memory");
	strcpy(sli->name, "cpu");
	assert_int_equal(tick(x, 1), POLICY_HOLD);
	x->f.says = FINDING_SAYS_NOTHING;
	assert_int_equal(tick(x, 1), POLICY_RESUME);
	x->f.says = FINDING_SAYS_FAIL;
	assert_int_equal(tick(x, 1), POLICY_ROLL_BACK);
	assert_string_equal(x->d.sli, "cpu");
	assert_true(x->d.value == 0.95);
}

/* One hold, whose causes come and go: each is in the journal, once. */
static void each_bad_answer_is_named_once(void **state)
{
	struct fixture *x = *state;
	struct finding_sli *sli = &x->f.sli[2];

	x->f.n_slis = 3;
	strcpy(sli->name, "orders");
	strcpy(sli->said, "its answer");
	x->f.saying = 2;
	x->f.says = FINDING_SAYS_HOLD;
	for (unsigned turn = 0; turn < 3; turn++)
		for (unsigned s = FINDING_STATE_OK; s <= FINDING_STATE_UNAVAILABLE; s++) {
			sli->state = s;
			assert_int_equal(tick(x, 1), turn == 0 ? POLICY_HOLD : POLICY_NONE);
			assert_int_equal(tick(x, 1), POLICY_NONE);
		}
	x->f.says = FINDING_SAYS_NOTHING;
	assert_int_equal(tick(x, 1), POLICY_RESUME);
	x->f.says = FINDING_SAYS_HOLD;
	assert_int_equal(tick(x, 1), POLICY_HOLD);
}

static void each_error_is_named_once(void **state)
{
	struct fixture *x = *state;

	x->f.data = FINDING_DATA_ERROR;
	assert_int_equal(tick(x, 1), POLICY_HOLD);
	assert_int_equal(tick(x, 1), POLICY_NONE);
	x->f = good();
	x->f.clock_step_s = -3600;
	assert_int_equal(tick(x, 1), POLICY_HOLD);
	assert_non_null(strstr(x->d.reason, "the clock was set 60 min back"));
	x->f.asleep_s = 7200;
	assert_int_equal(tick(x, 1), POLICY_HOLD);
	assert_non_null(strstr(x->d.reason, "the host was asleep for 2 h"));
	assert_int_equal(tick(x, 1), POLICY_NONE);
	x->f = good();
	assert_int_equal(until(x, 60), POLICY_RESUME);
	assert_int_equal(x->state.step, 0);
}

/* Errors that come again and again: it goes on ten seconds after the last, not after the first. */
static void an_error_is_over_ten_seconds_after_the_last(void **state)
{
	struct fixture *x = *state;

	for (unsigned i = 0; i < 200; i++) {
		x->f.data = i % 5 ? FINDING_DATA_OK : FINDING_DATA_ERROR;
		assert_int_equal(tick(x, 1), i ? POLICY_NONE : POLICY_HOLD);
	}
	assert_int_equal(until(x, 60), POLICY_RESUME);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_good_canary_goes_all_the_way),
		TEST(the_minimum_time_begins_after_the_warm_up),
		TEST(each_condition_alone_blocks),
		TEST(the_minimum_time_alone_blocks),
		TEST(what_nobody_measures_is_not_asked_for),
		TEST(without_a_baseline_something_is_asked_for),
		TEST(a_manual_gate_waits_for_an_operator),
		TEST(a_gate_holds_once_it_has_refused),
		TEST(a_gate_does_not_keep_a_failed_canary),
		TEST(the_bake_counts_watched_time_only),
		TEST(a_leak_in_the_bake_is_taken_back),
		TEST(evidence_takes_it_back),
		TEST(so_do_the_guard_and_the_budget),
		TEST(never_on_a_sample_in_error),
		TEST(a_paused_rollout_is_taken_back_all_the_same),
		TEST(on_fail_hold_waits_for_an_operator),
		TEST(it_holds_and_resumes_with_the_evidence),
		TEST(no_data_errors_and_aa_hold),
		TEST(a_step_past_its_deadline_is_inconclusive),
		TEST(resume_gives_a_step_its_time_again),
		TEST(no_limit_is_no_deadline),
		TEST(odd_times_do_no_harm),
		TEST(test_an_sli_says),
		TEST(each_bad_answer_is_named_once),
		TEST(each_error_is_named_once),
		TEST(an_error_is_over_ten_seconds_after_the_last),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The operator's verbs in each state, plans, and the words for all of it.
 */
#include "policy_fixture.h"

#include <errno.h>

/* ---- verbs ----------------------------------------------------------------------------------------------- */

typedef int (*verb)(const struct policy_plan *, struct policy_state *, struct policy_decision *);

static void verbs_where_they_are_legal(void **state)
{
	struct fixture *x = *state;
	static const verb verbs[] = { policy_pause, policy_resume, policy_promote, policy_abort };
	static const bool legal[][4] = {
		[POLICY_RUNNING] = { true, false, true, true },
		[POLICY_HELD] = { true, true, true, true },
		[POLICY_PAUSED] = { false, true, true, true },
		[POLICY_ABORTED] = { false, false, false, false }, /* and nothing in the other two ends */
	};
	static const enum policy_kind kind[] = { POLICY_PAUSE, POLICY_RESUME, POLICY_PROMOTE, POLICY_ABORT };
	static const double weight[] = { 0.01, 0.01, 1, 0 };

	for (enum policy_status s = POLICY_RUNNING; s <= POLICY_ABORTED; s++)
		for (unsigned v = 0; v < 4; v++) {
			struct policy_state before = x->state;
			struct policy_decision d = { .kind = POLICY_NONE };

			before.status = s;
			before.phase = s >= POLICY_PROMOTED ? POLICY_ENDED : POLICY_STEP;
			x->state = before;
			assert_int_equal(verbs[v](&x->plan, &x->state, &d), legal[s][v] ? 0 : -EINVAL);
			if (!legal[s][v]) {
				assert_memory_equal(&before, &x->state, sizeof(before));
				assert_int_equal(d.kind, POLICY_NONE);
			} else {
				assert_int_equal(d.kind, kind[v]);
				assert_true(d.weight_to == weight[v] && x->state.weight == weight[v]);
				assert_true(strlen(d.reason) > 0);
			}
			policy_start(&x->plan, &x->state, &d);
		}
}

static void the_caller_may_hold_and_roll_back(void **state)
{
	struct fixture *x = *state;

	assert_int_equal(policy_hold(&x->plan, &x->state, "the host was restarted", &x->d), 0);
	assert_int_equal(until(x, 1000), POLICY_NONE); /* until an operator resumes */
	assert_string_equal(x->state.reason, "the host was restarted");
	assert_int_equal(policy_resume(&x->plan, &x->state, &x->d), 0);
	assert_int_equal(until(x, 100), POLICY_ADVANCE);
	assert_int_equal(policy_roll_back(&x->plan, &x->state, "the breaker tripped", &x->d), 0);
	assert_int_equal(x->d.kind, POLICY_ROLL_BACK);
	assert_true(x->state.weight == 0);
	assert_int_equal(policy_roll_back(&x->plan, &x->state, "again", &x->d), -EINVAL);
	assert_int_equal(policy_hold(&x->plan, &x->state, "again", &x->d), -EINVAL);
}

/* ---- plans and words ------------------------------------------------------------------------------------- */

static void a_bad_plan_is_refused(void **state)
{
	struct fixture *x = *state;
	struct policy_plan bad[7];
	char reason[FINDING_REASON];

	for (unsigned i = 0; i < 7; i++)
		bad[i] = policy_default_plan();
	assert_int_equal(policy_plan_check(&bad[0], reason), 0);
	bad[0].n_steps = 0;
	bad[1].n_steps = POLICY_STEPS + 1;
	bad[2].step[0].weight = 0;
	bad[3].step[4].weight = 1.01;
	bad[4].step[3].weight = 0.1; /* below the one before */
	bad[5].step[2].max_s = 10;   /* below its minimum */
	bad[6].bake_s = NAN;
	for (unsigned i = 0; i < 7; i++) {
		reason[0] = 0;
		assert_int_equal(policy_plan_check(&bad[i], reason), -EINVAL);
		assert_true(strlen(reason) > 0);
		assert_int_equal(policy_start(&bad[i], &x->state, &x->d), -EINVAL);
	}
}

static void words_go_both_ways(void **state)
{
	enum policy_status status;
	enum policy_phase phase;
	enum policy_held held;

	(void)state;
	for (unsigned i = POLICY_RUNNING; i <= POLICY_COMPLETED; i++) {
		assert_int_equal(policy_status_parse(policy_status_name(i), &status), 0);
		assert_int_equal(status, i);
	}
	for (unsigned i = POLICY_WARMUP; i <= POLICY_ENDED; i++) {
		assert_int_equal(policy_phase_parse(policy_phase_name(i), &phase), 0);
		assert_int_equal(phase, i);
	}
	for (unsigned i = POLICY_HELD_NOT; i <= POLICY_HELD_BLACKOUT; i++) {
		assert_int_equal(policy_held_parse(policy_held_name(i), &held), 0);
		assert_int_equal(held, i);
	}
	assert_int_equal(policy_held_parse("nonsense", &held), -EINVAL);
	assert_int_equal(policy_phase_parse("", &phase), -EINVAL);
	assert_int_equal(policy_status_parse("Running", &status), -EINVAL);
	assert_string_equal(policy_kind_name(POLICY_ROLL_BACK), "roll_back");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(verbs_where_they_are_legal),
		TEST(the_caller_may_hold_and_roll_back),
		TEST(a_bad_plan_is_refused),
		TEST(words_go_both_ways),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

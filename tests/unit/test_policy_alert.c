/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What others report of the canary, the kernel's breaker, and backends that are out: it is held, or goes back, whatever the
 * evidence for it.
 */
#include "policy_fixture.h"

static void alert(struct fixture *x, enum finding_say says, const char *why)
{
	x->f.alert = says;
	strcpy(x->f.alert_why, why);
}

static void a_reported_canary_is_held(void **state)
{
	char waiting[FINDING_REASON];
	struct fixture *x = *state;

	until(x, 100); /* past the warm-up, and into the second step */
	alert(x, FINDING_SAYS_HOLD, "security page from uid 0: it is open");
	assert_int_equal(tick(x, 1), POLICY_HOLD);
	assert_int_equal(x->state.held, POLICY_HELD_ALERT);
	assert_string_equal(policy_held_name(x->state.held), "alert");
	assert_string_equal(x->d.reason, "security page from uid 0: it is open");
	assert_int_equal(until(x, 3500), POLICY_NONE);
	policy_print_waiting(&x->plan, &x->state, &x->f, waiting);
	assert_string_equal(waiting, "security page from uid 0: it is open");
	alert(x, FINDING_SAYS_HOLD, "security page from uid 0: and another");
	assert_int_equal(tick(x, 1), POLICY_HOLD); /* another is news */
	alert(x, FINDING_SAYS_NOTHING, "");
	assert_int_equal(tick(x, 1), POLICY_RESUME);
	assert_int_equal(until(x, 100), POLICY_ADVANCE);
}

static void or_it_is_rolled_back(void **state)
{
	struct fixture *x = *state;

	x->plan.on_fail = POLICY_FAIL_HOLD; /* the report asks for more than the plan */
	x->f.data = FINDING_DATA_ERROR;     /* and needs no sample */
	alert(x, FINDING_SAYS_FAIL, "security page from uid 0: it is open");
	assert_int_equal(policy_pause(&x->plan, &x->state, &x->d), 0);
	assert_int_equal(tick(x, 1), POLICY_ROLL_BACK);
	assert_true(x->d.weight_to == 0 && isnan(x->d.value) && !*x->d.sli);
	assert_string_equal(x->d.reason, "security page from uid 0: it is open");
}

static void a_bad_canary_that_is_held_goes_all_the_same(void **state)
{
	struct fixture *x = *state;

	alert(x, FINDING_SAYS_HOLD, "security page from uid 0: it is open");
	assert_int_equal(tick(x, 1), POLICY_HOLD);
	x->f.ln_e_rollback = log(101);
	assert_int_equal(tick(x, 1), POLICY_ROLL_BACK);
}

static void no_bake_and_no_gate_passes_it(void **state)
{
	struct fixture *x = *state;

	while (x->state.phase != POLICY_BAKE)
		tick(x, 1);
	alert(x, FINDING_SAYS_HOLD, "security page from uid 0: it is open");
	assert_int_equal(tick(x, 1), POLICY_HOLD);
	assert_int_equal(policy_resume(&x->plan, &x->state, &x->d), 0);
	assert_int_equal(tick(x, 1), POLICY_HOLD);
	assert_int_equal(until(x, 1000), POLICY_NONE);
}

static void a_breaker_that_tripped_is_a_failure(void **state)
{
	struct fixture *x = *state;

	x->f.tripped = true;
	strcpy(x->f.tripped_why, "the kernel's breaker tripped");
	x->f.tripped_attempts = 12;
	x->f.tripped_failed = 10;
	x->plan.on_fail = POLICY_FAIL_HOLD;
	assert_int_equal(policy_pause(&x->plan, &x->state, &x->d), 0);
	assert_int_equal(tick(x, 1), POLICY_NONE); /* the kernel keeps the canary out; an operator has the word */
	assert_int_equal(policy_resume(&x->plan, &x->state, &x->d), 0);
	assert_int_equal(tick(x, 1), POLICY_HOLD);
	assert_int_equal(x->state.held, POLICY_HELD_FAILED);
	assert_true(x->state.weight > 0);
	assert_int_equal(until(x, 100), POLICY_NONE);
	x->plan.on_fail = POLICY_FAIL_ROLL_BACK;
	x->f.data = FINDING_DATA_ERROR; /* it needs no sample */
	assert_int_equal(tick(x, 1), POLICY_ROLL_BACK);
	assert_string_equal(x->d.reason, "the kernel's breaker tripped");
	assert_true(x->d.counts.canary_attempts == 12 && x->d.counts.canary_failed == 10 && x->state.weight == 0);
}

/* No news of a canary that gets no flows: it is not good news. */
static void a_canary_without_backends_is_held(void **state)
{
	struct fixture *x = *state;

	until(x, 100);
	x->f.backends = FINDING_SAYS_HOLD;
	strcpy(x->f.backends_why, "v2 has no backend for new flows: 10.0.0.2:80 is unhealthy");
	assert_int_equal(tick(x, 1), POLICY_HOLD);
	assert_int_equal(x->state.held, POLICY_HELD_BACKENDS);
	assert_string_equal(policy_held_name(x->state.held), "backends");
	assert_string_equal(x->d.reason, "v2 has no backend for new flows: 10.0.0.2:80 is unhealthy");
	assert_int_equal(until(x, 3500), POLICY_NONE);
	x->f.backends = FINDING_SAYS_NOTHING;
	assert_int_equal(tick(x, 1), POLICY_RESUME);
	assert_int_equal(until(x, 100), POLICY_ADVANCE);
}

static void for_too_long_it_has_failed(void **state)
{
	struct fixture *x = *state;

	x->f.backends = FINDING_SAYS_FAIL;
	strcpy(x->f.backends_why, "v2 has no backend for new flows for too long");
	x->plan.on_fail = POLICY_FAIL_HOLD;
	assert_int_equal(tick(x, 1), POLICY_HOLD);
	assert_int_equal(x->state.held, POLICY_HELD_FAILED);
	x->plan.on_fail = POLICY_FAIL_ROLL_BACK;
	x->f.data = FINDING_DATA_ERROR; /* it needs no sample */
	assert_int_equal(tick(x, 1), POLICY_ROLL_BACK);
	assert_string_equal(x->d.reason, "v2 has no backend for new flows for too long");
	assert_true(x->state.weight == 0);
}

static void nor_does_it_pass_its_bake(void **state)
{
	struct fixture *x = *state;

	while (x->state.phase != POLICY_BAKE)
		tick(x, 1);
	x->f.backends = FINDING_SAYS_HOLD;
	strcpy(x->f.backends_why, "v2 has no backend for new flows");
	assert_int_equal(tick(x, 1), POLICY_HOLD);
	assert_int_equal(until(x, 1000), POLICY_NONE);
	assert_true(x->state.status != POLICY_PROMOTED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_reported_canary_is_held),
		TEST(or_it_is_rolled_back),
		TEST(a_bad_canary_that_is_held_goes_all_the_same),
		TEST(no_bake_and_no_gate_passes_it),
		TEST(a_breaker_that_tripped_is_a_failure),
		TEST(a_canary_without_backends_is_held),
		TEST(for_too_long_it_has_failed),
		TEST(nor_does_it_pass_its_bake),
	};

	return cmocka_run_group_tests_name("policy_alert", tests, NULL, NULL);
}

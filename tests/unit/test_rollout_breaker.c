/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A breaker that tripped in the kernel: the rollout ends, or holds, with that reason, also where no daemon saw it trip.
 * And a canary whose backends are all out.
 */
#include "user/rollout.h"

#include <errno.h>

#include "tests/unit/rollout_fixture.h"

static void trip(struct world *w)
{
	w->breaker.tripped_kind = CANARY_COUNTER_refused;
	w->breaker.tripped_version = V2;
	w->breaker.tripped_attempts = 12;
	w->breaker.tripped_failures = 10;
	w->breaker.tripped_window_ns = 2500000000;
	w->breaker.tripped = kernel(w)->generation;
}

static void assert_counts(struct world *w)
{
	struct journal_decisions list = {};

	assert_int_equal(journal_decisions_load(w->disk->journal, 1, 100, &list), 0);
	assert_non_null(strstr(list.items[list.count - 1].counts, "\"attempts\":12"));
	assert_non_null(strstr(list.items[list.count - 1].counts, "\"failed\":10"));
	journal_decisions_clear(&list);
}

static void is_set_by_the_configuration(void **state)
{
	struct world *w = *state;

	assert_true(w->breaker.slot_ns == 5000000000 && w->breaker.min_failures == 10 && w->breaker.ratio_ppm == 500000);
}

static void rolls_back_within_a_tick(void **state)
{
	struct world *w = *state;

	start(w);
	trip(w);
	assert_true(rollout_view(w->rollout).tripped);
	assert_int_equal(second(w, 0), 1);
	assert_int_equal(status(w), POLICY_ROLLED_BACK);
	assert_string_equal(rollout_view(w->rollout).reason,
			    "the kernel's breaker tripped: 10 of 12 attempts failed within 2.5 s, the last: refused");
	assert_last_decision(w, "roll_back");
	assert_counts(w);
	assert_baseline_alone(w, V1);
}

/* One that nobody watched: the daemon that starts again finds it. */
static void is_found_at_the_start(void **state)
{
	struct world *w = *state;

	start(w);
	w->rollout = rollout_close(w->rollout);
	trip(w);
	reopen(w->disk);
	open_rollout_at(w, BOOT);
	assert_int_equal(second(w, 0), 1);
	assert_last_decision(w, "roll_back");
	assert_baseline_alone(w, V1);
}

/* The trip is the old canary's: the next one begins with a whole breaker. */
static void is_of_one_rollout(void **state)
{
	struct world *w = *state;

	start(w);
	trip(w);
	assert_int_equal(second(w, 0), 1);
	start(w);
	assert_false(rollout_view(w->rollout).tripped);
	assert_int_equal(second(w, 0), 0);
	assert_int_equal(status(w), POLICY_RUNNING);
}

static void holds_where_the_plan_says_so(void **state)
{
	struct world *w = *state;
	char *error = NULL;

	w->config->services[0].rollout.on_fail = CONFIG_ON_FAIL_HOLD;
	start(w);
	assert_int_equal(rollout_reset_breaker(w->rollout, w->now, &error), -EINVAL);
	assert_non_null(strstr(error, "has not tripped"));
	free(error);
	trip(w);
	assert_int_equal(second(w, 0), 1);
	assert_int_equal(status(w), POLICY_HELD);
	assert_int_equal(second(w, 0), 0);
	assert_int_equal(rollout_operate(w->rollout, ROLLOUT_RESUME, w->now, NULL), 0);
	assert_int_equal(second(w, 0), 1); /* the kernel still keeps the canary out */
	assert_int_equal(status(w), POLICY_HELD);
	assert_int_equal(rollout_reset_breaker(w->rollout, w->now, NULL), 0);
	assert_last_decision(w, "note");
	assert_int_equal(w->breaker.tripped, 0);
	assert_int_equal(rollout_operate(w->rollout, ROLLOUT_RESUME, w->now, NULL), 0);
	assert_true(second(w, 0) >= 0);
	assert_int_equal(status(w), POLICY_RUNNING);
}

#define IN_WORLD(test) cmocka_unit_test_setup_teardown(test, set_up_world, tear_down_world)

/* Neither the plan nor an operator promotes it; with its backends back the rollout goes on. */
static void without_backends_it_is_held(void **state)
{
	struct world *w = *state;
	char *error = NULL;

	start(w);
	rollout_set_backends(w->rollout, FINDING_SAYS_HOLD, "v2 has no backend for new flows");
	assert_int_equal(second(w, 0), 1);
	assert_int_equal(status(w), POLICY_HELD);
	assert_last_decision(w, "hold");
	assert_int_equal(rollout_operate(w->rollout, ROLLOUT_PROMOTE, w->now, &error), -EBUSY);
	assert_string_equal(error, "v2 is not to be promoted: v2 has no backend for new flows");
	free(error);
	rollout_set_backends(w->rollout, FINDING_SAYS_NOTHING, "");
	assert_int_equal(second(w, 0), 1);
	assert_int_equal(status(w), POLICY_RUNNING);
	rollout_set_backends(w->rollout, FINDING_SAYS_FAIL, "v2 has no backend for new flows for too long");
	assert_int_equal(second(w, 0), 1);
	assert_last_decision(w, "roll_back");
	assert_baseline_alone(w, V1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_WORLD(is_set_by_the_configuration), IN_WORLD(rolls_back_within_a_tick),
		IN_WORLD(is_found_at_the_start),       IN_WORLD(is_of_one_rollout),
		IN_WORLD(holds_where_the_plan_says_so),
		IN_WORLD(without_backends_it_is_held),
	};

	return cmocka_run_group_tests_name("rollout_breaker", tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whether a plan can decide is known when the traffic is, and says what could where it cannot. */
#include <errno.h>

#include "tests/unit/rollout_fixture.h"

#define IN_WORLD(test) cmocka_unit_test_setup_teardown(test, set_up_world, tear_down_world)

/* So many seconds of traffic at so many requests a second, before a rollout. */
static void seconds(struct world *w, unsigned n, unsigned rate)
{
	for (unsigned i = 0; i < n; i++) {
		w->now += 1;
		w->sample = (struct sample){ .elapsed_ns = 1000000000 };
		w->sample.baseline.attempts = rate;
		assert_int_equal(rollout_tick(w->rollout, &w->sample, w->now, NULL), 0);
	}
}

static void unknown_until_there_was_some(void **state)
{
	struct world *w = *state;
	struct plan_refusal refusal;
	struct plan_traffic traffic;
	double watched_s;

	assert_int_equal(rollout_check_plan(w->rollout, &refusal), 1);
	seconds(w, 60, 0);
	assert_int_equal(rollout_check_plan(w->rollout, &refusal), 1);
	seconds(w, 4, 10);
	assert_int_equal(rollout_check_plan(w->rollout, &refusal), 1);
	assert_false(rollout_traffic(w->rollout, &traffic, &watched_s));
	assert_true(watched_s == 4);
	seconds(w, 1, 10);
	assert_int_equal(rollout_check_plan(w->rollout, &refusal), -EDOM);
	assert_true(rollout_traffic(w->rollout, &traffic, &watched_s));
	assert_true(traffic.rate == 10 && traffic.error_share == 0 && traffic.phi == 1 && traffic.samples == 0);
	seconds(w, 100, 0);
	assert_int_equal(rollout_check_plan(w->rollout, &refusal), 1);
}

static const char *unknown(struct world *w)
{
	static char buf[128];

	rollout_print_unknown(w->rollout, buf, sizeof(buf));
	return buf;
}

/* A daemon that has just begun does not say of a busy service that it has no traffic. */
static void says_why_it_is_unknown(void **state)
{
	struct world *w = *state;

	assert_string_equal(unknown(w), "canaryd has been measuring for 0 s, and the service had no request meanwhile");
	seconds(w, 3, 0);
	assert_string_equal(unknown(w), "canaryd has been measuring for 3 s, and the service had no request meanwhile");
	seconds(w, 2, 10);
	assert_string_equal(unknown(w), "canaryd has measured the service's traffic for 2 s only (it takes 5 s of it)");
	seconds(w, 100, 0);
	assert_string_equal(unknown(w), "the service had no request in the last minute");
}

static void refused_with_what_could(void **state)
{
	struct world *w = *state;
	struct plan_refusal refusal;

	seconds(w, 30, 10);
	assert_int_equal(rollout_check_plan(w->rollout, &refusal), -EDOM);
	assert_non_null(strstr(refusal.what, "step 1 of 2, 10 %, cannot decide: at 10 requests/s, 0 % of them failed"));
	assert_non_null(strstr(refusal.mend, "raise its max_s to 1500"));
	w->config->services[0].rollout.steps[0].max_s = 1500;
	assert_int_equal(rollout_check_plan(w->rollout, &refusal), -EDOM);
	assert_non_null(strstr(refusal.what, "step 2 of 2, 100 %"));
	w->config->services[0].rollout.steps[1].max_s = 1500;
	assert_int_equal(rollout_check_plan(w->rollout, &refusal), 0);
}

static void more_traffic_can(void **state)
{
	struct world *w = *state;
	struct plan_refusal refusal;

	seconds(w, 60, 10);
	assert_int_equal(rollout_check_plan(w->rollout, &refusal), -EDOM);
	seconds(w, 3, 1000);
	assert_int_equal(rollout_check_plan(w->rollout, &refusal), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_WORLD(unknown_until_there_was_some),
		IN_WORLD(says_why_it_is_unknown),
		IN_WORLD(refused_with_what_could),
		IN_WORLD(more_traffic_can),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

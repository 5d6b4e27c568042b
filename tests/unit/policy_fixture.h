/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A rollout at its first step, and a finding with which any step may be left.
 */
#ifndef CANARYD_TESTS_POLICY_FIXTURE_H
#define CANARYD_TESTS_POLICY_FIXTURE_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "user/policy.h"

struct fixture {
	struct policy_plan plan;
	struct policy_state state;
	struct policy_decision d;
	struct finding f;
};

static inline struct finding good(void)
{
	struct finding f = { .n_slis = 2, .ln_bound = log(100), .ln_hold = log(5), .ln_bound_guard = log(1000) };

	strcpy(f.sli[FINDING_ERRORS].name, "errors");
	strcpy(f.sli[FINDING_LATENCY].name, "latency");
	for (unsigned i = 0; i < 2; i++) {
		f.sli[i].promotion = (struct finding_evidence){ log(40), log(20) };
		f.sli[i].baseline = f.sli[i].canary = 0.01;
		f.sli[i].time_to_verdict_s = 0;
	}
	f.ln_e_rollback = -1;
	strcpy(f.reason, "errors: all is well");
	return f;
}

static inline int set_up(void **state)
{
	struct fixture *x = calloc(1, sizeof(*x));

	x->plan = policy_default_plan();
	x->f = good();
	assert_int_equal(policy_start(&x->plan, &x->state, &x->d), 0);
	*state = x;
	return 0;
}

static inline int tear_down(void **state)
{
	free(*state);
	return 0;
}

static inline enum policy_kind tick(struct fixture *x, double elapsed_s)
{
	policy_tick(&x->plan, &x->state, &x->f, elapsed_s, &x->d);
	if (x->d.kind != POLICY_NONE) {
		assert_true(strlen(x->d.reason) > 0);
		assert_string_equal(x->d.reason, x->state.reason);
		assert_true(x->d.weight_to == x->state.weight);
	}
	return x->d.kind;
}

/* Ticks of a second until something is decided. */
static inline enum policy_kind until(struct fixture *x, unsigned seconds)
{
	while (seconds-- > 0)
		if (tick(x, 1) != POLICY_NONE)
			break;
	return x->d.kind;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif

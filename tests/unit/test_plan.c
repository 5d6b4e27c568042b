/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a plan says it can tell apart, and when, against a judge that is fed such traffic. */
#include "user/plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "traffic.h"

#define ROLLOUTS 41

static const struct plan_traffic usual = { .rate = 1000, .error_share = 0.001, .p50_s = 0.02, .p95_s = 0.04552, .phi = 1 };

static struct judge_config config(void)
{
	struct judge_config c = judge_config_default();

	c.warmup_s = 0;
	return c;
}

/* The median of the seconds until the canary failed, or had the evidence to pass. */
static double median(struct traffic model, const struct judge_config *c, bool pass)
{
	struct sample *s = calloc(1, sizeof(*s));
	struct finding *f = calloc(1, sizeof(*f));
	double took[ROLLOUTS];

	for (unsigned i = 0; i < ROLLOUTS; i++) {
		struct traffic t = model;
		struct judge *j = judge_new(c);

		t.random = traffic(9000 + i).random;
		for (unsigned k = 0; k < 60; k++) {
			traffic_tick(&t, s);
			memset(&s->canary, 0, sizeof(s->canary));
			judge_history(j, s);
		}
		judge_rollout_begin(j);
		for (took[i] = 0; took[i] < 2000;) {
			traffic_tick(&t, s);
			judge_tick(j, s, f);
			took[i] += t.tick_s;
			if (pass ? f->sli[FINDING_ERRORS].promotion.ln_e >= f->sli[FINDING_ERRORS].promotion.ln_bound :
				   f->ln_e_rollback >= f->ln_bound)
				break;
		}
		judge_free(j);
	}
	qsort(took, ROLLOUTS, sizeof(took[0]), traffic_compare);
	free(s);
	free(f);
	return took[ROLLOUTS / 2];
}

static void near(double said, double seen)
{
	if (!(said > seen / 2 && said < seen * 2))
		fail_msg("%g s are said, %g s are seen", said, seen);
}

static void regressions_are_found_when_it_says(void **state)
{
	struct judge_config c = config();
	struct traffic t = traffic(1);

	(void)state;
	t.p_canary = 0.01;
	near(plan_seconds_to_find(&c, 0.05, &usual, 0.01), median(t, &c, false));
	t.share = 0.01;
	t.p_canary = 0.03;
	near(plan_seconds_to_find(&c, 0.01, &usual, 0.03), median(t, &c, false));
	t = traffic(1);
	t.latency = 1;
	t.slower = 1.25;
	t.rate = 400;
	t.share = 0.2;
	near(plan_seconds_to_find_slower(&c, 0.2, &(struct plan_traffic){ 400, 0.001, 0.02, 0.04552, 1 }, 1.25),
	     median(t, &c, false));
}

static void a_good_canary_passes_when_it_says(void **state)
{
	struct policy_step step = { .weight = 0.05, .max_s = 3600 };
	struct judge_config c = config();
	struct plan_traffic known = usual;
	struct traffic t = traffic(1);
	struct plan_forecast f;

	(void)state;
	known.p50_s = known.p95_s = NAN; /* of failures alone */
	f = plan_forecast(&c, &step, &known);
	assert_true(f.decides && !f.by_latency && isnan(f.needed_share) && isnan(f.smallest_slower));
	near(f.pass_s, median(t, &c, true));
	known.error_share = t.p_baseline = t.p_canary = 0.02;
	near(plan_forecast(&c, &step, &known).pass_s, median(t, &c, true));
}

static void the_smallest_is_found_just_within_the_limit(void **state)
{
	struct policy_step step = { .weight = 0.05, .max_s = 600 };
	struct judge_config c = config();
	struct plan_forecast f = plan_forecast(&c, &step, &usual);
	double found_s = plan_seconds_to_find(&c, 0.05, &usual, f.smallest_share);

	(void)state;
	assert_true(f.smallest_share > 0.001 && f.smallest_share < 0.01);
	assert_true(found_s <= 600 && found_s > 590);
	assert_true(f.smallest_slower > 1.1 && f.smallest_slower < 1.3);
	found_s = plan_seconds_to_find_slower(&c, 0.05, &usual, f.smallest_slower);
	assert_true(found_s <= 600 && found_s > 590);
}

static void what_would_settle_it_does(void **state)
{
	struct policy_step step = { .weight = 0.01, .max_s = 120 };
	struct judge_config c = config();
	struct plan_forecast f = plan_forecast(&c, &step, &usual);

	(void)state;
	assert_false(f.decides);
	assert_true(f.needed_share > 0.01 && f.needed_share < 0.1);
	step.weight = f.needed_share;
	assert_true(plan_forecast(&c, &step, &usual).decides);
	step = (struct policy_step){ .weight = 0.01, .max_s = ceil(f.pass_s) };
	assert_true(plan_forecast(&c, &step, &usual).decides);
}

static void noise_takes_longer(void **state)
{
	struct plan_traffic noisy = usual;
	struct judge_config c = config();

	(void)state;
	noisy.phi = 4;
	assert_true(fabs(plan_seconds_to_find(&c, 0.05, &noisy, 0.01) / plan_seconds_to_find(&c, 0.05, &usual, 0.01) - 4) < 1e-9);
}

static void the_ends_of_the_range(void **state)
{
	struct policy_step step = { .weight = 1, .max_s = 0 };
	struct plan_traffic none = { .rate = 0, .error_share = 0, .p50_s = NAN, .p95_s = NAN, .phi = 1 };
	struct judge_config c = config();
	struct plan_forecast f = plan_forecast(&c, &step, &none);

	(void)state;
	assert_true(!f.decides && isnan(f.pass_s) && isnan(f.needed_share) && isnan(f.smallest_share));
	none.rate = 1000;
	f = plan_forecast(&c, &step, &none); /* no baseline beside it: the floor alone */
	assert_true(f.decides && f.smallest_share > c.p0);
	assert_true(plan_seconds_to_find(&c, 0.05, &none, 1) < 1);
	assert_true(isnan(plan_seconds_to_find(&c, 0.05, &none, 0)));
	assert_true(isnan(plan_seconds_to_find_slower(&c, 0.05, &none, 2)));
	none.error_share = 1;
	assert_true(isnan(plan_seconds_to_find(&c, 0.05, &none, 1)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(regressions_are_found_when_it_says),
		cmocka_unit_test(a_good_canary_passes_when_it_says),
		cmocka_unit_test(the_smallest_is_found_just_within_the_limit),
		cmocka_unit_test(what_would_settle_it_does),
		cmocka_unit_test(noise_takes_longer),
		cmocka_unit_test(the_ends_of_the_range),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

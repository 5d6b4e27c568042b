/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a plan says it can tell apart, and when, against a judge that is fed such traffic. */
#include "user/plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "traffic.h"

#define ROLLOUTS 41

/* That of traffic.h: a log-normal latency with a sigma of 0.5. */
static struct plan_traffic usual(void)
{
	struct plan_traffic t = plan_traffic(1000);

	t.error_share = 0.001;
	plan_traffic_log_normal(&t, 0.02, 0.02 * exp(0.5 * 1.6448536));
	return t;
}

static struct plan_traffic without_latency(void)
{
	struct plan_traffic t = usual();

	t.samples = 0;
	return t;
}

static struct judge_config config(void)
{
	struct judge_config c = judge_config_default();

	c.warmup_s = 0;
	return c;
}

static bool passes(const struct finding *f, bool latency)
{
	const struct finding_sli *errors = &f->sli[FINDING_ERRORS], *slow = &f->sli[FINDING_LATENCY];

	return errors->promotion.ln_e >= errors->promotion.ln_bound &&
	       (!latency || slow->promotion.ln_e >= slow->promotion.ln_bound);
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
			if (pass ? passes(f, model.latency) : f->ln_e_rollback >= f->ln_bound)
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
	struct plan_traffic known = usual();
	struct judge_config c = config();
	struct traffic t = traffic(1);

	(void)state;
	t.p_canary = 0.01;
	near(plan_seconds_to_find(&c, 0.05, &known, 0.01), median(t, &c, false));
	t.share = 0.01;
	t.p_canary = 0.03;
	near(plan_seconds_to_find(&c, 0.01, &known, 0.03), median(t, &c, false));
	t = traffic(1);
	t.latency = 1;
	t.slower = 1.25;
	t.rate = known.rate = 400;
	t.share = 0.2;
	near(plan_seconds_to_find_slower(&c, 0.2, &known, 1.25), median(t, &c, false));
}

static void a_good_canary_passes_when_it_says(void **state)
{
	struct policy_step step = { .weight = 0.05, .max_s = 3600 };
	struct plan_traffic known = without_latency();
	struct judge_config c = config();
	struct traffic t = traffic(1);
	struct plan_forecast f;

	(void)state;
	f = plan_forecast(&c, &step, &known);
	assert_true(f.decides && !f.by_latency && isnan(f.needed_share) && isnan(f.smallest_slower));
	near(f.pass_s, median(t, &c, true));
	known.error_share = t.p_baseline = t.p_canary = 0.02;
	near(plan_forecast(&c, &step, &known).pass_s, median(t, &c, true));
}

static void so_it_does_where_latency_takes_longer(void **state)
{
	struct policy_step step = { .weight = 0.2, .max_s = 3600 };
	struct plan_traffic known = usual();
	struct judge_config c = config();
	struct traffic t = traffic(1);
	struct plan_forecast f;

	(void)state;
	t.latency = 1;
	t.share = 0.2;
	t.rate = known.rate = 200;
	f = plan_forecast(&c, &step, &known);
	assert_true(f.decides && !f.by_latency);
	near(f.pass_s, median(t, &c, true));
	c.p0 = 0.05;
	f = plan_forecast(&c, &step, &known);
	assert_true(f.decides && f.by_latency);
	near(f.pass_s, median(t, &c, true));
}

/* The forecast of a start comes from what the judge has seen, the one above from a formula. */
static void a_judge_past_says_the_same(void **state)
{
	struct policy_step step = { .weight = 0.2, .max_s = 3600 };
	struct plan_traffic known = usual(), seen = plan_traffic(1000);
	struct sample *s = calloc(1, sizeof(*s));
	struct judge_config c = config();
	struct judge *j = judge_new(&c);
	struct traffic t = traffic(5);
	double a, b;

	(void)state;
	t.latency = 1;
	for (unsigned k = 0; k < 60; k++) {
		traffic_tick(&t, s);
		judge_history(j, s);
	}
	plan_traffic_past(&seen, judge_baseline(j).past);
	seen.error_share = past_share(judge_baseline(j).past);
	assert_true(fabs(plan_traffic_quantile_s(&seen, 0.95) / plan_traffic_quantile_s(&known, 0.95) - 1) < 0.06);
	c.p0 = 0.05;
	a = plan_forecast(&c, &step, &known).pass_s;
	b = plan_forecast(&c, &step, &seen).pass_s;
	assert_true(a / b > 0.6 && a / b < 1.6);
	free(s);
	judge_free(j);
}

static void the_smallest_is_found_just_within_the_limit(void **state)
{
	struct policy_step step = { .weight = 0.05, .max_s = 600 };
	struct plan_traffic known = usual();
	struct judge_config c = config();
	struct plan_forecast f = plan_forecast(&c, &step, &known);
	double found_s = plan_seconds_to_find(&c, 0.05, &known, f.smallest_share);

	(void)state;
	assert_true(f.smallest_share > 0.001 && f.smallest_share < 0.01);
	assert_true(found_s <= 600 && found_s > 590);
	assert_true(f.smallest_slower > 1.1 && f.smallest_slower < 1.3);
	found_s = plan_seconds_to_find_slower(&c, 0.05, &known, f.smallest_slower);
	assert_true(found_s <= 600 && found_s > 580);
}

static void what_would_settle_it_does(void **state)
{
	struct policy_step step = { .weight = 0.01, .max_s = 120 };
	struct plan_traffic known = usual();
	struct judge_config c = config();
	struct plan_forecast f = plan_forecast(&c, &step, &known);

	(void)state;
	assert_false(f.decides);
	assert_true(f.needed_share > 0.01 && f.needed_share < 0.1);
	step.weight = f.needed_share;
	assert_true(plan_forecast(&c, &step, &known).decides);
	step = (struct policy_step){ .weight = 0.01, .max_s = ceil(f.pass_s) };
	assert_true(plan_forecast(&c, &step, &known).decides);
	step.max_s = 0;
	assert_true(plan_forecast(&c, &step, &known).decides); /* some day */
}

static void a_plan_is_refused_by_its_first_such_step(void **state)
{
	struct policy_plan plan = { .n_steps = 3, .step = { { .weight = 0.5, .max_s = 600 }, { .weight = 0.51, .max_s = 1 },
							    { .weight = 1, .max_s = 1 } } };
	struct plan_traffic known = without_latency();
	struct judge_config c = config();
	struct plan_refusal refusal;

	(void)state;
	assert_int_equal(plan_undecided(&plan, &c, &known), 1);
	refusal = plan_refuse(&plan, &c, &known, 1);
	assert_string_equal(refusal.what, "step 2 of 3, 51 %, cannot decide: at 1000 requests/s, 0.1 % of them failed, a "
					  "verdict on failures takes about 5.8 s, and its max_s is 1 s");
	assert_string_equal(refusal.mend, "raise its max_s to 5.8");
	known.rate = 10;
	plan.step[0] = (struct policy_step){ .weight = 0.05, .max_s = 4000 };
	assert_int_equal(plan_undecided(&plan, &c, &known), 0);
	refusal = plan_refuse(&plan, &c, &known, 0);
	assert_non_null(strstr(refusal.what, "step 1 of 3, 5 %, cannot decide: at 10 requests/s, 0.1 %"));
	assert_non_null(strstr(refusal.mend, "raise its weight to"));
	plan.step[0].max_s = plan.step[1].max_s = 1e6;
	assert_int_equal(plan_undecided(&plan, &c, &known), 2);
	plan.promote_never = true; /* what it ends with is not a decision */
	assert_int_equal(plan_undecided(&plan, &c, &known), 3);
	known.rate = 0;
	assert_int_equal(plan_undecided(&plan, &c, &known), 0);
	assert_non_null(strstr(plan_refuse(&plan, &c, &known, 0).mend, "more traffic"));
	c.dry_run_errors = true;
	assert_int_equal(plan_undecided(&plan, &c, &known), 3);
}

/* All of the slow ones beyond any margin: a canary like that cannot be told from one that is slower. */
static void a_latency_that_can_never_pass(void **state)
{
	struct policy_plan plan = { .n_steps = 1, .step = { { .weight = 0.5, .max_s = 600 } } };
	struct plan_traffic known = without_latency();
	struct judge_config c = config();
	struct plan_refusal refusal;

	(void)state;
	known.samples = 1e6;
	known.ttfb[histogram_bucket(0.001)] = 0.96;
	known.ttfb[histogram_bucket(0.2)] = 0.04;
	assert_int_equal(plan_undecided(&plan, &c, &known), 0);
	refusal = plan_refuse(&plan, &c, &known, 0);
	assert_non_null(strstr(refusal.what, "a verdict on latency has no end"));
	assert_non_null(strstr(refusal.mend, "delta_promotion"));
	known.samples = 50; /* two slow ones are no proof of that */
	plan.step[0].max_s = 3600;
	assert_int_equal(plan_undecided(&plan, &c, &known), 1);
	known.samples = 1e6;
	assert_int_equal(plan_undecided(&plan, &c, &known), 0);
	c.dry_run_latency = true;
	assert_int_equal(plan_undecided(&plan, &c, &known), 1);
}

static void noise_takes_longer(void **state)
{
	struct plan_traffic known = usual(), noisy = usual();
	struct judge_config c = config();
	double calm_s = plan_seconds_to_find_slower(&c, 0.05, &known, 1.2);

	(void)state;
	noisy.phi = 4;
	assert_true(fabs(plan_seconds_to_find(&c, 0.05, &noisy, 0.01) / plan_seconds_to_find(&c, 0.05, &known, 0.01) - 4) < 1e-9);
	for (unsigned i = 0; i < LATENCY_MARKS; i++)
		noisy.phi_latency[i] = 2;
	assert_true(fabs(plan_seconds_to_find_slower(&c, 0.05, &noisy, 1.2) / calm_s - 2) < 1e-9);
}

static void the_ends_of_the_range(void **state)
{
	struct policy_step step = { .weight = 1, .max_s = 0 };
	struct plan_traffic none = plan_traffic(0);
	struct judge_config c = config();
	struct plan_forecast f = plan_forecast(&c, &step, &none);

	(void)state;
	assert_true(!f.decides && isnan(f.pass_s) && isnan(f.needed_share) && isnan(f.smallest_share));
	assert_true(isnan(plan_traffic_quantile_s(&none, 0.5)));
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
		cmocka_unit_test(so_it_does_where_latency_takes_longer),
		cmocka_unit_test(a_judge_past_says_the_same),
		cmocka_unit_test(the_smallest_is_found_just_within_the_limit),
		cmocka_unit_test(what_would_settle_it_does),
		cmocka_unit_test(a_plan_is_refused_by_its_first_such_step),
		cmocka_unit_test(a_latency_that_can_never_pass),
		cmocka_unit_test(noise_takes_longer),
		cmocka_unit_test(the_ends_of_the_range),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the judge promises as a whole, by simulation with fixed seeds: no more false rollbacks than α, and how soon a
 * true one comes.
 */
#include "traffic.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct judge *new_judge(double warmup_s)
{
	struct judge_config config = judge_config_default();

	config.warmup_s = warmup_s;
	return judge_new(&config);
}

/* Rollbacks among `rollouts` rollouts of `seconds` each. */
static unsigned false_rollbacks(struct traffic model, unsigned rollouts, double seconds, struct finding *f)
{
	unsigned n = 0;

	for (unsigned i = 0; i < rollouts; i++) {
		struct traffic t = model;
		struct judge *j = new_judge(0);

		t.random = traffic(1000 + i).random;
		n += !isnan(traffic_until_failed(&t, j, f, seconds));
		judge_free(j);
	}
	return n;
}

/* The median delay in seconds of `rollouts` bad rollouts. */
static double median_delay(struct traffic model, unsigned rollouts, double warmup_s, struct finding *f)
{
	double *delay = calloc(rollouts, sizeof(*delay)), median;

	for (unsigned i = 0; i < rollouts; i++) {
		struct traffic t = model;
		struct judge *j = new_judge(warmup_s);

		t.random = traffic(2000 + i).random;
		delay[i] = traffic_until_failed(&t, j, f, 600);
		assert_false(isnan(delay[i]));
		judge_free(j);
	}
	qsort(delay, rollouts, sizeof(*delay), traffic_compare);
	median = delay[rollouts / 2];
	free(delay);
	return median;
}

static void a_canary_that_is_no_worse_stays(void **state)
{
	struct finding *f = *state;
	struct traffic t = traffic(1);

	t.p_baseline = t.p_canary = 0.01;
	assert_true(false_rollbacks(t, 300, 300, f) <= 3);
}

static void nor_at_ticks_ten_times_as_fast(void **state)
{
	struct finding *f = *state;
	struct traffic t = traffic(1);

	t.p_baseline = t.p_canary = 0.01;
	t.tick_s = 0.1;
	assert_true(false_rollbacks(t, 100, 60, f) <= 1);
}

static void nor_where_failures_are_rare_and_traffic_thin(void **state)
{
	struct finding *f = *state;
	struct traffic t = traffic(1);

	t.rate = 5;
	t.share = 0.5;
	t.tick_s = 0.25;
	t.p_baseline = t.p_canary = 0.02;
	assert_true(false_rollbacks(t, 200, 300, f) <= 2);
}

static void one_that_is_as_fast_stays(void **state)
{
	struct finding *f = *state;
	struct traffic t = traffic(1);

	t.latency = 1;
	t.rate = 200;
	t.share = 0.2;
	assert_int_equal(false_rollbacks(t, 20, 300, f), 0);
}

static void from_0_1_to_5_percent_within_3_s(void **state)
{
	struct finding *f = *state;
	struct traffic t = traffic(1);

	t.p_canary = 0.05;
	assert_true(median_delay(t, 101, 0, f) <= 3);
	assert_int_equal(f->loudest, FINDING_ERRORS);
	t.tick_s = 0.25;
	assert_true(median_delay(t, 101, 0, f) <= 3);
}

static void from_0_1_to_1_percent_within_20_s(void **state)
{
	struct finding *f = *state;
	struct traffic t = traffic(1);

	t.p_canary = 0.01;
	assert_true(median_delay(t, 101, 0, f) <= 20);
}

static void a_dead_canary_within_2_ticks(void **state)
{
	struct finding *f = *state;
	struct traffic t = traffic(1);

	t.p_canary = 1;
	t.share = 0.01;
	assert_true(median_delay(t, 51, 0, f) <= 2);
	assert_false(f->guard_fired);
	assert_true(median_delay(t, 51, 60, f) <= 2); /* in the warm-up: by the guard */
	assert_true(f->guard_fired);
}

static void a_p95_20_percent_up_within_90_s(void **state)
{
	struct finding *f = *state;
	struct traffic t = traffic(1);

	t.latency = 1;
	t.slower = 1.2;
	assert_true(median_delay(t, 11, 0, f) <= 90);
	assert_int_equal(f->loudest, FINDING_LATENCY);
}

static void a_late_onset_is_not_drowned(void **state)
{
	struct finding *f = *state;
	double delay[51];

	for (unsigned i = 0; i < 51; i++) {
		struct traffic t = traffic(3000 + i);
		struct judge *j = new_judge(0);

		assert_true(isnan(traffic_until_failed(&t, j, f, 600)));
		t.p_canary = 0.01;
		delay[i] = traffic_until_failed(&t, j, f, 600);
		assert_false(isnan(delay[i]));
		judge_free(j);
	}
	qsort(delay, 51, sizeof(delay[0]), traffic_compare);
	assert_true(delay[25] <= 45);
}

/* Bursts of one backend alone, which the canary's has as well: 5 % for 20 s, about every 5 minutes. */
static void burst(struct traffic *t, struct sample_version *v, double *until_s, double now_s)
{
	for (unsigned i = 0; i < v->n_backends; i++) {
		struct sample_backend *b = &v->backend[i];

		if (traffic_uniform(t) < t->tick_s / 300)
			until_s[i] = now_s + 20;
		if (now_s >= until_s[i])
			continue;
		v->failed -= b->failed;
		b->failed += traffic_failures(t, b->attempts - b->failed, 0.05);
		v->failed += b->failed;
	}
}

static void bursts_known_from_the_baseline_are_no_evidence(void **state)
{
	struct finding *f = *state;
	struct sample *s = calloc(1, sizeof(*s));

	for (unsigned i = 0; i < 20; i++) {
		struct traffic t = traffic(4000 + i);
		struct judge *j = new_judge(0);
		double baseline_s[8] = { 0 }, canary_s[8] = { 0 };

		t.p_baseline = t.p_canary = 0.01;
		t.backends = 4;
		for (unsigned second = 0; second < 1800; second++) {
			traffic_tick(&t, s);
			burst(&t, &s->baseline, baseline_s, second);
			burst(&t, &s->canary, canary_s, second);
			if (second < 1200) {
				judge_history(j, s);
				continue;
			}
			judge_tick(j, s, f);
			assert_true(f->ln_e_rollback < f->ln_bound);
		}
		assert_true(f->noise > 5);
		judge_free(j);
	}
	free(s);
}

/* Every now and then a stall makes a third of the requests under way slow, on either version alike. */
static void stall(struct traffic *t, struct sample_version *v)
{
	if (traffic_uniform(t) > t->tick_s / 20)
		return;
	for (unsigned i = 0; i < histogram_bucket(0.1); i++) {
		uint64_t slow = v->ttfb.bucket[i] / 3;

		v->ttfb.bucket[i] -= slow;
		v->ttfb.bucket[histogram_bucket(0.2)] += slow;
	}
}

static void stalls_that_both_have_are_no_evidence(void **state)
{
	struct finding *f = *state;
	struct sample *s = calloc(1, sizeof(*s));

	for (unsigned i = 0; i < 10; i++) {
		struct traffic t = traffic(5000 + i);
		struct judge *j = new_judge(0);

		t.latency = 1;
		t.rate = 200;
		t.share = 0.2;
		for (unsigned second = 0; second < 700; second++) {
			traffic_tick(&t, s);
			stall(&t, &s->baseline);
			stall(&t, &s->canary);
			if (second < 300) {
				judge_history(j, s);
				continue;
			}
			judge_tick(j, s, f);
			assert_true(f->ln_e_rollback < f->ln_bound);
		}
		judge_free(j);
	}
	free(s);
}

static int set_up(void **state)
{
	*state = calloc(1, sizeof(struct finding));
	return *state ? 0 : -1;
}

static int tear_down(void **state)
{
	free(*state);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_canary_that_is_no_worse_stays),
		cmocka_unit_test(nor_at_ticks_ten_times_as_fast),
		cmocka_unit_test(nor_where_failures_are_rare_and_traffic_thin),
		cmocka_unit_test(one_that_is_as_fast_stays),
		cmocka_unit_test(from_0_1_to_5_percent_within_3_s),
		cmocka_unit_test(from_0_1_to_1_percent_within_20_s),
		cmocka_unit_test(a_dead_canary_within_2_ticks),
		cmocka_unit_test(a_p95_20_percent_up_within_90_s),
		cmocka_unit_test(a_late_onset_is_not_drowned),
		cmocka_unit_test(bursts_known_from_the_baseline_are_no_evidence),
		cmocka_unit_test(stalls_that_both_have_are_no_evidence),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SLIs beyond the packet, in the judge: counts as evidence, gauges against bounds, and what cannot be measured. */
#include "judge_fixture.h"

#include <math.h>

#define FIRST (FINDING_SLIS - FINDING_EXTERNALS)

static struct judge_external *add(struct fixture *x, const char *name, enum judge_external_kind kind)
{
	struct judge_external *spec = &x->config.external[x->config.n_externals++];

	*spec = (struct judge_external){ .kind = kind, .unit = FINDING_NUMBER, .margin = 1.25, .p0 = 0.001, .max = NAN,
					 .min = NAN, .max_ratio = NAN, .min_ratio = NAN };
	strcpy(spec->name, name);
	return spec;
}

static struct judge_external *add_count(struct fixture *x, const char *name)
{
	struct judge_external *spec = add(x, name, JUDGE_COUNT);

	spec->weight = 0.2;
	x->config.weight_errors = 0.5;
	x->config.weight_latency = 0.3;
	return spec;
}

/* A second of sound traffic, with this look at the first SLI from outside. */
static const struct finding_sli *look(struct fixture *x, struct sample_external look)
{
	traffic_tick(&x->traffic, x->sample);
	x->sample->external[0] = look;
	judge_tick(x->j, x->sample, x->f);
	return &x->f->sli[FIRST];
}

static struct sample_external counted(uint64_t canary_y)
{
	return (struct sample_external){ .state = FINDING_STATE_OK, .fresh = true, .baseline_n = 950, .baseline_y = 9,
					 .canary_n = 50, .canary_y = canary_y };
}

static struct sample_external measured(double canary, double baseline)
{
	return (struct sample_external){ .state = FINDING_STATE_OK, .fresh = true, .canary = canary, .baseline = baseline };
}

static struct sample_external failed(enum finding_state state, const char *said)
{
	struct sample_external look = { .fresh = true, .state = state, .canary = NAN, .baseline = NAN };

	snprintf(look.said, sizeof(look.said), "%s", said);
	return look;
}

static void test_weights_add_up(void **state)
{
	struct fixture *x = *state;
	char reason[FINDING_REASON];

	assert_int_equal(judge_config_check(&x->config, reason), 0);
	add_count(x, "orders");
	assert_int_equal(judge_config_check(&x->config, reason), 0);
	x->config.external[0].weight = 0.3;
	assert_true(judge_config_check(&x->config, reason) < 0);
	assert_non_null(strstr(reason, "1.1"));
}

static void test_a_bad_count_is_evidence(void **state)
{
	struct fixture *x = *state;
	const struct finding_sli *sli = NULL;

	add_count(x, "orders");
	configure(x);
	for (unsigned i = 0; i < 200 && x->f->ln_e_rollback < log(100); i++)
		sli = look(x, counted(5));
	assert_true(x->f->ln_e_rollback >= x->f->ln_bound);
	assert_int_equal(x->f->loudest, FIRST);
	assert_int_equal(sli->verdict, FINDING_FAIL);
	assert_non_null(strstr(x->f->reason, "orders"));
	assert_int_equal(x->f->says, FINDING_SAYS_NOTHING);
}

static void test_a_good_count_is_none(void **state)
{
	struct fixture *x = *state;
	const struct finding_sli *sli = NULL;

	add_count(x, "orders");
	configure(x);
	for (unsigned i = 0; i < 400; i++)
		sli = look(x, counted(i % 2));
	assert_true(x->f->ln_e_rollback < x->f->ln_hold);
	assert_int_equal(sli->counts.canary_attempts, 400 * 50);
	assert_true(sli->unasked);
}

/* Its evidence is shown as if all of α were its own, and adds nothing. */
static void test_a_dry_run_has_no_say(void **state)
{
	struct fixture *x = *state;
	const struct finding_sli *sli = NULL;

	add_count(x, "orders");
	x->config.external[0].dry_run = true;
	x->config.external[0].weight = 0;
	x->config.weight_errors = 0.7;
	configure(x);
	for (unsigned i = 0; i < 200; i++)
		sli = look(x, counted(5));
	assert_int_equal(sli->verdict, FINDING_FAIL);
	assert_true(x->f->ln_e_rollback < x->f->ln_hold);
	assert_int_equal(x->f->says, FINDING_SAYS_NOTHING);
}

static void test_mute_freezes(void **state)
{
	struct fixture *x = *state;
	double before;

	add_count(x, "orders");
	configure(x);
	for (unsigned i = 0; i < 5; i++)
		look(x, counted(2));
	before = x->f->sli[FIRST].rollback.ln_e;
	for (unsigned i = 0; i < 100; i++) {
		traffic_tick(&x->traffic, x->sample);
		x->sample->external[0] = counted(50);
		x->sample->muted[FIRST] = true;
		judge_tick(x->j, x->sample, x->f);
	}
	assert_true(x->f->sli[FIRST].muted);
	assert_true(x->f->sli[FIRST].rollback.ln_e < before + 1);
	assert_true(x->f->ln_e_rollback < x->f->ln_hold);
	assert_int_equal(x->f->says, FINDING_SAYS_NOTHING);
}

static void test_muted_failures(void **state)
{
	struct fixture *x = *state;

	for (unsigned i = 0; i < 100; i++) {
		traffic_tick(&x->traffic, x->sample);
		x->sample->canary.failed = x->sample->canary.attempts;
		for (unsigned b = 0; b < x->sample->canary.n_backends; b++)
			x->sample->canary.backend[b].failed = x->sample->canary.backend[b].attempts;
		x->sample->muted[FINDING_ERRORS] = true;
		judge_tick(x->j, x->sample, x->f);
	}
	assert_true(x->f->ln_e_rollback < x->f->ln_hold);
	assert_false(x->f->guard_fired || x->f->burn_blocks || x->f->burn_pages);
	assert_true(x->f->sli[FINDING_ERRORS].unasked);
	assert_true(x->f->sli[FINDING_ERRORS].canary > 0.9);
}

static void test_nobody_left_to_ask(void **state)
{
	struct fixture *x = *state;

	traffic_tick(&x->traffic, x->sample);
	x->sample->muted[FINDING_ERRORS] = x->sample->muted[FINDING_LATENCY] = true;
	judge_tick(x->j, x->sample, x->f);
	assert_int_equal(x->f->says, FINDING_SAYS_WAIT);
}

/* A service of which no packet tells how long an answer took has one SLI, and that one is muted. */
static void test_what_nobody_measures_has_no_say(void **state)
{
	struct fixture *x = *state;

	for (unsigned i = 0; i < 10; i++) {
		traffic_tick(&x->traffic, x->sample);
		memset(&x->sample->baseline.ttfb, 0, sizeof(x->sample->baseline.ttfb));
		memset(&x->sample->canary.ttfb, 0, sizeof(x->sample->canary.ttfb));
		x->sample->muted[FINDING_ERRORS] = i > 0;
		judge_tick(x->j, x->sample, x->f);
		assert_int_equal(x->f->says, i > 0 ? FINDING_SAYS_WAIT : FINDING_SAYS_NOTHING);
	}
	assert_non_null(strstr(x->f->sli[FINDING_ERRORS].said, "not measured"));
}

static void test_a_gauge_holds_or_fails(void **state)
{
	struct fixture *x = *state;
	struct judge_external *spec = add(x, "cpu", JUDGE_GAUGE);
	const struct finding_sli *sli = NULL;

	spec->max = 0.9;
	spec->for_s = 10;
	for (unsigned critical = 0; critical < 2; critical++) {
		spec->critical = critical;
		configure(x);
		for (unsigned i = 0; i < 10; i++) {
			sli = look(x, measured(0.95, 0.2));
			assert_int_equal(x->f->says, FINDING_SAYS_WAIT);
			assert_int_equal(sli->verdict, FINDING_INCONCLUSIVE);
		}
		sli = look(x, measured(0.95, 0.2));
		assert_int_equal(x->f->says, critical ? FINDING_SAYS_FAIL : FINDING_SAYS_HOLD);
		assert_int_equal(sli->verdict, FINDING_FAIL);
		assert_non_null(strstr(x->f->reason, "cpu: canary 0.95, above its bound of 0.9"));
		assert_true(isnan(sli->rollback.ln_e) && !isnan(x->f->ln_e_rollback));
		sli = look(x, measured(0.1, 0.2));
		assert_int_equal(x->f->says, FINDING_SAYS_NOTHING);
		assert_int_equal(sli->verdict, FINDING_PASS);
	}
}

/* However critical: what it finds is shown, and neither holds nor rolls back; nor does what it cannot find. */
static void test_a_gauge_without_a_say(void **state)
{
	struct fixture *x = *state;
	struct judge_external *spec = add(x, "cpu", JUDGE_GAUGE);
	const struct finding_sli *sli = NULL;

	spec->max = 0.9;
	spec->critical = true;
	for (unsigned muted = 0; muted < 2; muted++) {
		spec->dry_run = !muted;
		configure(x);
		x->sample->muted[FIRST] = muted;
		for (unsigned i = 0; i < 20; i++) {
			sli = look(x, measured(2, 0.2));
			assert_int_equal(x->f->says, FINDING_SAYS_NOTHING);
		}
		assert_int_equal(sli->muted, muted);
		if (!muted)
			assert_true(sli->canary == 2 && sli->verdict == FINDING_FAIL);
		for (unsigned i = 0; i < 5; i++)
			look(x, failed(FINDING_STATE_TIMEOUT, "no answer"));
		assert_int_equal(x->f->says, FINDING_SAYS_NOTHING);
	}
}

static unsigned seconds_until_rolled_back(struct fixture *x, double weight)
{
	struct judge_external *spec = &x->config.external[0];
	unsigned seconds = 0;
	const struct finding_sli *sli;

	spec->weight = weight;
	x->config.weight_errors = 0.7 - weight;
	configure(x);
	do {
		sli = look(x, counted(5));
		assert_true(++seconds < 1000);
	} while (x->f->ln_e_rollback < x->f->ln_bound);
	assert_true(fabs(sli->rollback.ln_bound - (x->f->ln_bound - log(weight))) < 1e-9); /* its share of α */
	return seconds;
}

/* A larger share of α decides sooner. */
static void test_a_weight_is_a_share(void **state)
{
	struct fixture *x = *state;
	unsigned little;

	add_count(x, "orders");
	little = seconds_until_rolled_back(x, 0.001);
	assert_true(seconds_until_rolled_back(x, 0.6) < little);
}

static void test_a_gauge_waits_for_the_warmup(void **state)
{
	struct fixture *x = *state;
	struct judge_external *spec = add(x, "cpu", JUDGE_GAUGE);

	spec->max = 0.9;
	x->config.warmup_s = 30;
	configure(x);
	for (unsigned i = 0; i < 20; i++)
		look(x, measured(2, 0.2));
	assert_int_equal(x->f->data, FINDING_DATA_WARMUP);
	assert_int_equal(x->f->says, FINDING_SAYS_NOTHING);
	spec->in_warmup = true;
	configure(x);
	look(x, measured(2, 0.2));
	assert_int_equal(x->f->says, FINDING_SAYS_HOLD);
}

/* One look without a value keeps the rollout where it is, three in a row hold it, one with a value ends that. */
static void test_what_cannot_be_measured(void **state)
{
	struct fixture *x = *state;
	const struct finding_sli *sli;
	enum finding_say once;

	add_count(x, "orders");
	configure(x);
	for (int s = FINDING_STATE_NO_DATA; s <= FINDING_STATE_UNAVAILABLE; s++) {
		look(x, counted(0));
		assert_int_equal(x->f->says, FINDING_SAYS_NOTHING);
		sli = look(x, failed((enum finding_state)s, "the answer is odd (mend it)"));
		once = s == FINDING_STATE_BACKWARDS ? FINDING_SAYS_HOLD : FINDING_SAYS_WAIT; /* that one comes alone */
		assert_int_equal(x->f->says, once);
		assert_string_equal(sli->said, "the answer is odd (mend it)");
		assert_int_equal(sli->verdict, s == FINDING_STATE_NO_DATA ? FINDING_NO_DATA : FINDING_ERROR);
		x->sample->external[0].fresh = false;
		for (unsigned i = 0; i < 10; i++)
			judge_tick(x->j, x->sample, x->f);
		assert_int_equal(x->f->says, once);
		look(x, failed((enum finding_state)s, "odd"));
		look(x, failed((enum finding_state)s, "odd"));
		assert_int_equal(x->f->says, FINDING_SAYS_HOLD);
		assert_string_equal(x->f->sli[FIRST].said, "3 looks in a row without a value: odd");
		assert_non_null(strstr(x->f->reason, "orders: 3 looks"));
	}
	look(x, counted(0));
	assert_int_equal(x->f->says, FINDING_SAYS_NOTHING);
}

static void test_no_events_is_not_good(void **state)
{
	struct fixture *x = *state;

	add_count(x, "orders");
	configure(x);
	look(x, (struct sample_external){ .state = FINDING_STATE_OK, .fresh = true, .baseline_n = 100 });
	assert_int_equal(x->f->says, FINDING_SAYS_WAIT);
	assert_int_equal(x->f->sli[FIRST].verdict, FINDING_NO_DATA);
	look(x, (struct sample_external){ .state = FINDING_STATE_WAITING });
	assert_int_equal(x->f->says, FINDING_SAYS_WAIT);
}

static void test_skew(void **state)
{
	struct fixture *x = *state;
	struct judge_external *spec = add(x, "skew", JUDGE_SKEW);

	spec->max_ratio = 1.5;
	spec->min_ratio = 0.5;
	configure(x);
	x->traffic.share = 0.05;
	for (unsigned i = 0; i < 60; i++)
		tick(x, 50, 0, 950, 0);
	assert_int_equal(x->f->sli[FIRST].verdict, FINDING_PASS);
	assert_true(fabs(x->f->sli[FIRST].canary - 0.05) < 1e-9);
	assert_true(fabs(x->f->sli[FIRST].baseline - 0.05) < 1e-9);
	for (unsigned i = 0; i < 120; i++)
		tick(x, 10, 0, 990, 0);
	assert_int_equal(x->f->sli[FIRST].verdict, FINDING_FAIL);
	assert_int_equal(x->f->says, FINDING_SAYS_HOLD);
	configure(x);
	tick(x, 0, 0, 19, 0); /* so few are chance */
	assert_int_equal(x->f->says, FINDING_SAYS_NOTHING);
}

/* Saved and restored into a judge whose SLIs are others: what it knows it keeps. */
static void test_restore(void **state)
{
	struct fixture *x = *state;
	char *saved = malloc(judge_state_size());
	double before;

	add_count(x, "orders");
	configure(x);
	for (unsigned i = 0; i < 30; i++)
		look(x, counted(4));
	before = x->f->sli[FIRST].rollback.ln_e;
	judge_save(x->j, saved);
	x->config.external[1] = x->config.external[0];
	x->config.n_externals = 0;
	add(x, "cpu", JUDGE_GAUGE)->max = 1;
	x->config.n_externals = 2;
	configure(x);
	assert_int_equal(judge_restore(x->j, saved, judge_state_size()), 0);
	look(x, measured(0.5, 0.5));
	assert_true(fabs(x->f->sli[FIRST + 1].rollback.ln_e - before) < 0.1);
	assert_string_equal(x->f->sli[FIRST + 1].name, "orders");
	free(saved);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_weights_add_up),
		TEST(test_a_bad_count_is_evidence),
		TEST(test_a_good_count_is_none),
		TEST(test_a_dry_run_has_no_say),
		TEST(test_mute_freezes),
		TEST(test_muted_failures),
		TEST(test_nobody_left_to_ask),
		TEST(test_what_nobody_measures_has_no_say),
		TEST(test_a_gauge_holds_or_fails),
		TEST(test_a_gauge_without_a_say),
		TEST(test_a_weight_is_a_share),
		TEST(test_a_gauge_waits_for_the_warmup),
		TEST(test_what_cannot_be_measured),
		TEST(test_no_events_is_not_good),
		TEST(test_skew),
		TEST(test_restore),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

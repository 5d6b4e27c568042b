/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Replays decide what the daemon decides, at the same ticks. */
#include "user/replay.h"

#include <canaryd/api.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "traffic.h"
#include "user/policy_gates.h"

struct fixture {
	struct replay_options options;
	struct traffic traffic;
	struct record *record;
	struct replay *replay;
	struct replay_decision last; /* decision */
	unsigned decisions;
};

static int set_up(void **state)
{
	struct fixture *x = calloc(1, sizeof(*x));

	x->options.judge = judge_config_default();
	x->options.judge.warmup_s = 0;
	x->traffic = traffic(7);
	x->record = calloc(1, sizeof(*x->record));
	x->record->elapsed_s = NAN;
	x->record->rollout = RECORD_ROLLOUT_UNKNOWN;
	x->replay = replay_new(&x->options);
	*state = x;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *x = *state;

	assert_null(replay_free(x->replay));
	assert_null(replay_free(NULL));
	free(x->record);
	free(x);
	return 0;
}

static void configure(struct fixture *x)
{
	replay_free(x->replay);
	x->replay = replay_new(&x->options);
}

/* Seconds of traffic, with a canary or without. */
static void seconds(struct fixture *x, unsigned n, bool canary)
{
	struct replay_decision decisions[REPLAY_DECISIONS];

	while (n-- > 0) {
		unsigned made;

		traffic_tick(&x->traffic, &x->record->sample);
		x->record->t += x->traffic.tick_s;
		strcpy(x->record->baseline, "v1");
		strcpy(x->record->canary, canary ? "v2" : "");
		if (!canary) {
			memset(&x->record->sample.canary, 0, sizeof(x->record->sample.canary));
			x->record->sample.weight = 0;
		}
		made = replay_tick(x->replay, x->record, decisions);
		for (unsigned i = 0; i < made; i++, x->decisions++)
			x->last = decisions[i];
	}
}

static enum replay_outcome outcome(const struct fixture *x)
{
	char reason[FINDING_REASON];
	double t;

	return replay_outcome(x->replay, &t, reason);
}

static void a_good_canary_is_promotable(void **state)
{
	struct fixture *x = *state;

	seconds(x, 60, false);
	assert_int_equal(x->decisions, 0);
	assert_int_equal(outcome(x), REPLAY_UNDECIDED);
	seconds(x, 1, true);
	assert_int_equal(x->decisions, 1);
	assert_string_equal(x->last.name, API_DECISION_START);
	seconds(x, 300, true);
	assert_int_equal(x->decisions, 2);
	assert_string_equal(x->last.name, "promotable");
	assert_string_equal(x->last.state, API_STATE_RUNNING);
	assert_int_equal(outcome(x), REPLAY_PROMOTABLE);
	x->traffic.p_canary = 0.05; /* … until it is not */
	seconds(x, 60, true);
	assert_int_equal(outcome(x), REPLAY_ROLLED_BACK);
}

static void a_dead_one_is_rolled_back_in_its_first_tick(void **state)
{
	struct fixture *x = *state;
	char reason[FINDING_REASON];
	double t;

	x->traffic.p_canary = 1;
	seconds(x, 30, false);
	seconds(x, 1, true);
	assert_int_equal(x->decisions, 2);
	assert_string_equal(x->last.name, API_DECISION_ROLL_BACK);
	assert_int_equal(replay_outcome(x->replay, &t, reason), REPLAY_ROLLED_BACK);
	assert_true(t == 31);
	assert_string_equal(reason, x->last.decision.reason);
	seconds(x, 30, true);
	assert_int_equal(x->decisions, 2);
}

static void without_traffic_nothing_is_decided(void **state)
{
	struct fixture *x = *state;

	seconds(x, 1, true);
	x->traffic.share = 0;
	for (unsigned i = 0; i < 60; i++) {
		seconds(x, 1, true);
		x->record->sample.weight = 0.05;
	}
	assert_int_equal(outcome(x), REPLAY_UNDECIDED);
	assert_string_equal(x->last.name, API_DECISION_HOLD);
	assert_int_equal(replay_finding(x->replay)->data, FINDING_DATA_NO_DATA);
}

static void a_rise_of_the_weight_is_a_step(void **state)
{
	struct fixture *x = *state;

	seconds(x, 300, true);
	assert_int_equal(outcome(x), REPLAY_PROMOTABLE);
	x->traffic.share = 0.1;
	seconds(x, 1, true);
	assert_string_equal(x->last.name, API_DECISION_ADVANCE);
	assert_true(x->last.decision.weight_from == 0.05 && x->last.decision.weight_to == 0.1);
	assert_int_equal(outcome(x), REPLAY_UNDECIDED);
	seconds(x, 300, true);
	assert_int_equal(outcome(x), REPLAY_PROMOTABLE);
}

static void a_plan_is_gone_through(void **state)
{
	struct fixture *x = *state;

	x->options.plan = (struct policy_plan){ .n_steps = 2, .bake_s = 30,
						.step = { { .weight = 0.05, .min_s = 60, .max_s = 600 },
							  { .weight = 0.5, .min_s = 60, .max_s = 600 } } };
	configure(x);
	seconds(x, 900, true);
	assert_int_equal(outcome(x), REPLAY_PROMOTABLE);
	assert_string_equal(x->last.name, API_DECISION_PROMOTE);
	assert_string_equal(x->last.state, API_STATE_PROMOTED);
	x->traffic.p_canary = 1;
	seconds(x, 10, true); /* the rollout is over */
	assert_int_equal(outcome(x), REPLAY_PROMOTABLE);
}

static void a_record_says_where_its_rollouts_begin(void **state)
{
	struct fixture *x = *state;

	x->record->rollout = 3;
	x->traffic.p_canary = 1;
	seconds(x, 3, true);
	assert_int_equal(outcome(x), REPLAY_ROLLED_BACK);
	assert_int_equal(x->decisions, 2);
	x->record->rollout = RECORD_NO_ROLLOUT; /* flows that are open still fail */
	seconds(x, 3, true);
	assert_int_equal(x->decisions, 2);
	x->record->rollout = 4;
	x->traffic.p_canary = 0.001;
	seconds(x, 300, true);
	assert_int_equal(outcome(x), REPLAY_PROMOTABLE);
}

/* Into the buckets that many a metrics library has. */
static void coarsen(struct histogram *h)
{
	static const double edge_s[] = { 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10 };
	struct histogram coarse = { 0 };

	for (unsigned b = 0, e = 0; b < CANARY_HISTOGRAM_BUCKETS; b++) {
		while (e < 10 && histogram_upper_s(b) > edge_s[e])
			e++;
		coarse.bucket[histogram_bucket(edge_s[e])] += h->bucket[b];
	}
	*h = coarse;
}

static void buckets_too_wide_to_decide_by_are_named(void **state)
{
	struct fixture *x = *state;
	struct replay_decision decisions[REPLAY_DECISIONS];
	char reason[FINDING_REASON];
	double t;

	x->traffic.latency = 1;
	strcpy(x->record->baseline, "v1");
	strcpy(x->record->canary, "v2");
	for (unsigned i = 0; i < 300; i++) {
		traffic_tick(&x->traffic, &x->record->sample);
		coarsen(&x->record->sample.baseline.ttfb);
		coarsen(&x->record->sample.canary.ttfb);
		x->record->t += x->traffic.tick_s;
		replay_tick(x->replay, x->record, decisions);
	}
	assert_int_equal(replay_outcome(x->replay, &t, reason), REPLAY_UNDECIDED);
	assert_non_null(strstr(reason, "latency: no bucket of the record ends between"));
}

/* A hook that thinks about it, says no for a while, and then yes. */
static enum consent_verdict ask(const struct policy_decision *move, struct finding *f, void *context)
{
	unsigned *asked = context;

	(void)move;
	strcpy(f->gate, "tickets");
	strcpy(f->gate_why, *asked < 5 ? "is being asked" : "does not agree: \"CHG-7\"");
	return ++*asked > 40 ? CONSENT_AGREED : *asked > 5 ? CONSENT_REFUSED : CONSENT_ASKING;
}

/* What the daemon knows from elsewhere at tick i: the time of day, a blackout, an SLI beyond the packet. */
static void look_elsewhere(unsigned i, struct finding *f, struct sample_external *look)
{
	f->clock_step_s = i == 700 ? -7200 : 0;
	f->blackout = i >= 800 && i < 820;
	f->alert = i >= 830 && i < 840 ? FINDING_SAYS_HOLD : FINDING_SAYS_NOTHING;
	strcpy(f->alert_why, f->alert ? "security page from uid 0: it is open" : "");
	strcpy(f->blackout_until, f->blackout ? "2026-12-24T18:00" : "");
	*look = (struct sample_external){ .state = FINDING_STATE_OK, .fresh = i % 4 == 0, .baseline = 0.5,
					  .canary = i >= 1000 && i < 1060 ? 0.95 : 0.5 };
	if (i >= 1200 && i < 1240)
		*look = (struct sample_external){ .state = FINDING_STATE_TIMEOUT, .fresh = i % 4 == 0, .baseline = NAN,
						  .canary = NAN, .said = "no answer in 1 s" };
}

/* What user/rollout.c does with a tick, less journal and kernel. */
static bool as_the_daemon(struct judge *j, const struct policy_plan *plan, struct policy_state *policy,
			  struct finding *f, unsigned i, struct record *record, unsigned *asked, struct policy_decision *ret)
{
	look_elsewhere(i, f, &record->sample.external[0]);
	judge_tick(j, &record->sample, f);
	look_elsewhere(i, f, &record->sample.external[0]);
	policy_tick_asking(plan, policy, f, (double)record->sample.elapsed_ns / 1e9, ask, asked, ret);
	record->outside = record_outside(f);
	if (ret->kind == POLICY_START || ret->kind == POLICY_ADVANCE)
		judge_step_begin(j, 0);
	return ret->kind != POLICY_NONE;
}

/* Through text and back: a replay gets only what a file can hold. */
static void write_and_read(struct record *record, uint64_t elapsed_ns)
{
	char *text = NULL, error[RECORD_ERROR];
	size_t size;
	FILE *out = open_memstream(&text, &size);

	record->elapsed_s = (double)elapsed_ns / 1e9;
	record_print(record, out);
	fclose(out);
	assert_int_equal(record_parse(text, size - 1, record, error), 0);
	free(text);
}

/* The i-th quarter of a second; returns how long it was. */
static uint64_t make_tick(struct fixture *x, unsigned i, bool active, double share)
{
	x->traffic.share = share;
	x->traffic.p_canary = i < 2600 ? 0.001 : 0.02;
	traffic_tick(&x->traffic, &x->record->sample);
	if (!active)
		memset(&x->record->sample.canary, 0, sizeof(x->record->sample.canary));
	x->record->rollout = active ? 1 : RECORD_NO_ROLLOUT;
	x->record->t += 0.25;
	strcpy(x->record->baseline, "v1");
	strcpy(x->record->canary, active ? "v2" : "");
	return x->record->sample.elapsed_ns += i % 7 * 1001;
}

static void the_same_decisions_as_the_daemon_at_the_same_ticks(void **state)
{
	struct fixture *x = *state;
	struct replay_decision decisions[REPLAY_DECISIONS];
	struct finding *f = calloc(1, sizeof(*f));
	bool seen[POLICY_HELD_ALERT + 1] = { 0 };
	unsigned asked = 0;
	struct judge *j;
	struct policy_plan plan = { .n_steps = 2, .bake_s = 600,
				    .step = { { .weight = 0.1, .min_s = 60 }, { .weight = 0.5, .min_s = 60 } } };
	struct policy_state policy;
	struct policy_decision d;

	x->options.plan = plan;
	x->options.judge.n_externals = 1;
	x->options.judge.external[0] = (struct judge_external){ .name = "cpu", .kind = JUDGE_GAUGE, .max = 0.9, .min = NAN,
								.max_ratio = NAN, .min_ratio = NAN, .for_s = 5 };
	j = judge_new(&x->options.judge);
	configure(x);
	x->traffic.tick_s = 0.25;
	x->traffic.latency = 1;
	x->traffic.rate = 400;
	for (unsigned i = 0; i < 3000; i++) {
		bool active = i >= 400, decided;
		uint64_t elapsed_ns;
		unsigned n;

		elapsed_ns = make_tick(x, i, active, active && i > 400 ? policy.weight : 0.01);
		if (i == 400) {
			judge_rollout_begin(j);
			assert_int_equal(policy_start(&plan, &policy, &d), 0);
			judge_step_begin(j, 0);
		}
		if (!active)
			judge_history(j, &x->record->sample);
		decided = active && policy.phase != POLICY_ENDED &&
			  as_the_daemon(j, &plan, &policy, f, i, x->record, &asked, &d);
		if (decided)
			seen[policy.held] = true;
		write_and_read(x->record, elapsed_ns);
		n = replay_tick(x->replay, x->record, decisions);
		assert_int_equal(n, decided + (i == 400));
		if (decided) {
			assert_int_equal(decisions[n - 1].decision.kind, d.kind);
			assert_string_equal(decisions[n - 1].decision.reason, d.reason);
			x->decisions++;
		}
		if (active && policy.phase != POLICY_ENDED)
			assert_true(replay_finding(x->replay)->ln_e_rollback == f->ln_e_rollback);
	}
	assert_true(x->decisions >= 3);
	assert_true(seen[POLICY_HELD_ERROR] && seen[POLICY_HELD_BLACKOUT] && seen[POLICY_HELD_SLI] && seen[POLICY_HELD_GATE] &&
		    seen[POLICY_HELD_ALERT]);
	assert_int_equal(policy.status, POLICY_ROLLED_BACK);
	free(f);
	judge_free(j);
}

/* No file may have more decisions in a tick than there is room for, whatever it claims to be of which rollout. */
static void a_tick_of_as_many_decisions_as_can_be(void **state)
{
	struct fixture *x = *state;
	struct replay_decision *decisions = calloc(REPLAY_DECISIONS, sizeof(*decisions));
	struct record *record = x->record;
	unsigned n;

	x->options.plan = (struct policy_plan){ .n_steps = 1, .step = { { .weight = 1 } } };
	configure(x);
	record->rollout = 1;
	record->n_decided = RECORD_DECIDED;
	for (unsigned i = 0; i < RECORD_DECIDED; i++)
		record->decided[i] = (struct record_decided){ .rollout = i % 2 ? 2 : 1,
							      .kind = i % 2 ? POLICY_START : POLICY_NOTE };
	n = replay_tick(x->replay, record, decisions);
	assert_true(n > RECORD_DECIDED);
	assert_true(n <= REPLAY_DECISIONS);
	free(decisions);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_good_canary_is_promotable),
		TEST(a_dead_one_is_rolled_back_in_its_first_tick),
		TEST(without_traffic_nothing_is_decided),
		TEST(a_rise_of_the_weight_is_a_step),
		TEST(a_plan_is_gone_through),
		TEST(a_record_says_where_its_rollouts_begin),
		TEST(buckets_too_wide_to_decide_by_are_named),
		TEST(the_same_decisions_as_the_daemon_at_the_same_ticks),
		TEST(a_tick_of_as_many_decisions_as_can_be),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

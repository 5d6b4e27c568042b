/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A restart at any time changes nothing: a rollout whose plan and state go through the journal's JSON after every tick
 * decides what one decides that never stopped.
 */
#include "user/rollout_json.h"

#include <errno.h>

#include "tests/unit/policy_fixture.h"

static struct policy_plan plan_again(const struct policy_plan *plan)
{
	json_t *json = rollout_json_plan(plan);
	char *text = json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(17));
	struct policy_plan again = {};

	assert_int_equal(rollout_json_plan_parse(text, &again), 0);
	json_decref(json);
	free(text);
	return again;
}

static struct policy_state state_again(const struct policy_state *state)
{
	json_t *json = rollout_json_policy(state);
	char *text = json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(17));
	struct policy_state again = {};

	assert_int_equal(rollout_json_policy_parse(text, &again), 0);
	json_decref(json);
	free(text);
	return again;
}

static void assert_same_state(const struct policy_state *a, const struct policy_state *b)
{
	assert_int_equal(a->phase, b->phase);
	assert_int_equal(a->status, b->status);
	assert_int_equal(a->step, b->step);
	assert_int_equal(a->held, b->held);
	assert_int_equal(a->gate_passed, b->gate_passed);
	assert_int_equal(a->expiry_warned, b->expiry_warned);
	assert_int_equal(a->named, b->named);
	assert_true(a->weight == b->weight && a->step_s == b->step_s && a->bake_s == b->bake_s);
	assert_true(a->deadline_s == b->deadline_s && a->held_s == b->held_s && a->idle_s == b->idle_s && a->quiet_s == b->quiet_s);
	assert_string_equal(a->reason, b->reason);
}

static void assert_same_decision(const struct policy_decision *a, const struct policy_decision *b)
{
	assert_int_equal(a->kind, b->kind);
	assert_int_equal(a->step, b->step);
	assert_true(a->weight_from == b->weight_from && a->weight_to == b->weight_to);
	assert_string_equal(a->reason, b->reason);
}

/* ---- the walk ---------------------------------------------------------------------------------------------- */

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

struct walk {
	struct policy_plan plan;
	struct policy_state whole;     /* never stopped */
	struct policy_state restarted; /* after every tick */
	bool seen_phase[POLICY_ENDED + 1];
	bool seen_status[POLICY_COMPLETED + 1];
	bool seen_held[POLICY_HELD_BLACKOUT + 1];
};

static uint32_t next_random(uint32_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 17;
	return *seed ^= *seed << 5;
}

/* What goes wrong for a while: one thing at a time, or nothing. */
static struct finding trouble(unsigned which)
{
	struct finding f = good();

	f.attempts_per_s = 1000;
	f.budget_failures = 100;
	f.sli[FINDING_ERRORS].counts = (struct finding_counts){ 100000, 1000, 10000, 100 };
	switch (which) {
	case 0: f.holds = true; break;
	case 1: f.data = FINDING_DATA_NO_DATA; break;
	case 2: f.data = FINDING_DATA_ERROR; break;
	case 3: f.aa_unhealthy = true; break;
	case 4: f.sli[FINDING_ERRORS].promotion.ln_e = 0; break;
	case 5: f.gates_closed = f.gate_refused = true; break;
	case 6: f.blackout = true; break;
	case 7: f.clock_step_s = 7200; break;
	case 8: f.data = FINDING_DATA_WARMUP; break;
	case 9: f.says = FINDING_SAYS_HOLD; break;
	case 10: f.ln_e_rollback = log(200); break;
	default: break;
	}
	return f;
}

/* An operator or the caller, the same word to both. */
static void say(struct walk *w, unsigned which)
{
	static int (*const verbs[])(const struct policy_plan *, struct policy_state *, struct policy_decision *) = {
		policy_pause, policy_resume, policy_promote,
	};
	struct policy_decision a, b;

	if (which < COUNT(verbs))
		assert_int_equal(verbs[which](&w->plan, &w->whole, &a), verbs[which](&w->plan, &w->restarted, &b));
	else
		assert_int_equal(policy_hold(&w->plan, &w->whole, "after a reboot", &a),
				 policy_hold(&w->plan, &w->restarted, "after a reboot", &b));
}

static void step(struct walk *w, const struct finding *f, double elapsed_s)
{
	struct policy_plan plan = plan_again(&w->plan);
	struct policy_decision a, b;

	policy_tick(&w->plan, &w->whole, f, elapsed_s, &a);
	policy_tick(&plan, &w->restarted, f, elapsed_s, &b);
	assert_same_decision(&a, &b);
	w->restarted = state_again(&w->restarted);
	assert_same_state(&w->whole, &w->restarted);
	w->seen_phase[w->whole.phase] = w->seen_status[w->whole.status] = w->seen_held[w->whole.held] = true;
}

static void walk_once(struct walk *w, uint32_t *seed)
{
	struct policy_decision d;
	struct finding f = good();

	assert_int_equal(policy_start(&w->plan, &w->whole, &d), 0);
	w->restarted = state_again(&w->whole);
	for (unsigned i = 0; i < 3000 && w->whole.phase != POLICY_ENDED; i++) {
		unsigned chance = next_random(seed) % 1000;

		if (chance < 60)
			f = trouble(next_random(seed) % 11);
		else if (chance < 300)
			f = trouble(99);
		if (chance >= 998)
			say(w, next_random(seed) % 4);
		step(w, &f, 0.25 + chance % 20);
	}
	if (w->whole.phase == POLICY_ENDED && !policy_undo(&w->plan, &w->whole, 5, &d)) {
		assert_int_equal(policy_undo(&w->plan, &w->restarted, 5, &d), 0);
		step(w, &f, 1);
	}
}

static void a_restart_in_any_state_changes_nothing(void **state)
{
	struct walk w = {};
	uint32_t seed = 2463534242;

	(void)state;
	for (unsigned i = 0; i < 150; i++) {
		w.plan = policy_default_plan();
		w.plan.on_fail = i % 2 ? POLICY_FAIL_HOLD : POLICY_FAIL_ROLL_BACK;
		w.plan.expire_s = i % 5 ? 2000 : 0;
		w.plan.promote_never = i % 3 == 0;
		w.plan.adaptive = (struct policy_adaptive){ i % 4 < 2, 3, 5, 1.25, 0.001 };
		w.plan.step[1].manual = i % 7 == 0;
		w.plan.step[0].max_s = 300;
		walk_once(&w, &seed);
	}
	for (unsigned i = 0; i < COUNT(w.seen_phase); i++)
		assert_true(w.seen_phase[i]);
	for (unsigned i = 0; i < COUNT(w.seen_status); i++)
		assert_true(w.seen_status[i]);
	for (unsigned i = 0; i < COUNT(w.seen_held); i++)
		if (!w.seen_held[i])
			fail_msg("never held for %s", policy_held_name(i));
}

/* ---- what an older daemon wrote ---------------------------------------------------------------------------- */

static void older_rows_are_read(void **state)
{
	static const char plan[] = "{\"steps\":[{\"weight\":0.5,\"min_s\":1.0,\"max_s\":2.0,\"manual\":false}],"
				   "\"bake_s\":3.0,\"on_fail\":\"hold\"}";
	static const char policy[] = "{\"phase\":\"step\",\"state\":\"paused\",\"step\":0,\"weight\":0.5,\"step_s\":1.0,"
				     "\"bake_s\":0.0,\"deadline_s\":2.0,\"held\":\"not\",\"held_s\":4.0,"
				     "\"gate_passed\":false,\"reason\":\"r\"}";
	struct policy_plan p;
	struct policy_state s;

	(void)state;
	assert_int_equal(rollout_json_plan_parse(plan, &p), 0);
	assert_true(p.expire_s == 0 && p.undo_window_s == 0 && !p.adaptive.on && !p.promote_never);
	assert_int_equal(rollout_json_policy_parse(policy, &s), 0);
	assert_true(s.idle_s == 0 && !s.expiry_warned && s.held_s == 4);
	assert_int_equal(rollout_json_plan_parse("{\"steps\":[]", &p), -EINVAL);
	assert_int_equal(rollout_json_policy_parse("{\"phase\":\"step\"}", &s), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_restart_in_any_state_changes_nothing),
		cmocka_unit_test(older_rows_are_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Hooks that are asked before a rollout starts. */
#include "user/hooks.h"

#include "tests/unit/hooks_fixture.h"

static void on_start(bool agree, const char *sentence, void *context)
{
	struct fixture *x = context;

	x->started = true;
	x->agreed = agree;
	snprintf(x->sentence, sizeof(x->sentence), "%s", sentence);
}

static void start(struct fixture *x)
{
	x->started = false;
	x->decision.kind = POLICY_START;
	x->message.rollout = 0;
	assert_int_equal(hooks_ask_start(x->hooks, &x->message, on_start, x), 0);
	assert_int_equal(hooks_ask_start(x->hooks, &x->message, on_start, x), -EBUSY);
	for (int i = 0; !x->started; i++) {
		assert_true(i < 3000);
		assert_true(sd_event_run(x->event, 10000) >= 0);
		hooks_turn(x->hooks);
	}
}

static void a_start_needs_consent(void **state)
{
	struct fixture *x = *state;

	add(x, CONFIG_HOOK_BEFORE_START, "freeze", "grep -q '\"rollout\":null' && test ! -e %s/freeze || { echo frozen; exit 1; }",
	    x->dir);
	add(x, CONFIG_HOOK_BEFORE_STEP, "scale", "echo $CANARYD_EVENT >>%s/freeze", x->dir);
	add(x, CONFIG_HOOK_GATE, "gate", "exit 1");
	build(x);
	start(x);
	assert_true(x->agreed);
	assert_string_equal(x->sentence, "");
	wait_for_file(x, "freeze", "before_step\n");
	start(x);
	assert_false(x->agreed);
	assert_string_equal(x->sentence, "hook freeze (before_start) does not agree: exit status 1: frozen");
}

static void a_start_can_be_given_up(void **state)
{
	char gate[HOOKS_NAME], why[CONSENT_WHY];
	struct fixture *x = *state;

	add(x, CONFIG_HOOK_BEFORE_START, "freeze", "sleep 1000");
	build(x);
	hooks_cancel_start(x->hooks); /* of none */
	assert_false(hooks_starting(x->hooks, gate, why));
	x->decision.kind = POLICY_START;
	assert_int_equal(hooks_ask_start(x->hooks, &x->message, on_start, x), 0);
	assert_true(hooks_starting(x->hooks, gate, why));
	assert_string_equal(gate, "freeze (before_start)");
	assert_string_equal(why, "is being asked");
	hooks_cancel_start(x->hooks);
	assert_false(hooks_starting(x->hooks, gate, why));
	run_dry(x->event);
	hooks_turn(x->hooks);
	assert_false(x->started);
	assert_int_equal(hooks_ask_start(x->hooks, &x->message, on_start, x), 0); /* and asked for anew */
}

static void a_start_without_hooks(void **state)
{
	struct fixture *x = *state;

	add(x, CONFIG_HOOK_GATE, "gate", "exit 1");
	build(x);
	x->decision.kind = POLICY_START;
	assert_int_equal(hooks_ask_start(x->hooks, &x->message, on_start, x), 1);
	assert_false(x->started);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_start_needs_consent),
		TEST(a_start_can_be_given_up),
		TEST(a_start_without_hooks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

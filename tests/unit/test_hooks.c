/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Hooks with real commands and a real server on loopback: who is asked, when, with what; and who is told. */
#include "user/hooks.h"

#include <jansson.h>

#include "tests/unit/hooks_fixture.h"

/* ---- asked ---- */

static void none_agree_at_once(void **state)
{
	struct fixture *x = *state;

	add(x, CONFIG_HOOK_BEFORE_START, "start", "exit 1");
	add(x, CONFIG_HOOK_PROMOTED, "end", "exit 1");
	build(x);
	assert_int_equal(ask(x), CONSENT_AGREED);
}

static void gates_then_steps(void **state)
{
	struct fixture *x = *state;
	char text[256];

	add(x, CONFIG_HOOK_BEFORE_STEP, "scale", "echo scale >>%s/log", x->dir);
	add(x, CONFIG_HOOK_GATE, "first", "echo first >>%s/log", x->dir);
	add(x, CONFIG_HOOK_GATE, "second", "echo second $CANARYD_EVENT $CANARYD_CANARY $CANARYD_WEIGHT >>%s/log", x->dir);
	build(x);
	assert_int_equal(ask(x), CONSENT_ASKING);
	assert_string_equal(x->gate, "first");
	assert_string_equal(x->why, "is being asked");
	assert_int_equal(ask_until_not(x, CONSENT_ASKING), CONSENT_AGREED);
	read_file(x, "log", text, sizeof(text));
	assert_string_equal(text, "first\nsecond gate v2 25\nscale\n");
}

static void a_step_runs_only_on_the_way_up(void **state)
{
	struct fixture *x = *state;

	add(x, CONFIG_HOOK_BEFORE_STEP, "scale", "exit 1");
	build(x);
	x->decision.weight_from = x->decision.weight_to = 1; /* into the bake */
	assert_int_equal(ask(x), CONSENT_AGREED);
}

static void the_body_says_it_all(void **state)
{
	struct fixture *x = *state;
	json_t *json;

	add_url(x, CONFIG_HOOK_GATE, "tickets");
	sink_set(x->sink, 204, "");
	build(x);
	assert_int_equal(ask_until_not(x, CONSENT_ASKING), CONSENT_AGREED);
	assert_string_equal(x->sink->requests[0].method, "POST");
	assert_string_equal(x->sink->requests[0].path, "/tickets");
	assert_string_equal(x->sink->requests[0].type, "application/json");
	json = json_loads(x->sink->requests[0].body, 0, NULL);
	assert_string_equal(json_string_value(json_object_get(json, "event")), "gate");
	assert_string_equal(json_string_value(json_object_get(json, "hook")), "tickets");
	assert_string_equal(json_string_value(json_object_get(json, "service")), "checkout");
	assert_string_equal(json_string_value(json_object_get(json, "canary")), "v2");
	assert_string_equal(json_string_value(json_object_get(json, "baseline")), "v1");
	assert_string_equal(json_string_value(json_object_get(json, "reason")), "step 1 of 3 passed");
	assert_int_equal(json_integer_value(json_object_get(json, "rollout")), 7);
	assert_int_equal(json_integer_value(json_object_get(json, "step")), 1);
	assert_true(json_real_value(json_object_get(json, "weight_from")) == 0.05);
	assert_true(json_real_value(json_object_get(json, "weight_to")) == 0.25);
	assert_true(json_real_value(json_object_get(json_object_get(json, "evidence"), "value")) == 44);
	json_decref(json);
}

static void a_no_names_the_gate(void **state)
{
	struct fixture *x = *state;

	add(x, CONFIG_HOOK_GATE, "tickets", "echo 'CHG-7 is not approved'; exit 3");
	build(x);
	assert_int_equal(ask_until_not(x, CONSENT_ASKING), CONSENT_REFUSED);
	assert_string_equal(x->gate, "tickets");
	assert_string_equal(x->why, "does not agree: exit status 3: CHG-7 is not approved");
}

static void failures_of_every_kind_are_a_no(void **state)
{
	static const char *const lines[] = { "kill -SEGV $$", "sleep 100", "/no/such/program",
					     "head -c 300000 /dev/urandom; exit 1" };
	struct fixture *x = *state;
	unsigned port;
	int fd = bound_socket(false, &port);

	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
		add(x, CONFIG_HOOK_GATE, "g", "%s", lines[i])->timeout_s = 1;
		build(x);
		assert_int_equal(ask_until_not(x, CONSENT_ASKING), CONSENT_REFUSED);
		assert_non_null(strstr(x->why, "does not agree: "));
		x->hooks = hooks_free(x->hooks);
		x->service.hooks_count = 0;
	}
	sink_set(x->sink, 500, "no\n<html>");
	add_url(x, CONFIG_HOOK_GATE, "g");
	build(x);
	assert_int_equal(ask_until_not(x, CONSENT_ASKING), CONSENT_REFUSED);
	assert_string_equal(x->why, "does not agree: answered 500: <html>");
	x->hooks = hooks_free(x->hooks);
	snprintf(x->hook[0].url, sizeof(x->hook[0].url), "http://127.0.0.1:%u/", port);
	build(x);
	assert_int_equal(ask_until_not(x, CONSENT_ASKING), CONSENT_REFUSED);
	assert_non_null(strstr(x->why, "connection refused"));
	close(fd);
}

/* What answers 2xx, and yet is no yes; and what would, somewhere else. */
static void answers_that_are_none_are_a_no(void **state)
{
	static char huge[COMMAND_OUTPUT_MAX + 2];
	static const struct {
		unsigned status;
		const char *answer, *type, *location, *why;
	} cases[] = {
		{ 200, "<html>sign in", "text/html; charset=utf-8", NULL,
		  "does not agree: answered 200 with a page of HTML, which is no answer of a hook" },
		{ 200, huge, NULL, NULL, "does not agree: " },
		{ 302, "", NULL, "/yes", "does not agree: answered 302" },
		{ 304, "", NULL, NULL, "does not agree: answered 304" },
		{ 404, "what?", NULL, NULL, "does not agree: answered 404: what?" },
		{ 503, "", NULL, NULL, "does not agree: answered 503" },
	};
	struct fixture *x = *state;

	memset(huge, 'y', sizeof(huge) - 1);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		sink_set(x->sink, cases[i].status, cases[i].answer);
		x->sink->type = cases[i].type;
		x->sink->location = cases[i].location;
		x->service.hooks_count = 0;
		add_url(x, CONFIG_HOOK_GATE, "g");
		build(x);
		assert_int_equal(ask_until_not(x, CONSENT_ASKING), CONSENT_REFUSED);
		assert_memory_equal(x->why, cases[i].why, strlen(cases[i].why));
		assert_int_equal(x->sink->count, i + 1); /* nor is a redirect followed */
		x->hooks = hooks_free(x->hooks);
	}
}

/* A program gets its arguments as they are. */
static void without_a_shell(void **state)
{
	static struct config_argument argv[] = { { "grep" }, { "-q" }, { "\"event\":\"gate\".*$HOME;" } };
	struct fixture *x = *state;
	struct config_hook *hook = add(x, CONFIG_HOOK_GATE, "g", "%s", "");

	hook->argv = argv;
	hook->argv_count = 3;
	strcpy(x->decision.reason, "$HOME; true");
	build(x);
	assert_int_equal(ask_until_not(x, CONSENT_ASKING), CONSENT_AGREED);
	x->hooks = hooks_free(x->hooks);
	strcpy(argv[0].text, "/no/such/program");
	build(x);
	assert_int_equal(ask_until_not(x, CONSENT_ASKING), CONSENT_REFUSED);
	assert_string_equal(x->why, "does not agree: No such file or directory");
}

static void a_dropped_question_is_given_up(void **state)
{
	struct fixture *x = *state;

	add(x, CONFIG_HOOK_GATE, "slow", "echo asked >>%s/log; test -e %s/go || sleep 100", x->dir, x->dir);
	build(x);
	assert_int_equal(ask(x), CONSENT_ASKING);
	wait_for_file(x, "log", "asked\n"); /* turns without the question: it is dropped, and asked anew */
	snprintf(x->sentence, sizeof(x->sentence), "%s/go", x->dir);
	fclose(fopen(x->sentence, "we"));
	assert_int_equal(ask_until_not(x, CONSENT_ASKING), CONSENT_AGREED);
	wait_for_file(x, "log", "asked\nasked\n");
}

static void a_failed_step_stays_so_until_it_is_resumed(void **state)
{
	struct policy_decision hold = { .kind = POLICY_HOLD };
	struct fixture *x = *state;

	add(x, CONFIG_HOOK_BEFORE_STEP, "scale", "test -e %s/log && exit 0; echo once >>%s/log; exit 1", x->dir, x->dir);
	build(x);
	assert_int_equal(ask_until_not(x, CONSENT_ASKING), CONSENT_FAILED);
	assert_string_equal(x->gate, "scale (before_step)");
	assert_int_equal(ask(x), CONSENT_FAILED);
	x->message.decision = &hold;
	hooks_decided(x->hooks, &x->message);
	x->message.decision = &x->decision;
	assert_int_equal(ask_until_not(x, CONSENT_ASKING), CONSENT_AGREED);
}

/* ---- told ---- */

static void decide(struct fixture *x, enum policy_kind kind)
{
	x->decision.kind = kind;
	hooks_decided(x->hooks, &x->message);
}

static void the_told_hear_of_it_in_order(void **state)
{
	struct fixture *x = *state;

	add(x, CONFIG_HOOK_AFTER_STEP, "slow", "sleep 0.2; echo step >>%s/log", x->dir);
	add(x, CONFIG_HOOK_ROLLED_BACK, "back", "echo back >>%s/log", x->dir);
	add(x, CONFIG_HOOK_PROMOTED, "done", "echo done >>%s/log", x->dir);
	build(x);
	decide(x, POLICY_START);
	decide(x, POLICY_HOLD);
	decide(x, POLICY_ADVANCE);
	decide(x, POLICY_ROLL_BACK);
	decide(x, POLICY_PROMOTE);
	wait_for_file(x, "log", "step\nstep\nback\ndone\n");
	assert_int_equal(x->n_notes, 0);
}

static void telling_in_vain_is_noted(void **state)
{
	struct fixture *x = *state;

	add(x, CONFIG_HOOK_PROMOTED, "chat", "echo try >>%s/log; echo no route >&2; exit 1", x->dir)->retries = 1;
	build(x);
	decide(x, POLICY_PROMOTE);
	turn_until_note(x, 1);
	assert_string_equal(x->notes, "hook chat (promoted) was told in vain: exit status 1: no route");
	wait_for_file(x, "log", "try\ntry\n");
}

static void what_waits_is_bounded(void **state)
{
	struct fixture *x = *state;

	add(x, CONFIG_HOOK_AFTER_STEP, "slow", "sleep 100");
	build(x);
	for (int i = 0; i < HOOKS_QUEUE + 3; i++)
		decide(x, POLICY_ADVANCE);
	assert_int_equal(x->n_notes, 3);
	assert_string_equal(x->notes, "hook slow (after_step) was told in vain: too much is waiting to be told");
}

static void a_rollback_waits_for_nobody(void **state)
{
	struct fixture *x = *state;

	add(x, CONFIG_HOOK_GATE, "slow", "sleep 100");
	add(x, CONFIG_HOOK_ROLLED_BACK, "back", "echo back >>%s/log", x->dir);
	build(x);
	assert_int_equal(ask(x), CONSENT_ASKING);
	decide(x, POLICY_ROLL_BACK);
	wait_for_file(x, "log", "back\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(none_agree_at_once),
		TEST(gates_then_steps),
		TEST(a_step_runs_only_on_the_way_up),
		TEST(the_body_says_it_all),
		TEST(a_no_names_the_gate),
		TEST(failures_of_every_kind_are_a_no),
		TEST(answers_that_are_none_are_a_no),
		TEST(without_a_shell),
		TEST(a_dropped_question_is_given_up),
		TEST(a_failed_step_stays_so_until_it_is_resumed),
		TEST(the_told_hear_of_it_in_order),
		TEST(telling_in_vain_is_noted),
		TEST(what_waits_is_bounded),
		TEST(a_rollback_waits_for_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

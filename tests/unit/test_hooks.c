/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Hooks with real commands and a real server on loopback: who is asked, when, with what; and who is told. */
#include "user/hooks.h"

#include <errno.h>
#include <jansson.h>
#include <sys/stat.h>

#include "tests/unit/event_fixture.h"

struct fixture {
	sd_event *event;
	struct fetch *fetch;
	struct command_runner *commands;
	struct hooks *hooks;
	struct sink *sink;
	struct config_hook hook[8];
	struct config_service service;
	struct policy_decision decision;
	struct hooks_message message;
	char gate[HOOKS_NAME];
	char why[CONSENT_WHY];
	char dir[64];
	char notes[1024];
	unsigned n_notes;
	bool started, agreed;
	char sentence[256];
};

static void on_note(int64_t rollout, const char *sentence, void *context)
{
	struct fixture *x = context;

	assert_int_equal(rollout, 7);
	x->n_notes++;
	snprintf(x->notes, sizeof(x->notes), "%s", sentence);
}

static int set_up(void **state)
{
	struct fixture *x = calloc(1, sizeof(*x));

	assert_true(sd_event_new(&x->event) >= 0);
	assert_int_equal(fetch_new(x->event, &x->fetch), 0);
	assert_int_equal(command_runner_new(x->event, &x->commands), 0);
	x->sink = sink_new();
	strcpy(x->dir, "/tmp/canaryd-test-hooks-XXXXXX");
	assert_non_null(mkdtemp(x->dir));
	strcpy(x->service.name, "checkout");
	x->service.hooks = x->hook;
	x->decision = (struct policy_decision){ .kind = POLICY_ADVANCE, .step = 1, .weight_from = 0.05, .weight_to = 0.25,
						.sli = "errors", .value = 44, .bound = 20, .counts = { 1000, 1, 50, 0 },
						.reason = "step 1 of 3 passed" };
	x->message = (struct hooks_message){ 7, "checkout", "v2", "v1", "running", "step", 3, &x->decision };
	*state = x;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *x = *state;
	char line[128];

	hooks_free(x->hooks);
	fetch_free(x->fetch);
	command_runner_free(x->commands);
	sink_free(x->sink);
	sd_event_unref(x->event);
	snprintf(line, sizeof(line), "rm -r %s", x->dir);
	assert_int_equal(system(line), 0);
	free(x);
	return 0;
}

static struct config_hook *add(struct fixture *x, enum config_hook_on on, const char *name, const char *format, ...)
{
	struct config_hook *hook = &x->hook[x->service.hooks_count++];
	va_list arguments;

	*hook = (struct config_hook){ .on = on, .timeout_s = 10 };
	strcpy(hook->name, name);
	va_start(arguments, format);
	vsnprintf(hook->command, sizeof(hook->command), format, arguments);
	va_end(arguments);
	return hook;
}

static void add_url(struct fixture *x, enum config_hook_on on, const char *name)
{
	struct config_hook *hook = add(x, on, name, "%s", "");

	snprintf(hook->url, sizeof(hook->url), "%s/%s", x->sink->url, name);
}

static void build(struct fixture *x)
{
	const struct hooks_environment environment = { x->fetch, x->commands, on_note, x };

	assert_int_equal(hooks_new(&environment, &x->service, &x->hooks), 0);
}

static enum consent_verdict ask(struct fixture *x)
{
	enum consent_verdict verdict = hooks_ask(x->hooks, &x->message, x->gate, x->why);

	hooks_turn(x->hooks);
	return verdict;
}

/* Ticks, until the verdict is another than `from`. */
static enum consent_verdict ask_until_not(struct fixture *x, enum consent_verdict from)
{
	enum consent_verdict verdict;

	for (int i = 0; (verdict = ask(x)) == from; i++) {
		assert_true(i < 3000);
		assert_true(sd_event_run(x->event, 10000) >= 0);
	}
	return verdict;
}

static void turn_until_note(struct fixture *x, unsigned notes)
{
	for (int i = 0; x->n_notes < notes; i++) {
		assert_true(i < 3000);
		assert_true(sd_event_run(x->event, 10000) >= 0);
		hooks_turn(x->hooks);
	}
}

static void read_file(struct fixture *x, const char *name, char *text, size_t size)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", x->dir, name);
	file = fopen(path, "re");
	memset(text, 0, size);
	if (!file)
		return;
	assert_true(fread(text, 1, size - 1, file) < size);
	fclose(file);
}

static void wait_for_file(struct fixture *x, const char *name, const char *wanted)
{
	char text[256] = "";

	for (int i = 0; strcmp(text, wanted); i++) {
		if (i > 3000)
			fail_msg("%s holds \"%s\"", name, text);
		assert_true(sd_event_run(x->event, 10000) >= 0);
		hooks_turn(x->hooks);
		read_file(x, name, text, sizeof(text));
	}
}

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

/* ---- starts ---- */

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
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(none_agree_at_once),
		TEST(gates_then_steps),
		TEST(a_step_runs_only_on_the_way_up),
		TEST(the_body_says_it_all),
		TEST(a_no_names_the_gate),
		TEST(failures_of_every_kind_are_a_no),
		TEST(answers_that_are_none_are_a_no),
		TEST(a_dropped_question_is_given_up),
		TEST(a_failed_step_stays_so_until_it_is_resumed),
		TEST(a_start_needs_consent),
		TEST(a_start_can_be_given_up),
		TEST(a_start_without_hooks),
		TEST(the_told_hear_of_it_in_order),
		TEST(telling_in_vain_is_noted),
		TEST(what_waits_is_bounded),
		TEST(a_rollback_waits_for_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The hooks of one service, a directory for what they leave behind, and a server on loopback. */
#ifndef CANARYD_TESTS_HOOKS_FIXTURE_H
#define CANARYD_TESTS_HOOKS_FIXTURE_H

#include <errno.h>
#include <sys/stat.h>

#include "tests/unit/event_fixture.h"
#include "user/hooks.h"

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

static inline void on_note(int64_t rollout, const char *sentence, void *context)
{
	struct fixture *x = context;

	assert_int_equal(rollout, 7);
	x->n_notes++;
	snprintf(x->notes, sizeof(x->notes), "%s", sentence);
}

static inline int set_up(void **state)
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

static inline int tear_down(void **state)
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

static inline struct config_hook *add(struct fixture *x, enum config_hook_on on, const char *name, const char *format, ...)
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

static inline void add_url(struct fixture *x, enum config_hook_on on, const char *name)
{
	struct config_hook *hook = add(x, on, name, "%s", "");

	snprintf(hook->url, sizeof(hook->url), "%s/%s", x->sink->url, name);
}

static inline void build(struct fixture *x)
{
	const struct hooks_environment environment = { x->fetch, x->commands, on_note, x, false };

	assert_int_equal(hooks_new(&environment, &x->service, &x->hooks), 0);
}

static inline enum consent_verdict ask(struct fixture *x)
{
	enum consent_verdict verdict = hooks_ask(x->hooks, &x->message, x->gate, x->why);

	hooks_turn(x->hooks);
	return verdict;
}

/* Ticks, until the verdict is another than `from`. */
static inline enum consent_verdict ask_until_not(struct fixture *x, enum consent_verdict from)
{
	enum consent_verdict verdict;

	for (int i = 0; (verdict = ask(x)) == from; i++) {
		assert_true(i < 3000);
		assert_true(sd_event_run(x->event, 10000) >= 0);
	}
	return verdict;
}

static inline void turn_until_note(struct fixture *x, unsigned notes)
{
	for (int i = 0; x->n_notes < notes; i++) {
		assert_true(i < 3000);
		assert_true(sd_event_run(x->event, 10000) >= 0);
		hooks_turn(x->hooks);
	}
}

static inline void read_file(struct fixture *x, const char *name, char *text, size_t size)
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

static inline void wait_for_file(struct fixture *x, const char *name, const char *wanted)
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif

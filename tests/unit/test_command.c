/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Real commands: what they print, how they end, and that nothing of them is left. */
#include "user/command.h"

#include <errno.h>
#include <signal.h>

#include "tests/unit/event_fixture.h"

struct end {
	bool done;
	unsigned calls;
	enum command_ending ending;
	int code;
	char output[COMMAND_OUTPUT_MAX + 1];
	size_t output_size;
	bool cut;
	char errors[COMMAND_ERRORS_MAX + 1];
	char sentence[256];
};

struct fixture {
	sd_event *event;
	struct command_runner *runner;
	struct end end;
};

static int set_up(void **state)
{
	struct fixture *x = calloc(1, sizeof(*x));

	assert_true(sd_event_new(&x->event) >= 0);
	assert_int_equal(command_runner_new(x->event, &x->runner), 0);
	*state = x;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *x = *state;

	command_runner_free(x->runner);
	sd_event_unref(x->event);
	free(x);
	return 0;
}

static void keep(const struct command_result *result, void *context)
{
	struct end *end = context;

	end->done = true;
	end->calls++;
	end->ending = result->ending;
	end->code = result->code;
	end->output_size = result->output_size;
	end->cut = result->output_cut;
	snprintf(end->output, sizeof(end->output), "%s", result->output);
	snprintf(end->errors, sizeof(end->errors), "%s", result->errors);
	snprintf(end->sentence, sizeof(end->sentence), "%s", result->sentence);
}

static void run_request(struct fixture *x, const struct command_request *request)
{
	memset(&x->end, 0, sizeof(x->end));
	assert_int_equal(command_start(x->runner, request, keep, &x->end, NULL), 0);
	assert_false(x->end.done);
	run_until(x->event, &x->end.done);
	run_dry(x->event);
	assert_int_equal(x->end.calls, 1);
}

static void run_line(struct fixture *x, const char *line)
{
	run_request(x, &(struct command_request){ .line = line });
}

static void test_success(void **state)
{
	struct fixture *x = *state;

	run_line(x, "echo out; echo err >&2");
	assert_int_equal(x->end.ending, COMMAND_EXITED);
	assert_int_equal(x->end.code, 0);
	assert_string_equal(x->end.output, "out\n");
	assert_string_equal(x->end.errors, "err\n");
	assert_false(x->end.cut);
}

static void test_failure(void **state)
{
	struct fixture *x = *state;

	run_line(x, "echo not this; echo '  no such ticket ' >&2; exit 3");
	assert_int_equal(x->end.code, 3);
	assert_string_equal(x->end.sentence, "exit status 3:   no such ticket");
	run_line(x, "canaryd-no-such-program");
	assert_int_equal(x->end.code, 127);
	run_line(x, "kill -SEGV $$");
	assert_int_equal(x->end.ending, COMMAND_KILLED);
	assert_int_equal(x->end.code, SIGSEGV);
	assert_string_equal(x->end.sentence, "killed by signal 11 (Segmentation fault)");
}

static void test_input(void **state)
{
	struct fixture *x = *state;
	size_t size = 60000;
	char *text = malloc(size);

	memset(text, 'j', size);
	run_request(x, &(struct command_request){ .line = "cat", .input = text, .input_size = size });
	assert_int_equal(x->end.output_size, size);
	assert_memory_equal(x->end.output, text, size);
	run_request(x, &(struct command_request){ .line = "true", .input = text, .input_size = size });
	assert_int_equal(x->end.code, 0);
	run_line(x, "cat | wc -c");
	assert_string_equal(x->end.output, "0\n");
	free(text);
}

static void test_arguments(void **state)
{
	struct fixture *x = *state;
	const char *argv[] = { "printf", "%s|", "a b", "$HOME", NULL };
	const char *none[] = { "canaryd-no-such-program", NULL };
	const char *environment[] = { "CANARYD_EVENT=gate", NULL };

	run_request(x, &(struct command_request){ .argv = argv });
	assert_string_equal(x->end.output, "a b|$HOME|");
	assert_int_equal(command_start(x->runner, &(struct command_request){ .argv = none }, keep, &x->end, NULL), -ENOENT);
	setenv("NOTIFY_SOCKET", "/nowhere", 1);
	run_request(x, &(struct command_request){ .line = "echo $CANARYD_EVENT:$NOTIFY_SOCKET:${PATH:+path}; pwd",
						  .environment = environment });
	unsetenv("NOTIFY_SOCKET");
	assert_string_equal(x->end.output, "gate::path\n/\n");
}

static void test_much_output(void **state)
{
	struct fixture *x = *state;

	run_line(x, "head -c 1000000 /dev/zero | tr '\\0' x; head -c 1000000 /dev/zero | tr '\\0' y >&2");
	assert_int_equal(x->end.code, 0);
	assert_int_equal(x->end.output_size, COMMAND_OUTPUT_MAX);
	assert_true(x->end.cut);
	assert_int_equal(strlen(x->end.errors), COMMAND_ERRORS_MAX);
	run_line(x, "head -c 65536 /dev/zero | tr '\\0' x");
	assert_int_equal(x->end.output_size, COMMAND_OUTPUT_MAX);
	assert_false(x->end.cut);
}

static bool is_running(int pid)
{
	char path[64], text[512] = "";
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	file = fopen(path, "re");
	if (!file)
		return false;
	text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
	fclose(file);
	return !strstr(text, ") Z ");
}

static void wait_for_end(int pid)
{
	for (int i = 0; is_running(pid); i++) {
		assert_true(i < 3000);
		usleep(10000);
	}
}

static void test_timeout(void **state)
{
	struct fixture *x = *state;

	run_request(x, &(struct command_request){ .line = "echo begun; sleep 100 & echo $!; wait", .timeout_ms = 1000 });
	assert_int_equal(x->end.ending, COMMAND_TIMEOUT);
	assert_memory_equal(x->end.output, "begun\n", 6);
	wait_for_end(atoi(x->end.output + 6));
	assert_memory_equal(x->end.sentence, "no end within 1 s: killed", 25);
}

static void test_deaf(void **state)
{
	struct fixture *x = *state;

	run_request(x, &(struct command_request){ .line = "trap '' TERM; while :; do sleep 0.1; done", .timeout_ms = 100 });
	assert_int_equal(x->end.ending, COMMAND_TIMEOUT);
	assert_int_equal(x->end.code, SIGKILL);
}

/* It ends in order after SIGTERM: that is an end past the deadline all the same. */
static void test_too_late(void **state)
{
	struct fixture *x = *state;

	run_request(x, &(struct command_request){ .line = "trap 'exit 0' TERM; while :; do sleep 0.1; done",
						  .timeout_ms = 1000 });
	assert_int_equal(x->end.ending, COMMAND_TIMEOUT);
	assert_int_equal(x->end.code, 0);
}

static void test_nothing_left(void **state)
{
	struct fixture *x = *state;

	run_line(x, "sleep 100 & echo $!");
	assert_int_equal(x->end.code, 0);
	wait_for_end(atoi(x->end.output));
}

/* A command that keeps its pipe open in a session of its own cannot keep its callback. */
static void test_escaped(void **state)
{
	struct fixture *x = *state;
	int pid;

	run_line(x, "f=$(mktemp -u) && mkfifo $f && export f && { setsid sh -c 'echo $$; echo >$f; exec sleep 100' & "
		    "read begun <$f; rm $f; }");
	pid = atoi(x->end.output);
	assert_true(pid > 0 && is_running(pid));
	kill(pid, SIGKILL);
}

static void test_cancel(void **state)
{
	struct fixture *x = *state;
	struct command *command;

	assert_int_equal(command_start(x->runner, &(struct command_request){ .line = "sleep 100" }, keep, &x->end,
				       &command), 0);
	assert_null(command_cancel(command));
	assert_null(command_cancel(NULL));
	run_line(x, "true");
	assert_int_equal(x->end.calls, 1);
}

static void test_bounded(void **state)
{
	struct fixture *x = *state;
	const struct command_request request = { .line = "sleep 100" };

	for (int i = 0; i < COMMAND_MAX; i++)
		assert_int_equal(command_start(x->runner, &request, keep, &x->end, NULL), 0);
	assert_int_equal(command_start(x->runner, &request, keep, &x->end, NULL), -EBUSY);
}

static void test_last_line(void **state)
{
	char buf[16];

	(void)state;
	assert_string_equal(command_last_line("", buf, sizeof(buf)), "");
	assert_string_equal(command_last_line("\n \n", buf, sizeof(buf)), "");
	assert_string_equal(command_last_line("one\ntwo\n\n", buf, sizeof(buf)), "two");
	assert_string_equal(command_last_line("a\x1b[1mb\x7f", buf, sizeof(buf)), "a[1mb");
	assert_string_equal(command_last_line("0123456789012345678", buf, sizeof(buf)), "012345678901234");
	assert_string_equal(command_last_line("caf\xe9 closed\n", buf, sizeof(buf)), "caf? closed");
	assert_string_equal(command_last_line("01234567890123\xc3\xa4", buf, sizeof(buf)), "01234567890123");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_success), TEST(test_failure),	     TEST(test_input),	 TEST(test_arguments),
		TEST(test_much_output), TEST(test_timeout),  TEST(test_deaf),	 TEST(test_too_late),
		TEST(test_nothing_left), TEST(test_escaped), TEST(test_cancel),	 TEST(test_bounded),
		cmocka_unit_test(test_last_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* canaryctl replay as a whole: files in; decisions, outcome, exit code and complaints out. */
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "canaryd/api.h"
#include "tools/canaryctl/command.h"
#include "tools/canaryctl/ctl.h"

struct fixture {
	char path[64];
	int code;
	char *out, *err;
};

static int set_up(void **state)
{
	struct fixture *x = calloc(1, sizeof(*x));

	strcpy(x->path, "/tmp/canaryd-replay-XXXXXX");
	close(mkstemp(x->path));
	*state = x;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *x = *state;

	unlink(x->path);
	free(x->out);
	free(x->err);
	free(x);
	return 0;
}

/* canaryctl replay `options` FILE, the options split at spaces. */
static void replay(struct fixture *x, const char *options)
{
	char *words = strdup(options);
	char *arguments[48] = { (char *)(uintptr_t) "canaryctl", (char *)(uintptr_t) "replay" };
	struct ctl ctl = { 0 };
	size_t out_size, err_size;
	int count = 2;

	free(x->out);
	free(x->err);
	for (char *word = strtok(words, " "); word; word = strtok(NULL, " "))
		arguments[count++] = word;
	arguments[count++] = x->path;
	ctl.out.style = (struct style){ .columns = 80, .utf8 = true };
	ctl.out.out = open_memstream(&x->out, &out_size);
	ctl.err = open_memstream(&x->err, &err_size);
	x->code = command_main(&ctl, count, arguments);
	fclose(ctl.out.out);
	fclose(ctl.err);
	free(words);
}

static void has(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("'%s' is not in:\n%s", part, text);
}

static void write_file(const struct fixture *x, const char *text)
{
	FILE *file = fopen(x->path, "w");

	fputs(text, file);
	fclose(file);
}

/* `n` ticks of a second: the canary's 50 requests a tick, `failed` of them. */
static void add_ticks(const struct fixture *x, unsigned from, unsigned n, unsigned failed, const char *service)
{
	FILE *file = fopen(x->path, "a");

	for (unsigned t = from; t < from + n; t++)
		fprintf(file,
			"{\"t\": %u, \"weight\": 0.05, %s\"versions\": {\"v1\": {\"role\": \"baseline\", \"attempts\": 950, "
			"\"failed\": %u}, \"v2\": {\"role\": \"canary\", \"attempts\": 50, \"failed\": %u}}}\n",
			t, service, t % 2, failed);
	fclose(file);
}

static json_t *last_line(const char *text)
{
	char *copy = strdup(text), *line;
	json_t *json;

	copy[strlen(copy) - 1] = 0;
	line = strrchr(copy, '\n');
	json = json_loads(line ? line + 1 : copy, 0, NULL);
	assert_non_null(json);
	free(copy);
	return json;
}

static void outcome_is(const struct fixture *x, int code, const char *outcome, double t)
{
	json_t *json = last_line(x->out);

	if (x->code != code)
		fail_msg("exit %d instead of %d\n%s%s", x->code, code, x->out, x->err);
	assert_string_equal(json_string_value(json_object_get(json, "outcome")), outcome);
	if (t >= 0)
		assert_true(json_number_value(json_object_get(json, "t")) == t);
	assert_true(json_string_length(json_object_get(json, "reason")) > 0);
	json_decref(json);
}

static void outcomes_and_exit_codes(void **state)
{
	struct fixture *x = *state;

	add_ticks(x, 1, 200, 0, "");
	replay(x, "-j --warmup 0");
	outcome_is(x, API_EXIT_OK, "promotable", 200);
	replay(x, "-j --warmup 500");
	outcome_is(x, API_EXIT_UNDECIDED, "undecided", 200);
	add_ticks(x, 201, 60, 20, "");
	replay(x, "-j --warmup 0");
	outcome_is(x, API_EXIT_ROLLED_BACK, "rolled_back", -1);
	has(x->out, "\"decision\":\"roll_back\"");
	replay(x, "--warmup 0");
	assert_int_equal(x->code, API_EXIT_ROLLED_BACK);
	has(x->out, "rolled back at 20");
	replay(x, "-j --warmup 0 --margin 90 --margin-promotion 95 --p0-rollback 0.5");
	outcome_is(x, API_EXIT_UNDECIDED, "undecided", 260);
}

static void a_dead_canary_in_its_warm_up(void **state)
{
	struct fixture *x = *state;

	add_ticks(x, 1, 60, 50, "");
	replay(x, "-j");
	outcome_is(x, API_EXIT_ROLLED_BACK, "rolled_back", 1);
	has(x->out, "warm-up guard");
}

static void plans(void **state)
{
	struct fixture *x = *state;

	add_ticks(x, 1, 400, 0, "");
	replay(x, "-j --warmup 0 --step 5%:60:10m --step 0.5 --bake 1m");
	outcome_is(x, API_EXIT_OK, "promotable", -1);
	has(x->out, "\"decision\":\"promote\"");
	replay(x, "-j --warmup 0 --bake 1s");
	assert_int_equal(x->code, API_EXIT_OK);
	replay(x, "--step 5");
	assert_int_equal(x->code, API_EXIT_USAGE);
	has(x->err, "--step '5' is no step");
	replay(x, "--step 50% --step 5%");
	assert_int_equal(x->code, API_EXIT_USAGE);
	has(x->err, "below the step before");
	replay(x, "--step 5%:600:60");
	assert_int_equal(x->code, API_EXIT_USAGE);
}

static void constants_are_options(void **state)
{
	struct fixture *x = *state;

	add_ticks(x, 1, 5, 0, "");
	replay(x, "--alpha 2");
	assert_int_equal(x->code, API_EXIT_USAGE);
	has(x->err, "--alpha: 2 is not from");
	replay(x, "--margin much");
	has(x->err, "--margin: much is not a number");
	replay(x, "--noise maybe");
	has(x->err, "--noise: maybe is not true or false");
	replay(x, "--weight-errors 0.9");
	assert_int_equal(x->code, API_EXIT_USAGE);
	replay(x, "--alpha 0.02 --margin 1.5 --warmup 2m --delta 0.2 --block 10 --p0 0.01 --noise false --aa false "
		  "--hold-evidence 4");
	assert_int_equal(x->code, API_EXIT_UNDECIDED);
	replay(x, "--help");
	has(x->out, "--warmup TIME");
}

static void refused(struct fixture *x, const char *text, const char *message)
{
	char where[256];

	write_file(x, text);
	add_ticks(x, 10, 3, 0, "");
	replay(x, "-j");
	snprintf(where, sizeof(where), "%s:%s", x->path, message);
	has(x->err, where);
	assert_int_equal(x->code, API_EXIT_FAILED);
}

static void bad_lines_are_named(void **state)
{
	struct fixture *x = *state;

	refused(x, "\n\nhello\n", "3: is not JSON");
	refused(x, "{\"t\": 1, \"weight\": 0, \"ver\n", "1: is not JSON");
	refused(x, "{\"t\": 11, \"weight\": 0, \"versions\": {}}\n", "2: t goes back from 11 to 10");
	refused(x, "{\"t\": 1, \"weight\": 0, \"versions\": {\"v\": {\"role\": \"canary\", \"attempts\": 1, \"failed\": 2}}}\n",
		"1: versions.v.failed is more than the attempts");
	write_file(x, "");
	replay(x, "-j");
	assert_int_equal(x->code, API_EXIT_FAILED);
	has(x->err, "has no ticks");
	unlink(x->path);
	replay(x, "-j");
	assert_int_equal(x->code, API_EXIT_FAILED);
	has(x->err, "cannot open");
}

/* What came before it is judged. */
static void a_bad_line_in_the_middle(void **state)
{
	struct fixture *x = *state;
	FILE *file;

	add_ticks(x, 1, 200, 0, "");
	file = fopen(x->path, "a");
	fputs("{\"t\": 201, \"weight\": 0.05, \"versions\": {\"v1\": {\"role\": \"base\n", file);
	fclose(file);
	add_ticks(x, 202, 60, 50, "");
	replay(x, "-j --warmup 0");
	outcome_is(x, API_EXIT_FAILED, "promotable", 200);
	has(x->err, ":201: is not JSON");
}

static void a_last_line_cut_off_is_tolerated(void **state)
{
	struct fixture *x = *state;
	FILE *file;

	add_ticks(x, 1, 200, 0, "");
	file = fopen(x->path, "a");
	fputs("{\"t\": 201, \"weight\": 0.05, \"versions\": {\"v1\": {\"role\": \"base", file);
	fclose(file);
	replay(x, "-j --warmup 0");
	outcome_is(x, API_EXIT_OK, "promotable", 200);
	has(x->err, ":201: the last line was cut off");
}

static void services_of_one_file(void **state)
{
	struct fixture *x = *state;

	add_ticks(x, 1, 100, 0, "\"service\": \"shop\", ");
	replay(x, "-j");
	outcome_is(x, API_EXIT_OK, "promotable", 100);
	add_ticks(x, 1, 100, 50, "\"service\": \"cart\", ");
	replay(x, "-j");
	assert_int_equal(x->code, API_EXIT_FAILED);
	has(x->err, "several services: shop and cart");
	replay(x, "-j --service cart");
	outcome_is(x, API_EXIT_ROLLED_BACK, "rolled_back", 1);
	replay(x, "-j --service none");
	assert_int_equal(x->code, API_EXIT_FAILED);
	has(x->err, "no ticks of service none");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(outcomes_and_exit_codes), TEST(a_dead_canary_in_its_warm_up), TEST(plans),
		TEST(constants_are_options),   TEST(bad_lines_are_named),	  TEST(a_last_line_cut_off_is_tolerated),
		TEST(a_bad_line_in_the_middle),
		TEST(services_of_one_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

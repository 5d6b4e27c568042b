/* SPDX-License-Identifier: GPL-2.0-or-later */
/* canaryctl plan, with a daemon and without; and the warning of rollout start. */
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "canaryd/api.h"
#include "tests/unit/fake_daemon.h"
#include "tools/canaryctl/command.h"
#include "tools/canaryctl/ctl.h"

/* canaryctl `line`, split at spaces: the exit code, and a part of each stream ("" for no demand). */
static void check(struct fake_daemon *fake, const char *line, int code, const char *out, const char *err)
{
	char *words = strdup(line), *arguments[32] = { (char *)(uintptr_t) "canaryctl" };
	struct ctl ctl = { .socket = fake ? fake->socket : "/nonexistent" };
	char *said = NULL, *complained = NULL;
	size_t out_size, err_size;
	int count = 1, got;

	for (char *word = strtok(words, " "); word; word = strtok(NULL, " "))
		arguments[count++] = word;
	ctl.out.style = (struct style){ .columns = 120, .utf8 = true };
	ctl.out.out = open_memstream(&said, &out_size);
	ctl.err = open_memstream(&complained, &err_size);
	got = command_main(&ctl, count, arguments);
	fclose(ctl.out.out);
	fclose(ctl.err);
	if (got != code || !strstr(said, out) || !strstr(complained, err))
		fail_msg("canaryctl %s: exit %d\n%s%s", line, got, said, complained);
	free(said);
	free(complained);
	free(words);
}

static void without_a_daemon(void **state)
{
	(void)state;
	check(NULL, "plan --rate 1000 --error-ratio 0.1% --p50 0.02 --p95 0.046", API_EXIT_OK, "25 %", "");
	check(NULL, "plan --rate 1000 --error-ratio 0.001 -j", API_EXIT_OK, "\"decides\": true", "");
	check(NULL, "plan --rate 10 --error-ratio 0 --step 1%:60:600", API_EXIT_FAILED, "",
	      "cannot decide: step 1 of 1, 1 %\n  failures: a verdict takes about 3 h 55 min, the limit is 10 min: raise max_s, "
	      "or the weight to");
	check(NULL, "plan --rate 10 --error-ratio 0 --step 1%:60:5h", API_EXIT_OK, "", "");
	check(NULL, "plan --rate 10 --error-ratio 0 --step 1%:60:600 -j", API_EXIT_FAILED, "\"decides\": false", "");
	check(NULL, "plan --rate 1000 --error-ratio 0.1% --step 5%:1:10s --margin-promotion 4 --phi 3", API_EXIT_FAILED, "", "");
}

static void what_is_wrong_with_a_call(void **state)
{
	(void)state;
	check(NULL, "plan", API_EXIT_USAGE, "", "needs to know the traffic");
	check(NULL, "plan --rate 5", API_EXIT_USAGE, "", "needs to know the traffic");
	check(NULL, "plan --rate 0 --error-ratio 0", API_EXIT_FAILED, "", "no traffic now");
	check(NULL, "plan --rate much --error-ratio 0", API_EXIT_USAGE, "", "--rate 'much' is not a number");
	check(NULL, "plan --rate 1 --error-ratio 2", API_EXIT_USAGE, "", "--error-ratio '2' is not a number from 0 to 1");
	check(NULL, "plan --rate 1 --error-ratio 0 --p50 1", API_EXIT_USAGE, "", "go together");
	check(NULL, "plan --rate 1 --error-ratio 0 --p50 1 --p95 0.5", API_EXIT_USAGE, "", "the p95 is the longer one");
	check(NULL, "plan --rate 1 --error-ratio 0 -c /nonexistent.yaml", API_EXIT_CONFIG, "", "/nonexistent.yaml");
	check(NULL, "plan checkout", API_EXIT_UNREACHABLE, "", "canaryd does not answer");
}

static void of_a_service(void **state)
{
	struct fake_route routes[] = {
		{ "GET /v1/status", 200, { "status_running" }, 0 },
		{ "GET /v1/config", 200, { "config_slow_step.yaml" }, 0 },
		{ "POST /v1/rollouts", 201, { "rollout_running" }, 0 },
		{ 0 },
	};
	struct fake_daemon *fake = fake_start(routes);

	(void)state;
	check(fake, "plan checkout", API_EXIT_FAILED, "0.12 % of them fail", "step 1 of 2, 0.1 %");
	check(fake, "plan checkout --step 5%", API_EXIT_OK, "5 %", "");
	check(fake, "plan other", API_EXIT_FAILED, "", "canaryd has no service other");
	check(fake, "rollout start checkout", API_EXIT_OK, "v2", "this plan cannot decide: step 1 of 2");
	assert_string_equal(fake->last_request, "POST /v1/rollouts HTTP/1.1");
	fake_stop(fake);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_daemon),
		cmocka_unit_test(what_is_wrong_with_a_call),
		cmocka_unit_test(of_a_service),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

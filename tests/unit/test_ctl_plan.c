/* SPDX-License-Identifier: GPL-2.0-or-later */
/* canaryctl plan, with a daemon and without; and what a start is refused for. */
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
	      "step 1 of 1, 1 %, cannot decide: at 10 requests/s, 0 % of them failed, a verdict on failures takes about 3.9 h, "
	      "and its max_s is 10 min\n  raise its weight to 24 %, or its max_s to 15000");
	check(NULL, "plan --rate 10 --error-ratio 0 --step 1%:60:5h", API_EXIT_OK, "", "");
	check(NULL, "plan --rate 10 --error-ratio 0 --step 1%:60:600 -j", API_EXIT_FAILED, "\"decides\": false", "");
	check(NULL, "plan --rate 1000 --error-ratio 0.1% --step 5%:1:10s --margin-promotion 4 --phi 3", API_EXIT_FAILED, "", "");
}

static void what_is_wrong_with_a_call(void **state)
{
	(void)state;
	check(NULL, "plan", API_EXIT_USAGE, "", "needs to know the traffic");
	check(NULL, "plan --rate 5", API_EXIT_USAGE, "", "needs to know the traffic");
	check(NULL, "plan --rate 0 --error-ratio 0", API_EXIT_FAILED, "", "without traffic nothing can be decided");
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
		{ "GET /v1/services/checkout/traffic", 200, { "traffic", "traffic", "traffic", "traffic_unknown" }, 0 },
		{ "GET /v1/config", 200, { "config_slow_step.yaml" }, 0 },
		{ 0 },
	};
	struct fake_daemon *fake = fake_start(routes);

	(void)state;
	check(fake, "plan checkout", API_EXIT_FAILED, "950/s, 0.12 % of them fail (1.40 times as unevenly as by chance), p50 10.2 ms, p95",
	      "step 1 of 2, 0.1 %, cannot decide");
	check(fake, "plan checkout --step 5%", API_EXIT_OK, "5 %", "");
	check(fake, "plan checkout --p50 0.1 --p95 0.3 --step 5%", API_EXIT_OK, "p50 99.6 ms", "");
	check(fake, "plan checkout", API_EXIT_FAILED, "", "measured the service's traffic for 1.2 s only");
	check(fake, "plan checkout --rate 100 --error-ratio 0 --step 5%", API_EXIT_OK, "5 %", "");
	check(fake, "plan other", API_EXIT_FAILED, "", "canaryd has no service other");
	fake_stop(fake);
}

/* It is canaryd that refuses; what it says of a start that it does not refuse is not lost. */
static void a_start_is_refused(void **state)
{
	struct fake_route routes[] = {
		{ "POST /v1/rollouts", 409, { "error_undecidable" }, 0 },
		{ 0 },
	};
	struct fake_route forced[] = {
		{ "POST /v1/rollouts", 201, { "rollout_forced" }, 0 },
		{ 0 },
	};
	struct fake_daemon *fake = fake_start(routes);

	(void)state;
	check(fake, "rollout start checkout", API_EXIT_FAILED, "", "step 1 of 2, 0.1 %, cannot decide");
	check(fake, "rollout start checkout", API_EXIT_FAILED, "", "max_s to 2500; --force starts it all the same");
	assert_null(strstr(fake->last_body, "force"));
	fake_stop(fake);
	fake = fake_start(forced);
	check(fake, "rollout start checkout --force", API_EXIT_OK, "v2", "canaryctl: started by force: step 1 of 2");
	assert_non_null(strstr(fake->last_body, "\"force\":true"));
	fake_stop(fake);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_daemon),
		cmocka_unit_test(what_is_wrong_with_a_call),
		cmocka_unit_test(of_a_service),
		cmocka_unit_test(a_start_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

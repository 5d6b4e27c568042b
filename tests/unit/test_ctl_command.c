/* SPDX-License-Identifier: GPL-2.0-or-later */
/* canaryctl as a whole, in memory: arguments in; requests, text and exit code out. The daemon is fake_daemon.h's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "canaryd/api.h"
#include "tests/unit/fake_daemon.h"
#include "tools/canaryctl/command.h"
#include "tools/canaryctl/ctl.h"
#include "user/config.h"

struct run {
	int code;
	char *out, *err;
};

/* canaryctl `line`, split at spaces. */
static struct run run(struct fake_daemon *fake, const char *line)
{
	char *words = strdup(line), *arguments[32] = { (char *)(uintptr_t) "canaryctl" };
	struct ctl ctl = { .socket = fake ? fake->socket : NULL };
	size_t out_size, err_size;
	struct run result = { 0 };
	int count = 1;

	for (char *word = strtok(words, " "); word; word = strtok(NULL, " "))
		arguments[count++] = word;
	ctl.out.style = (struct style){ .columns = 80, .utf8 = true };
	ctl.out.out = open_memstream(&result.out, &out_size);
	ctl.err = open_memstream(&result.err, &err_size);
	result.code = command_main(&ctl, count, arguments);
	fclose(ctl.out.out);
	fclose(ctl.err);
	free(words);
	return result;
}

static void run_deinit(struct run *result)
{
	free(result->out);
	free(result->err);
}

static void has(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("'%s' is not in:\n%s", part, text);
}

/* The exit code and a part of each stream ("" for no demand). */
static void check(struct fake_daemon *fake, const char *line, int code, const char *out, const char *err)
{
	struct run result = run(fake, line);

	if (result.code != code)
		fail_msg("canaryctl %s: exit %d instead of %d\n%s%s", line, result.code, code, result.out, result.err);
	has(result.out, out);
	has(result.err, err);
	run_deinit(&result);
}

/* ---- without a daemon -------------------------------------------------------------------------------------- */

static void usage(void **state)
{
	(void)state;
	check(NULL, "--version", API_EXIT_OK, "canaryctl " CANARYD_VERSION, "");
	check(NULL, "status --version", API_EXIT_OK, "canaryctl " CANARYD_VERSION, "");
	check(NULL, "--help", API_EXIT_OK, "rollout start SERVICE", "");
	check(NULL, "help", API_EXIT_OK, "Exit codes", "");
	check(NULL, "help rollout", API_EXIT_OK, "rollout why SERVICE|ID", "");
	check(NULL, "help rollout start", API_EXIT_OK, "--backend ADDR:PORT", "");
	check(NULL, "rollout start --help", API_EXIT_OK, "--backend ADDR:PORT", "");
	check(NULL, "-h rollout start", API_EXIT_OK, "--backend ADDR:PORT", "");
	check(NULL, "rollout -h", API_EXIT_OK, "rollout abort", "");
	check(NULL, "", API_EXIT_USAGE, "", "Commands");
	check(NULL, "rollout", API_EXIT_USAGE, "", "rollout abort");
	check(NULL, "statsu", API_EXIT_USAGE, "", "did you mean: canaryctl status?");
	check(NULL, "rollout stat x", API_EXIT_USAGE, "", "did you mean: canaryctl rollout status?");
	check(NULL, "rollout zzzzzz x", API_EXIT_USAGE, "", "see canaryctl help rollout");
	check(NULL, "help nonsense", API_EXIT_USAGE, "", "there is no command 'nonsense'");
	check(NULL, "rollout start x --cnary v2", API_EXIT_USAGE, "", "did you mean --canary?");
	check(NULL, "--jsn status", API_EXIT_USAGE, "", "did you mean --json?");
	check(NULL, "status -q", API_EXIT_USAGE, "", "there is no option -q");
	check(NULL, "rollout start x --canary", API_EXIT_USAGE, "", "--canary needs a value");
	check(NULL, "rollout start", API_EXIT_USAGE, "", "rollout start needs SERVICE");
	check(NULL, "status a b", API_EXIT_USAGE, "", "'b' is one argument too many");
	check(NULL, "rollout start x --wait --timeout soon", API_EXIT_USAGE, "", "--timeout 'soon' is not a time");
	check(NULL, "rollout start x --timeout 5", API_EXIT_USAGE, "", "add --wait");
}

static void every_command_has_help(void **state)
{
	(void)state;
	for (const struct command *c = commands; c->name; c++) {
		char line[64];

		assert_non_null(c->run);
		assert_true(strlen(c->summary) > 0 && strlen(c->summary) <= 54);
		assert_true(c->least <= c->most);
		snprintf(line, sizeof(line), "%s --help", c->name);
		check(NULL, line, API_EXIT_OK, c->summary, "");
	}
}

static void unreachable(void **state)
{
	char directory[] = "/tmp/canaryctl-test-XXXXXX", line[256];

	(void)state;
	assert_non_null(mkdtemp(directory));
	snprintf(line, sizeof(line), "status --socket %s/none", directory);
	check(NULL, line, API_EXIT_UNREACHABLE, "", "is canaryd running? systemctl status canaryd; or name its socket");
	snprintf(line, sizeof(line), "--socket %s/none rollout pause x", directory);
	check(NULL, line, API_EXIT_UNREACHABLE, "", "there is no such socket");
	snprintf(line, sizeof(line), "version --socket %s/none", directory);
	check(NULL, line, API_EXIT_OK, "canaryd does not answer", "");
	snprintf(line, sizeof(line), "status --socket %s/%0110d", directory, 0);
	check(NULL, line, API_EXIT_UNREACHABLE, "", "too long for a Unix socket");
	rmdir(directory);
}

/* ---- configurations ---------------------------------------------------------------------------------------- */

static void config_init_prints_what_loads(void **state)
{
	struct run result = run(NULL,
		"config init --vip 192.0.2.1:80 --baseline 192.0.2.2:80,192.0.2.3:80 --canary 192.0.2.4:80 --name web");
	struct config *config = NULL;
	char *problems = NULL;

	(void)state;
	assert_int_equal(result.code, API_EXIT_OK);
	assert_int_equal(config_load_text(result.out, strlen(result.out), "stdout", &config, &problems), 0);
	assert_string_equal(config->services[0].name, "web");
	assert_int_equal(config->services[0].versions_count, 2);
	assert_string_equal(config->interfaces[0].name, "eth0");
	config_free(config);
	run_deinit(&result);
	check(NULL, "config init --vip 192.0.2.1:80 --baseline 192.0.2.2:80 -j", API_EXIT_OK, "{\n  \"config\": \"",
	      "");
	check(NULL, "config init --vip 192.0.2.1:80", API_EXIT_USAGE, "", "config init needs --baseline");
	check(NULL, "config init --vip nowhere --baseline 192.0.2.2:80", API_EXIT_CONFIG, "",
	      "\n  services[0].vip: \"nowhere\" is not");
}

/* The canaryd in PATH is a script here: it says what it was given, and finds fault with bad.yaml. */
static void config_check_asks_canaryd(void **state)
{
	char directory[] = "/tmp/canaryctl-test-XXXXXX", path[64];
	char *before = strdup(getenv("PATH"));
	FILE *script;

	(void)state;
	assert_non_null(mkdtemp(directory));
	setenv("PATH", directory, 1);
	check(NULL, "config check good.yaml", API_EXIT_FAILED, "", "canaryd could not be started");
	snprintf(path, sizeof(path), "%s/canaryd", directory);
	script = fopen(path, "we");
	fputs("#!/bin/sh\necho \"$*\"\n[ \"$3\" != bad.yaml ] || { echo wrong >&2; exit 3; }\n", script);
	fclose(script);
	chmod(path, 0700);
	check(NULL, "config check good.yaml", API_EXIT_OK, "-t -c good.yaml", "");
	check(NULL, "config check bad.yaml", API_EXIT_CONFIG, "", "wrong");
	check(NULL, "config check bad.yaml -j", API_EXIT_CONFIG, "\"valid\": false", "");
	setenv("PATH", before, 1);
	free(before);
	unlink(path);
	rmdir(directory);
}

/* ---- with one ---------------------------------------------------------------------------------------------- */

static void alerts(void **state)
{
	struct fake_route routes[] = {
		{ "POST /v1/alerts/resolve", 200, { "alerts_resolved" }, 0 },
		{ "POST /v1/alerts", 201, { "alert" }, 0 },
		{ 0 },
	};
	struct fake_daemon *fake = fake_start(routes);

	(void)state;
	check(fake, "alert raise checkout --summary open", API_EXIT_OK, "page SecurityAlert of v2 (CVE-2026-1234)", "");
	assert_string_equal(fake->last_body, "{\"service\":\"checkout\",\"summary\":\"open\"}");
	check(fake, "alert raise checkout v2 --summary open --severity ticket --key k --rollback --for 2m", API_EXIT_OK,
	      "from uid 1000, holds a rollout", "");
	assert_string_equal(fake->last_body, "{\"service\":\"checkout\",\"version\":\"v2\",\"summary\":\"open\","
			    "\"severity\":\"ticket\",\"key\":\"k\",\"action\":\"rollback\",\"ttl_s\":120.0}");
	check(fake, "alert resolve checkout v2", API_EXIT_OK, "resolved SecurityAlert of v2", "");
	assert_string_equal(fake->last_body, "{\"service\":\"checkout\",\"version\":\"v2\"}");
	check(fake, "alert raise checkout", API_EXIT_USAGE, "", "--summary is missing");
	check(fake, "alert raise checkout --summary s --hold --tell", API_EXIT_USAGE, "", "--hold and --tell contradict");
	check(fake, "alert raise checkout --summary s --for ever", API_EXIT_USAGE, "", "'ever' is not a time");
	fake_stop(fake);
}

static void views(void **state)
{
	struct fake_route routes[] = {
		{ "GET /v1/status", 200, { "status_running" }, 0 },
		{ "GET /v1/rollouts/7", 200, { "rollout_rolled_back" }, 0 },
		{ "GET /v1/rollouts", 200, { "rollouts" }, 0 },
		{ "GET /v1/config", 200, { "config.yaml" }, 0 },
		{ "GET /v1/flow", 200, { "flow_hash", "flow_open", "flow_no_backend" }, 0 },
		{ 0 },
	};
	struct fake_daemon *fake = fake_start(routes);

	(void)state;
	check(fake, "status", API_EXIT_OK, "weight of v2", "");
	check(fake, "status -v checkout", API_EXIT_OK, "10.0.1.3:8080", "");
	check(fake, "status -j checkout", API_EXIT_OK, "\"pin_dir\"", "");
	check(fake, "status nope", API_EXIT_FAILED, "", "services: checkout");
	check(fake, "rollout status checkout", API_EXIT_OK, "step 2 of 5", "");
	check(fake, "rollout history", API_EXIT_OK, "rolled back", "");
	assert_string_equal(fake->last_request, "GET /v1/rollouts HTTP/1.1");
	check(fake, "rollout why check/out", API_EXIT_OK, "34 of 2134 failed", "");
	check(fake, "rollout why 7", API_EXIT_OK, "rollout 7 of checkout", "");
	check(fake, "-j rollout why 7", API_EXIT_OK, "\"decisions\"", "");
	check(fake, "rollout why 8", API_EXIT_FAILED, "", "no such route");
	check(fake, "flow [::1]:5 a&b", API_EXIT_OK, "its place on the circle is 3.1 %", "");
	assert_string_equal(fake->last_request, "GET /v1/flow?service=a%26b&client=%5B%3A%3A1%5D%3A5 HTTP/1.1");
	check(fake, "flow 192.0.2.7:1 x", API_EXIT_OK, "it is open, since epoch 12", "");
	check(fake, "flow 192.0.2.7:1 x", API_EXIT_OK, "no version has a usable backend", "");
	check(fake, "version -j", API_EXIT_OK, "\"canaryd\": \"0.1.0\"", "");
	check(fake, "config show", API_EXIT_OK, "services:\n", "");
	check(fake, "config show -j", API_EXIT_OK, "\"config\": \"services:\\n", "");
	check(fake, "detach", API_EXIT_USAGE, "", "add --yes");
	fake_stop(fake);
}

static void orders(void **state)
{
	struct fake_route routes[] = {
		{ "POST /v1/rollouts", 201, { "rollout_running" }, 0 },
		{ "POST /v1/services/a%2Fb/pause", 200, { "rollout_running" }, 0 },
		{ "POST /v1/services/checkout/abort", 409, { "error_conflict" }, 0 },
		{ "POST /v1/services/checkout/mute", 200, { "mutes" }, 0 },
		{ "POST /v1/services/checkout/unmute", 409, { "error_conflict" }, 0 },
		{ "POST /v1/detach", 200, { "rollouts_empty" }, 0 },
		{ 0 },
	};
	struct fake_daemon *fake = fake_start(routes);

	(void)state;
	check(fake, "rollout start checkout", API_EXIT_OK, "step 2 of 5", "");
	assert_string_equal(fake->last_body, "{\"service\":\"checkout\"}");
	check(fake, "rollout start checkout --canary v3 --backend 10.0.0.1:80 --backend [::1]:81", API_EXIT_OK, "", "");
	assert_string_equal(fake->last_body,
			    "{\"service\":\"checkout\",\"canary\":\"v3\",\"backends\":[\"10.0.0.1:80\",\"[::1]:81\"]}");
	check(fake, "rollout pause a/b", API_EXIT_OK, "", "");
	check(fake, "rollout abort checkout", API_EXIT_FAILED, "",
	      "canaryctl: checkout has a rollout under way: 7, v2 at 5 %\n  canaryctl rollout abort");
	check(fake, "sli mute checkout latency --for 2h", API_EXIT_OK,
	      "latency of checkout is muted until 2024-05-01 14:02:11: it does not decide", "");
	assert_string_equal(fake->last_body, "{\"sli\":\"latency\",\"for_s\":7200.0}");
	check(fake, "sli mute checkout errors", API_EXIT_OK, "latency of checkout is muted", "");
	assert_string_equal(fake->last_body, "{\"sli\":\"errors\"}");
	check(fake, "sli mute checkout latency --for -1", API_EXIT_USAGE, "", "not a time");
	check(fake, "sli unmute checkout latency", API_EXIT_FAILED, "", "canaryctl: ");
	check(fake, "detach --yes", API_EXIT_OK, "detached", "");
	fake_stop(fake);
}

static void cohorts(void **state)
{
	struct fake_route routes[] = {
		{ "GET /v1/services/checkout/cohorts", 200, { "cohorts" }, 0 },
		{ "PUT /v1/services/checkout/cohorts/office", 200, { "cohorts" }, 0 },
		{ "DELETE /v1/services/checkout/cohorts/office", 200, { "cohorts" }, 0 },
		{ "DELETE /v1/services/checkout/cohorts", 200, { "cohorts" }, 0 },
		{ "GET /v1/flow", 200, { "flow_hash" }, 0 },
		{ 0 },
	};
	struct fake_daemon *fake = fake_start(routes);

	(void)state;
	check(fake, "cohort list checkout", API_EXIT_OK, "12345 networks", "");
	check(fake, "cohort set checkout office canary 192.0.2.0/24 2001:DB8::/32", API_EXIT_OK, "set at run time", "");
	assert_string_equal(fake->last_body, "{\"action\":\"canary\",\"prefixes\":[\"192.0.2.0/24\",\"2001:db8::/32\"]}");
	check(fake, "cohort set checkout office 25%", API_EXIT_OK, "in effect after", "");
	assert_string_equal(fake->last_body, "{\"action\":\"weight\",\"weight\":0.25}");
	check(fake, "cohort set checkout office 200%", API_EXIT_USAGE, "", "no rule for a cohort");
	check(fake, "cohort set checkout office weight", API_EXIT_USAGE, "", "no rule for a cohort");
	check(fake, "cohort set checkout office canary 192.0.2.1/24", API_EXIT_USAGE, "", "bits set beyond its length");
	check(fake, "cohort set checkout office canary --file /nowhere/at/all", API_EXIT_FAILED, "", "cannot read");
	check(fake, "cohort remove checkout office", API_EXIT_OK, "office", "");
	assert_string_equal(fake->last_request, "DELETE /v1/services/checkout/cohorts/office HTTP/1.1");
	check(fake, "cohort reset checkout", API_EXIT_OK, "office", "");
	check(fake, "flow 192.0.2.7:1 x", API_EXIT_OK, "192.0.2.0/28 is in cohort beta: weight 5 %", "");
	fake_stop(fake);
}

static void errors_by_code(void **state)
{
	struct fake_route routes[] = {
		{ "POST /v1/rollouts", 400, { "error_config", "error_kernel" }, 0 },
		{ "GET /v1/rollouts", 200, { "not_json.html" }, 0 },
		{ "GET /v1/status", 503, { "not_json.html" }, 0 },
		{ 0 },
	};
	struct fake_daemon *fake = fake_start(routes);

	(void)state;
	check(fake, "rollout start checkout --backend x", API_EXIT_CONFIG, "", "canaryctl: ");
	check(fake, "rollout start checkout", API_EXIT_KERNEL, "", "canaryctl: ");
	check(fake, "rollout history", API_EXIT_FAILED, "", "the answer is not JSON");
	check(fake, "status", API_EXIT_FAILED, "", "HTTP 503");
	fake_stop(fake);
}

/* ---- waiting ----------------------------------------------------------------------------------------------- */

static void wait_for(const char *last, const char *line, int code, const char *out, const char *err)
{
	struct fake_route routes[] = {
		{ "POST /v1/rollouts", 201, { "rollout_running" }, 0 },
		{ "GET /v1/status", 200, { "status_running" }, 0 },
		{ "GET /v1/rollouts/7", 200, { "rollout_running", last }, 0 },
		{ 0 },
	};
	struct fake_daemon *fake = fake_start(routes);

	check(fake, line, code, out, err);
	fake_stop(fake);
}

static void waiting(void **state)
{
	(void)state;
	wait_for("rollout_promoted", "rollout start checkout --wait", API_EXIT_OK,
		 "checkout: v2 promoted after 15 min 3 s", "5 %, step 2 of 5");
	wait_for("rollout_rolled_back", "rollout wait checkout", API_EXIT_ROLLED_BACK, "13 times as often",
		 "rolled back");
	wait_for("rollout_rolled_back", "rollout wait checkout -j", API_EXIT_ROLLED_BACK, "\"state\": \"rolled_back\"",
		 "");
	wait_for("rollout_held", "rollout wait checkout", API_EXIT_UNDECIDED, "1 h at 1 % brought no verdict",
		 "held without a verdict");
	wait_for("rollout_running", "rollout wait checkout --timeout 0.1", API_EXIT_UNDECIDED, "",
		 "no outcome within --timeout");
}

static void waiting_survives_a_restart(void **state)
{
	struct fake_route routes[] = {
		{ "POST /v1/rollouts", 201, { "rollout_running" }, 0 },
		{ "GET /v1/rollouts/7", 200, { "rollout_running", "gone", "rollout_promoted" }, 0 },
		{ 0 },
	};
	struct fake_daemon *fake = fake_start(routes);

	(void)state;
	check(fake, "rollout start checkout --wait", API_EXIT_OK, "promoted", "canaryd answers again");
	fake_stop(fake);
}

/* ---- samples of flows -------------------------------------------------------------------------------------- */

static void flows(void **state)
{
	struct fake_route routes[] = {
		{ "GET /v1/status", 200, { "status_running" }, 0 },
		{ "GET /v1/services/checkout/flows", 200, { "flows" }, 0 },
		{ "GET /v1/services/quiet/flows", 200, { "flows_none" }, 0 },
		{ 0 },
	};
	struct fake_daemon *fake = fake_start(routes);

	(void)state;
	check(fake, "flows checkout", API_EXIT_OK, "what                      waited  version  backend        client\n", "");
	assert_string_equal(fake->last_request, "GET /v1/services/checkout/flows?after=0 HTTP/1.1");
	check(fake, "flows checkout", API_EXIT_OK, "reset before a response  12.3 ms  v2       10.0.1.3:8080  198.51.100.0/24  request 3, flow 2.25 s old\n", "");
	check(fake, "flows checkout", API_EXIT_OK, "connection unanswered     3.00 s  ?        ?              2001:db8:1::/48\n", "");
	check(fake, "flows checkout", API_EXIT_OK, "trace https://traces.example/trace/4bf92f3577b34da6a3ce929d0e0e4736\n", "");
	check(fake, "flows checkout", API_EXIT_OK, "trace 0af7651916cd43dd8448eb211c80319c\n", "");
	check(fake, "flows checkout", API_EXIT_OK, "checkout  2 failed, 1 slow; the kernel's rate limit left out 1204 failed, 0 slow\n", "");
	check(fake, "flows checkout", API_EXIT_OK, "slow is a response after 25.5 ms and a connection after 1.21 ms\n", "");
	check(fake, "flows quiet", API_EXIT_OK, "0 failed, 0 slow; none left out\n  nothing counts as slow: the baseline", "");
	check(fake, "flows quiet", API_EXIT_OK, "is off\n", "");
	check(fake, "flows", API_EXIT_OK, "checkout  2 failed, 1 slow", "");
	check(fake, "flows -j", API_EXIT_OK, "\"services\": [", "");
	check(fake, "flows checkout --failed", API_EXIT_OK, "", "");
	assert_string_equal(fake->last_request, "GET /v1/services/checkout/flows?after=0&kind=failed HTTP/1.1");
	check(fake, "flows checkout v/2 --slow -j", API_EXIT_OK, "\"slow_response_s\": 0.0255", "");
	assert_string_equal(fake->last_request, "GET /v1/services/checkout/flows?after=0&kind=slow&version=v%2F2 HTTP/1.1");
	check(fake, "flows nothing", API_EXIT_FAILED, "", "no such route");
	fake_stop(fake);
	check(NULL, "flows checkout --socket /nonexistent", API_EXIT_UNREACHABLE, "", "is canaryd running?");
}

/* It ends with an answer that cannot be read; without one it would go on. */
static void flows_are_followed_over_a_restart(void **state)
{
	static const struct {
		const char *line, *out;
	} cases[] = {
		{ "flows checkout --follow", "HTTP 5xx                 2.00 ms  v2       10.0.1.3:8080  198.51.100.0/24\n"
					     "checkout: the kernel's rate limit left out 6 more that failed\n" },
		{ "flows checkout --follow -j", "{\"seq\":1714572001000006,\"t\":1714572105.5,\"class\":\"failed\",\"kind\":\"http_5xx\"" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct fake_route routes[] = {
			{ "GET /v1/services/checkout/flows", 200, { "flows", "gone", "flows_later", "not_json.html" }, 0 },
			{ 0 },
		};
		struct fake_daemon *fake = fake_start(routes);

		check(fake, cases[i].line, API_EXIT_FAILED, cases[i].out, "; waiting for it\n");
		assert_string_equal(fake->last_request, "GET /v1/services/checkout/flows?after=1714572001000006 HTTP/1.1");
		fake_stop(fake);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(usage),
		cmocka_unit_test(every_command_has_help),
		cmocka_unit_test(alerts),
		cmocka_unit_test(unreachable),
		cmocka_unit_test(config_init_prints_what_loads),
		cmocka_unit_test(config_check_asks_canaryd),
		cmocka_unit_test(views),
		cmocka_unit_test(orders), cmocka_unit_test(cohorts),
		cmocka_unit_test(errors_by_code),
		cmocka_unit_test(waiting),
		cmocka_unit_test(waiting_survives_a_restart),
		cmocka_unit_test(flows),
		cmocka_unit_test(flows_are_followed_over_a_restart),
	};

	unsetenv("CANARYD_SOCKET");
	setenv("TZ", "UTC", 1);
	if (!freopen("/dev/null", "r", stdin))
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

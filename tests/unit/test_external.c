/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Looks at SLIs beyond the packet: against a real HTTP server, real commands and a tree of files. */
#include "user/external.h"

#include <errno.h>
#include <math.h>
#include <sys/stat.h>

#include "tests/unit/event_fixture.h"

#define VECTOR(value)                                                                                               \
	"{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[{\"metric\":{},\"value\":[1,\"" value   \
	"\"]}]}}"
#define EMPTY "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[]}}"

struct fixture {
	sd_event *event;
	struct external_tools tools;
	struct sink *sink;
	struct config *config;
	struct external *external;
	struct external_now now;
	struct sample sample;
	char directory[64];
};

static const char *canary_value = VECTOR("3"), *baseline_value = VECTOR("10");
static const char *canary_bad = VECTOR("0"), *baseline_bad = VECTOR("0");

/* The queries below hold the version's name, and "bad" or not. */
static const char *choose(const char *query)
{
	if (strstr(query, "v2"))
		return strstr(query, "bad") ? canary_bad : canary_value;
	return strstr(query, "bad") ? baseline_bad : baseline_value;
}

static int set_up(void **state)
{
	struct fixture *x = calloc(1, sizeof(*x));

	assert_true(sd_event_new(&x->event) >= 0);
	assert_int_equal(fetch_new(x->event, &x->tools.fetch), 0);
	assert_int_equal(command_runner_new(x->event, &x->tools.runner), 0);
	x->tools.cgroup_mount = x->directory;
	strcpy(x->directory, "/tmp/canaryd-external-XXXXXX");
	assert_non_null(mkdtemp(x->directory));
	x->sink = sink_new();
	x->sink->choose = choose;
	canary_value = VECTOR("3"), baseline_value = VECTOR("10");
	canary_bad = baseline_bad = VECTOR("0");
	x->now = (struct external_now){ .baseline = "v1", .canary = "v2", .rollout = 1, .now_ns = 1000000000, .unix_s = 1.75e9 };
	*state = x;
	return 0;
}

static void run(const char *format, const char *directory)
{
	char line[512];

	snprintf(line, sizeof(line), format, directory, directory, directory, directory);
	assert_int_equal(system(line), 0);
}

static int tear_down(void **state)
{
	struct fixture *x = *state;

	external_free(x->external);
	assert_null(external_free(NULL));
	config_free(x->config);
	fetch_free(x->tools.fetch);
	command_runner_free(x->tools.runner);
	sd_event_unref(x->event);
	sink_free(x->sink);
	run("rm -r %s", x->directory);
	free(x);
	return 0;
}

/* A service with one SLI; `url` stands for %s in it. */
static void configure(struct fixture *x, const char *sli, const char *url)
{
	char text[2048], one[1024], *error = NULL;

	snprintf(one, sizeof(one), sli, url);
	snprintf(text, sizeof(text),
		 "interfaces: [eth0]\nservices:\n  - name: web\n    vip: 192.0.2.10:80\n    baseline: v1\n    versions:\n"
		 "      - {name: v1, backends: [10.0.0.1:80, 10.0.0.1:81], unit: web-1.service}\n"
		 "      - {name: v2, backends: ['10.0.0.2:80'], cgroup: web/2}\n    slis:\n      - {%s}\n", one);
	if (config_load_text(text, strlen(text), "c", &x->config, &error) < 0)
		fail_msg("%s", error);
	assert_int_equal(external_new(&x->tools, &x->config->services[0], &x->external), 0);
}

/* The next look, as the tick after it sees it. */
static const struct sample_external *look(struct fixture *x)
{
	const struct sample_external *r = &x->sample.external[0];
	uint64_t began_us, now_us;

	x->now.now_ns += 10000000000ULL;
	sd_event_now(x->event, CLOCK_MONOTONIC, &began_us);
	external_tick(x->external, &x->now, &x->sample);
	while (!r->fresh) {
		assert_true(sd_event_run(x->event, 100000) >= 0);
		external_tick(x->external, &x->now, &x->sample);
		sd_event_now(x->event, CLOCK_MONOTONIC, &now_us);
		if (now_us - began_us > GUARD_US)
			fail_msg("the look did not end");
	}
	return r;
}

#define GAUGE "name: depth, kind: promql, url: '%s', query: 'q{v=\"{{version}}\"}', max_ratio: 2"
#define COUNTS "name: orders, kind: promql, url: '%s', total: 'all{{version}}', bad: 'bad{{version}}'"

static void test_gauge(void **state)
{
	struct fixture *x = *state;
	const struct sample_external *r;

	configure(x, GAUGE, x->sink->url);
	r = look(x);
	assert_int_equal(r->state, FINDING_STATE_OK);
	assert_true(r->canary == 3 && r->baseline == 10);
	external_tick(x->external, &x->now, &x->sample);
	assert_false(r->fresh);
	assert_true(r->canary == 3);
	assert_string_equal(x->sink->requests[0].path, "/api/v1/query");
}

/* Nothing is asked between two looks, nor without a canary. */
static void test_in_its_own_time(void **state)
{
	struct fixture *x = *state;

	configure(x, GAUGE, x->sink->url);
	look(x);
	assert_int_equal(x->sink->count, 2);
	x->now.now_ns += 9000000000ULL;
	external_tick(x->external, &x->now, &x->sample);
	run_dry(x->event);
	assert_int_equal(x->sink->count, 2);
	x->now.canary = NULL;
	x->now.now_ns += 90000000000ULL;
	external_tick(x->external, &x->now, &x->sample);
	run_dry(x->event);
	assert_int_equal(x->sink->count, 2);
	assert_int_equal(x->sample.external[0].state, FINDING_STATE_WAITING);
}

/* Cumulative counters: the first look is where counting begins; fractions are not lost. */
static void test_counters(void **state)
{
	struct fixture *x = *state;
	const struct sample_external *r;

	configure(x, COUNTS, x->sink->url);
	canary_value = VECTOR("100"), baseline_value = VECTOR("1000"), canary_bad = VECTOR("7");
	r = look(x);
	assert_int_equal(r->state, FINDING_STATE_WAITING);
	assert_int_equal(r->canary_n, 0);
	canary_value = VECTOR("150.5"), baseline_value = VECTOR("1950"), canary_bad = VECTOR("9"), baseline_bad = VECTOR("1");
	r = look(x);
	assert_int_equal(r->state, FINDING_STATE_OK);
	assert_true(r->canary_n == 50 && r->canary_y == 2 && r->baseline_n == 950 && r->baseline_y == 1);
	canary_value = VECTOR("151");
	r = look(x);
	assert_true(r->canary_n == 1 && r->canary_y == 0 && r->baseline_n == 0);
	external_tick(x->external, &x->now, &x->sample);
	assert_true(!r->fresh && r->canary_n == 0);
}

static void test_a_counter_falls(void **state)
{
	struct fixture *x = *state;
	const struct sample_external *r;

	configure(x, COUNTS, x->sink->url);
	look(x);
	canary_value = VECTOR("2");
	r = look(x);
	assert_int_equal(r->state, FINDING_STATE_BACKWARDS);
	assert_true(r->canary_n == 0 && r->baseline_n == 0);
	canary_value = VECTOR("12");
	r = look(x);
	assert_int_equal(r->state, FINDING_STATE_OK);
	assert_int_equal(r->canary_n, 10);
}

static void test_increases(void **state)
{
	struct fixture *x = *state;
	const struct sample_external *r;

	configure(x, COUNTS ", cumulative: false", x->sink->url);
	canary_value = VECTOR("4.5");
	r = look(x);
	assert_true(r->state == FINDING_STATE_OK && r->canary_n == 4 && r->baseline_n == 10);
	r = look(x);
	assert_int_equal(r->canary_n, 5);
	canary_value = VECTOR("-1");
	assert_int_equal(look(x)->state, FINDING_STATE_NOT_UNDERSTOOD);
}

/* As a whole number it would be any. */
static void test_more_than_anything_counts(void **state)
{
	struct fixture *x = *state;
	const struct sample_external *r;

	configure(x, COUNTS, x->sink->url);
	look(x);
	canary_value = VECTOR("1e30");
	r = look(x);
	assert_int_equal(r->state, FINDING_STATE_NOT_UNDERSTOOD);
	assert_non_null(strstr(r->said, "more than 1e15 events"));
	assert_true(r->canary_n == 0 && r->baseline_n == 0);
	baseline_value = VECTOR("1e999");
	assert_int_not_equal(look(x)->state, FINDING_STATE_OK);
}

/* Each bad answer is a state of its own, says which version's, and counts nothing; what was known before is kept. */
static void test_bad_answers(void **state)
{
	static const struct {
		const char *body;
		enum finding_state state;
		const char *said;
	} cases[] = {
		{ EMPTY, FINDING_STATE_NO_DATA, "version v2: the query gives no series" },
		{ VECTOR("NaN"), FINDING_STATE_NOT_A_NUMBER, "version v2: the query gives NaN" },
		{ VECTOR("x"), FINDING_STATE_NOT_UNDERSTOOD, "version v2: the query gives the text" },
		{ "{\"status\":\"error\",\"errorType\":\"execution\",\"error\":\"no\"}", FINDING_STATE_QUERY_ERROR,
		  "version v2: the query is refused: execution: no" },
		{ "oops", FINDING_STATE_NOT_UNDERSTOOD, "version v2: the answer is not a Prometheus'" },
	};
	struct fixture *x = *state;
	const struct sample_external *r;

	configure(x, COUNTS, x->sink->url);
	look(x);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		canary_bad = cases[i].body;
		r = look(x);
		assert_int_equal(r->state, cases[i].state);
		assert_memory_equal(r->said, cases[i].said, strlen(cases[i].said));
		assert_true(r->canary_n == 0 && r->baseline_n == 0);
	}
	canary_bad = VECTOR("1"), canary_value = VECTOR("8");
	r = look(x);
	assert_true(r->state == FINDING_STATE_OK && r->canary_n == 5 && r->canary_y == 1 && !*r->said);
}

/* Of a gauge without a relative bound the baseline may be missing. */
static void test_baseline_missing(void **state)
{
	struct fixture *x = *state;
	const struct sample_external *r;

	baseline_value = EMPTY;
	configure(x, "name: depth, kind: promql, url: '%s', query: 'q{{version}}', max: 2", x->sink->url);
	r = look(x);
	assert_true(r->state == FINDING_STATE_OK && r->canary == 3 && isnan(r->baseline));
	external_free(x->external);
	config_free(x->config);
	configure(x, GAUGE, x->sink->url);
	assert_int_equal(look(x)->state, FINDING_STATE_NO_DATA);
	assert_non_null(strstr(x->sample.external[0].said, "version v1"));
}

static void test_nobody_answers(void **state)
{
	struct fixture *x = *state;
	unsigned port;
	int fd = bound_socket(false, &port);
	char url[64];

	snprintf(url, sizeof(url), "http://127.0.0.1:%u", port);
	configure(x, GAUGE, url);
	assert_int_equal(look(x)->state, FINDING_STATE_UNREACHABLE);
	external_free(x->external);
	config_free(x->config);
	assert_return_code(listen(fd, 16), 0);
	configure(x, GAUGE ", timeout_s: 0.1", url);
	assert_int_equal(look(x)->state, FINDING_STATE_TIMEOUT);
	assert_non_null(strstr(x->sample.external[0].said, "timeout_s"));
	close(fd);
}

static void test_http_error(void **state)
{
	struct fixture *x = *state;

	configure(x, GAUGE, x->sink->url);
	canary_value = baseline_value = "bad gateway";
	sink_set(x->sink, 502, "");
	assert_int_equal(look(x)->state, FINDING_STATE_HTTP_ERROR);
	assert_non_null(strstr(x->sample.external[0].said, "answered 502"));
}

static void test_http_check(void **state)
{
	struct fixture *x = *state;
	const struct sample_external *r;

	configure(x, "name: health, kind: http, url: '%s/{{version}}/{{backend}}'", x->sink->url);
	r = look(x);
	assert_true(r->state == FINDING_STATE_OK && r->canary_n == 1 && r->baseline_n == 1 && r->canary_y == 0);
	sink_set(x->sink, 503, "");
	r = look(x);
	assert_true(r->canary_y == 1 && r->baseline_y == 1);
	assert_non_null(strstr(x->sink->requests[0].path, "/10.0.0."));
}

static void test_command(void **state)
{
	struct fixture *x = *state;
	const struct sample_external *r;

	configure(x, "name: login, kind: exec, command: 'test $CANARYD_SERVICE$CANARYD_VERSION$CANARYD_ROLE = webv1baseline'%s",
		  "");
	r = look(x);
	assert_true(r->state == FINDING_STATE_OK && r->canary_n == 1 && r->canary_y == 1);
	assert_true(r->baseline_n == 1 && r->baseline_y == 0);
	external_free(x->external);
	config_free(x->config);
	configure(x, "name: login, kind: exec, command: /no/such/command%s", "");
	assert_int_equal(look(x)->state, FINDING_STATE_UNAVAILABLE);
	assert_int_equal(x->sample.external[0].canary_n, 0);
}

static void test_gate(void **state)
{
	struct fixture *x = *state;
	const struct sample_external *r;

	configure(x, "name: freeze, kind: exec, gate: true, command: 'echo not today >&2; test $CANARYD_ROLE != canary'%s", "");
	r = look(x);
	assert_true(r->state == FINDING_STATE_OK && r->canary == 1 && r->baseline == 0);
	assert_non_null(strstr(r->said, "version v2: the check fails: exit status 1: not today"));
}

/* By the unit's name below system.slice, and by the cgroup's path. */
static void test_unit(void **state)
{
	struct fixture *x = *state;
	const struct sample_external *r;

	run("mkdir -p %s/system.slice/web-1.service %s/web/2 && echo 1 >%s/system.slice/web-1.service/cgroup.procs && "
	    "echo 4096 >%s/system.slice/web-1.service/memory.current", x->directory);
	configure(x, "name: memory, kind: unit, measure: memory, max_ratio: 2%s", "");
	assert_int_equal(look(x)->state, FINDING_STATE_UNAVAILABLE);
	assert_non_null(strstr(x->sample.external[0].said, "no cgroup of version 2"));
	run("echo 1 >%s/web/2/cgroup.procs", x->directory);
	r = look(x);
	assert_int_equal(r->state, FINDING_STATE_UNAVAILABLE);
	assert_non_null(strstr(r->said, "version v2: its cgroup has no memory.current (enable the memory controller"));
	run("echo 8192 >%s/web/2/memory.current", x->directory);
	r = look(x);
	assert_true(r->state == FINDING_STATE_OK && r->canary == 8192 && r->baseline == 4096);
}

static void restart_daemon(struct fixture *x)
{
	json_t *memory = external_memory(x->external);

	external_free(x->external);
	assert_int_equal(external_new(&x->tools, &x->config->services[0], &x->external), 0);
	assert_int_equal(external_recall(x->external, memory, x->now.rollout, true), 0);
	json_decref(memory);
}

/* Restarts that were counted are there after one of the daemon, which is none itself; for another canary they are gone. */
static void test_counts_outlive_the_daemon(void **state)
{
	struct fixture *x = *state;
	json_t *none = json_object();

	run("mkdir -p %s/system.slice/web-1.service %s/web/2 && echo 1 >%s/system.slice/web-1.service/cgroup.procs", x->directory);
	run("echo 1 >%s/web/2/cgroup.procs", x->directory);
	configure(x, "name: restarts, kind: unit, measure: restarts%s", "");
	assert_true(look(x)->canary == 0 && external_events(x->external) == 0);
	run("echo 2 >%s/web/2/cgroup.procs", x->directory);
	assert_true(look(x)->canary == 1 && external_events(x->external) == 1);
	restart_daemon(x);
	assert_true(look(x)->canary == 1 && external_events(x->external) == 1);
	run("echo 3 >%s/web/2/cgroup.procs", x->directory);
	restart_daemon(x);
	assert_true(look(x)->canary == 2);
	assert_int_equal(external_recall(x->external, none, 1, true), -EINVAL);
	json_decref(none);
	x->now.canary = NULL;
	external_tick(x->external, &x->now, &x->sample);
	x->now.canary = "v2";
	restart_daemon(x);
	assert_true(look(x)->canary == 0);
}

/* The same canary in a new rollout, with no tick in between: what the one before counted is not held against it. */
static void test_another_rollout(void **state)
{
	struct fixture *x = *state;

	run("mkdir -p %s/system.slice/web-1.service %s/web/2 && echo 1 >%s/system.slice/web-1.service/cgroup.procs", x->directory);
	run("echo 1 >%s/web/2/cgroup.procs", x->directory);
	configure(x, "name: restarts, kind: unit, measure: restarts%s", "");
	assert_true(look(x)->canary == 0);
	run("echo 2 >%s/web/2/cgroup.procs", x->directory);
	assert_true(look(x)->canary == 1);
	x->now.rollout = 2;
	external_tick(x->external, &x->now, &x->sample);
	assert_true(x->sample.external[0].state == FINDING_STATE_WAITING || x->sample.external[0].canary == 0);
	assert_true(look(x)->canary == 0);
}

/* An answer that comes for a canary that is gone is nobody's. */
static void test_another_canary(void **state)
{
	struct fixture *x = *state;

	configure(x, GAUGE, x->sink->url);
	external_tick(x->external, &x->now, &x->sample);
	x->now.canary = NULL;
	external_tick(x->external, &x->now, &x->sample);
	run_dry(x->event);
	assert_int_equal(x->sample.external[0].state, FINDING_STATE_WAITING);
	x->now.canary = "v3";
	external_tick(x->external, &x->now, &x->sample);
	assert_int_equal(look(x)->state, FINDING_STATE_UNAVAILABLE);
	assert_non_null(strstr(x->sample.external[0].said, "not in the configuration"));
}

/* An operator's word, of any of them, in the place of the configuration's. */
static void test_muted_by_an_operator(void **state)
{
	struct fixture *x = *state;
	struct mutes mutes = { .n = 2, .item = { { .sli = "latency", .until = 1.75e9 + 60 }, { .sli = "skew" } } };

	configure(x, "name: errors}\n      - {name: skew, kind: skew, muted: 2040-01-01T00:00%s", "");
	x->now.mutes = &mutes;
	external_tick(x->external, &x->now, &x->sample);
	assert_true(x->sample.muted[FINDING_LATENCY] && !x->sample.muted[FINDING_ERRORS]);
	assert_false(x->sample.muted[FINDING_SLIS - FINDING_EXTERNALS]);
	x->now.unix_s += 60;
	external_tick(x->external, &x->now, &x->sample);
	assert_false(x->sample.muted[FINDING_LATENCY]);
	mutes.n = 0;
	external_tick(x->external, &x->now, &x->sample);
	assert_true(x->sample.muted[FINDING_SLIS - FINDING_EXTERNALS]);
}

static void test_muted(void **state)
{
	struct fixture *x = *state;

	configure(x, "name: errors, muted: true}\n      - {name: skew, kind: skew, muted: 2040-01-01T00:00%s", "");
	external_tick(x->external, &x->now, &x->sample);
	assert_true(x->sample.muted[FINDING_ERRORS] && !x->sample.muted[FINDING_LATENCY]);
	assert_true(x->sample.muted[FINDING_SLIS - FINDING_EXTERNALS]);
	x->now.unix_s = 2.3e9;
	external_tick(x->external, &x->now, &x->sample);
	assert_true(x->sample.muted[FINDING_ERRORS]);
	assert_false(x->sample.muted[FINDING_SLIS - FINDING_EXTERNALS]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_gauge),	TEST(test_in_its_own_time), TEST(test_counters), TEST(test_a_counter_falls),
		TEST(test_increases), TEST(test_more_than_anything_counts), TEST(test_bad_answers),	    TEST(test_baseline_missing),
		TEST(test_nobody_answers), TEST(test_http_error),   TEST(test_http_check), TEST(test_command),
		TEST(test_gate),	TEST(test_unit),	    TEST(test_another_canary), TEST(test_another_rollout), TEST(test_muted),
		TEST(test_muted_by_an_operator), TEST(test_counts_outlive_the_daemon),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

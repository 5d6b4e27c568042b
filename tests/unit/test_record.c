/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Recorded ticks: what is written reads back the same; what another wrote badly is named. */
#include "user/record.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct record *parsed(const char *line, int expected, char error[RECORD_ERROR])
{
	struct record *record = calloc(1, sizeof(*record));
	int r = record_parse(line, strlen(line), record, error);

	if (r != expected)
		fail_msg("%d instead of %d: %s\n%s", r, expected, error, line);
	return record;
}

static char *printed(const struct record *record)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	record_print(record, out);
	fclose(out);
	text[strcspn(text, "\n")] = 0;
	return text;
}

static void a_line_of_the_format(void **state)
{
	char error[RECORD_ERROR];
	struct record *r = parsed(
		"{\"t\": 3, \"weight\": 0.05, \"versions\": {"
		"\"v1\": {\"role\": \"baseline\", \"attempts\": 950, \"failed\": 1, \"backends\": {\"10.0.0.1:80\": [500, 1], "
		"\"10.0.0.2:80\": [450, 0]}, \"ttfb\": [[0.01, 900], [0.1, 49], [null, 1]]},"
		"\"v2\": {\"role\": \"canary\", \"attempts\": 50.0, \"failed\": 0}}, \"note\": \"passed over\"}",
		0, error);

	(void)state;
	assert_true(r->t == 3 && isnan(r->elapsed_s) && r->sample.weight == 0.05);
	assert_int_equal(r->rollout, RECORD_ROLLOUT_UNKNOWN);
	assert_string_equal(r->baseline, "v1");
	assert_string_equal(r->canary, "v2");
	assert_int_equal(r->sample.baseline.attempts, 950);
	assert_int_equal(r->sample.baseline.n_backends, 2);
	assert_string_equal(r->sample.baseline.backend[1].address, "10.0.0.2:80");
	assert_int_equal(r->sample.baseline.backend[0].failed, 1);
	assert_int_equal(r->sample.baseline.ttfb.bucket[histogram_bucket(0.01)], 900);
	assert_int_equal(r->sample.baseline.ttfb.bucket[CANARY_HISTOGRAM_BUCKETS - 1], 1);
	assert_int_equal(r->sample.canary.attempts, 50);
	assert_int_equal(r->sample.canary.n_backends, 0);
	free(r);
}

/* What came from elsewhere than judge and policy. */
static void give_hands(struct record *out)
{
	out->outside.backends = FINDING_SAYS_FAIL;
	strcpy(out->outside.backends_why, "v2 has no backend for new flows: \"a\" is drained");
	out->outside.tripped = true;
	strcpy(out->outside.tripped_why, "the kernel's breaker tripped");
	out->outside.tripped_attempts = 12;
	out->outside.tripped_failed = 10;
	out->n_decided = 2;
	out->decided[0] = (struct record_decided){ 6, POLICY_ABORT, "superseded by \"v2\"" };
	out->decided[1] = (struct record_decided){ 7, POLICY_NOTE, "noted" };
	out->restart = (struct record_restart){ true, true, true, 12345678901 };
	out->kept = out->refused = true;
}

static void what_is_written_reads_back(void **state)
{
	struct record *out = calloc(1, sizeof(*out)), *in;
	char error[RECORD_ERROR], *line;

	(void)state;
	*out = (struct record){ .t = 1700000000.25, .elapsed_s = 0.250000123, .rollout = 7, .service = "shop",
				.baseline = "v1", .canary = "v2" };
	out->sample.weight = 0.049999;
	out->sample.suspect = true;
	out->sample.baseline.attempts = 12345678901;
	for (unsigned i = 0; i < CANARY_HISTOGRAM_BUCKETS; i++)
		out->sample.baseline.ttfb.bucket[i] = i + 1;
	out->sample.canary.n_backends = 1;
	out->sample.canary.backend[0] = (struct sample_backend){ "[2001:db8::1]:80", 3, 2 };
	out->sample.muted[0] = out->sample.muted[5] = true;
	strcpy(out->sample.suspect_why, "v2: counters fell");
	out->outside.clock_step_s = -7200.1;
	out->outside.asleep_s = 1.0 / 3;
	out->outside.blackout = out->outside.gates_closed = out->outside.gate_failed = true;
	strcpy(out->outside.blackout_until, "2026-12-24T18:00");
	out->outside.alert = FINDING_SAYS_HOLD;
	strcpy(out->outside.alert_why, "security page from uid 0: a \"hole\"");
	give_hands(out);
	strcpy(out->outside.gate, "tickets");
	strcpy(out->outside.gate_why, "says \"no\"");
	out->sample.external[1] = (struct sample_external){ FINDING_STATE_OK, true, 10, 1, 5, 0, 0.1, 1e-300, "a \"b\" é" };
	out->sample.external[0] = out->sample.external[2] =
		(struct sample_external){ .state = FINDING_STATE_TIMEOUT, .baseline = 1.0 / 3, .said = "slow" };
	line = printed(out);
	in = parsed(line, 0, error);
	assert_memory_equal(in, out, sizeof(*in));
	free(line);
	free(in);
	memset(out->sample.external, 0, sizeof(out->sample.external));
	memset(out->sample.muted, 0, sizeof(out->sample.muted));
	memset(out->sample.suspect_why, 0, sizeof(out->sample.suspect_why));
	memset(&out->outside, 0, sizeof(out->outside));
	memset(out->decided, 0, sizeof(out->decided));
	out->n_decided = 0;
	out->kept = out->refused = false;
	out->restart = (struct record_restart){ .restarted = true };
	out->rollout = RECORD_NO_ROLLOUT;
	memset(out->canary, 0, sizeof(out->canary));
	memset(&out->sample.canary, 0, sizeof(out->sample.canary));
	line = printed(out);
	in = parsed(line, 0, error);
	assert_memory_equal(in, out, sizeof(*in));
	free(line);
	free(in);
	free(out);
}

#define VERSION(role, counts) "\"v\": {\"role\": \"" role "\", " counts "}"
#define TICK(versions) "{\"t\": 1, \"weight\": 0.1, \"versions\": {" versions "}}"

static const struct {
	const char *line, *error;
} bad[] = {
	{ "hello", "is not JSON" },
	{ "[1, 2]", "is not a JSON object" },
	{ "{\"t\": NaN, \"weight\": 0, \"versions\": {}}", "is not JSON" },
	{ "{\"weight\": 0, \"versions\": {}}", "t is missing" },
	{ "{\"t\": \"1\", \"weight\": 0, \"versions\": {}}", "t is not a number" },
	{ "{\"t\": 1, \"t\": 2, \"weight\": 0, \"versions\": {}}", "is not JSON: duplicate" },
	{ "{\"t\": 1, \"versions\": {}}", "weight is missing" },
	{ "{\"t\": 1, \"weight\": 5, \"versions\": {}}", "weight 5 is not a share" },
	{ "{\"t\": 1, \"weight\": -0.1, \"versions\": {}}", "weight -0.1 is not a share" },
	{ "{\"t\": 1, \"weight\": 0}", "versions is missing" },
	{ "{\"t\": 1, \"weight\": 0, \"versions\": []}", "versions is not an object" },
	{ "{\"t\": 1, \"weight\": 0, \"rollout\": \"a\", \"versions\": {}}", "rollout is neither" },
	{ "{\"t\": 1, \"weight\": 0, \"elapsed\": -1, \"versions\": {}}", "elapsed is negative" },
	{ "{\"t\": 1, \"weight\": 0, \"service\": 3, \"versions\": {}}", "service is not a name" },
	{ "{\"t\": 1, \"weight\": 0, \"muted\": [99], \"versions\": {}}", "muted is not" },
	{ "{\"t\": 1, \"weight\": 0, \"slis\": [{\"state\": \"well\"}], \"versions\": {}}", "slis: state is no word" },
	{ "{\"t\": 1, \"weight\": 0, \"asleep\": \"long\", \"versions\": {}}", "asleep is not a number" },
	{ "{\"t\": 1, \"weight\": 0, \"alert\": \"x\", \"versions\": {}}", "alert is not" },
	{ "{\"t\": 1, \"weight\": 0, \"alert\": {\"says\": \"tell\", \"why\": \"\"}, \"versions\": {}}", "alert is not" },
	{ "{\"t\": 1, \"weight\": 0, \"gate\": \"x\", \"versions\": {}}", "gate is not" },
	{ "{\"t\": 1, \"weight\": 0, \"gate\": {\"name\": \"x\", \"why\": \"\", \"verdict\": \"agreed\"}, \"versions\": {}}", "gate is not" },
	{ "{\"t\": 1, \"weight\": 0, \"no_backend\": {\"says\": \"hold\"}, \"versions\": {}}", "no_backend is not" },
	{ "{\"t\": 1, \"weight\": 0, \"breaker\": true, \"versions\": {}}", "breaker is not" },
	{ "{\"t\": 1, \"weight\": 0, \"breaker\": {\"why\": \"\", \"canary\": [1, 2]}, \"versions\": {}}", "breaker is more" },
	{ "{\"t\": 1, \"weight\": 0, \"decided\": {}, \"versions\": {}}", "decided is not a list" },
	{ "{\"t\": 1, \"weight\": 0, \"decided\": [{\"rollout\": 1, \"decision\": \"dance\", \"reason\": \"\"}], \"versions\": {}}", "decided has" },
	{ "{\"t\": 1, \"weight\": 0, \"decided\": [{\"decision\": \"pause\", \"reason\": \"\"}], \"versions\": {}}", "decided has" },
	{ "{\"t\": 1, \"weight\": 0, \"restart\": {\"ticks\": -1}, \"versions\": {}}", "restart is not" },
	{ "{\"t\": 1, \"weight\": 0, \"restart\": true, \"versions\": {}}", "restart is not" },
	{ TICK("\"v\": 3"), "versions.v is not an object" },
	{ TICK("\"v\": {\"attempts\": 1, \"failed\": 0}"), "versions.v.role is missing" },
	{ TICK(VERSION("primary", "\"attempts\": 1, \"failed\": 0")), "versions.v.role is neither" },
	{ TICK(VERSION("canary", "\"failed\": 0")), "versions.v.attempts is missing" },
	{ TICK(VERSION("canary", "\"attempts\": 1")), "versions.v.failed is missing" },
	{ TICK(VERSION("canary", "\"attempts\": -1, \"failed\": 0")), "versions.v.attempts is negative" },
	{ TICK(VERSION("canary", "\"attempts\": 1.5, \"failed\": 0")), "versions.v.attempts is not a whole number" },
	{ TICK(VERSION("canary", "\"attempts\": null, \"failed\": 0")), "versions.v.attempts is not a number" },
	{ TICK(VERSION("canary", "\"attempts\": 1e300, \"failed\": 0")), "versions.v.attempts is beyond" },
	{ TICK(VERSION("canary", "\"attempts\": 99999999999999999999, \"failed\": 0")), "is not JSON: too big" },
	{ TICK(VERSION("canary", "\"attempts\": 1, \"failed\": 2")), "versions.v.failed is more than the attempts" },
	{ TICK(VERSION("canary", "\"attempts\": 1, \"failed\": 0, \"backends\": [1]")), "versions.v.backends is not" },
	{ TICK(VERSION("canary", "\"attempts\": 1, \"failed\": 0, \"backends\": {\"a:1\": [1]}")), "versions.v.a:1 is not" },
	{ TICK(VERSION("canary", "\"attempts\": 1, \"failed\": 0, \"backends\": {\"a:1\": [1, 2]}")), "versions.v.a:1 is more" },
	{ TICK(VERSION("canary", "\"attempts\": 1, \"failed\": 0, \"ttfb\": {}")), "versions.v.ttfb is not" },
	{ TICK(VERSION("canary", "\"attempts\": 1, \"failed\": 0, \"ttfb\": [[1]]")), "versions.v.ttfb has an element" },
	{ TICK(VERSION("canary", "\"attempts\": 1, \"failed\": 0, \"ttfb\": [[-1, 1]]")), "versions.v.ttfb has a negative" },
	{ TICK(VERSION("canary", "\"attempts\": 1, \"failed\": 0, \"ttfb\": [[1, -1]]")), "versions.v.ttfb is negative" },
	{ TICK("\"a\": {\"role\": \"canary\", \"attempts\": 1, \"failed\": 0}, "
	       "\"b\": {\"role\": \"canary\", \"attempts\": 1, \"failed\": 0}"), "there are two of the role canary: a and b" },
};

static void what_is_wrong_is_named(void **state)
{
	char error[RECORD_ERROR];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		free(parsed(bad[i].line, -EINVAL, error));
		if (strncmp(error, bad[i].error, strlen(bad[i].error)))
			fail_msg("'%s' does not begin with '%s'", error, bad[i].error);
	}
}

static void a_line_cut_anywhere_is_told_from_a_wrong_one(void **state)
{
	static const char line[] = TICK(VERSION("canary", "\"attempts\": 10, \"failed\": 2, \"ttfb\": [[0.1, 8]]"));
	char error[RECORD_ERROR], part[sizeof(line)] = "";

	(void)state;
	for (size_t i = 1; i + 1 < sizeof(line); i++) {
		memcpy(part, line, i);
		free(parsed(part, -ENODATA, error));
	}
	free(parsed(line, 0, error));
}

static void more_backends_than_there_is_room_for(void **state)
{
	char error[RECORD_ERROR], *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	struct record *r;

	(void)state;
	fputs("{\"t\": 1, \"weight\": 0, \"versions\": {\"v\": {\"role\": \"baseline\", \"attempts\": 99, \"failed\": 0, "
	      "\"backends\": {", out);
	for (int i = 0; i < SAMPLE_BACKENDS + 9; i++)
		fprintf(out, "%s\"10.0.0.%d:80\": [1, 0]", i ? "," : "", i);
	fputs("}}}}", out);
	fclose(out);
	r = parsed(text, 0, error);
	assert_int_equal(r->sample.baseline.n_backends, SAMPLE_BACKENDS);
	free(r);
	free(text);
}

/* The same line by the quick way and, for the backslash in it, by the slow one. */
static void same_both_ways(const char *ttfb)
{
	char error[2][RECORD_ERROR] = { "", "" };
	struct record *r[2];
	int got[2];

	for (unsigned slow = 0; slow < 2; slow++) {
		char *line = NULL;

		assert_true(asprintf(&line, "{\"t\": 3, \"weight\": 0.05, \"note\": \"%s\", \"versions\": {\"v1\": {\"role\": "
				     "\"baseline\", \"attempts\": 9, \"failed\": 1, \"ttfb\": %s}, \"v0\": {\"role\": \"standby\", "
				     "\"ttfb\" : [[1,1]]}, \"v2\": {\"role\": \"canary\", \"attempts\": 9, \"failed\": 1, \"ttfb\":%s}}}",
				     slow ? "\\n" : "n", ttfb, ttfb) > 0);
		r[slow] = calloc(1, sizeof(*r[slow]));
		got[slow] = record_parse(line, strlen(line), r[slow], error[slow]);
		free(line);
	}
	assert_int_equal(got[0], got[1]);
	assert_string_equal(error[0], error[1]);
	assert_memory_equal(&r[0]->sample, &r[1]->sample, sizeof(r[0]->sample));
	free(r[0]);
	free(r[1]);
}

static void long_lists_are_read_as_all_else_is(void **state)
{
	static const char *const lists[] = {
		"[]", " [ ] ", "[[1,1]]", "[[ 1 , 1 ],\t[null,2]]", "[[\"+Inf\",3],[0,0]]", "[[1e-3,1.0],[2.5E+1,1e3]]", "null", "-1", "7",
		"[[0.1,1.5]]", "[[-1,1]]", "[[1,-1]]", "[[01,1]]", "[[1.,1]]", "[[.5,1]]", "[[1e,1]]", "[[1e400,1]]", "[[1e16,1]]",
		"[[1,1e16]]", "[1,1]", "[[1,1,1]]", "[[1]]", "[[1,1],]", "[[1,1]", "[[1,\"1\"]]", "\"ttfb\"", "{\"ttfb\": [[1,1]]}",
		"[[0.123456789012345678,1]]", "[[1,true]]", "[[1,1]] x",
	};
	uint64_t random = 1;

	(void)state;
	for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++)
		same_both_ways(lists[i]);
	for (unsigned i = 0; i < 2000; i++) {
		static const char *const forms[] = { "[[%.6g,%.0f]]", "[[%.9f,%.0f]]", "[[%.15g,%.0f]]", "[[%.12e,%.1f]]" };
		char list[128];

		random = random * 6364136223846793005ULL + 1442695040888963407ULL;
		snprintf(list, sizeof(list), forms[i % 4], exp2((double)(random >> 40) / 16777216.0 * 26 - 18),
			 floor((double)(random >> 20 & 0xffff)));
		same_both_ways(list);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_of_the_format),
		cmocka_unit_test(what_is_written_reads_back),
		cmocka_unit_test(what_is_wrong_is_named),
		cmocka_unit_test(a_line_cut_anywhere_is_told_from_a_wrong_one),
		cmocka_unit_test(more_backends_than_there_is_room_for),
		cmocka_unit_test(long_lists_are_read_as_all_else_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

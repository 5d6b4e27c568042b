/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a Prometheus may answer, and what may answer in its place. */
#include "user/promql.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define DATA(type, result) "{\"status\":\"success\",\"data\":{\"resultType\":\"" type "\",\"result\":" result "}}"
#define SERIES(value) "{\"metric\":{},\"value\":[1732312345.123,\"" value "\"]}"

static const struct {
	unsigned status;
	const char *body;
	enum finding_state state;
	double value;
	const char *said; /* a part of it */
} cases[] = {
	{ 200, DATA("vector", "[" SERIES("0.25") "]"), FINDING_STATE_OK, 0.25, "" },
	{ 200, DATA("vector", "[" SERIES("-1e-3") "]"), FINDING_STATE_OK, -0.001, "" },
	{ 200, DATA("scalar", "[1732312345,\"42\"]"), FINDING_STATE_OK, 42, "" },
	{ 200, DATA("vector", "[]"), FINDING_STATE_NO_DATA, 0, "no series" },
	{ 200, DATA("vector", "[" SERIES("NaN") "]"), FINDING_STATE_NOT_A_NUMBER, 0, "gives NaN" },
	{ 200, DATA("vector", "[" SERIES("+Inf") "]"), FINDING_STATE_NOT_A_NUMBER, 0, "gives +Inf" },
	{ 200, DATA("vector", "[" SERIES("1e999") "]"), FINDING_STATE_NOT_A_NUMBER, 0, "gives 1e999" },
	{ 200, DATA("vector", "[" SERIES("12 apples") "]"), FINDING_STATE_NOT_UNDERSTOOD, 0, "the text \"12 apples\"" },
	{ 200, DATA("vector", "[" SERIES("") "]"), FINDING_STATE_NOT_UNDERSTOOD, 0, "the text \"\"" },
	{ 200, DATA("vector", "[" SERIES("\\u0007x") "]"), FINDING_STATE_NOT_UNDERSTOOD, 0, "the text \" x\"" },
	{ 200, DATA("vector", "[" SERIES("1") "," SERIES("2") "]"), FINDING_STATE_SEVERAL, 0, "2 series (put sum()" },
	{ 200, DATA("vector", "[{\"metric\":{},\"value\":[1,2]}]"), FINDING_STATE_NOT_UNDERSTOOD, 0, "no [time" },
	{ 200, DATA("vector", "[{\"metric\":{},\"histogram\":[1,{}]}]"), FINDING_STATE_NOT_UNDERSTOOD, 0, "a histogram" },
	{ 200, DATA("vector", "[7]"), FINDING_STATE_NOT_UNDERSTOOD, 0, "no [time" },
	{ 200, DATA("vector", "{}"), FINDING_STATE_NOT_UNDERSTOOD, 0, "has no result" },
	{ 200, DATA("matrix", "[]"), FINDING_STATE_NOT_UNDERSTOOD, 0, "a range" },
	{ 200, DATA("string", "[1,\"x\"]"), FINDING_STATE_NOT_UNDERSTOOD, 0, "gives a string" },
	{ 200, "{\"status\":\"success\"}", FINDING_STATE_NOT_UNDERSTOOD, 0, "has no result" },
	{ 200, "<html>welcome</html>", FINDING_STATE_NOT_UNDERSTOOD, 0, "not a Prometheus'" },
	{ 200, "", FINDING_STATE_NOT_UNDERSTOOD, 0, "not a Prometheus'" },
	{ 200, "[1]", FINDING_STATE_NOT_UNDERSTOOD, 0, "not a Prometheus'" },
	{ 200, "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[", FINDING_STATE_NOT_UNDERSTOOD, 0,
	  "not a Prometheus'" },
	{ 400, "{\"status\":\"error\",\"errorType\":\"bad_data\",\"error\":\"parse error at 3\"}", FINDING_STATE_QUERY_ERROR, 0,
	  "refused: bad_data: parse error at 3" },
	{ 200, "{\"status\":\"error\"}", FINDING_STATE_QUERY_ERROR, 0, "error: no reason given" },
	{ 502, "<html>bad gateway</html>", FINDING_STATE_HTTP_ERROR, 0, "answered 502" },
	{ 404, DATA("vector", "[" SERIES("1") "]"), FINDING_STATE_HTTP_ERROR, 0, "answered 404" },
};

static void test_answers(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct promql_answer answer;

		promql_parse(cases[i].status, cases[i].body, strlen(cases[i].body), &answer);
		if (answer.state != cases[i].state || !strstr(answer.said, cases[i].said))
			fail_msg("%s: %s, \"%s\"", cases[i].body, finding_state_name(answer.state), answer.said);
		if (answer.state == FINDING_STATE_OK)
			assert_true(answer.value == cases[i].value && !*answer.said);
		else
			assert_true(isnan(answer.value) && *answer.said);
	}
}

static void test_url(void **state)
{
	char *url = promql_url("http://127.0.0.1:9090//", "rate(x{v=\"a b\"}[1m]) > 0");

	(void)state;
	assert_string_equal(url, "http://127.0.0.1:9090/api/v1/query?query="
				 "rate%28x%7Bv%3D%22a%20b%22%7D%5B1m%5D%29%20%3E%200");
	free(url);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_answers), cmocka_unit_test(test_url) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}

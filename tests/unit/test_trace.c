/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The traceparent of a request: bpf/trace.h under the sanitizers, the head cut into segments in every way. */
#include "bpf/trace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define VALUE "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
#define OTHER "00-ffffffffffffffffffffffffffffffff-eeeeeeeeeeeeeeee-00"
#define OPENED_NS 77
#define TURN 3
#define SEQ 0xfffffff0 /* wraps within the first segment */

/* As bpf/split_trace.h has it. The segment is copied, so that a byte read beyond it is found. */
static void segment(struct trace *trace, uint32_t seq, const char *bytes, size_t len)
{
	uint8_t *copy = malloc(len ?: 1);
	uint32_t skip = 0, count;

	assert_non_null(copy);
	memcpy(copy, bytes, len);
	count = trace_segment(trace, seq, len, &skip);
	assert_true(skip + count <= len);
	for (uint32_t i = 0; i < count; i++)
		trace_byte(trace, copy[skip + i]);
	trace_segment_end(trace);
	free(copy);
}

static struct trace scan(const char *request, size_t len, size_t cut)
{
	struct trace trace;

	trace_begin(&trace, OPENED_NS, TURN, SEQ);
	segment(&trace, SEQ, request, cut);
	if (cut < len)
		segment(&trace, SEQ + cut, request + cut, len - cut);
	return trace;
}

/* `expected` is NULL where there is none. In one segment, and in two. */
static void expect(const char *request, size_t len, const char *expected)
{
	for (size_t cut = 1; cut <= len; cut++) {
		struct trace trace = scan(request, len, cut);

		if (trace_is_of(&trace, OPENED_NS, TURN) != !!expected)
			fail_msg("cut at %zu: %s", cut, request);
		if (expected)
			assert_string_equal(trace.text, expected);
	}
}

static void test_requests(void **state)
{
	static const struct {
		const char *request, *expected;
	} rows[] = {
		{ "GET / HTTP/1.1\r\ntraceparent: " VALUE "\r\nHost: a\r\n\r\n", VALUE },
		{ "GET / HTTP/1.1\r\nHost: a\r\ntraceparent: " VALUE "\r\n\r\n", VALUE },
		{ "POST / HTTP/1.1\r\nHost: a\r\nTraceParent: " VALUE "\r\n\r\nbody", VALUE },
		{ "GET / HTTP/1.1\r\nTRACEPARENT:" VALUE "\r\n\r\n", VALUE },
		{ "GET / HTTP/1.1\r\ntraceparent: \t  " VALUE "\r\n\r\n", VALUE },
		{ "GET / HTTP/1.1\ntraceparent: " VALUE "\n\n", VALUE },
		{ "GET / HTTP/1.1\r\ntraceparent: " VALUE "-more of a later version\r\n\r\n", VALUE },
		{ "GET / HTTP/1.1\r\ntraceparent: " VALUE "\r\ntraceparent: " OTHER "\r\n\r\n", VALUE },
		{ "GET / HTTP/1.1\r\ntraceparent: 00-0af7\r\ntraceparent: " OTHER "\r\n\r\n", OTHER },
		{ "GET / HTTP/1.1\r\ntraceparen\r\ntraceparent: " OTHER "\r\n\r\n", OTHER },
		{ "GET / HTTP/1.1\r\nx-traceparent: " OTHER "\r\ntraceparent: " VALUE "\r\n\r\n", VALUE },
		{ "GET / HTTP/1.1\r\nx-traceparent: " VALUE "\r\n\r\n", NULL },
		{ "GET / HTTP/1.1\r\n traceparent: " VALUE "\r\n\r\n", NULL },
		{ "GET / HTTP/1.1\r\n\rtraceparent: " VALUE "\r\n\r\n", NULL },
		{ "GET / HTTP/1.1\r\ntraceparent-x: " VALUE "\r\n\r\n", NULL },
		{ "GET / HTTP/1.1\r\ntraceparent : " VALUE "\r\n\r\n", NULL },
		{ "GET /?traceparent: " VALUE " HTTP/1.1\r\n\r\n", NULL },
		{ "POST / HTTP/1.1\r\nHost: a\r\n\r\ntraceparent: " VALUE "\r\n", NULL },
		{ "POST / HTTP/1.1\nHost: a\n\ntraceparent: " VALUE "\n", NULL },
		{ "GET / HTTP/1.1\r\ntraceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b71692\r\n\r\n", NULL },
		{ "GET / HTTP/1.1\r\ntraceparent: \r\n\r\n", NULL },
		{ "GET / HTTP/1.1\r\ntraceparent: 00-0af7651916cd43dd84", NULL },
		{ "GET / HTTP/1.1\r\nHost: a\r\n\r\n", NULL },
		{ "GET / HT", NULL },
		{ "\x16\x03\x01 no HTTP\r\ntraceparent: " VALUE "\r\n\r\n", NULL },
		{ "get / HTTP/1.1\r\ntraceparent: " VALUE "\r\n\r\n", NULL },
		{ "traceparent: " VALUE "\r\n\r\n", NULL },
		{ "TRACEPARENT: " VALUE "\r\n\r\n", NULL },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		expect(rows[i].request, strlen(rows[i].request), rows[i].expected);
}

/* All bytes of the header have to be among the first of the request. */
static void test_limit(void **state)
{
	static const char first[] = "GET / HTTP/1.1\r\nX: ", header[] = "\r\ntraceparent: " VALUE, end[] = "\r\n\r\n";
	char request[2 * TRACE_LIMIT];

	(void)state;
	for (int beyond = 0; beyond <= 1; beyond++) {
		size_t at = TRACE_LIMIT + beyond - strlen(header);

		memset(request, 'x', sizeof(request));
		memcpy(request, first, strlen(first));
		memcpy(request + at, header, strlen(header));
		memcpy(request + at + strlen(header), end, sizeof(end));
		for (size_t cut = 1; cut < at + strlen(header); cut += 101) {
			struct trace trace = scan(request, strlen(request), cut);

			assert_int_equal(trace_is_of(&trace, OPENED_NS, TURN), !beyond);
		}
	}
}

/* Byte by byte, and every segment twice, as it is when its acknowledgement is lost. */
static void test_segments(void **state)
{
	static const char request[] = "GET / HTTP/1.1\r\nHost: a\r\ntraceparent: " VALUE "\r\n\r\n";
	struct trace trace;

	(void)state;
	trace_begin(&trace, OPENED_NS, TURN, SEQ);
	for (uint32_t i = 0; i < strlen(request); i++)
		segment(&trace, SEQ + i, request + i, 1);
	assert_true(trace_is_of(&trace, OPENED_NS, TURN));
	assert_string_equal(trace.text, VALUE);

	trace_begin(&trace, OPENED_NS, TURN, SEQ);
	segment(&trace, SEQ, request, 30);
	segment(&trace, SEQ + 10, request + 10, strlen(request) - 10); /* the end of it again, and what is new */
	assert_true(trace_is_of(&trace, OPENED_NS, TURN));
	assert_string_equal(trace.text, VALUE);

	trace_begin(&trace, OPENED_NS, TURN, SEQ);
	segment(&trace, SEQ, request, 10);
	segment(&trace, SEQ + 16, request + 16, strlen(request) - 16); /* what is missing may hold anything */
	assert_false(trace_is_of(&trace, OPENED_NS, TURN));
}

static void test_whose(void **state)
{
	static const char request[] = "GET / HTTP/1.1\r\ntraceparent: " VALUE "\r\n\r\n";
	struct trace trace = scan(request, strlen(request), strlen(request));

	(void)state;
	assert_true(trace_is_of(&trace, OPENED_NS, TURN));
	assert_false(trace_is_of(&trace, OPENED_NS, TURN + 1));
	assert_false(trace_is_of(&trace, OPENED_NS + 1, TURN));
	trace.turn = 0;
	assert_false(trace_is_of(&trace, OPENED_NS, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_requests),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_segments),
		cmocka_unit_test(test_whose),
	};

	return cmocka_run_group_tests_name("trace", tests, NULL, NULL);
}

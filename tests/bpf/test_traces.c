/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The traceparent of requests, in every mode: it is told with what becomes of its request, and with no other. What
 * becomes of them is nearly always a time-out, which the sweep finds in every mode.
 */
#include "tests/bpf/fixture_dsr.h"
#include "tests/bpf/fixture_events.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define VALUE "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
#define OTHER "00-ffffffffffffffffffffffffffffffff-eeeeeeeeeeeeeeee-00"
#define BEGINNING "GET / HTTP/1.1\r\nHost: a\r\n"
#define END "\r\n\r\n"
#define PLAIN BEGINNING "\r\n"
#define TRACED BEGINNING "TraceParent: " VALUE END
#define OTHERWISE BEGINNING "traceparent: " OTHER END
#define OK "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
#define SORRY "HTTP/1.1 503 Sorry\r\n\r\n"

/* A connection. The client is at `seq`, and has got all until `ack`. */
struct talk {
	struct fixture *f;
	enum canary_mode mode;
	enum fixture_service service;
	uint32_t client;
	uint32_t seq;
	uint32_t ack;
	uint16_t backend;
	struct canary_endpoint source; /* of fullnat */
};

static void send_at(struct talk *t, uint8_t flags, uint32_t seq, const char *payload)
{
	struct packet_spec spec = fixture_request(t->service, t->client, flags, seq, payload);

	spec.ack = t->ack;
	if (t->mode == CANARY_MODE_DNAT)
		t->backend = fixture_send(t->f, &spec);
	else if (t->mode == CANARY_MODE_FULLNAT)
		t->backend = fullnat_expect_sent(t->f, &spec, &t->source);
	else
		t->backend = dsr_expect_sent(t->f, &spec);
}

static void say(struct talk *t, const char *payload)
{
	send_at(t, ACK, t->seq, payload);
	t->seq += strlen(payload);
}

/* The server's part: the client acknowledges it with its next packet. */
static void answer(struct talk *t, uint8_t flags, const char *payload)
{
	struct packet_spec spec = fixture_response(t->backend, t->client, flags, t->ack, t->seq, payload);

	if (t->mode == CANARY_MODE_DNAT)
		fixture_answer(t->f, &spec);
	else if (t->mode == CANARY_MODE_FULLNAT)
		fullnat_expect_answered(t->f, t->backend, t->client, t->source, flags, t->ack, t->seq, payload);
	t->ack += strlen(payload) + !!(flags & SYN);
}

static struct talk connect_to(struct fixture *f, enum canary_mode mode, enum fixture_service service, uint32_t client)
{
	struct talk t = { .f = f, .mode = mode, .service = service, .client = client, .seq = 1000, .ack = 5000 };

	fixture_set_traces(f, service, true);
	send_at(&t, SYN, t.seq++, "");
	answer(&t, SYN | ACK, "");
	say(&t, "");
	return t;
}

/* Nothing comes of the last request, and that is told with this traceparent. */
static void expect_timeout(struct talk *t, uint32_t turn, const char *traceparent)
{
	struct fixture_events heard;

	fixture_begin_new_second(t->f);
	fixture_set_timeouts(t->f, t->service, 3000000000ULL, 1, 10000000000ULL);
	fixture_sweep(t->f);
	fixture_set_timeouts(t->f, t->service, 3000000000ULL, 3600000000000ULL, 10000000000ULL);
	heard = fixture_events(t->f);
	assert_int_equal(heard.count, 1);
	assert_int_equal(heard.event[0].kind, CANARY_COUNTER_response_timeout);
	assert_int_equal(heard.event[0].request_turn, turn);
	assert_string_equal(heard.event[0].traceparent, traceparent);
}

typedef void scene(struct fixture *f, enum canary_mode mode, enum fixture_service service, uint32_t client);

/* Each time with another client. */
static void in_every_mode(struct fixture *f, scene *play)
{
	int last = fullnat_can_run(f) ? CANARY_MODE_DSR : CANARY_MODE_DNAT;
	uint32_t client = 1;

	for (int mode = CANARY_MODE_DNAT; mode <= last; mode++) {
		for (int service = TCP4; service <= TCP6; service++) {
			fullnat_set_mode(f, service, mode);
			play(f, mode, service, client++);
		}
	}
}

static void play_one(struct fixture *f, enum canary_mode mode, enum fixture_service service, uint32_t client)
{
	struct talk t = connect_to(f, mode, service, client);

	say(&t, TRACED);
	expect_timeout(&t, 1, VALUE);
}

static void play_none(struct fixture *f, enum canary_mode mode, enum fixture_service service, uint32_t client)
{
	struct talk t = connect_to(f, mode, service, client);

	say(&t, PLAIN);
	expect_timeout(&t, 1, "");
}

/* The service does not want it. */
static void play_unwanted(struct fixture *f, enum canary_mode mode, enum fixture_service service, uint32_t client)
{
	struct talk t = connect_to(f, mode, service, client);

	fixture_set_traces(f, service, false);
	say(&t, TRACED);
	expect_timeout(&t, 1, "");
}

/* The head comes in two segments, cut in the name and in the value; then the body, in which it is none. */
static void play_segments(struct fixture *f, enum canary_mode mode, enum fixture_service service, uint32_t client)
{
	struct talk t = connect_to(f, mode, service, client);

	say(&t, BEGINNING "tracep");
	say(&t, "arent: 00-0af7651916cd43d");
	say(&t, "d8448eb211c80319c-b7ad6b7169203331-01\r\n");
	say(&t, "\r\n");
	say(&t, "TRACE me\r\ntraceparent: " OTHER END);
	expect_timeout(&t, 1, VALUE);
}

static void play_body(struct fixture *f, enum canary_mode mode, enum fixture_service service, uint32_t client)
{
	struct talk t = connect_to(f, mode, service, client);

	say(&t, PLAIN);
	say(&t, "TRACE me\r\ntraceparent: " OTHER END);
	expect_timeout(&t, 1, "");
}

static void play_retransmission(struct fixture *f, enum canary_mode mode, enum fixture_service service, uint32_t client)
{
	struct talk t = connect_to(f, mode, service, client);
	uint32_t began = t.seq;

	say(&t, TRACED);
	send_at(&t, ACK, began, TRACED);
	expect_timeout(&t, 1, VALUE);
}

/* The second has another, the third none; the first's is shown with neither. */
static void play_requests(struct fixture *f, enum canary_mode mode, enum fixture_service service, uint32_t client)
{
	struct talk t = connect_to(f, mode, service, client);

	say(&t, TRACED);
	answer(&t, ACK, OK);
	say(&t, "");
	say(&t, OTHERWISE);
	expect_timeout(&t, 2, OTHER);
	answer(&t, ACK, OK);
	say(&t, "");
	say(&t, PLAIN);
	expect_timeout(&t, 3, "");
}

/* Another connection of the same addresses, whose first request is not looked at. */
static void play_reopened(struct fixture *f, enum canary_mode mode, enum fixture_service service, uint32_t client)
{
	struct talk t = connect_to(f, mode, service, client);

	say(&t, TRACED);
	send_at(&t, RST, t.seq, "");
	t = connect_to(f, mode, service, client);
	fixture_set_traces(f, service, false);
	say(&t, PLAIN);
	expect_timeout(&t, 1, "");
}

static void play_tls(struct fixture *f, enum canary_mode mode, enum fixture_service service, uint32_t client)
{
	struct talk t = connect_to(f, mode, service, client);

	say(&t, "\x16\x03\x01\r\ntraceparent: " VALUE END);
	answer(&t, ACK, "\x16\x03\x01 hello");
	say(&t, "");
	say(&t, TRACED);
	expect_timeout(&t, 2, "");
}

/* Longer than what is verified at once, and its edges within the header at every place. */
static void play_long(struct fixture *f, enum canary_mode mode, enum fixture_service service, uint32_t client)
{
	struct talk t = connect_to(f, mode, service, client);
	char request[1024];

	for (int filler = 0; filler <= 64; filler += mode == CANARY_MODE_DNAT ? 1 : 16) {
		snprintf(request, sizeof(request), "POST / HTTP/1.1\r\nX: %0300d\r\nY: %0*d\r\ntraceparent: " VALUE END, 1,
			 filler + 1, 2);
		say(&t, request);
		answer(&t, ACK, OK);
		say(&t, "");
		snprintf(request, sizeof(request), "POST / HTTP/1.1\r\nX: %0300d\r\nY: %0*d\r\ntraceparent: " OTHER END, 1,
			 filler + 1, 2);
		say(&t, request);
		expect_timeout(&t, filler / (mode == CANARY_MODE_DNAT ? 1 : 16) * 2 + 2, OTHER);
		answer(&t, ACK, OK);
		say(&t, "");
	}
}

#define SCENE(name)                                                                                                 \
	static void test_##name(void **state)                                                                       \
	{                                                                                                           \
		in_every_mode(*state, play_##name);                                                                 \
	}
SCENE(one)
SCENE(none)
SCENE(unwanted)
SCENE(segments)
SCENE(body)
SCENE(retransmission)
SCENE(requests)
SCENE(reopened)
SCENE(tls)
SCENE(long)

/* A failure that the reply tells, and one that is only slow; the connection itself has none. */
static void test_replies(void **state)
{
	int last = fullnat_can_run(*state) ? CANARY_MODE_FULLNAT : CANARY_MODE_DNAT;
	uint32_t client = 1;

	for (int mode = CANARY_MODE_DNAT; mode <= last; mode++) {
		for (int service = TCP4; service <= TCP6; service++) {
			struct fixture_events heard;
			struct talk t;

			fullnat_set_mode(*state, service, mode);
			fixture_set_slow(*state, service, 1, 1);
			t = connect_to(*state, mode, service, client++);
			say(&t, TRACED);
			answer(&t, ACK, OK);
			say(&t, "");
			say(&t, OTHERWISE);
			answer(&t, ACK, SORRY);
			heard = fixture_events(*state);
			assert_int_equal(heard.count, 3);
			assert_int_equal(heard.event[0].kind, CANARY_EVENT_SLOW_CONNECT);
			assert_string_equal(heard.event[0].traceparent, "");
			assert_int_equal(heard.event[1].kind, CANARY_EVENT_SLOW_RESPONSE);
			assert_string_equal(heard.event[1].traceparent, VALUE);
			assert_int_equal(heard.event[2].kind, CANARY_COUNTER_http_5xx);
			assert_string_equal(heard.event[2].traceparent, OTHER);
		}
	}
}

/* Who asks on before the response is there: it is not known which of them has failed. */
static void test_pipelined(void **state)
{
	struct fixture_events heard;
	struct talk t;

	fullnat_set_mode(*state, TCP4, CANARY_MODE_DNAT);
	t = connect_to(*state, CANARY_MODE_DNAT, TCP4, 1);
	say(&t, TRACED);
	answer(&t, ACK, OK);
	t.ack -= 10; /* has not got all of it */
	say(&t, OTHERWISE);
	t.ack += 10;
	answer(&t, RST | ACK, "");
	heard = fixture_events(*state);
	assert_int_equal(heard.count, 1);
	assert_int_equal(heard.event[0].kind, CANARY_COUNTER_reset_mid_response);
	assert_string_equal(heard.event[0].traceparent, "");
}

#define IN_FIXTURE(test) cmocka_unit_test_setup_teardown(test, fullnat_set_up, fixture_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FIXTURE(test_one),
		IN_FIXTURE(test_none),
		IN_FIXTURE(test_unwanted),
		IN_FIXTURE(test_segments),
		IN_FIXTURE(test_body),
		IN_FIXTURE(test_retransmission),
		IN_FIXTURE(test_requests),
		IN_FIXTURE(test_reopened),
		IN_FIXTURE(test_tls),
		IN_FIXTURE(test_long),
		IN_FIXTURE(test_replies),
		IN_FIXTURE(test_pipelined),
	};

	return cmocka_run_group_tests_name("traces", tests, fullnat_network_set_up, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Samples of flows that failed and of slow ones: what they say, which there are, and how many a CPU writes. */
#include "tests/bpf/fixture_events.h"
#include "tests/bpf/fixture_fullnat.h"
#include "tests/bpf/fixture_talk.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define LATE_NS 1000000000ULL /* less than any machine has been up */
#define HOUR_NS 3600000000000ULL

/* ---- failures ---------------------------------------------------------------------------------------------------- */

static void test_events(void **state)
{
	struct canary_flow_key key = fixture_key(TCP4, 1);
	uint16_t backend = request(*state, TCP4, 1, SYN, 1000, "");
	struct fixture_events heard;
	struct canary_flow flow;

	answer(*state, backend, 1, RST | ACK, 0, 1001, "");
	assert_true(fixture_flow(*state, TCP4, 1, &flow));
	heard = fixture_events(*state);
	assert_int_equal(heard.count, 1);
	assert_memory_equal(&heard.event[0].key, &key, sizeof(key));
	assert_int_equal(heard.event[0].kind, CANARY_COUNTER_refused);
	assert_int_equal(heard.event[0].service, TCP4);
	assert_int_equal(heard.event[0].version, backend / 2);
	assert_int_equal(heard.event[0].backend, backend);
	assert_int_equal(heard.event[0].suppressed, 0);
	assert_int_equal(heard.event[0].ns - heard.event[0].waited_ns, flow.opened_ns);
	assert_int_equal(heard.event[0].age_ns, heard.event[0].waited_ns);
	assert_int_equal(heard.event[0].request_turn, 0);
	assert_string_equal(heard.event[0].traceparent, "");
	assert_int_equal(fixture_backend_stats(*state, backend).refused, 1);
}

/* A failure in the middle of a connection: which request it was, and how old the flow is beside how long it waited. */
static void test_event_of_a_request(void **state)
{
	struct packet_spec again = fixture_request(TCP4, 1, ACK, 1001 + strlen(GET), GET);
	uint16_t backend = connect_and_ask(*state, TCP4, 1);
	struct canary_flow flow;
	struct fixture_events heard;

	answer(*state, backend, 1, ACK, 5001, 1001 + strlen(GET), OK);
	again.ack = 5001 + strlen(OK);
	fixture_send(*state, &again);
	answer(*state, backend, 1, ACK, 5001 + strlen(OK), 1001 + 2 * strlen(GET), "HTTP/1.1 503 Sorry\r\n\r\n");
	assert_true(fixture_flow(*state, TCP4, 1, &flow));
	heard = fixture_events(*state);
	assert_int_equal(heard.count, 1);
	assert_int_equal(heard.event[0].kind, CANARY_COUNTER_http_5xx);
	assert_int_equal(heard.event[0].request_turn, 2);
	assert_int_equal(heard.event[0].ns - heard.event[0].waited_ns, flow.request_ns);
	assert_int_equal(heard.event[0].ns - heard.event[0].age_ns, flow.opened_ns);
}

static void refuse(struct fixture *f, uint32_t client)
{
	answer(f, request(f, TCP4, client, SYN, 1000, ""), client, RST | ACK, 0, 1001, "");
}

static cpu_set_t stay_on_this_cpu(void)
{
	cpu_set_t one, before;

	assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
	return before;
}

/* A CPU writes no more than its budget in a second; what it leaves out is told with the next one. */
static void test_event_budget(void **state)
{
	cpu_set_t before = stay_on_this_cpu();
	struct fixture_events heard;

	fixture_set_split(*state, TCP4, 0, FIXTURE_GENERATION);
	fixture_set_control(*state, 0, 0);
	for (uint32_t client = 0; client < 7; client++)
		refuse(*state, client);
	assert_int_equal(fixture_events(*state).count, 0);
	fixture_set_control(*state, 0, 3);
	fixture_begin_new_second(*state);
	refuse(*state, 8);
	heard = fixture_events(*state);
	assert_int_equal(heard.count, 1);
	assert_int_equal(heard.event[0].suppressed, 7);
	assert_int_equal(sched_setaffinity(0, sizeof(before), &before), 0);
}

/* Nobody reads: what the ring has no room for is told, too. */
static void test_full_ring(void **state)
{
	const unsigned sent = 256 * 1024 / sizeof(struct canary_event); /* each has a header besides */
	cpu_set_t before = stay_on_this_cpu();
	unsigned written;
	struct fixture_events heard;

	fixture_set_split(*state, TCP4, 0, FIXTURE_GENERATION);
	fixture_set_control(*state, 0, UINT32_MAX);
	for (uint32_t client = 0; client < sent; client++)
		refuse(*state, client);
	written = fixture_drain_events(*state);
	assert_in_range(written, 1, sent - 1);
	refuse(*state, sent);
	heard = fixture_events(*state);
	assert_int_equal(heard.count, 1);
	assert_int_equal(heard.event[0].suppressed, sent - written);
	assert_int_equal(sched_setaffinity(0, sizeof(before), &before), 0);
}

/* The baseline's failures do not take the canary's room, nor a service's another's. */
static void test_event_budgets(void **state)
{
	cpu_set_t before = stay_on_this_cpu();
	struct fixture_events heard;

	fixture_set_control(*state, 0, 1);
	fixture_set_split(*state, TCP4, 0, FIXTURE_GENERATION);
	fixture_begin_new_second(*state);
	for (uint32_t client = 0; client < 3; client++)
		refuse(*state, client);
	fixture_set_split(*state, TCP4, FIXTURE_WHOLE, FIXTURE_GENERATION);
	for (uint32_t client = 3; client < 5; client++)
		refuse(*state, client);
	answer(*state, request(*state, TCP6, 1, SYN, 1000, ""), 1, RST | ACK, 0, 1001, "");
	heard = fixture_events(*state);
	assert_int_equal(heard.count, 3);
	assert_int_equal(heard.event[0].version, 0);
	assert_int_equal(heard.event[1].version, 1);
	assert_int_equal(heard.event[1].suppressed, 0);
	assert_int_equal(heard.event[2].service, TCP6);
	fixture_begin_new_second(*state);
	refuse(*state, 5);
	heard = fixture_events(*state);
	assert_int_equal(heard.count, 1);
	assert_int_equal(heard.event[0].suppressed, 1);
	assert_int_equal(sched_setaffinity(0, sizeof(before), &before), 0);
}

/* Nobody listens, or there is no room: the packet passes as ever, and its counter counts. */
static void test_events_overflow(void **state)
{
	uint64_t refused = 0;

	fixture_set_control(*state, 0, 1000000);
	for (uint32_t client = 0; client < 5000; client++)
		refuse(*state, client);
	for (uint16_t backend = 0; backend < 4; backend++)
		refused += fixture_backend_stats(*state, backend).refused;
	assert_int_equal(refused, 5000);
}

/* ---- slow -------------------------------------------------------------------------------------------------------- */

/* As if the last request of the flow had come so much earlier. */
static void age_request(const struct fixture *f, enum fixture_service service, uint32_t client, uint64_t ns)
{
	struct canary_flow flow;

	assert_true(fixture_flow(f, service, client, &flow));
	flow.request_ns -= ns;
	fixture_put_flow(f, service, client, &flow);
}

/* A connection answered late, and a request answered twice as late. */
static void talk_slowly(struct fixture *f, enum fixture_service service, uint32_t client, const char *response)
{
	uint16_t backend = request(f, service, client, SYN, 1000, "");

	fixture_age(f, service, client, LATE_NS);
	answer(f, backend, client, SYN | ACK, 5000, 1001, "");
	request(f, service, client, ACK, 1001, GET);
	age_request(f, service, client, 2 * LATE_NS);
	answer(f, backend, client, ACK, 5001, 1001 + strlen(GET), response);
}

static void test_slow(void **state)
{
	struct fixture_events heard;

	for (int service = TCP4; service <= TCP6; service++) {
		struct canary_flow_key key = fixture_key(service, 1);

		fixture_set_slow(*state, service, LATE_NS, 2 * LATE_NS);
		talk_slowly(*state, service, 1, OK);
		heard = fixture_events(*state);
		assert_int_equal(heard.count, 2);
		assert_int_equal(heard.event[0].kind, CANARY_EVENT_SLOW_CONNECT);
		assert_int_equal(heard.event[0].request_turn, 0);
		assert_int_equal(heard.event[0].age_ns, heard.event[0].waited_ns);
		assert_in_range(heard.event[0].waited_ns, LATE_NS, HOUR_NS);
		assert_int_equal(heard.event[1].kind, CANARY_EVENT_SLOW_RESPONSE);
		assert_memory_equal(&heard.event[1].key, &key, sizeof(key));
		assert_int_equal(heard.event[1].request_turn, 1);
		assert_in_range(heard.event[1].waited_ns, 2 * LATE_NS, HOUR_NS);
		assert_in_range(heard.event[1].age_ns, LATE_NS, HOUR_NS);
	}
}

static void test_not_slow_enough(void **state)
{
	fixture_set_slow(*state, TCP4, HOUR_NS, HOUR_NS);
	talk_slowly(*state, TCP4, 1, OK);
	fixture_set_slow(*state, TCP4, 0, 0);
	talk_slowly(*state, TCP4, 2, OK);
	assert_int_equal(fixture_events(*state).count, 0);
	fixture_set_slow(*state, TCP4, 0, 1);
	talk_slowly(*state, TCP4, 3, OK);
	assert_int_equal(fixture_events(*state).count, 1);
	fixture_set_slow(*state, TCP4, 1, 0);
	talk_slowly(*state, TCP4, 4, OK);
	assert_int_equal(fixture_events(*state).count, 1);
}

/* One sample a packet, and what failed is no slow one. */
static void test_slow_failure(void **state)
{
	struct fixture_events heard;

	fixture_set_slow(*state, TCP4, 0, 1);
	talk_slowly(*state, TCP4, 1, "HTTP/1.1 500 Sorry\r\n\r\n");
	heard = fixture_events(*state);
	assert_int_equal(heard.count, 1);
	assert_int_equal(heard.event[0].kind, CANARY_COUNTER_http_5xx);
}

/* What is slow leaves the failures their room; what is left out is counted with its own. */
static void test_slow_budget(void **state)
{
	cpu_set_t before = stay_on_this_cpu();
	struct fixture_events heard;

	fixture_set_split(*state, TCP4, 0, FIXTURE_GENERATION);
	fixture_set_control(*state, 0, 1);
	fixture_set_slow(*state, TCP4, 0, 1);
	fixture_begin_new_second(*state);
	for (uint32_t client = 1; client <= 4; client++)
		talk_slowly(*state, TCP4, client, OK);
	refuse(*state, 5);
	heard = fixture_events(*state);
	assert_int_equal(heard.count, 2);
	assert_int_equal(heard.event[0].kind, CANARY_EVENT_SLOW_RESPONSE);
	assert_int_equal(heard.event[1].kind, CANARY_COUNTER_refused);
	assert_int_equal(heard.event[1].suppressed, 0);
	fixture_begin_new_second(*state);
	talk_slowly(*state, TCP4, 6, OK);
	heard = fixture_events(*state);
	assert_int_equal(heard.count, 1);
	assert_int_equal(heard.event[0].suppressed, 3);
	assert_int_equal(sched_setaffinity(0, sizeof(before), &before), 0);
}

/* The breaker would trip by the first failure that counts. */
static void test_slow_does_not_trip(void **state)
{
	struct canary_breaker breaker = { .slot_ns = HOUR_NS, .kinds = ~0ULL, .min_failures = 1 };
	struct fixture *f = *state;
	uint32_t service = TCP4;

	assert_int_equal(bpf_map_update_elem(f->breakers, &service, &breaker, BPF_ANY), 0);
	fixture_set_split(f, TCP4, FIXTURE_WHOLE, FIXTURE_GENERATION);
	fixture_set_slow(f, TCP4, 1, 1);
	talk_slowly(f, TCP4, 1, OK);
	assert_int_equal(fixture_events(f).count, 2);
	assert_int_equal(bpf_map_lookup_elem(f->breakers, &service, &breaker), 0);
	assert_int_equal(breaker.failures, 0);
	assert_int_equal(breaker.tripped, 0);
}

/* XDP sees the replies. */
static void test_slow_in_fullnat(void **state)
{
	struct fixture_events heard;

	if (!fullnat_can_run(*state))
		skip();
	for (int service = TCP4; service <= TCP6; service++) {
		struct packet_spec spec = fixture_request(service, 7, SYN, 1000, "");
		struct canary_endpoint source;
		uint16_t backend = fullnat_expect_sent(*state, &spec, &source);

		fixture_set_slow(*state, service, LATE_NS, LATE_NS);
		fixture_age(*state, service, 7, LATE_NS);
		fullnat_expect_answered(*state, backend, 7, source, SYN | ACK, 5000, 1001, "");
		spec = fixture_request(service, 7, ACK, 1001, GET);
		fullnat_expect_sent(*state, &spec, &source);
		age_request(*state, service, 7, LATE_NS);
		fullnat_expect_answered(*state, backend, 7, source, ACK, 5001, 1001 + strlen(GET), OK);
		heard = fixture_events(*state);
		assert_int_equal(heard.count, 2);
		assert_int_equal(heard.event[0].kind, CANARY_EVENT_SLOW_CONNECT);
		assert_int_equal(heard.event[1].kind, CANARY_EVENT_SLOW_RESPONSE);
		assert_in_range(heard.event[1].waited_ns, LATE_NS, HOUR_NS);
	}
}

#define IN_FIXTURE(test) cmocka_unit_test_setup_teardown(test, fixture_set_up, fixture_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FIXTURE(test_events),
		IN_FIXTURE(test_event_of_a_request),
		IN_FIXTURE(test_event_budget),
		IN_FIXTURE(test_full_ring),
		IN_FIXTURE(test_event_budgets),
		IN_FIXTURE(test_events_overflow),
		IN_FIXTURE(test_slow),
		IN_FIXTURE(test_not_slow_enough),
		IN_FIXTURE(test_slow_failure),
		IN_FIXTURE(test_slow_budget),
		IN_FIXTURE(test_slow_does_not_trip),
		cmocka_unit_test_setup_teardown(test_slow_in_fullnat, fullnat_set_up, fixture_tear_down),
	};

	return cmocka_run_group_tests_name("samples", tests, fullnat_network_set_up, NULL);
}

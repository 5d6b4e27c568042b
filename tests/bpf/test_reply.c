/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The reply path in the kernel: a backend's replies to a flow come out with the VIP as their source, right checksums
 * and nothing else changed, are counted, timed and sampled; what belongs to no flow passes untouched.
 */
#include "tests/bpf/fixture.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <netinet/in.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define GET "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
#define OK "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

static uint16_t request(const struct fixture *f, enum fixture_service service, uint32_t client, uint8_t flags,
			uint32_t seq, const char *payload)
{
	struct packet_spec spec = fixture_request(service, client, flags, seq, payload);
	uint16_t backend;

	spec.ack = 5001;
	backend = fixture_send(f, &spec);
	assert_int_not_equal(backend, CANARY_NONE);
	return backend;
}

static void answer(struct fixture *f, uint16_t backend, uint32_t client, uint8_t flags, uint32_t seq, uint32_t ack,
		   const char *payload)
{
	struct packet_spec spec = fixture_response(backend, client, flags, seq, ack, payload);

	fixture_answer(f, &spec);
}

/* SYN from 1000, SYN-ACK from 5000, and a request. */
static uint16_t connect_and_ask(struct fixture *f, enum fixture_service service, uint32_t client)
{
	uint16_t backend = request(f, service, client, SYN, 1000, "");

	answer(f, backend, client, SYN | ACK, 5000, 1001, "");
	request(f, service, client, ACK, 1001, "");
	request(f, service, client, ACK, 1001, GET);
	return backend;
}

/* ---- what comes out ------------------------------------------------------------------------------------------- */

static void test_shapes(void **state)
{
	static const uint8_t kinds[] = { IPPROTO_HOPOPTS, IPPROTO_ROUTING, IPPROTO_DSTOPTS, IPPROTO_FRAGMENT };

	for (uint32_t shape = 0; shape < 4 * 3 * 4 * 3; shape++) {
		enum fixture_service service = shape % 4;
		uint16_t backend = request(*state, service, shape, SYN, 1000, service < UDP4 ? "" : GET);
		struct packet_spec spec = fixture_response(backend, shape, SYN | ACK, 5000, 1001, "");

		spec.vlan_tags = shape / 4 % 3;
		spec.ip_options_len = shape / 12 % 4 * 4;
		spec.extension_count = shape / 12 % 4 * 2;
		for (unsigned i = 0; i < spec.extension_count; i++)
			spec.extensions[i] = kinds[(shape + i) % COUNT(kinds)];
		spec.extension_len = 8 + shape / 48 * 16;
		spec.tcp_options_len = shape / 48 * 20;
		spec.no_udp_checksum = shape / 48 == 2;
		spec.padding_len = shape / 48 * 3;
		fixture_answer(*state, &spec);
		assert_int_equal(fixture_backend_stats(*state, backend).response_retransmits, 0);
	}
}

/* UDP: every checksum the last payload bytes can give, the one sent as 0xffff among them. */
static void test_udp_checksums(void **state)
{
	uint16_t backend = request(*state, UDP4, 1, 0, 0, "?");

	for (unsigned word = 1; word <= 0xffff; word += word < 0xff00 ? 211 : 1) {
		char payload[3] = { (char)(word >> 8 ?: 1), (char)(word & 0xff ?: 1), 0 };

		answer(*state, backend, 1, 0, 0, 0, payload);
	}
}

static void expect_untouched(struct fixture *f, const struct packet_spec *spec)
{
	struct packet_bytes packet, before;

	packet_build(spec, &packet);
	before = packet;
	assert_int_equal(fixture_run_reply(f, &packet, 0, 0), FIXTURE_TCX_NEXT);
	assert_memory_equal(packet.data, before.data, packet.len);
}

/* A client that talks to the backend directly, one of another flow, a host on the backend's address and other port. */
static void test_not_ours(void **state)
{
	uint16_t backend = connect_and_ask(*state, TCP4, 1);
	struct canary_counters before = fixture_backend_stats(*state, backend), after;
	struct packet_spec spec = fixture_response(backend, 2, SYN | ACK, 5000, 1001, "");

	expect_untouched(*state, &spec); /* no such flow */
	spec = fixture_response(backend ^ 1, 1, ACK, 5001, 1028, OK);
	expect_untouched(*state, &spec); /* the flow belongs to the other backend */
	spec = fixture_response(backend, 1, ACK, 5001, 1028, OK);
	spec.source.port = htons(22);
	expect_untouched(*state, &spec);
	spec = fixture_response(backend, 1, ACK, 5001, 1028, OK);
	spec.source.addr[3] = htonl(0x0a0000fe); /* a backend's port on another host */
	expect_untouched(*state, &spec);
	spec = fixture_response(backend, 1, ACK, 5001, 1028, OK);
	spec.source.protocol = spec.destination.protocol = IPPROTO_UDP;
	expect_untouched(*state, &spec);
	spec = fixture_request(TCP4, 1, ACK, 1028, GET); /* a client's packet leaves this way, too, where it is routed */
	expect_untouched(*state, &spec);
	after = fixture_backend_stats(*state, backend);
	assert_memory_equal(&before, &after, sizeof(after));
}

/* Headers that cannot be a reply's: not a byte changes. */
static void test_malformed(void **state)
{
	static const struct {
		enum fixture_service service;
		bool transport;
		uint8_t offset, value;
	} rows[] = {
		{ TCP4, false, 0, 0x44 }, { TCP4, false, 0, 0x65 }, { TCP4, false, 3, 39 },   { TCP4, false, 2, 99 },
		{ TCP4, false, 6, 0x20 }, { TCP4, false, 7, 1 },    { TCP4, false, 9, 1 },    { TCP4, true, 12, 0x40 },
		{ TCP4, true, 12, 0xf0 }, { TCP6, false, 0, 0x40 }, { TCP6, false, 5, 19 },   { TCP6, false, 4, 99 },
		{ TCP6, false, 6, 50 },   { UDP4, true, 5, 7 },     { UDP4, true, 4, 1 },     { UDP6, true, 5, 0 },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		uint16_t backend = request(*state, rows[i].service, 1, rows[i].service < UDP4 ? SYN : 0, 1000, "");
		struct packet_spec spec = fixture_response(backend, 1, SYN | ACK, 5000, 1001, "x");
		struct packet_bytes packet, before;

		packet_build(&spec, &packet);
		packet.data[(rows[i].transport ? packet.transport : packet.network) + rows[i].offset] = rows[i].value;
		before = packet;
		assert_int_equal(fixture_run_reply(*state, &packet, 0, 0), FIXTURE_TCX_NEXT);
		assert_memory_equal(packet.data, before.data, packet.len);
		assert_int_equal(fixture_backend_stats(*state, backend).response_packets, 0);
	}
}

static void test_truncated(void **state)
{
	uint16_t backend = connect_and_ask(*state, TCP6, 1);
	struct packet_spec spec = fixture_response(backend, 1, ACK, 5001, 1001 + strlen(GET), OK);
	struct packet_bytes packet, before;

	packet_build(&spec, &packet);
	for (packet.len--; packet.len >= 14 + 40; packet.len--) {
		before = packet;
		assert_int_equal(fixture_run_reply(*state, &packet, 0, 0), FIXTURE_TCX_NEXT);
		assert_memory_equal(packet.data, before.data, packet.len);
	}
	assert_int_equal(fixture_backend_stats(*state, backend).response_packets, 1);
}

/* ---- what is counted ------------------------------------------------------------------------------------------ */

static void expect_counts(const struct fixture *f, uint16_t backend, struct canary_counters *ret)
{
	struct canary_counters of_backend = fixture_backend_stats(f, backend);

	*ret = fixture_version_stats(f, backend / 2, true);
	assert_memory_equal(ret, &of_backend, sizeof(of_backend));
	assert_int_equal(fixture_sum_of_others(f, backend / 2, backend), 0);
}

static void test_conversation(void **state)
{
	uint16_t backend = connect_and_ask(*state, TCP4, 1);
	uint32_t asked = 1001 + strlen(GET), answered = 5001 + strlen(OK);
	struct canary_counters counted;

	answer(*state, backend, 1, ACK, 5001, asked, "");
	answer(*state, backend, 1, PSH | ACK, 5001, asked, OK);
	answer(*state, backend, 1, PSH | ACK, 5001, asked, OK);
	answer(*state, backend, 1, FIN | ACK, answered, asked, "");
	request(*state, TCP4, 1, FIN | ACK, asked, "");
	expect_counts(*state, backend, &counted);
	assert_int_equal(counted.connections, 1);
	assert_int_equal(counted.established, 1);
	assert_int_equal(counted.requests, 1);
	assert_int_equal(counted.http_2xx, 1);
	assert_int_equal(counted.request_packets, 4);
	assert_int_equal(counted.response_packets, 5);
	assert_int_equal(counted.response_bytes, strlen(OK));
	assert_int_equal(counted.response_retransmits, 1);
	assert_int_equal(counted.empty_close + counted.reset_mid_response + counted.rst_invalid, 0);
	for (int kind = 0; kind < CANARY_LATENCIES; kind++) {
		assert_int_equal(fixture_latency_count(*state, backend / 2, true, kind), 1);
		assert_int_equal(fixture_latency_count(*state, backend / 2, false, kind), 0);
		assert_int_equal(fixture_backend_latency_count(*state, backend, kind), 1);
	}
}

/* The status line is read from the packet: behind options, behind a 100 Continue, behind what was sent already. */
static void test_status_classes(void **state)
{
	static const struct {
		const char *payload;
		size_t counter; /* its offset in struct canary_counters */
	} rows[] = {
		{ "HTTP/1.1 204 No Content\r\n\r\n", offsetof(struct canary_counters, http_2xx) },
		{ "HTTP/1.0 301 Moved\r\n\r\n", offsetof(struct canary_counters, http_3xx) },
		{ "HTTP/1.1 404 Not Found\r\n\r\n", offsetof(struct canary_counters, http_4xx) },
		{ "HTTP/1.1 503 Busy\r\n\r\n", offsetof(struct canary_counters, http_5xx) },
		{ "HTTP/1.1 503", offsetof(struct canary_counters, http_5xx) },
		{ "HTTP/1.1 101 Switching\r\n\r\n", offsetof(struct canary_counters, http_upgrade) },
		{ "HTTP/1.1 100 Continue\r\n\r\n", offsetof(struct canary_counters, http_1xx) },
		{ "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 500 No\r\n\r\n", offsetof(struct canary_counters, http_5xx) },
		{ "HTTP/1.1 50", offsetof(struct canary_counters, unparsed) },
		{ "+OK\r\n", offsetof(struct canary_counters, unparsed) },
		{ "SSH-2.0-OpenSSH_9.2p1\r\n", offsetof(struct canary_counters, unparsed) },
	};

	for (uint32_t i = 0; i < COUNT(rows) * 2; i++) {
		uint16_t backend = connect_and_ask(*state, i & 1 ? TCP6 : TCP4, i);
		struct packet_spec spec = fixture_response(backend, i, ACK, 5001, 1001 + strlen(GET),
							   rows[i / 2].payload);
		struct canary_counters before = fixture_backend_stats(*state, backend), after;

		spec.tcp_options_len = i % 3 * 12;
		spec.vlan_tags = i % 2;
		fixture_answer(*state, &spec);
		after = fixture_backend_stats(*state, backend);
		before.response_packets++;
		before.response_bytes += spec.payload_len;
		(*(uint64_t *)((char *)&before + rows[i / 2].counter))++;
		assert_memory_equal(&after, &before, sizeof(after));
	}
}

static void test_status_behind_a_retransmission(void **state)
{
	uint16_t backend = connect_and_ask(*state, TCP4, 1);
	uint32_t asked = 1001 + strlen(GET);

	answer(*state, backend, 1, ACK, 5001, asked, "HTTP/1.1 103 Early Hints\r\n\r\n");
	answer(*state, backend, 1, ACK, 5001, asked, "HTTP/1.1 103 Early Hints\r\n\r\n" "HTTP/1.1 502 Bad\r\n\r\n");
	assert_int_equal(fixture_backend_stats(*state, backend).http_1xx, 1);
	assert_int_equal(fixture_backend_stats(*state, backend).http_5xx, 1);
}

/* A super-packet is as many packets on the wire as the kernel will cut from it. */
static void test_gso(void **state)
{
	uint16_t backend = connect_and_ask(*state, TCP4, 1);
	struct canary_endpoint vip = fixture_vip(TCP4);
	struct packet_bytes packet, expected;
	struct packet_spec spec;
	char body[3000];

	memset(body, 'x', sizeof(body) - 1);
	memcpy(body, OK, strlen(OK));
	body[sizeof(body) - 1] = '\0';
	spec = fixture_response(backend, 1, ACK, 5001, 1001 + strlen(GET), body);
	packet_build(&spec, &packet);
	expected = packet;
	packet_set_source(&expected, &vip);
	assert_int_equal(fixture_run_reply(*state, &packet, 3, 1000), FIXTURE_TCX_NEXT);
	assert_memory_equal(packet.data, expected.data, packet.len);
	assert_int_equal(fixture_backend_stats(*state, backend).response_packets, 1 + 3);
	assert_int_equal(fixture_backend_stats(*state, backend).response_bytes, sizeof(body) - 1);
	assert_int_equal(fixture_backend_stats(*state, backend).http_2xx, 1);
	packet_build(&spec, &packet);
	assert_int_equal(fixture_run_reply(*state, &packet, 3, 1000), FIXTURE_TCX_NEXT);
	assert_int_equal(fixture_backend_stats(*state, backend).response_retransmits, 3);
}

static void test_udp(void **state)
{
	for (int service = UDP4; service <= UDP6; service++) {
		uint16_t backend = request(*state, service, 1, 0, 0, "question");
		struct canary_counters counted;

		answer(*state, backend, 1, 0, 0, 0, "HTTP/1.1 500 is no HTTP over UDP");
		answer(*state, backend, 1, 0, 0, 0, "more");
		counted = fixture_backend_stats(*state, backend);
		assert_int_equal(counted.connections, 1);
		assert_int_equal(counted.requests, 1);
		assert_int_equal(counted.unparsed, 1);
		assert_int_equal(counted.response_packets, 2);
		assert_int_equal(counted.response_bytes, 36);
		assert_int_equal(counted.http_5xx + counted.zero_windows + counted.established, 0);
		assert_int_equal(fixture_backend_latency_count(*state, backend, CANARY_LATENCY_TTFB), 1);
		assert_int_equal(fixture_backend_latency_count(*state, backend, CANARY_LATENCY_CONNECT), 0);
	}
}

/* ---- events --------------------------------------------------------------------------------------------------- */

struct heard {
	struct canary_event event[16];
	size_t count;
};

static int hear(void *context, void *data, size_t size)
{
	struct heard *heard = context;

	assert_int_equal(size, sizeof(struct canary_event));
	assert_true(heard->count < COUNT(heard->event));
	memcpy(&heard->event[heard->count++], data, size);
	return 0;
}

static struct heard listen_now(const struct fixture *f)
{
	struct heard heard = { .count = 0 };
	struct ring_buffer *ring = ring_buffer__new(f->events, hear, &heard, NULL);

	assert_non_null(ring);
	assert_true(ring_buffer__consume(ring) >= 0);
	ring_buffer__free(ring);
	return heard;
}

static void test_events(void **state)
{
	struct canary_flow_key key = fixture_key(TCP4, 1);
	uint16_t backend = request(*state, TCP4, 1, SYN, 1000, "");
	struct heard heard;
	struct canary_flow flow;

	answer(*state, backend, 1, RST | ACK, 0, 1001, "");
	assert_true(fixture_flow(*state, TCP4, 1, &flow));
	heard = listen_now(*state);
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
	struct heard heard;

	answer(*state, backend, 1, ACK, 5001, 1001 + strlen(GET), OK);
	again.ack = 5001 + strlen(OK);
	fixture_send(*state, &again);
	answer(*state, backend, 1, ACK, 5001 + strlen(OK), 1001 + 2 * strlen(GET), "HTTP/1.1 503 Sorry\r\n\r\n");
	assert_true(fixture_flow(*state, TCP4, 1, &flow));
	heard = listen_now(*state);
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

static void begin_new_second(const struct fixture *f)
{
	struct canary_event_budget *budgets = calloc(libbpf_num_possible_cpus(), sizeof(*budgets));

	assert_non_null(budgets);
	for (uint32_t i = 0; i < FIXTURE_SERVICES * CANARY_EVENT_BUDGETS; i++) {
		assert_int_equal(bpf_map_lookup_elem(f->event_budget, &i, budgets), 0);
		for (int cpu = 0; cpu < libbpf_num_possible_cpus(); cpu++)
			budgets[cpu].second_began_ns = 0;
		assert_int_equal(bpf_map_update_elem(f->event_budget, &i, budgets, BPF_ANY), 0);
	}
	free(budgets);
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
	struct heard heard;

	fixture_set_split(*state, TCP4, 0, FIXTURE_GENERATION);
	fixture_set_control(*state, 0, 0);
	for (uint32_t client = 0; client < 7; client++)
		refuse(*state, client);
	assert_int_equal(listen_now(*state).count, 0);
	fixture_set_control(*state, 0, 3);
	begin_new_second(*state);
	refuse(*state, 8);
	heard = listen_now(*state);
	assert_int_equal(heard.count, 1);
	assert_int_equal(heard.event[0].suppressed, 7);
	assert_int_equal(sched_setaffinity(0, sizeof(before), &before), 0);
}

/* The baseline's failures do not take the canary's room, nor a service's another's. */
static void test_event_budgets(void **state)
{
	cpu_set_t before = stay_on_this_cpu();
	struct heard heard;

	fixture_set_control(*state, 0, 1);
	fixture_set_split(*state, TCP4, 0, FIXTURE_GENERATION);
	begin_new_second(*state);
	for (uint32_t client = 0; client < 3; client++)
		refuse(*state, client);
	fixture_set_split(*state, TCP4, FIXTURE_WHOLE, FIXTURE_GENERATION);
	for (uint32_t client = 3; client < 5; client++)
		refuse(*state, client);
	answer(*state, request(*state, TCP6, 1, SYN, 1000, ""), 1, RST | ACK, 0, 1001, "");
	heard = listen_now(*state);
	assert_int_equal(heard.count, 3);
	assert_int_equal(heard.event[0].version, 0);
	assert_int_equal(heard.event[1].version, 1);
	assert_int_equal(heard.event[1].suppressed, 0);
	assert_int_equal(heard.event[2].service, TCP6);
	begin_new_second(*state);
	refuse(*state, 5);
	heard = listen_now(*state);
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

#define IN_FIXTURE(test) cmocka_unit_test_setup_teardown(test, fixture_set_up, fixture_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FIXTURE(test_shapes),
		IN_FIXTURE(test_udp_checksums),
		IN_FIXTURE(test_not_ours),
		IN_FIXTURE(test_malformed),
		IN_FIXTURE(test_truncated),
		IN_FIXTURE(test_conversation),
		IN_FIXTURE(test_status_classes),
		IN_FIXTURE(test_status_behind_a_retransmission),
		IN_FIXTURE(test_gso),
		IN_FIXTURE(test_udp),
		IN_FIXTURE(test_events),
		IN_FIXTURE(test_event_of_a_request),
		IN_FIXTURE(test_event_budget),
		IN_FIXTURE(test_event_budgets),
		IN_FIXTURE(test_events_overflow),
	};

	return cmocka_run_group_tests_name("reply", tests, NULL, NULL);
}

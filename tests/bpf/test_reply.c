/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The reply path in the kernel: a backend's replies to a flow come out with the VIP as their source, right checksums
 * and nothing else changed, are counted and timed; what belongs to no flow passes untouched.
 */
#include "tests/bpf/fixture.h"
#include "tests/bpf/fixture_talk.h"

#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

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
	};

	return cmocka_run_group_tests_name("reply", tests, NULL, NULL);
}

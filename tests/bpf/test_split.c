/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The request path in the kernel, packet by packet: what is steered comes out with another destination, right
 * checksums and nothing else changed; what is not comes out as it went in, under a reason.
 */
#include "tests/bpf/fixture.h"

#include "split.skel.h"
#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define GET "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
#define GET_LEN (sizeof(GET) - 1)

/* ---- what is not steered ------------------------------------------------------------------------------------- */

/* Runs it: not a byte may change, and `reason` (nothing where 0) is counted, once, and nothing else. */
static void expect_untouched(const struct fixture *f, const struct packet_bytes *packet, int reason)
{
	struct canary_reasons before = fixture_reasons(f), after;
	struct packet_bytes out = *packet;
	unsigned flows = fixture_count_flows(f);

	assert_int_equal(fixture_run_split(f, &out), XDP_PASS);
	assert_memory_equal(out.data, packet->data, packet->len);
	after = fixture_reasons(f);
	for (size_t i = 0; i < sizeof(after) / sizeof(__u64); i++) {
		uint64_t counted = ((__u64 *)&after)[i] - ((__u64 *)&before)[i];

		if (counted != ((int)i + 1 == reason))
			fail_msg("reason %zu was counted %lu times; expected is reason %d", i + 1, counted, reason);
	}
	assert_int_equal(fixture_count_flows(f), flows);
	assert_int_equal(fixture_sum_of_others(f, CANARY_NONE, CANARY_NONE), 0);
}

/* One byte of a request is overwritten, or its end cut off. */
static const struct {
	enum fixture_service service;
	bool transport; /* the offset counts from the transport header, else from the IP header */
	int8_t offset;
	uint8_t value;
	int reason;
} mutations[] = {
	{ TCP4, false, -1, 0x06, CANARY_REASON_not_ip }, /* ARP */
	{ TCP4, false, 0, 0x44, CANARY_REASON_malformed },
	{ TCP4, false, 0, 0x65, CANARY_REASON_malformed },
	{ TCP4, false, 3, 39, CANARY_REASON_malformed },
	{ TCP4, false, 2, 9, CANARY_REASON_truncated },
	{ TCP4, false, 6, 0x20, CANARY_REASON_fragment },
	{ TCP4, false, 6, 0x21, CANARY_REASON_fragment },
	{ TCP4, false, 7, 0x07, CANARY_REASON_fragment },
	{ TCP4, false, 9, IPPROTO_ICMP, CANARY_REASON_other_protocol },
	{ TCP4, false, 9, IPPROTO_SCTP, CANARY_REASON_other_protocol },
	{ TCP4, false, 16, 193, CANARY_REASON_not_service }, /* an address beside the VIP */
	{ TCP4, false, 9, IPPROTO_UDP, CANARY_REASON_malformed },
	{ TCP4, true, 2, 1, CANARY_REASON_not_service }, /* port 336 */
	{ TCP4, true, 3, 53, CANARY_REASON_not_service }, /* the port of the UDP service */
	{ TCP4, true, 12, 0x40, CANARY_REASON_malformed },
	{ TCP4, true, 12, 0xf0, CANARY_REASON_malformed },
	{ TCP6, false, 0, 0x40, CANARY_REASON_malformed },
	{ TCP6, false, 4, 9, CANARY_REASON_truncated },
	{ TCP6, false, 5, 19, CANARY_REASON_malformed },
	{ TCP6, false, 6, IPPROTO_ESP, CANARY_REASON_other_protocol },
	{ TCP6, false, 6, IPPROTO_ICMPV6, CANARY_REASON_truncated }, /* an error, by its first byte, and no quote */
	{ TCP6, false, 39, 2, CANARY_REASON_not_service },
	{ TCP6, true, 3, 81, CANARY_REASON_not_service },
	{ UDP4, true, 5, 7, CANARY_REASON_malformed },
	{ UDP4, true, 4, 9, CANARY_REASON_malformed },
	{ UDP4, true, 3, 80, CANARY_REASON_not_service }, /* the port of the TCP service */
	{ UDP6, true, 5, 0, CANARY_REASON_malformed },
	{ UDP6, false, 6, IPPROTO_TCP, CANARY_REASON_malformed },
};

static void test_mutations(void **state)
{
	for (size_t i = 0; i < COUNT(mutations); i++) {
		struct packet_spec spec = fixture_request(mutations[i].service, 1, ACK, 1000, GET);
		struct packet_bytes packet;

		for (spec.vlan_tags = 0; spec.vlan_tags <= 2; spec.vlan_tags++) {
			packet_build(&spec, &packet);
			packet.data[(mutations[i].transport ? packet.transport : packet.network) + mutations[i].offset] =
				mutations[i].value;
			expect_untouched(*state, &packet, mutations[i].reason);
		}
	}
}

/* BPF_PROG_TEST_RUN takes no packet shorter than an Ethernet header. */
static void test_truncated(void **state)
{
	for (int service = 0; service < FIXTURE_SERVICES; service++) {
		struct packet_spec spec = fixture_request(service, 1, SYN, 1000, "");
		struct packet_bytes packet;

		spec.vlan_tags = 1;
		spec.ip_options_len = 8;
		packet_build(&spec, &packet);
		while (packet.len-- > 14)
			expect_untouched(*state, &packet, CANARY_REASON_truncated);
	}
}

static void test_three_tags(void **state)
{
	struct packet_spec spec = fixture_request(TCP4, 1, SYN, 1000, "");
	struct packet_bytes packet;

	spec.vlan_tags = 3;
	packet_build(&spec, &packet);
	expect_untouched(*state, &packet, CANARY_REASON_not_ip);
}

static void test_extension_headers(void **state)
{
	struct packet_spec spec = fixture_request(TCP6, 1, SYN, 1000, "");
	struct packet_bytes packet;

	memset(spec.extensions, IPPROTO_DSTOPTS, sizeof(spec.extensions));
	spec.extension_count = 7;
	packet_build(&spec, &packet);
	expect_untouched(*state, &packet, CANARY_REASON_extension_headers);
	spec.extensions[1] = IPPROTO_FRAGMENT;
	spec.extension_count = 2;
	for (spec.fragment = 1; spec.fragment <= 9; spec.fragment += 4) {
		packet_build(&spec, &packet);
		expect_untouched(*state, &packet, CANARY_REASON_fragment);
	}
}

/* The same address and port over the other protocol, and a VIP in the other family's clothes. */
static void test_not_service(void **state)
{
	struct packet_spec spec = fixture_request(TCP4, 1, SYN, 1000, "");
	struct packet_bytes packet;

	spec.destination.protocol = IPPROTO_UDP;
	packet_build(&spec, &packet);
	expect_untouched(*state, &packet, CANARY_REASON_not_service);
	spec = fixture_request(TCP6, 1, SYN, 1000, "");
	memcpy(spec.destination.addr, fixture_vip(TCP4).addr, 16); /* ::ffff:192.0.2.1 as an IPv4 packet */
	spec.destination.port = htons(81);
	packet_build(&spec, &packet);
	expect_untouched(*state, &packet, CANARY_REASON_not_service);
}

static void test_no_split(void **state)
{
	struct packet_spec spec = fixture_request(TCP4, 1, SYN, 1000, "");
	struct canary_service service = { .id = FIXTURE_SERVICES };
	struct fixture *f = *state;
	struct packet_bytes packet;

	assert_int_equal(bpf_map_update_elem(f->services, &spec.destination, &service, BPF_ANY), 0);
	packet_build(&spec, &packet);
	expect_untouched(f, &packet, CANARY_REASON_no_split); /* nothing was published for it */
	service.id = 60000;
	assert_int_equal(bpf_map_update_elem(f->services, &spec.destination, &service, BPF_ANY), 0);
	expect_untouched(f, &packet, CANARY_REASON_no_split); /* there is no such split */
}

static void test_no_backend(void **state)
{
	struct packet_spec spec = fixture_request(TCP4, 1, SYN, 1000, "");
	struct packet_bytes packet;

	fixture_set_maglev(*state, TCP4 * 2, false);
	fixture_set_maglev(*state, TCP4 * 2 + 1, false);
	packet_build(&spec, &packet);
	expect_untouched(*state, &packet, CANARY_REASON_no_backend);
}

/* A table that names a backend which is not in use. */
static void test_backend_not_in_use(void **state)
{
	struct packet_spec spec = fixture_request(TCP4, 1, SYN, 1000, "");
	struct canary_backend none = { 0 };
	struct fixture *f = *state;
	struct packet_bytes packet;

	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(bpf_map_update_elem(f->backends, &i, &none, BPF_ANY), 0);
	packet_build(&spec, &packet);
	expect_untouched(f, &packet, CANARY_REASON_no_backend);
}

/* ---- what is steered ----------------------------------------------------------------------------------------- */

static uint16_t expect_steered(const struct fixture *f, const struct packet_spec *spec)
{
	uint16_t backend = fixture_send(f, spec);

	assert_int_not_equal(backend, CANARY_NONE);
	return backend;
}

/* Every shape a packet may come in, and the flow that it opens. */
static void test_shapes(void **state)
{
	static const uint8_t kinds[] = { IPPROTO_HOPOPTS, IPPROTO_ROUTING, IPPROTO_DSTOPTS, IPPROTO_FRAGMENT };
	struct fixture *f = *state;

	for (uint32_t shape = 0; shape < 4 * 3 * 4 * 3; shape++) {
		enum fixture_service service = shape % 4;
		struct packet_spec spec = fixture_request(service, shape, SYN, 1000, service < UDP4 ? "" : GET);
		struct canary_flow flow;
		uint16_t backend;

		spec.vlan_tags = shape / 4 % 3;
		spec.ip_options_len = shape / 12 % 4 * 4;
		spec.extension_count = shape / 12 % 4 * 2;
		for (unsigned i = 0; i < spec.extension_count; i++)
			spec.extensions[i] = kinds[(shape + i) % COUNT(kinds)];
		spec.extension_len = 8 + shape / 48 * 16;
		spec.tcp_options_len = shape / 48 * 20;
		spec.no_udp_checksum = shape / 48 == 2;
		spec.padding_len = shape / 48 * 3;
		backend = expect_steered(f, &spec);
		assert_int_equal(backend / 4, service);
		assert_true(fixture_flow(f, service, shape, &flow));
		assert_int_equal(flow.backend, backend);
		assert_int_equal(flow.version, backend / 2);
		assert_int_equal(flow.service, service);
		assert_int_equal(flow.generation, FIXTURE_GENERATION);
		assert_int_equal(flow.epoch, 1);
		assert_int_equal(flow.origin, service < UDP4 ? CANARY_ORIGIN_SYN : CANARY_ORIGIN_UDP);
		assert_int_equal(flow.client_isn, service < UDP4 ? 1000 : 0);
	}
	assert_int_equal(fixture_reasons(f).not_service, 0);
}

/* A packet that says nothing new costs no clock but is counted; the request and its bytes are counted once. */
static void test_established(void **state)
{
	struct packet_spec spec = fixture_request(TCP4, 5, SYN, 1000, "");
	uint16_t backend = expect_steered(*state, &spec);
	struct canary_counters version, of_backend;
	struct canary_flow flow;

	spec = fixture_request(TCP4, 5, ACK, 1001, "");
	assert_int_equal(expect_steered(*state, &spec), backend);
	spec = fixture_request(TCP4, 5, ACK, 1001, GET);
	spec.vlan_tags = 1;
	spec.tcp_options_len = 12;
	assert_int_equal(expect_steered(*state, &spec), backend);
	assert_int_equal(expect_steered(*state, &spec), backend);
	version = fixture_version_stats(*state, backend / 2, true);
	of_backend = fixture_backend_stats(*state, backend);
	assert_memory_equal(&version, &of_backend, sizeof(version));
	assert_int_equal(version.connections, 1);
	assert_int_equal(version.request_packets, 4);
	assert_int_equal(version.requests, 1);
	assert_int_equal(version.request_bytes, GET_LEN);
	assert_int_equal(version.request_retransmits, 1);
	assert_int_equal(fixture_sum_of_others(*state, backend / 2, backend), 0);
	assert_true(fixture_flow(*state, TCP4, 5, &flow));
	assert_int_equal(flow.request_turn, 1);
	assert_int_equal(flow.client_next, 1001 + GET_LEN);
	assert_true(flow.request_ns >= flow.opened_ns && flow.opened_ns > 0);
}

/* A flow stays where it is, whatever becomes of the weights and of its service. */
static void test_established_stays(void **state)
{
	struct packet_spec syn = fixture_request(TCP6, 9, SYN, 1000, "");
	struct packet_spec data = fixture_request(TCP6, 9, ACK, 1001, GET);
	uint16_t backend = expect_steered(*state, &syn);
	struct fixture *f = *state;

	for (int i = 0; i < 2; i++) {
		fixture_set_split(f, TCP6, i ? FIXTURE_WHOLE : 0, FIXTURE_GENERATION + 1);
		assert_int_equal(expect_steered(f, &syn), backend); /* a SYN sent again */
		assert_int_equal(expect_steered(f, &data), backend);
	}
	fixture_set_maglev(f, backend / 2, false);
	assert_int_equal(expect_steered(f, &data), backend);
	assert_int_equal(bpf_map_delete_elem(f->services, &syn.destination), 0);
	assert_int_equal(expect_steered(f, &data), backend);
}

/* Like with like: a flow from before this rollout counts where it is not judged. */
static void test_generations(void **state)
{
	struct packet_spec spec = fixture_request(TCP4, 5, SYN, 1000, "");
	uint16_t backend = expect_steered(*state, &spec);

	fixture_set_split(*state, TCP4, FIXTURE_HALF, FIXTURE_GENERATION + 1);
	spec = fixture_request(TCP4, 5, ACK, 1001, GET);
	expect_steered(*state, &spec);
	assert_int_equal(fixture_version_stats(*state, backend / 2, true).connections, 1);
	assert_int_equal(fixture_version_stats(*state, backend / 2, true).requests, 0);
	assert_int_equal(fixture_version_stats(*state, backend / 2, false).requests, 1);
	assert_int_equal(fixture_version_stats(*state, backend / 2, false).request_packets, 1);
	assert_int_equal(fixture_backend_stats(*state, backend).request_packets, 2);
}

/* The port of an ended connection begins a new one, over the old entry, where the weights now say. */
static void test_reopened(void **state)
{
	struct packet_spec spec = fixture_request(TCP4, 5, SYN, 1000, "");
	struct canary_counters version;
	struct canary_flow flow;
	uint16_t backend;

	fixture_set_split(*state, TCP4, 0, FIXTURE_GENERATION);
	assert_int_equal(expect_steered(*state, &spec) / 2, TCP4 * 2);
	spec = fixture_request(TCP4, 5, RST, 1001, "");
	expect_steered(*state, &spec);
	fixture_set_split(*state, TCP4, FIXTURE_WHOLE, FIXTURE_GENERATION);
	spec = fixture_request(TCP4, 5, SYN, 90000, "");
	backend = expect_steered(*state, &spec);
	assert_int_equal(backend / 2, TCP4 * 2 + 1);
	assert_true(fixture_flow(*state, TCP4, 5, &flow));
	assert_int_equal(flow.backend, backend);
	assert_int_equal(flow.client_flags, 0);
	assert_int_equal(flow.client_isn, 90000);
	version = fixture_version_stats(*state, TCP4 * 2, true);
	assert_int_equal(version.connections, 1);
	assert_int_equal(version.abort_connect, 1);
	version = fixture_version_stats(*state, TCP4 * 2 + 1, true);
	assert_int_equal(version.connections, 1);
	assert_int_equal(version.abort_connect, 0);
}

/* A SYN given up for another: the version that did not answer it is the one that counts it. */
static void test_replaced_syn(void **state)
{
	struct packet_spec spec = fixture_request(TCP4, 5, SYN, 1000, "");

	fixture_set_split(*state, TCP4, FIXTURE_WHOLE, FIXTURE_GENERATION);
	assert_int_equal(expect_steered(*state, &spec) / 2, TCP4 * 2 + 1);
	fixture_set_split(*state, TCP4, 0, FIXTURE_GENERATION);
	spec = fixture_request(TCP4, 5, SYN, 2000, "");
	assert_int_equal(expect_steered(*state, &spec) / 2, TCP4 * 2);
	assert_int_equal(fixture_version_stats(*state, TCP4 * 2 + 1, true).abort_connect, 1);
	assert_int_equal(fixture_version_stats(*state, TCP4 * 2, true).abort_connect, 0);
	assert_int_equal(fixture_version_stats(*state, TCP4 * 2, true).connections, 1);
}

/* Evicted in mid-stream: the same hash finds the same backend, and the flow is in no indicator but its volume. */
static void test_lost_track(void **state)
{
	struct packet_spec spec = fixture_request(TCP6, 5, SYN, 1000, "");
	uint16_t backend = expect_steered(*state, &spec);
	struct canary_counters version;
	struct canary_flow flow;

	fixture_forget_flow(*state, TCP6, 5);
	spec = fixture_request(TCP6, 5, ACK, 1001, GET);
	assert_int_equal(expect_steered(*state, &spec), backend);
	assert_true(fixture_flow(*state, TCP6, 5, &flow));
	assert_int_equal(flow.origin, CANARY_ORIGIN_LOST_TRACK);
	version = fixture_version_stats(*state, backend / 2, true);
	assert_int_equal(version.connections, 1);
	assert_int_equal(version.lost_track, 1);
	assert_int_equal(version.requests, 0);
	assert_int_equal(version.request_bytes, GET_LEN);
}

/* Of no connection, and opening none: it gets where its flow would be, and leaves no trace. */
static void test_stray(void **state)
{
	static const uint8_t flags[] = { RST, RST | ACK, FIN, FIN | ACK, FIN | SYN };
	struct packet_spec spec = fixture_request(TCP4, 5, SYN, 1000, "");
	uint16_t backend = expect_steered(*state, &spec);

	fixture_forget_flow(*state, TCP4, 5);
	for (size_t i = 0; i < COUNT(flags); i++) {
		spec = fixture_request(TCP4, 5, flags[i], 1000, "");
		assert_int_equal(expect_steered(*state, &spec), backend);
	}
	assert_int_equal(fixture_count_flows(*state), 0);
	assert_int_equal(fixture_version_stats(*state, backend / 2, true).request_packets, 1);
	assert_int_equal(fixture_sum_of_others(*state, backend / 2, backend), 0);
}

static void test_canary_without_backends(void **state)
{
	fixture_set_split(*state, TCP4, FIXTURE_WHOLE, FIXTURE_GENERATION);
	fixture_set_maglev(*state, TCP4 * 2 + 1, false);
	for (uint32_t client = 0; client < 100; client++) {
		struct packet_spec spec = fixture_request(TCP4, client, SYN, 1000, "");

		assert_int_equal(expect_steered(*state, &spec) / 2, TCP4 * 2);
	}
	assert_int_equal(fixture_version_stats(*state, TCP4 * 2, true).connections, 100);
	assert_int_equal(fixture_version_stats(*state, TCP4 * 2 + 1, true).connections, 0);
	assert_int_equal(fixture_reasons(*state).no_backend, 0);
}

/* A full table that cannot evict: steered all the same, the same way each time, and counted under a reason. */
static void test_full_table(void **state)
{
	struct packet_spec first = fixture_request(TCP4, 1, SYN, 1000, "");
	struct packet_spec second = fixture_request(TCP4, 2, SYN, 1000, "");
	uint16_t backend;

	expect_steered(*state, &first);
	backend = expect_steered(*state, &second);
	second = fixture_request(TCP4, 2, ACK, 1001, GET);
	assert_int_equal(expect_steered(*state, &second), backend);
	assert_int_equal(fixture_reasons(*state).flow_insert, 2);
	assert_int_equal(fixture_count_flows(*state), 1);
}

/* TLS and HTTP/2 are told by the first bytes, wherever the transport header ends. */
static void test_first_payload(void **state)
{
	static const struct {
		const char *payload;
		uint8_t client_flags;
	} rows[] = {
		{ "\x16\x03\x01\x02", CANARY_CLIENT_TLS },
		{ "\x16\x03\x01", 0 },
		{ "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", CANARY_CLIENT_MULTIPLEXED },
		{ "PRINT", 0 },
		{ GET, 0 },
	};

	for (uint32_t i = 0; i < COUNT(rows) * 2; i++) {
		struct packet_spec spec = fixture_request(i & 1 ? TCP6 : TCP4, i, SYN, 1000, "");
		struct canary_flow flow;

		expect_steered(*state, &spec);
		spec = fixture_request(i & 1 ? TCP6 : TCP4, i, ACK, 1001, rows[i / 2].payload);
		spec.tcp_options_len = i % 3 * 12;
		expect_steered(*state, &spec);
		assert_true(fixture_flow(*state, i & 1 ? TCP6 : TCP4, i, &flow));
		assert_int_equal(flow.client_flags, rows[i / 2].client_flags);
	}
}

#define IN_FIXTURE(test) cmocka_unit_test_setup_teardown(test, fixture_set_up, fixture_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FIXTURE(test_mutations),
		IN_FIXTURE(test_truncated),
		IN_FIXTURE(test_three_tags),
		IN_FIXTURE(test_extension_headers),
		IN_FIXTURE(test_not_service),
		IN_FIXTURE(test_no_split),
		IN_FIXTURE(test_no_backend),
		IN_FIXTURE(test_backend_not_in_use),
		IN_FIXTURE(test_shapes),
		IN_FIXTURE(test_established),
		IN_FIXTURE(test_established_stays),
		IN_FIXTURE(test_generations),
		IN_FIXTURE(test_reopened),
		IN_FIXTURE(test_replaced_syn),
		IN_FIXTURE(test_lost_track),
		IN_FIXTURE(test_stray),
		IN_FIXTURE(test_canary_without_backends),
		cmocka_unit_test_setup_teardown(test_full_table, fixture_set_up_small_table, fixture_tear_down),
		IN_FIXTURE(test_first_payload),
	};

	return cmocka_run_group_tests_name("split", tests, NULL, NULL);
}

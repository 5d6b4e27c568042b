/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Mode fullnat packet by packet: what comes out has new addresses and the neighbour's MAC, and the reply finds back; what
 * cannot be sent is counted and passed, and whose packet is too big is told.
 */
#include "tests/bpf/fixture_fullnat.h"

#include "split.skel.h"
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <net/if.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define GET "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
#define OK "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

/* ---- both ways ------------------------------------------------------------------------------------------------ */

static void test_round_trip(void **state)
{
	struct fixture *f = *state;

	for (int service = 0; service < FIXTURE_SERVICES; service++) {
		bool tcp = fixture_protocol(service) == IPPROTO_TCP;
		struct packet_spec spec = fixture_request(service, 7, SYN, 1000, tcp ? "" : GET);
		struct canary_endpoint source, again;
		uint16_t backend = fullnat_expect_sent(f, &spec, &source);
		struct canary_counters counted;

		assert_int_equal(backend / 4, service);
		if (tcp) {
			fullnat_expect_answered(f, backend, 7, source, SYN | ACK, 5000, 1001, "");
			spec = fixture_request(service, 7, ACK, 1001, GET);
			assert_int_equal(fullnat_expect_sent(f, &spec, &again), backend);
			assert_memory_equal(&again, &source, sizeof(source));
		}
		fullnat_expect_answered(f, backend, 7, source, ACK, 5001, 1001 + sizeof(GET) - 1, OK);
		counted = fixture_version_stats(f, backend / 2, true);
		assert_int_equal(counted.connections, 1);
		assert_int_equal(counted.established, tcp);
		assert_int_equal(counted.requests, 1);
		assert_int_equal(counted.http_2xx, tcp);
		assert_int_equal(counted.response_bytes, sizeof(OK) - 1);
		assert_int_equal(fixture_latency_count(f, backend / 2, true, CANARY_LATENCY_TTFB), 1);
	}
}

/* VLAN tags, options and extension headers, on the interface the packet came in on. */
static void test_shapes(void **state)
{
	struct fixture *f = *state;

	fullnat_command("ip route replace 10.0.0.0/24 via 192.0.2.1; ip route replace fd00::/120 via 2001:db8::ffff");
	for (uint32_t shape = 0; shape < 4 * 3 * 4; shape++) {
		struct packet_spec spec = fixture_request(shape % 4, shape, SYN, 1000, shape % 4 < UDP4 ? "" : GET);
		struct packet_bytes before, after;

		spec.vlan_tags = shape / 4 % 3;
		spec.ip_options_len = shape / 12 * 4;
		spec.extension_count = shape / 12;
		memset(spec.extensions, IPPROTO_DSTOPTS, sizeof(spec.extensions));
		spec.no_udp_checksum = shape / 12 == 2;
		packet_build(&spec, &before);
		after = before;
		assert_int_equal(fullnat_run(f, "c0", &after), XDP_TX);
		fullnat_expect_routed(&before, &after, 0xcc);
	}
	fullnat_command("ip route replace 10.0.0.0/24 via 10.0.1.1; ip route replace fd00::/120 via fd00::ffff");
}

/* Evicted: the reply is translated all the same, and the flow finds its source again. */
static void test_evicted(void **state)
{
	struct packet_spec spec = fixture_request(TCP4, 5, SYN, 1000, "");
	struct canary_endpoint source, again;
	uint16_t backend = fullnat_expect_sent(*state, &spec, &source);

	fixture_forget_flow(*state, TCP4, 5);
	fullnat_expect_answered(*state, backend, 5, source, SYN | ACK, 5000, 1001, "");
	spec = fixture_request(TCP4, 5, ACK, 1001, GET);
	assert_int_equal(fullnat_expect_sent(*state, &spec, &again), backend);
	assert_memory_equal(&again, &source, sizeof(source));
	assert_int_equal(fixture_version_stats(*state, backend / 2, true).lost_track, 1);
}

/* ---- what is not sent ----------------------------------------------------------------------------------------- */

static void test_no_route(void **state)
{
	struct packet_spec spec = fixture_request(TCP4, 5, SYN, 1000, "");

	fullnat_command("ip route del 10.0.0.0/24");
	fullnat_expect_untouched(*state, "c0", &spec);
	assert_int_equal(fixture_reasons(*state).no_route, 1);
	fullnat_command("ip route add 10.0.0.0/24 via 10.0.1.1; sysctl -qw net.ipv4.conf.c0.forwarding=0");
	fullnat_expect_untouched(*state, "c0", &spec);
	assert_int_equal(fixture_reasons(*state).no_route, 2);
	fullnat_command("sysctl -qw net.ipv4.conf.c0.forwarding=1");
}

/* It has the address it needs, and goes up with a note for canary_ingress in front of it. */
static void expect_by_stack(const struct fixture *f, uint64_t times)
{
	struct packet_spec spec = fixture_request(TCP4, 5, SYN, 1000, "");
	struct packet_bytes before, after;
	uint32_t note[2];

	packet_build(&spec, &before);
	after = before;
	assert_int_equal(fullnat_run(f, "c0", &after), XDP_PASS);
	assert_int_equal(after.len, before.len + sizeof(note));
	memcpy(note, after.data, sizeof(note));
	assert_int_equal(note[1], if_nametoindex("b0"));
	memmove(after.data, after.data + sizeof(note), before.len);
	assert_true(packet_checksums_hold(&after));
	assert_int_equal(after.data[after.network + 16], 10);
	assert_int_equal(fixture_reasons(f).no_neighbour, times);
}

static void test_by_stack(void **state)
{
	struct fixture *f = *state;
	uint32_t b0 = if_nametoindex("b0");

	fullnat_command("ip neigh del 10.0.1.1 dev b0");
	expect_by_stack(f, 1);
	fullnat_command("ip neigh add 10.0.1.1 lladdr 02:00:00:00:00:bb dev b0");
	assert_int_equal(bpf_map_delete_elem(bpf_map__fd(f->split->maps.outputs), &b0), 0);
	expect_by_stack(f, 2);
}

static void test_last_hop(void **state)
{
	struct packet_spec spec = fixture_request(TCP4, 5, SYN, 1000, "");
	struct packet_bytes before, after;

	packet_build(&spec, &before);
	before.data[before.network + 8] = 1;
	after = before;
	assert_int_equal(fullnat_run(*state, "c0", &after), XDP_PASS);
	assert_memory_equal(after.data, before.data, before.len);
	assert_int_equal(fixture_reasons(*state).time_to_live, 1);
}

static uint16_t ones_sum(const uint8_t *bytes, size_t len, uint32_t sum)
{
	for (size_t i = 0; i + 1 < len; i += 2)
		sum += bytes[i] << 8 | bytes[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* The client is told the MTU, about the packet as it sent it. */
static void expect_too_big(const struct fixture *f, enum fixture_service service, uint32_t mtu)
{
	static const char payload[1400];
	struct packet_spec spec = fixture_request(service, 5, ACK, 1001, "");
	struct packet_bytes before, after;
	size_t ip, icmp, told;

	spec.payload = payload;
	spec.payload_len = sizeof(payload);
	packet_build(&spec, &before);
	ip = before.network;
	if (!before.ipv6) { /* do not fragment */
		before.data[ip + 6] |= 0x40;
		before.data[ip + 10] = before.data[ip + 11] = 0;
		told = (uint16_t)~ones_sum(before.data + ip, 20, 0);
		before.data[ip + 10] = told >> 8;
		before.data[ip + 11] = told;
	}
	after = before;
	assert_int_equal(fullnat_run(f, "c0", &after), XDP_TX);
	icmp = ip + (before.ipv6 ? 40 : 20);
	assert_int_equal(after.data[icmp], before.ipv6 ? 2 : 3);
	assert_int_equal(after.data[icmp + 6] << 8 | after.data[icmp + 7], mtu);
	assert_memory_equal(after.data, before.data + 6, 6);
	assert_memory_equal(after.data + icmp + 8, before.data + ip, after.len - icmp - 8);
	if (before.ipv6) {
		assert_memory_equal(after.data + ip + 24, before.data + ip + 8, 16);
		assert_int_equal(ones_sum(after.data + ip + 8, after.len - ip - 8, after.len - icmp + IPPROTO_ICMPV6), 0xffff);
	} else {
		assert_memory_equal(after.data + ip + 16, before.data + ip + 12, 4);
		assert_int_equal(ones_sum(after.data + icmp, after.len - icmp, 0), 0xffff);
		assert_int_equal(ones_sum(after.data + ip, 20, 0), 0xffff);
	}
}

static void test_too_big(void **state)
{
	fullnat_command("ip link set b0 mtu 1300");
	expect_too_big(*state, TCP4, 1300);
	expect_too_big(*state, TCP6, 1300);
	assert_int_equal(fixture_reasons(*state).too_big, 2);
	fullnat_command("ip link set b0 mtu 1500");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_round_trip, fullnat_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_shapes, fullnat_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_evicted, fullnat_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_no_route, fullnat_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_by_stack, fullnat_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_last_hop, fullnat_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_too_big, fullnat_set_up, fixture_tear_down),
	};

	return cmocka_run_group_tests(tests, fullnat_network_set_up, NULL);
}

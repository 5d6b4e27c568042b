/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bpf/rewrite.h: the incremental checksums equal those recomputed from scratch, and nothing else of a packet changes. */
#include "bpf/rewrite.h"

#include "tests/packet.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint32_t random_state = 2463534242U;

static uint32_t next_random(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 17;
	random_state ^= random_state << 5;
	return random_state;
}

static struct canary_endpoint random_endpoint(bool ipv6, uint8_t protocol)
{
	struct canary_endpoint endpoint = { .addr[2] = bpf_htonl(0xffff), .protocol = protocol };

	for (int i = ipv6 ? 0 : 3; i < 4; i++)
		endpoint.addr[i] = next_random() % 8 ? next_random() : next_random() % 2 ? 0xffffffff : 0;
	if (ipv6)
		endpoint.addr[0] |= bpf_htonl(0x20000000);
	endpoint.port = next_random();
	return endpoint;
}

static struct packet_spec random_spec(bool ipv6, uint8_t protocol)
{
	static uint8_t payload[64];
	struct packet_spec spec = {
		.source = random_endpoint(ipv6, protocol),
		.destination = random_endpoint(ipv6, protocol),
		.vlan_tags = next_random() % 3,
		.flags = ACK,
		.seq = next_random(),
		.window = next_random(),
		.ip_options_len = next_random() % 3 * 4,
		.tcp_options_len = next_random() % 4 * 4,
		.payload = payload,
		.payload_len = next_random() % sizeof(payload),
		.padding_len = next_random() % 7,
	};

	for (size_t i = 0; i < sizeof(payload); i++)
		payload[i] = next_random();
	return spec;
}

static void expect_rewritten(const struct packet_spec *spec, const struct canary_endpoint *to)
{
	struct packet_bytes bytes, expected;
	struct packet p;

	packet_build(spec, &bytes);
	expected = bytes;
	packet_set_destination(&expected, to);
	assert_int_equal(parse_packet(bytes.data, bytes.data + bytes.len, bytes.len, &p), 0);
	assert_true(rewrite_destination(&p, bytes.data + bytes.len, to));
	assert_memory_equal(bytes.data, expected.data, bytes.len);
	assert_true(packet_checksums_hold(&bytes));
}

static void test_checksums(void **state)
{
	(void)state;
	for (int i = 0; i < 40000; i++) {
		uint8_t protocol = i & 2 ? IPPROTO_UDP : IPPROTO_TCP;
		struct packet_spec spec = random_spec(i & 1, protocol);
		struct canary_endpoint to = random_endpoint(i & 1, protocol);

		expect_rewritten(&spec, &to);
	}
}

static void test_same_destination(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++) {
		struct packet_spec spec = random_spec(i & 1, i & 2 ? IPPROTO_UDP : IPPROTO_TCP);

		expect_rewritten(&spec, &spec.destination);
	}
}

/* A sender that computed no UDP checksum gets none. */
static void test_udp_without_checksum(void **state)
{
	(void)state;
	for (int i = 0; i < 1000; i++) {
		struct packet_spec spec = random_spec(i & 1, IPPROTO_UDP);
		struct canary_endpoint to = random_endpoint(i & 1, IPPROTO_UDP);

		spec.no_udp_checksum = true;
		expect_rewritten(&spec, &to);
	}
}

/* Every checksum the last two payload bytes can give, among them the one that computes to zero and is sent as 0xffff. */
static void test_udp_checksum_of_zero(void **state)
{
	struct canary_endpoint to = packet_endpoint("10.1.2.3:8080", IPPROTO_UDP);
	unsigned all_ones = 0;

	(void)state;
	for (unsigned word = 0; word <= 0xffff; word++) {
		uint8_t payload[2] = { word >> 8, word };
		struct packet_spec spec = {
			.source = packet_endpoint("198.51.100.7:40000", IPPROTO_UDP),
			.destination = packet_endpoint("192.0.2.1:53", IPPROTO_UDP),
			.payload = payload,
			.payload_len = sizeof(payload),
		};
		struct packet_bytes bytes;

		expect_rewritten(&spec, &to);
		packet_build(&spec, &bytes);
		packet_set_destination(&bytes, &to);
		all_ones += bytes.data[bytes.transport + 6] == 0xff && bytes.data[bytes.transport + 7] == 0xff;
	}
	assert_int_equal(all_ones, 1);
}

/* A packet that ends inside what is to be changed stays as it is. */
static void test_too_short(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++) {
		struct packet_spec spec = random_spec(i & 1, i & 2 ? IPPROTO_UDP : IPPROTO_TCP);
		struct canary_endpoint to = random_endpoint(i & 1, spec.destination.protocol);
		struct packet_bytes bytes, before;
		struct packet p;
		size_t needed;

		packet_build(&spec, &bytes);
		before = bytes;
		needed = bytes.transport + (i & 2 ? 8 : 20);
		assert_int_equal(parse_packet(bytes.data, bytes.data + bytes.len, bytes.len, &p), 0);
		for (size_t len = 0; len < needed; len++)
			assert_false(rewrite_destination(&p, bytes.data + len, &to));
		assert_memory_equal(&bytes, &before, sizeof(bytes));
	}
}

static void test_fold(void **state)
{
	(void)state;
	assert_int_equal(rewrite_fold(0), 0);
	assert_int_equal(rewrite_fold(0xffff), 0xffff);
	assert_int_equal(rewrite_fold(0x10000), 1);
	assert_int_equal(rewrite_fold(0x1ffff), 1);
	assert_int_equal(rewrite_fold(0xffffffffULL), 0xffff);
	assert_int_equal(rewrite_fold(0xffffffffffffffffULL), 0xffff);
	assert_int_equal(rewrite_fold(0xfffffffffffffffeULL), 0xfffe);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_checksums),           cmocka_unit_test(test_same_destination),
		cmocka_unit_test(test_udp_without_checksum), cmocka_unit_test(test_udp_checksum_of_zero),
		cmocka_unit_test(test_too_short),           cmocka_unit_test(test_fold),
	};

	return cmocka_run_group_tests_name("rewrite", tests, NULL, NULL);
}

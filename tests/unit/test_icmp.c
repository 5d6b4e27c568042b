/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bpf/icmp.h: what an error quotes is found however little that is, and one that is translated is the error somebody
 * would have sent who had seen the other address, every checksum included.
 */
#include "bpf/icmp.h"

#include "tests/packet.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define QUOTED_MIN(ipv6, options) (((ipv6) ? 40 : 20) + (options) + ICMP_QUOTED_TRANSPORT)

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

/* About a packet of any shape, quoted as far as `quote_len`, which is from the shortest that suffices to all of it. */
static struct packet_error_spec random_error(bool ipv6, uint8_t protocol)
{
	static const uint8_t extensions[] = { IPPROTO_HOPOPTS, IPPROTO_ROUTING, IPPROTO_DSTOPTS };
	static uint8_t payload[64];
	struct packet_error_spec spec = {
		.about = {
			.source = random_endpoint(ipv6, protocol),
			.destination = random_endpoint(ipv6, protocol),
			.flags = ACK,
			.seq = next_random(),
			.window = next_random(),
			.ip_options_len = ipv6 ? 0 : next_random() % 4 * 4,
			.extension_count = ipv6 ? next_random() % 4 : 0,
			.no_udp_checksum = next_random() % 4 == 0,
			.payload = payload,
			.payload_len = next_random() % sizeof(payload),
		},
		.source = random_endpoint(ipv6, 0),
		.vlan_tags = next_random() % 3,
		.ip_options_len = next_random() % 3 * 4,
		.type = ipv6 ? 1 + next_random() % 4 : next_random() % 2 ? 3 : 11,
		.code = next_random() % 8,
		.rest = next_random(),
	};

	for (size_t i = 0; i < sizeof(payload); i++)
		payload[i] = next_random();
	memcpy(spec.about.extensions, extensions, sizeof(extensions));
	spec.destination = spec.about.source;
	spec.quote_len = QUOTED_MIN(ipv6, spec.about.ip_options_len + 8 * spec.about.extension_count) +
			 next_random() % 20 * 2; /* no half of a checksum */
	return spec;
}

static void translate(struct packet_bytes *packet, bool sender, const struct canary_endpoint *to)
{
	struct icmp_error e;

	assert_int_equal(icmp_parse(packet->data, packet->data + packet->len, &e), 0);
	if (sender)
		icmp_change_sender(&e, to);
	else
		icmp_change_receiver(&e, to);
	assert_true(icmp_write(&e, packet->data, packet->data + packet->len));
}

static void test_sender(void **state)
{
	(void)state;
	for (int i = 0; i < 40000; i++) {
		struct packet_error_spec spec = random_error(i & 1, i & 2 ? IPPROTO_UDP : IPPROTO_TCP);
		struct canary_endpoint to = random_endpoint(i & 1, spec.about.source.protocol);
		struct packet_bytes packet, expected;

		packet_build_error(&spec, &packet);
		spec.about.source = spec.destination = to;
		packet_build_error(&spec, &expected);
		translate(&packet, true, &to);
		assert_memory_equal(packet.data, expected.data, expected.len);
	}
}

/* Half of them come from the receiver itself, half from a router whose address stays. */
static void test_receiver(void **state)
{
	(void)state;
	for (int i = 0; i < 40000; i++) {
		struct packet_error_spec spec = random_error(i & 1, i & 2 ? IPPROTO_UDP : IPPROTO_TCP);
		struct canary_endpoint to = random_endpoint(i & 1, spec.about.source.protocol);
		struct packet_bytes packet, expected;

		if (i & 4)
			spec.source = spec.about.destination;
		packet_build_error(&spec, &packet);
		if (!memcmp(spec.source.addr, spec.about.destination.addr, sizeof(spec.source.addr)))
			spec.source = to;
		spec.about.destination = to;
		packet_build_error(&spec, &expected);
		translate(&packet, false, &to);
		assert_memory_equal(packet.data, expected.data, expected.len);
	}
}

static void test_what_is_quoted(void **state)
{
	(void)state;
	for (int i = 0; i < 4000; i++) {
		struct packet_error_spec spec = random_error(i & 1, i & 2 ? IPPROTO_UDP : IPPROTO_TCP);
		struct packet_bytes packet;
		struct icmp_error e;

		packet_build_error(&spec, &packet);
		assert_int_equal(icmp_parse(packet.data, packet.data + packet.len, &e), 0);
		assert_memory_equal(e.outer.source, spec.source.addr, 16);
		assert_memory_equal(e.outer.destination, spec.destination.addr, 16);
		assert_memory_equal(e.inner.source, spec.about.source.addr, 16);
		assert_memory_equal(e.inner.destination, spec.about.destination.addr, 16);
		assert_int_equal(e.source_port, spec.about.source.port);
		assert_int_equal(e.destination_port, spec.about.destination.port);
		assert_int_equal(e.protocol, spec.about.source.protocol);
		assert_int_equal(e.seq, i & 2 ? 0 : spec.about.seq);
		assert_int_equal(e.type, spec.type);
		assert_int_equal(e.code, spec.code);
	}
}

/* In a buffer that ends where the packet ends, so that the sanitizer sees every byte too many. */
static int parse_first(const struct packet_bytes *packet, size_t len)
{
	uint8_t *exact = malloc(len + PACKET_ALIGN);
	struct icmp_error e;
	int reason;

	assert_non_null(exact);
	memcpy(exact + PACKET_ALIGN, packet->data, len);
	reason = icmp_parse(exact + PACKET_ALIGN, exact + PACKET_ALIGN + len, &e);
	free(exact);
	return reason;
}

/* Eight bytes of the transport header, or it says nothing. */
static void test_truncated(void **state)
{
	(void)state;
	for (int i = 0; i < 200; i++) {
		struct packet_error_spec spec = random_error(i & 1, i & 2 ? IPPROTO_UDP : IPPROTO_TCP);
		struct packet_bytes packet;
		size_t enough;

		packet_build_error(&spec, &packet);
		enough = packet.payload + QUOTED_MIN(packet.ipv6, spec.about.ip_options_len + 8 * spec.about.extension_count);
		assert_true(enough <= packet.len);
		for (size_t len = 0; len <= packet.len; len++)
			assert_int_equal(parse_first(&packet, len), len < enough ? CANARY_REASON_truncated : 0);
	}
}

/* One byte overwritten, counted from the IP header of the error or from that of the packet quoted. */
static void test_no_error(void **state)
{
	static const struct {
		bool ipv6, quoted;
		int8_t offset;
		uint8_t value;
		int reason;
	} rows[] = {
		{ false, false, 9, IPPROTO_IGMP, CANARY_REASON_other_protocol },
		{ false, false, 0, 0x44, CANARY_REASON_other_protocol },
		{ false, false, 6, 0x20, CANARY_REASON_other_protocol },
		{ false, false, 20, 8, CANARY_REASON_other_protocol }, /* an echo request */
		{ false, false, 20, 5, CANARY_REASON_other_protocol }, /* a redirect */
		{ false, true, 0, 0x65, CANARY_REASON_malformed },
		{ false, true, 7, 9, CANARY_REASON_fragment },
		{ false, true, 9, IPPROTO_ICMP, CANARY_REASON_other_protocol },
		{ true, false, 6, IPPROTO_NONE, CANARY_REASON_other_protocol },
		{ true, false, 40, 128, CANARY_REASON_other_protocol }, /* an echo request */
		{ true, false, 40, 0, CANARY_REASON_other_protocol },
		{ true, true, 0, 0x40, CANARY_REASON_malformed },
		{ true, true, 6, IPPROTO_ESP, CANARY_REASON_other_protocol },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct packet_error_spec spec = random_error(rows[i].ipv6, IPPROTO_TCP);
		struct packet_bytes packet;

		spec.about.extension_count = spec.about.ip_options_len = spec.ip_options_len = 0;
		packet_build_error(&spec, &packet);
		packet.data[(rows[i].quoted ? packet.payload : packet.network) + rows[i].offset] = rows[i].value;
		assert_int_equal(parse_first(&packet, packet.len), rows[i].reason);
	}
}

/* Extension headers so long that what is behind them is out of reach. */
static void test_out_of_reach(void **state)
{
	struct packet_error_spec spec = random_error(true, IPPROTO_TCP);
	struct packet_bytes packet;

	(void)state;
	spec.about.extension_count = 3;
	spec.about.extension_len = 160;
	spec.quote_len = 0;
	packet_build_error(&spec, &packet);
	assert_int_equal(parse_first(&packet, packet.len), CANARY_REASON_extension_headers);
}

static void test_unreachable(void **state)
{
	struct icmp_error e = { .type = 3, .code = 3 };

	(void)state;
	assert_true(icmp_is_unreachable(&e));
	e.code = 4; /* too big */
	assert_false(icmp_is_unreachable(&e));
	e.type = 11;
	e.code = 0;
	assert_false(icmp_is_unreachable(&e));
	e.ipv6 = true;
	e.type = 1;
	e.code = 4;
	assert_true(icmp_is_unreachable(&e));
	e.type = 2; /* too big */
	assert_false(icmp_is_unreachable(&e));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sender),
		cmocka_unit_test(test_receiver),
		cmocka_unit_test(test_what_is_quoted),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_no_error),
		cmocka_unit_test(test_out_of_reach),
		cmocka_unit_test(test_unreachable),
	};

	return cmocka_run_group_tests_name("icmp", tests, NULL, NULL);
}

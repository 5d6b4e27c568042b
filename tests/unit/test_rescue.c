/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The client's SYN, kept and made again: whatever its options and however much of it is there, nothing beyond its end is
 * read; what is made is the SYN without its data, and its checksum follows from the reset's.
 */
#include "bpf/rescue.h"
#include "tests/packet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define DATA "GET / HTTP/1.1\r\n\r\n"

struct addresses {
	struct canary_endpoint client, vip, baseline;
};

static struct addresses addresses(bool ipv6)
{
	struct addresses a = {
		packet_endpoint(ipv6 ? "[2001:db8:1::7]:40000" : "198.51.100.7:40000", IPPROTO_TCP),
		packet_endpoint(ipv6 ? "[2001:db8::80]:80" : "192.0.2.80:80", IPPROTO_TCP),
		packet_endpoint(ipv6 ? "[2001:db8:2::1]:8081" : "10.0.0.1:8081", IPPROTO_TCP),
	};

	return a;
}

static struct packet_spec syn_of(bool ipv6, unsigned options_len, const char *data)
{
	struct addresses a = addresses(ipv6);
	struct packet_spec spec = {
		.source = a.client, .destination = a.vip, .flags = SYN, .seq = 1000, .window = 64240,
		.tcp_options_len = options_len, .payload = data, .payload_len = strlen(data),
	};

	return spec;
}

/* Keeps what there is of the packet in its first `len` bytes, which stand at the end of their memory. */
static bool keep(const struct packet_bytes *packet, size_t len, struct canary_syn *ret_syn, struct packet *ret_parsed)
{
	uint8_t *bytes = malloc(PACKET_ALIGN + len), *data = bytes + PACKET_ALIGN;
	bool kept = false;

	memcpy(data, packet->data, len);
	if (!parse_packet(data, data + len, packet->len, ret_parsed))
		kept = rescue_keep(ret_syn, ret_parsed, data + len);
	free(bytes);
	return kept;
}

static struct canary_flow_key key_of(bool ipv6)
{
	struct addresses a = addresses(ipv6);
	struct canary_flow_key key = { .client_port = a.client.port, .vip_port = a.vip.port, .protocol = IPPROTO_TCP };

	memcpy(key.client, a.client.addr, sizeof(key.client));
	memcpy(key.vip, a.vip.addr, sizeof(key.vip));
	return key;
}

/* The SYN as its headers say, and the checksum a reset's, carried over, comes to. */
static void expect_made(bool ipv6, unsigned options_len, const char *data)
{
	struct addresses a = addresses(ipv6);
	struct packet_spec spec = syn_of(ipv6, options_len, data), reset = { .source = a.vip, .destination = a.client };
	struct packet_bytes syn, packet, expected;
	struct canary_flow_key key = key_of(ipv6);
	struct rescue_headers headers;
	struct canary_syn kept;
	struct packet parsed;
	__be32 words[5];
	uint16_t check;

	packet_build(&spec, &syn);
	assert_true(keep(&syn, syn.len, &kept, &parsed));
	spec.payload_len = 0;
	spec.destination = a.baseline;
	packet_build(&spec, &expected);
	reset.flags = RST | ACK;
	reset.ack = 1001;
	packet_build(&reset, &packet);
	memcpy(words, packet.data + packet.transport, sizeof(words));
	check = bpf_htons(bpf_ntohl(words[RESCUE_TCP_CHECK]) >> 16);
	rescue_headers(&headers, &kept, &key, &a.baseline, ipv6);
	check = rewrite_checksum(check, (uint64_t)rescue_pseudo_difference(&key, &kept, &a.baseline) +
					rescue_tcp_difference(words, &headers));
	headers.tcp[RESCUE_TCP_CHECK] |= bpf_htonl((uint32_t)bpf_ntohs(check) << 16);
	assert_int_equal(expected.len - expected.network, (ipv6 ? 40 : 20) + kept.tcp_len);
	assert_memory_equal(headers.ip_words, expected.data + expected.network, ipv6 ? 40 : 20);
	assert_memory_equal(headers.tcp, expected.data + expected.transport, kept.tcp_len);
}

static void test_made_again(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2 * 11 * 2; i++)
		expect_made(i % 2, i / 2 % 11 * 4, i / 22 ? DATA : "");
}

/* A SYN cut off anywhere is kept whole or not at all; AddressSanitizer sees what is read beyond it. */
static void test_cut_off(void **state)
{
	(void)state;
	for (unsigned ipv6 = 0; ipv6 < 2; ipv6++) {
		struct packet_spec spec = syn_of(ipv6, 40, DATA);
		struct packet_bytes syn;
		struct canary_syn kept;
		struct packet parsed;

		packet_build(&spec, &syn);
		for (size_t len = 0; len <= syn.len; len++)
			assert_int_equal(keep(&syn, len, &kept, &parsed), len >= syn.payload);
	}
}

/* What is beyond the options is nobody's: the map's value has no byte of what was kept there before. */
static void test_nothing_stays(void **state)
{
	struct packet_spec spec = syn_of(false, 0, DATA);
	struct packet_bytes syn;
	struct canary_syn kept;
	struct packet parsed;

	(void)state;
	memset(&kept, 0xaa, sizeof(kept));
	packet_build(&spec, &syn);
	assert_true(keep(&syn, syn.len, &kept, &parsed));
	assert_int_equal(kept.tcp_len, 20);
	for (unsigned i = 5; i < RESCUE_TCP_WORDS; i++)
		assert_int_equal(kept.tcp[i], 0);
	assert_int_equal(kept.zero[0] | kept.zero[1] | kept.zero[2], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_made_again),
		cmocka_unit_test(test_cut_off),
		cmocka_unit_test(test_nothing_stays),
	};

	return cmocka_run_group_tests_name("rescue", tests, NULL, NULL);
}

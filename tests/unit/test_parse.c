/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bpf/parse.h: every branch, and that no byte beyond the packet is read (the packets lie in exactly sized buffers). */
#include "bpf/parse.h"

#include "tests/packet.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const char payload[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
#define PAYLOAD_LEN (sizeof(payload) - 1)

static struct packet_spec spec_of(bool ipv6, uint8_t protocol)
{
	struct packet_spec spec = {
		.source = packet_endpoint(ipv6 ? "[2001:db8::7]:40000" : "198.51.100.7:40000", protocol),
		.destination = packet_endpoint(ipv6 ? "[2001:db8::1]:80" : "192.0.2.1:80", protocol),
		.flags = PSH | ACK,
		.seq = 0x11223344,
		.ack = 0x55667788,
		.window = 502,
		.payload = payload,
		.payload_len = PAYLOAD_LEN,
	};

	return spec;
}

/* Parses the first `len` bytes from a heap buffer of just that size. Offsets in *p stay valid, its pointers do not. */
static int parse_bytes(const struct packet_bytes *bytes, size_t len, size_t packet_len, struct packet *p)
{
	uint8_t *exact = malloc(len + PACKET_ALIGN);
	int reason;

	assert_non_null(exact);
	memcpy(exact + PACKET_ALIGN, bytes->data, len);
	memset(p, 0xa5, sizeof(*p));
	reason = parse_packet(exact + PACKET_ALIGN, exact + PACKET_ALIGN + len, packet_len, p);
	free(exact);
	return reason;
}

static int parse_all(const struct packet_bytes *bytes, struct packet *p)
{
	return parse_bytes(bytes, bytes->len, bytes->len, p);
}

static void expect_parsed(const struct packet_spec *spec, const struct packet_bytes *bytes, const struct packet *p)
{
	size_t header = spec->destination.protocol == IPPROTO_TCP ? bytes->payload : bytes->transport + 8;

	assert_memory_equal(p->source, spec->source.addr, 16);
	assert_memory_equal(p->destination, spec->destination.addr, 16);
	assert_int_equal(p->source_port, spec->source.port);
	assert_int_equal(p->destination_port, spec->destination.port);
	assert_int_equal(p->protocol, spec->destination.protocol);
	assert_int_equal(p->ipv6, bytes->ipv6);
	assert_int_equal(p->segments, 1);
	assert_int_equal(p->payload_start, 0);
	assert_int_equal(p->payload_len, spec->payload_len);
	assert_int_equal((char *)p->network - (char *)p->start, bytes->network);
	assert_int_equal((char *)p->transport - (char *)p->start, bytes->transport);
	assert_int_equal((char *)p->payload - (char *)p->start, header);
	if (spec->destination.protocol == IPPROTO_TCP) {
		assert_int_equal(p->tcp_flags, spec->flags);
		assert_int_equal(p->seq, spec->seq);
		assert_int_equal(p->ack, spec->ack);
		assert_int_equal(p->window, spec->window);
	} else {
		assert_int_equal(p->tcp_flags, 0);
	}
}

/* Well formed: parses to what was built; and cut anywhere before the payload's end it is truncated. */
static void expect_good(const struct packet_spec *spec)
{
	struct packet_bytes bytes;
	struct packet p;

	packet_build(spec, &bytes);
	assert_int_equal(parse_all(&bytes, &p), 0);
	expect_parsed(spec, &bytes, &p);
	for (size_t len = 0; len < bytes.len - spec->padding_len; len++)
		assert_int_equal(parse_bytes(&bytes, len, len, &p), CANARY_REASON_truncated);
	/* The stack may leave the payload outside the linear part. */
	assert_int_equal(parse_bytes(&bytes, bytes.payload, bytes.len, &p), 0);
	expect_parsed(spec, &bytes, &p);
	assert_int_equal(parse_bytes(&bytes, bytes.transport, bytes.len, &p), CANARY_REASON_truncated);
}

static void for_each_kind(void (*check)(struct packet_spec spec))
{
	for (int kind = 0; kind < 4; kind++)
		check(spec_of(kind & 1, kind & 2 ? IPPROTO_UDP : IPPROTO_TCP));
}

static void check_plain(struct packet_spec spec)
{
	for (unsigned tags = 0; tags <= 2; tags++) {
		spec.vlan_tags = tags;
		expect_good(&spec);
	}
}

static void test_plain_and_tagged(void **state)
{
	(void)state;
	for_each_kind(check_plain);
}

static void check_padding(struct packet_spec spec)
{
	spec.payload_len = 0;
	for (size_t padding = 1; padding <= 18; padding++) {
		spec.padding_len = padding;
		expect_good(&spec);
	}
}

static void test_ethernet_padding(void **state)
{
	(void)state;
	for_each_kind(check_padding);
}

static void check_three_tags(struct packet_spec spec)
{
	struct packet_bytes bytes;
	struct packet p;

	spec.vlan_tags = 3;
	packet_build(&spec, &bytes);
	assert_int_equal(parse_all(&bytes, &p), CANARY_REASON_not_ip);
}

static void test_three_tags(void **state)
{
	(void)state;
	for_each_kind(check_three_tags);
}

static void test_not_ip(void **state)
{
	struct packet_spec spec = spec_of(false, IPPROTO_TCP);
	struct packet_bytes bytes;
	struct packet p;

	(void)state;
	packet_build(&spec, &bytes);
	bytes.data[12] = 0x08; /* ARP */
	bytes.data[13] = 0x06;
	assert_int_equal(parse_all(&bytes, &p), CANARY_REASON_not_ip);
	assert_int_equal(parse_bytes(&bytes, 14, 14, &p), CANARY_REASON_not_ip);
	assert_int_equal(parse_bytes(&bytes, 13, 13, &p), CANARY_REASON_truncated);
}

static void test_ipv4_options(void **state)
{
	(void)state;
	for (unsigned len = 4; len <= 40; len += 4) {
		struct packet_spec spec = spec_of(false, len & 4 ? IPPROTO_TCP : IPPROTO_UDP);

		spec.ip_options_len = len;
		expect_good(&spec);
	}
}

static void test_tcp_options(void **state)
{
	(void)state;
	for (unsigned len = 4; len <= 40; len += 4) {
		struct packet_spec spec = spec_of(len & 4, IPPROTO_TCP);

		spec.tcp_options_len = len;
		expect_good(&spec);
	}
}

/* One byte of a good packet is overwritten. */
static const struct {
	bool ipv6;
	uint8_t protocol;
	bool transport; /* the offset counts from the transport header, else from the IP header */
	uint8_t offset, value;
	int reason;
} mutations[] = {
	{ false, IPPROTO_TCP, false, 0, 0x44, CANARY_REASON_malformed }, /* header of 16 bytes */
	{ false, IPPROTO_TCP, false, 0, 0x40, CANARY_REASON_malformed },
	{ false, IPPROTO_TCP, false, 0, 0x55, CANARY_REASON_malformed }, /* version 5 */
	{ false, IPPROTO_TCP, false, 0, 0x65, CANARY_REASON_malformed }, /* version 6 behind the type of IPv4 */
	{ false, IPPROTO_TCP, false, 3, 19, CANARY_REASON_malformed },   /* total shorter than the header */
	{ false, IPPROTO_TCP, false, 3, 20, CANARY_REASON_malformed },   /* no room for TCP */
	{ false, IPPROTO_TCP, false, 3, 39, CANARY_REASON_malformed },
	{ false, IPPROTO_TCP, false, 3, 40, 0 },
	{ false, IPPROTO_UDP, false, 3, 27, CANARY_REASON_malformed },
	{ false, IPPROTO_UDP, false, 3, 28, CANARY_REASON_malformed }, /* UDP says it is longer */
	{ false, IPPROTO_TCP, false, 2, 1, CANARY_REASON_truncated },  /* total beyond the packet */
	{ false, IPPROTO_TCP, false, 6, 0x40, 0 },                     /* don't fragment */
	{ false, IPPROTO_TCP, false, 6, 0x80, 0 },                     /* the reserved bit */
	{ false, IPPROTO_TCP, false, 6, 0x20, CANARY_REASON_fragment }, /* the first */
	{ false, IPPROTO_TCP, false, 6, 0x21, CANARY_REASON_fragment }, /* one in the middle */
	{ false, IPPROTO_TCP, false, 7, 0x01, CANARY_REASON_fragment }, /* the last */
	{ false, IPPROTO_UDP, false, 6, 0x1f, CANARY_REASON_fragment },
	{ false, IPPROTO_UDP, false, 6, 0x20, 0 }, /* the first has the ports */
	{ false, IPPROTO_UDP, false, 6, 0x21, CANARY_REASON_fragment },
	{ false, IPPROTO_TCP, false, 9, IPPROTO_ICMP, CANARY_REASON_other_protocol },
	{ false, IPPROTO_TCP, false, 9, IPPROTO_ESP, CANARY_REASON_other_protocol },
	{ false, IPPROTO_TCP, false, 9, IPPROTO_SCTP, CANARY_REASON_other_protocol },
	{ false, IPPROTO_TCP, false, 9, 0, CANARY_REASON_other_protocol },
	{ true, IPPROTO_TCP, false, 0, 0x40, CANARY_REASON_malformed },
	{ true, IPPROTO_TCP, false, 0, 0x6f, 0 }, /* traffic class */
	{ true, IPPROTO_TCP, false, 4, 1, CANARY_REASON_truncated },
	{ true, IPPROTO_TCP, false, 5, 1, CANARY_REASON_malformed }, /* no room for TCP */
	{ true, IPPROTO_TCP, false, 5, 19, CANARY_REASON_malformed },
	{ true, IPPROTO_TCP, false, 5, 20, 0 },
	{ true, IPPROTO_UDP, false, 5, 7, CANARY_REASON_malformed },
	{ true, IPPROTO_TCP, false, 6, IPPROTO_ESP, CANARY_REASON_other_protocol },
	{ true, IPPROTO_TCP, false, 6, IPPROTO_ICMPV6, CANARY_REASON_other_protocol },
	{ true, IPPROTO_TCP, false, 6, IPPROTO_NONE, CANARY_REASON_other_protocol },
	{ true, IPPROTO_TCP, false, 6, IPPROTO_SCTP, CANARY_REASON_other_protocol },
	{ true, IPPROTO_TCP, false, 6, 64, CANARY_REASON_other_protocol },
	{ true, IPPROTO_TCP, false, 6, 255, CANARY_REASON_other_protocol },
	{ false, IPPROTO_TCP, true, 12, 0x40, CANARY_REASON_malformed }, /* data offset of 16 bytes */
	{ false, IPPROTO_TCP, true, 12, 0x00, CANARY_REASON_malformed },
	{ true, IPPROTO_TCP, true, 12, 0xd0, CANARY_REASON_malformed },  /* beyond the packet */
	{ true, IPPROTO_TCP, true, 12, 0xc0, CANARY_REASON_malformed },
	{ true, IPPROTO_TCP, true, 12, 0xb0, 0 },
	{ false, IPPROTO_TCP, true, 12, 0xf0, CANARY_REASON_malformed },
	{ false, IPPROTO_UDP, true, 5, 7, CANARY_REASON_malformed }, /* shorter than its header */
	{ false, IPPROTO_UDP, true, 5, 0, CANARY_REASON_malformed },
	{ false, IPPROTO_UDP, true, 5, 8, 0 },
	{ false, IPPROTO_UDP, true, 5, 8 + PAYLOAD_LEN + 1, CANARY_REASON_malformed },
	{ true, IPPROTO_UDP, true, 4, 1, CANARY_REASON_malformed },
	{ true, IPPROTO_UDP, true, 5, 7, CANARY_REASON_malformed },
};

static void test_mutations(void **state)
{
	struct packet_bytes bytes;
	struct packet p;

	(void)state;
	for (size_t i = 0; i < COUNT(mutations); i++) {
		struct packet_spec spec = spec_of(mutations[i].ipv6, mutations[i].protocol);
		int reason;

		packet_build(&spec, &bytes);
		bytes.data[(mutations[i].transport ? bytes.transport : bytes.network) + mutations[i].offset] =
			mutations[i].value;
		reason = parse_all(&bytes, &p);
		if (reason != mutations[i].reason)
			fail_msg("mutation %zu: reason %d, not %d", i, reason, mutations[i].reason);
		for (size_t len = 0; len < bytes.len; len++)
			parse_bytes(&bytes, len, len, &p);
	}
}

/* The payload of a UDP datagram is what its own header says, not what the IP header leaves room for. */
static void test_udp_length(void **state)
{
	struct packet_spec spec = spec_of(false, IPPROTO_UDP);
	struct packet_bytes bytes;
	struct packet p;

	(void)state;
	packet_build(&spec, &bytes);
	bytes.data[bytes.transport + 5] = 8 + 5;
	assert_int_equal(parse_all(&bytes, &p), 0);
	assert_int_equal(p.payload_len, 5);
}

/* A length of zero: a super-packet longer than the field can say. All there is belongs to it. */
static void check_zero_length(struct packet_spec spec)
{
	struct packet_bytes bytes;
	struct packet p;

	packet_build(&spec, &bytes);
	memset(bytes.data + bytes.network + (bytes.ipv6 ? 4 : 2), 0, 2);
	assert_int_equal(parse_all(&bytes, &p), 0);
	expect_parsed(&spec, &bytes, &p);
	if (spec.destination.protocol == IPPROTO_UDP)
		return;
	assert_int_equal(parse_bytes(&bytes, bytes.len, 100000, &p), 0);
	assert_int_equal(p.payload_len, 100000 - bytes.payload);
}

static void test_zero_length(void **state)
{
	(void)state;
	for_each_kind(check_zero_length);
}

static const uint8_t kinds[] = { IPPROTO_HOPOPTS, IPPROTO_ROUTING, IPPROTO_DSTOPTS, IPPROTO_FRAGMENT };

static void test_each_extension_header(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(kinds); i++)
		for (unsigned len = 8; len <= 64; len += 8) {
			struct packet_spec spec = spec_of(true, len & 8 ? IPPROTO_TCP : IPPROTO_UDP);

			spec.extensions[0] = kinds[i];
			spec.extension_count = 1;
			spec.extension_len = len;
			expect_good(&spec);
		}
}

static void test_longest_extension_header(void **state)
{
	struct packet_spec spec = spec_of(true, IPPROTO_TCP);

	(void)state;
	spec.extensions[0] = IPPROTO_DSTOPTS;
	spec.extension_count = 1;
	spec.extension_len = 2048;
	expect_good(&spec);
}

/* Every sequence of three kinds, an atomic fragment among them. */
static void test_sequences_of_extension_headers(void **state)
{
	struct packet_spec spec = spec_of(true, IPPROTO_TCP);

	(void)state;
	spec.extension_count = 3;
	for (unsigned i = 0; i < 64; i++) {
		for (unsigned j = 0; j < 3; j++)
			spec.extensions[j] = kinds[i >> j * 2 & 3];
		expect_good(&spec);
	}
}

static void test_number_of_extension_headers(void **state)
{
	struct packet_spec spec = spec_of(true, IPPROTO_UDP);
	struct packet_bytes bytes;
	struct packet p;

	(void)state;
	memset(spec.extensions, IPPROTO_DSTOPTS, sizeof(spec.extensions));
	spec.extension_count = PARSE_EXTENSION_HEADERS;
	expect_good(&spec);
	spec.extension_count = PARSE_EXTENSION_HEADERS + 1;
	packet_build(&spec, &bytes);
	assert_int_equal(parse_all(&bytes, &p), CANARY_REASON_extension_headers);
}

static void test_ipv6_fragments(void **state)
{
	static const struct {
		uint16_t field; /* 13 bits of offset, 2 reserved, more-fragments */
		int reason;
	} rows[] = {
		{ 0x0000, 0 }, /* atomic */
		{ 0x0006, 0 }, /* the reserved bits say nothing */
		{ 0x0001, CANARY_REASON_fragment },
		{ 0x0009, CANARY_REASON_fragment },
		{ 0x0008, CANARY_REASON_fragment },
		{ 0xfff8, CANARY_REASON_fragment },
	};
	struct packet_bytes bytes;
	struct packet p;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct packet_spec spec = spec_of(true, IPPROTO_TCP);

		spec.extensions[0] = IPPROTO_DSTOPTS;
		spec.extensions[1] = IPPROTO_FRAGMENT;
		spec.extension_count = 2;
		spec.fragment = rows[i].field;
		packet_build(&spec, &bytes);
		assert_int_equal(parse_all(&bytes, &p), rows[i].reason);
	}
}

/* The length of a datagram is told by its first fragment, which is shorter; without its header it is none. */
static void test_first_fragment(void **state)
{
	(void)state;
	for (int ipv6 = 0; ipv6 <= 1; ipv6++) {
		struct packet_spec spec = spec_of(ipv6, IPPROTO_UDP);
		struct packet_bytes whole, first;
		struct packet p;

		packet_build(&spec, &whole);
		packet_fragment(&whole, 0, 8, 4711, &first);
		assert_int_equal(parse_all(&first, &p), 0);
		assert_int_equal(p.first_fragment, 1);
		assert_int_equal(p.payload_len, PAYLOAD_LEN);
		assert_int_equal(p.destination_port, spec.destination.port);
		packet_fragment(&whole, 0, 7, 4711, &first);
		assert_int_equal(parse_all(&first, &p), CANARY_REASON_truncated);
		memset(first.data + first.len, 0, 8);
		first.len += 8; /* padding */
		assert_int_equal(parse_all(&first, &p), CANARY_REASON_malformed);
		assert_int_equal(parse_all(&whole, &p), 0);
		assert_int_equal(p.first_fragment, 0);
	}
}

/* An extension header that says it is longer than the packet. */
static void test_extension_header_beyond_the_packet(void **state)
{
	struct packet_spec spec = spec_of(true, IPPROTO_TCP);
	struct packet_bytes bytes;
	struct packet p;

	(void)state;
	spec.extensions[0] = IPPROTO_HOPOPTS;
	spec.extension_count = 1;
	packet_build(&spec, &bytes);
	bytes.data[bytes.network + 41] = 255;
	assert_int_equal(parse_all(&bytes, &p), CANARY_REASON_malformed);
}

/* Nothing is read beyond the packet, whatever it says: random bytes behind plausible beginnings. */
static void test_noise(void **state)
{
	struct packet_spec spec = spec_of(false, IPPROTO_TCP);
	struct packet_bytes bytes;
	uint32_t random = 2463534242U;
	struct packet p;

	(void)state;
	for (int i = 0; i < 200000; i++) {
		spec = spec_of(i & 1, i & 2 ? IPPROTO_TCP : IPPROTO_UDP);
		if (i % 64 < 4)
			packet_build(&spec, &bytes);
		for (int changes = 0; changes < 3; changes++) {
			random ^= random << 13;
			random ^= random >> 17;
			random ^= random << 5;
			bytes.data[12 + random % 70] = random >> 24;
		}
		parse_bytes(&bytes, 14 + random / 256 % (bytes.len - 13), bytes.len, &p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain_and_tagged),
		cmocka_unit_test(test_ethernet_padding),
		cmocka_unit_test(test_three_tags),
		cmocka_unit_test(test_not_ip),
		cmocka_unit_test(test_ipv4_options),
		cmocka_unit_test(test_tcp_options),
		cmocka_unit_test(test_mutations),
		cmocka_unit_test(test_udp_length),
		cmocka_unit_test(test_zero_length),
		cmocka_unit_test(test_each_extension_header),
		cmocka_unit_test(test_longest_extension_header),
		cmocka_unit_test(test_sequences_of_extension_headers),
		cmocka_unit_test(test_number_of_extension_headers),
		cmocka_unit_test(test_ipv6_fragments),
		cmocka_unit_test(test_first_fragment),
		cmocka_unit_test(test_extension_header_beyond_the_packet),
		cmocka_unit_test(test_noise),
	};

	return cmocka_run_group_tests_name("parse", tests, NULL, NULL);
}

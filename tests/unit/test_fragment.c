/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bpf/fragment.h: all fragments of a datagram have one key, whatever else is in them, and no others have it. */
#include "bpf/fragment.h"

#include "tests/packet.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct packet_bytes datagram(bool ipv6, unsigned vlan_tags)
{
	static const uint8_t payload[1000];
	struct packet_spec spec = {
		.source = packet_endpoint(ipv6 ? "[2001:db8::7]:4711" : "198.18.0.7:4711", IPPROTO_UDP),
		.destination = packet_endpoint(ipv6 ? "[2001:db8::1]:53" : "192.0.2.1:53", IPPROTO_UDP),
		.vlan_tags = vlan_tags,
		.ip_options_len = vlan_tags * 4,
		.payload = payload,
		.payload_len = sizeof(payload),
	};
	struct packet_bytes packet;

	packet_build(&spec, &packet);
	return packet;
}

/* In a buffer that ends where the packet ends, so that the sanitizer sees every byte too many. */
static int parse(const struct packet_bytes *packet, size_t len, bool reply, struct packet *p,
		 struct canary_fragment_key *key)
{
	uint8_t *exact = malloc(len + PACKET_ALIGN);
	int reason;

	assert_non_null(exact);
	memcpy(exact + PACKET_ALIGN, packet->data, len);
	reason = fragment_parse(exact + PACKET_ALIGN, exact + PACKET_ALIGN + len, reply, p, key);
	free(exact);
	return reason;
}

static struct canary_fragment_key key_of(const struct packet_bytes *whole, size_t offset, uint32_t id, bool reply)
{
	struct packet_bytes fragment;
	struct canary_fragment_key key;
	struct packet p;

	packet_fragment(whole, offset, 400, id, &fragment);
	assert_int_equal(parse(&fragment, fragment.len, reply, &p, &key), 0);
	assert_int_equal(p.ipv6, whole->ipv6);
	assert_memory_equal(p.source, key.source, sizeof(key.source));
	assert_memory_equal(p.destination, key.destination, sizeof(key.destination));
	if (!p.ipv6)
		assert_int_equal(p.ip_check, packet_ip_checksum(&fragment));
	return key;
}

static void test_one_key(void **state)
{
	(void)state;
	for (unsigned shape = 0; shape < 6; shape++) {
		struct packet_bytes whole = datagram(shape & 1, shape / 2), other = datagram(shape & 1, shape / 2);
		struct canary_endpoint elsewhere = packet_endpoint(shape & 1 ? "[fd00::1]:1" : "10.0.0.1:1", IPPROTO_UDP);
		struct canary_fragment_key first = key_of(&whole, 0, 0x10002, false), key;

		key = key_of(&whole, 400, 0x10002, false);
		assert_memory_equal(&key, &first, sizeof(key));
		key = key_of(&whole, 608, 0x10002, false); /* the last */
		assert_memory_equal(&key, &first, sizeof(key));
		key = key_of(&whole, 400, 0x10003, false);
		assert_memory_not_equal(&key, &first, sizeof(key));
		key = key_of(&whole, 400, 0x10002, true);
		assert_memory_not_equal(&key, &first, sizeof(key));
		packet_set_source(&other, &elsewhere);
		key = key_of(&other, 400, 0x10002, false);
		assert_memory_not_equal(&key, &first, sizeof(key));
		other = whole;
		packet_set_destination(&other, &elsewhere);
		key = key_of(&other, 400, 0x10002, false);
		assert_memory_not_equal(&key, &first, sizeof(key));
	}
}

static void test_truncated(void **state)
{
	(void)state;
	for (int ipv6 = 0; ipv6 <= 1; ipv6++) {
		struct packet_bytes whole = datagram(ipv6, 1), fragment;
		struct canary_fragment_key key;
		struct packet p;
		size_t enough;

		packet_fragment(&whole, 400, 400, 7, &fragment);
		enough = whole.network + (ipv6 ? 48 : 20);
		for (size_t len = 0; len <= fragment.len; len++)
			assert_int_equal(parse(&fragment, len, false, &p, &key),
					 len < enough ? CANARY_REASON_truncated : 0);
	}
}

/* Behind headers that stand before the fragment header; and what is no fragment has no key. */
static void test_ipv6_headers(void **state)
{
	struct packet_bytes whole = datagram(true, 0), fragment, longer;
	uint8_t *next = fragment.data + 14 + 6;
	struct canary_fragment_key key, same;
	struct packet p;

	(void)state;
	packet_fragment(&whole, 400, 400, 7, &fragment);
	assert_int_equal(parse(&fragment, fragment.len, false, &p, &key), 0);
	longer = fragment;
	memmove(longer.data + 14 + 40 + 16, longer.data + 14 + 40, fragment.len - 54);
	longer.data[14 + 6] = IPPROTO_HOPOPTS;
	memcpy(longer.data + 14 + 40, (uint8_t[16]){ IPPROTO_FRAGMENT, 1 }, 16);
	longer.len += 16;
	assert_int_equal(parse(&longer, longer.len, false, &p, &same), 0);
	assert_memory_equal(&key, &same, sizeof(key));
	*next = IPPROTO_TCP;
	assert_int_equal(parse(&fragment, fragment.len, false, &p, &key), CANARY_REASON_fragment);
	*next = 200;
	assert_int_equal(parse(&fragment, fragment.len, false, &p, &key), CANARY_REASON_fragment);
	memset(fragment.data + 54, 0, 200); /* hop-by-hop options without end */
	*next = IPPROTO_HOPOPTS;
	assert_int_equal(parse(&fragment, fragment.len, false, &p, &key), CANARY_REASON_extension_headers);
}

/* Who has no ports and is not UDP can't have a first fragment that was steered. */
static void test_ipv4_protocol(void **state)
{
	struct packet_bytes whole = datagram(false, 0), fragment;
	struct canary_fragment_key key;
	struct packet p;

	(void)state;
	packet_fragment(&whole, 400, 400, 7, &fragment);
	fragment.data[14 + 9] = IPPROTO_TCP;
	assert_int_equal(parse(&fragment, fragment.len, false, &p, &key), CANARY_REASON_fragment);
}

static void test_fresh(void **state)
{
	struct canary_fragment first = { .first_ns = 1000 };

	(void)state;
	assert_true(fragment_is_fresh(&first, 999)); /* the clock of another CPU */
	assert_true(fragment_is_fresh(&first, 999 + FRAGMENT_LIFE_NS));
	assert_false(fragment_is_fresh(&first, 1000 + FRAGMENT_LIFE_NS));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_key),      cmocka_unit_test(test_truncated), cmocka_unit_test(test_ipv6_headers),
		cmocka_unit_test(test_ipv4_protocol), cmocka_unit_test(test_fresh),
	};

	return cmocka_run_group_tests_name("fragment", tests, NULL, NULL);
}

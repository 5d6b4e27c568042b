/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Datagrams in fragments in mode fullnat: what is sent on is what cutting up the datagram would give after it was
 * translated, in both directions. What has no first fragment passes untouched.
 */
#include "tests/bpf/fixture_fullnat.h"

#include <linux/bpf.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define PAYLOAD 3000
#define CUT 1440 /* bytes of a fragment, which fit in 1,500 with their headers */
#define FRAGMENTS 3
#define ID 4711

static struct packet_bytes build(struct packet_spec spec)
{
	static uint8_t payload[PAYLOAD];
	struct packet_bytes packet;

	for (size_t i = 0; i < sizeof(payload); i++)
		payload[i] = i * 7 + 1;
	spec.payload = payload;
	spec.payload_len = sizeof(payload);
	packet_build(&spec, &packet);
	return packet;
}

static struct packet_bytes cut(const struct packet_bytes *whole, unsigned number, uint32_t id)
{
	size_t offset = number * CUT, rest = whole->len - whole->transport - offset;
	struct packet_bytes fragment;

	packet_fragment(whole, offset, rest < CUT ? rest : CUT, id, &fragment);
	return fragment;
}

/* The fragment of this number comes out as that of `translated`, after one hop more. */
static void expect_sent(const struct fixture *f, const char *interface, const struct packet_bytes *whole,
			const struct packet_bytes *translated, unsigned number)
{
	struct packet_bytes packet = cut(whole, number, ID), expected = cut(translated, number, ID);
	uint16_t check;

	assert_int_equal(fullnat_run(f, interface, &packet), XDP_REDIRECT);
	expected.data[expected.network + (expected.ipv6 ? 7 : 8)]--;
	if (!expected.ipv6) {
		check = packet_ip_checksum(&expected);
		memcpy(expected.data + expected.network + 10, &check, sizeof(check));
	}
	assert_int_equal(packet.len, expected.len);
	assert_memory_equal(packet.data + 12, expected.data + 12, expected.len - 12);
}

static struct packet_bytes translate(const struct packet_bytes *whole, struct canary_endpoint source,
				     struct canary_endpoint destination)
{
	struct packet_bytes translated = *whole;

	packet_set_source(&translated, &source);
	packet_set_destination(&translated, &destination);
	return translated;
}

/* Both directions of a flow; the last fragment overtakes the second. */
static void test_round_trip(void **state)
{
	for (uint32_t client = 0; client < 24; client++) {
		enum fixture_service service = client & 1 ? UDP6 : UDP4;
		struct packet_spec spec = fixture_request(service, client, 0, 0, "?"), answer;
		struct canary_endpoint source;
		uint16_t backend = fullnat_expect_sent(*state, &spec, &source);
		struct canary_counters before = fixture_version_stats(*state, backend / 2, true), after;
		struct packet_bytes whole = build(spec), translated = translate(&whole, source, fixture_backend(backend));

		expect_sent(*state, "c0", &whole, &translated, 0);
		expect_sent(*state, "c0", &whole, &translated, 2);
		expect_sent(*state, "c0", &whole, &translated, 1);
		answer = fixture_response(backend, client, 0, 0, 0, "");
		answer.destination = source;
		whole = build(answer);
		translated = translate(&whole, fixture_vip(service), fixture_client(service, client));
		for (unsigned i = 0; i < FRAGMENTS; i++)
			expect_sent(*state, "b0", &whole, &translated, i);
		after = fixture_version_stats(*state, backend / 2, true);
		assert_int_equal(after.request_packets - before.request_packets, FRAGMENTS);
		assert_int_equal(after.response_packets - before.response_packets, FRAGMENTS);
		assert_int_equal(after.response_bytes - before.response_bytes, PAYLOAD);
	}
}

static void expect_passed(const struct fixture *f, const char *interface, struct packet_bytes packet)
{
	uint64_t before = fixture_reasons(f).fragment;
	struct packet_bytes untouched = packet;

	assert_int_equal(fullnat_run(f, interface, &packet), XDP_PASS);
	assert_memory_equal(packet.data, untouched.data, untouched.len);
	assert_int_equal(fixture_reasons(f).fragment, before + 1);
}

/* Before their first, and of TCP. */
static void test_passed(void **state)
{
	for (int service = TCP4; service <= UDP6; service++) {
		struct packet_spec spec = fixture_request(service, 1, service < UDP4 ? ACK : 0, 1, "?");
		struct packet_bytes whole = build(spec);

		expect_passed(*state, "c0", cut(&whole, 1, ID));
		if (service < UDP4)
			expect_passed(*state, "c0", cut(&whole, 0, ID));
	}
}

/* A backend's answer to a flow that was evicted still gets to the client whole. */
static void test_evicted(void **state)
{
	struct packet_spec spec = fixture_request(UDP4, 1, 0, 0, "?"), answer;
	struct packet_bytes whole, translated;
	struct canary_endpoint source;
	uint16_t backend = fullnat_expect_sent(*state, &spec, &source);

	fixture_forget_flow(*state, UDP4, 1);
	answer = fixture_response(backend, 1, 0, 0, 0, "");
	answer.destination = source;
	whole = build(answer);
	translated = translate(&whole, fixture_vip(UDP4), fixture_client(UDP4, 1));
	for (unsigned i = 0; i < FRAGMENTS; i++)
		expect_sent(*state, "b0", &whole, &translated, i);
}

#define IN_FIXTURE(test) cmocka_unit_test_setup_teardown(test, fullnat_set_up, fixture_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FIXTURE(test_round_trip),
		IN_FIXTURE(test_passed),
		IN_FIXTURE(test_evicted),
	};

	return cmocka_run_group_tests_name("fullnat_fragment", tests, fullnat_network_set_up, NULL);
}

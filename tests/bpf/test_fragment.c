/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Datagrams in fragments in the kernel: the first one is steered by its ports, the others follow it, in both directions;
 * what comes out is what cutting up the steered datagram would give. What has no first fragment passes untouched.
 */
#include "tests/bpf/fixture.h"

#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define PAYLOAD 3000
#define CUT 1480 /* bytes of a fragment */
#define FRAGMENTS 3
#define ID 4711

static struct packet_bytes build(struct packet_spec spec, bool checksum)
{
	static uint8_t payload[PAYLOAD];
	struct packet_bytes packet;

	for (size_t i = 0; i < sizeof(payload); i++)
		payload[i] = i * 7 + 1;
	spec.payload = payload;
	spec.payload_len = sizeof(payload);
	spec.no_udp_checksum = !checksum;
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

static struct packet_bytes question(enum fixture_service service, uint32_t client)
{
	return build(fixture_request(service, client, 0, 0, ""), client % 3);
}

/* Opens the flow by a datagram that is whole. */
static uint16_t open_flow(const struct fixture *f, enum fixture_service service, uint32_t client)
{
	struct packet_spec spec = fixture_request(service, client, 0, 0, "?");
	uint16_t backend = fixture_send(f, &spec);

	assert_int_not_equal(backend, CANARY_NONE);
	return backend;
}

static void expect_reason(const struct fixture *f, const struct packet_bytes *packet, int reason)
{
	struct canary_reasons before = fixture_reasons(f), after;
	struct packet_bytes out = *packet;

	assert_int_equal(fixture_run_split(f, &out), XDP_PASS);
	assert_memory_equal(out.data, packet->data, packet->len);
	after = fixture_reasons(f);
	for (size_t i = 0; i < sizeof(after) / sizeof(__u64); i++)
		assert_int_equal(((__u64 *)&after)[i] - ((__u64 *)&before)[i], (int)i + 1 == reason);
}

/* ---- requests: XDP -------------------------------------------------------------------------------------------- */

static void expect_steered(const struct fixture *f, const struct packet_bytes *whole, unsigned number, uint32_t id,
			   uint16_t backend)
{
	struct canary_endpoint to = fixture_backend(backend);
	struct packet_bytes packet = cut(whole, number, id), steered = *whole, expected;

	packet_set_destination(&steered, &to);
	expected = cut(&steered, number, id);
	assert_int_equal(fixture_run_split(f, &packet), XDP_PASS);
	assert_memory_equal(packet.data, expected.data, expected.len);
}

static void test_requests(void **state)
{
	for (uint32_t client = 0; client < 24; client++) {
		enum fixture_service service = client & 1 ? UDP6 : UDP4;
		uint16_t backend = open_flow(*state, service, client);
		struct canary_counters before = fixture_version_stats(*state, backend / 2, true), after;
		struct packet_bytes whole = question(service, client);

		expect_steered(*state, &whole, 0, ID, backend);
		expect_steered(*state, &whole, 2, ID, backend); /* overtook the second */
		expect_steered(*state, &whole, 1, ID, backend);
		after = fixture_version_stats(*state, backend / 2, true);
		before.request_packets += FRAGMENTS;
		before.request_bytes += PAYLOAD;
		assert_memory_equal(&after, &before, sizeof(after));
	}
}

/* A first fragment opens a flow, too. */
static void test_opens(void **state)
{
	for (int service = UDP4; service <= UDP6; service++) {
		struct packet_bytes whole = question(service, 1), first = cut(&whole, 0, ID);
		struct canary_counters counted;
		struct canary_flow flow;

		assert_int_equal(fixture_run_split(*state, &first), XDP_PASS);
		assert_true(fixture_flow(*state, service, 1, &flow));
		expect_steered(*state, &whole, 1, ID, flow.backend);
		counted = fixture_backend_stats(*state, flow.backend);
		assert_int_equal(counted.connections, 1);
		assert_int_equal(counted.requests, 1);
		assert_int_equal(counted.request_packets, 2);
		assert_int_equal(counted.request_bytes, PAYLOAD);
	}
}

/* Two flows of one address, at backends of their own: each datagram's fragments stay together. */
static void test_interleaved(void **state)
{
	uint16_t backend = open_flow(*state, UDP4, 1), other;
	struct packet_bytes one = question(UDP4, 1), two;
	uint32_t client = 2;

	while ((other = open_flow(*state, UDP4, client)) == backend)
		client++;
	two = question(UDP4, client);
	expect_steered(*state, &one, 0, ID, backend);
	expect_steered(*state, &two, 0, ID + 1, other);
	expect_steered(*state, &one, 1, ID, backend);
	expect_steered(*state, &two, 1, ID + 1, other);
	expect_steered(*state, &two, 0, ID, other); /* the identification comes round */
	expect_steered(*state, &two, 2, ID, other);
}

static void test_nothing_before(void **state)
{
	for (int service = UDP4; service <= UDP6; service++) {
		uint16_t backend = open_flow(*state, service, 1);
		struct packet_bytes whole = question(service, 1), moved = whole, packet;
		struct canary_endpoint elsewhere = fixture_backend(backend);

		packet = cut(&whole, 1, ID);
		expect_reason(*state, &packet, CANARY_REASON_fragment);
		expect_steered(*state, &whole, 0, ID, backend);
		packet = cut(&whole, 1, ID + 1);
		expect_reason(*state, &packet, CANARY_REASON_fragment);
		packet_set_source(&moved, &elsewhere);
		packet = cut(&moved, 1, ID);
		expect_reason(*state, &packet, CANARY_REASON_fragment);
		moved = whole;
		packet_set_destination(&moved, &elsewhere);
		packet = cut(&moved, 1, ID);
		expect_reason(*state, &packet, CANARY_REASON_fragment);
		expect_steered(*state, &whole, 1, ID, backend);
	}
}

static void test_not_a_service(void **state)
{
	struct packet_spec spec = fixture_request(UDP4, 1, 0, 0, "");
	struct packet_bytes whole, packet;

	spec.destination.port = htons(5353);
	whole = build(spec, true);
	packet = cut(&whole, 0, ID);
	expect_reason(*state, &packet, CANARY_REASON_not_service);
	packet = cut(&whole, 1, ID);
	expect_reason(*state, &packet, CANARY_REASON_fragment);
}

/* After half a minute the same identification is another datagram's. */
static void test_stale(void **state)
{
	uint16_t backend = open_flow(*state, UDP4, 1);
	struct packet_bytes whole = question(UDP4, 1), packet = cut(&whole, 1, ID);
	struct canary_fragment_key key;
	struct canary_fragment first;
	struct fixture *f = *state;

	expect_steered(f, &whole, 0, ID, backend);
	fixture_must(bpf_map_get_next_key(f->fragments, NULL, &key), "fragments");
	fixture_must(bpf_map_lookup_elem(f->fragments, &key, &first), "fragments");
	assert_int_equal(first.backend, backend);
	first.first_ns -= 31000000000ULL;
	fixture_must(bpf_map_update_elem(f->fragments, &key, &first, BPF_ANY), "fragments");
	expect_reason(f, &packet, CANARY_REASON_fragment);
}

static void test_tcp(void **state)
{
	for (int service = TCP4; service <= TCP6; service++) {
		struct packet_spec spec = fixture_request(service, 1, SYN, 1000, "");
		struct packet_bytes whole, packet;

		packet_build(&spec, &whole);
		packet_fragment(&whole, 0, 16, ID, &packet);
		expect_reason(*state, &packet, CANARY_REASON_fragment);
		packet_fragment(&whole, 16, 4, ID, &packet);
		expect_reason(*state, &packet, CANARY_REASON_fragment);
		assert_int_equal(fixture_count_flows(*state), 0);
	}
}

/* ---- replies: tc egress --------------------------------------------------------------------------------------- */

static struct packet_bytes answer(uint16_t backend, uint32_t client)
{
	return build(fixture_response(backend, client, 0, 0, 0, ""), client % 3);
}

static void expect_answered(struct fixture *f, const struct packet_bytes *whole, unsigned number,
			    enum fixture_service service)
{
	struct packet_bytes packet = cut(whole, number, ID), answered = *whole, expected;
	struct canary_endpoint vip = fixture_vip(service);

	packet_set_source(&answered, &vip);
	expected = cut(&answered, number, ID);
	assert_int_equal(fixture_run_reply(f, &packet, 0, 0), FIXTURE_TCX_NEXT);
	assert_memory_equal(packet.data, expected.data, expected.len);
}

static void expect_left_alone(struct fixture *f, const struct packet_bytes *packet)
{
	struct canary_reasons before = fixture_reasons(f), after;
	struct packet_bytes out = *packet;

	assert_int_equal(fixture_run_reply(f, &out, 0, 0), FIXTURE_TCX_NEXT);
	assert_memory_equal(out.data, packet->data, packet->len);
	after = fixture_reasons(f);
	assert_memory_equal(&before, &after, sizeof(after));
}

static void test_replies(void **state)
{
	for (uint32_t client = 0; client < 24; client++) {
		enum fixture_service service = client & 1 ? UDP6 : UDP4;
		uint16_t backend = open_flow(*state, service, client);
		struct canary_counters before = fixture_version_stats(*state, backend / 2, true), after;
		struct packet_bytes whole = answer(backend, client);

		expect_answered(*state, &whole, 0, service);
		expect_answered(*state, &whole, 2, service);
		expect_answered(*state, &whole, 1, service);
		after = fixture_version_stats(*state, backend / 2, true);
		before.response_packets += FRAGMENTS;
		before.response_bytes += PAYLOAD;
		before.unparsed++;
		assert_memory_equal(&after, &before, sizeof(after));
	}
}

static void test_not_replies(void **state)
{
	uint16_t backend = open_flow(*state, UDP6, 1);
	struct packet_bytes whole = answer(backend, 1), stranger = answer(backend, 2), request = question(UDP6, 1), packet;

	packet = cut(&whole, 1, ID); /* before the first */
	expect_left_alone(*state, &packet);
	packet = cut(&stranger, 0, ID); /* no such flow */
	expect_left_alone(*state, &packet);
	packet = cut(&stranger, 1, ID);
	expect_left_alone(*state, &packet);
	expect_steered(*state, &request, 0, ID, backend); /* a request that is forwarded leaves this way */
	packet = cut(&request, 1, ID);
	expect_left_alone(*state, &packet);
	expect_answered(*state, &whole, 0, UDP6);
	packet = cut(&whole, 1, ID + 1);
	expect_left_alone(*state, &packet);
	packet = cut(&whole, 1, ID); /* and a reply on its way in */
	expect_reason(*state, &packet, CANARY_REASON_fragment);
}

#define IN_FIXTURE(test) cmocka_unit_test_setup_teardown(test, fixture_set_up, fixture_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FIXTURE(test_requests), IN_FIXTURE(test_opens),         IN_FIXTURE(test_interleaved),
		IN_FIXTURE(test_nothing_before), IN_FIXTURE(test_not_a_service), IN_FIXTURE(test_stale),
		IN_FIXTURE(test_tcp),      IN_FIXTURE(test_replies),       IN_FIXTURE(test_not_replies),
	};

	return cmocka_run_group_tests_name("fragment", tests, NULL, NULL);
}

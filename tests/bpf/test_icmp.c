/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ICMP errors in the kernel. One about a reply goes to the backend that sent it, one about a request comes from the VIP;
 * both as if there were no other address, whatever is quoted of the packet. What is about no flow passes untouched.
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

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define GET "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
#define ISN 1000

/* The types and codes that matter, of both families. */
enum complaint { PORT_UNREACHABLE, HOST_UNREACHABLE, TOO_BIG, TIME_EXCEEDED, ECHO };

static bool is_ipv6(enum fixture_service service)
{
	return service & 1;
}

static bool is_udp(enum fixture_service service)
{
	return service >= UDP4;
}

static uint8_t type_of(enum fixture_service service, enum complaint complaint)
{
	static const uint8_t types[][2] = { { 3, 1 }, { 3, 1 }, { 3, 2 }, { 11, 3 }, { 8, 128 } };

	return types[complaint][is_ipv6(service)];
}

static uint8_t code_of(enum fixture_service service, enum complaint complaint)
{
	static const uint8_t codes[][2] = { { 3, 4 }, { 1, 3 }, { 4, 0 }, { 0, 0 }, { 0, 0 } };

	return codes[complaint][is_ipv6(service)];
}

static struct canary_endpoint router(enum fixture_service service)
{
	return packet_endpoint(is_ipv6(service) ? "[2001:db8:ffff::1]:1" : "203.0.113.1:1", IPPROTO_TCP);
}

/* An error about a packet, as a router on its way sends it. */
static struct packet_error_spec error_about(enum fixture_service service, enum complaint complaint,
					    struct packet_spec about)
{
	struct packet_error_spec spec = {
		.about = about,
		.source = router(service),
		.destination = about.source,
		.type = type_of(service, complaint),
		.code = code_of(service, complaint),
		.rest = complaint == TOO_BIG ? 1280 : 0,
	};

	return spec;
}

/* The packet that a flow begins with, and the backend it went to. */
static struct packet_spec opening(enum fixture_service service, uint32_t client)
{
	return fixture_request(service, client, is_udp(service) ? 0 : SYN, ISN, is_udp(service) ? GET : "");
}

static uint16_t open_flow(const struct fixture *f, enum fixture_service service, uint32_t client)
{
	struct packet_spec spec = opening(service, client);
	uint16_t backend = fixture_send(f, &spec);

	assert_int_not_equal(backend, CANARY_NONE);
	return backend;
}

/* The same packet behind the splitter. */
static struct packet_spec opening_at(enum fixture_service service, uint32_t client, uint16_t backend)
{
	struct packet_spec spec = opening(service, client);

	spec.destination = fixture_backend(backend);
	return spec;
}

/* The shapes of an error and of the packet it quotes: from eight bytes of transport on. */
static void shape(struct packet_error_spec *spec, unsigned number)
{
	static const uint8_t kinds[] = { IPPROTO_DSTOPTS, IPPROTO_ROUTING, IPPROTO_HOPOPTS };
	bool ipv6 = spec->about.source.addr[2] != htonl(0xffff);
	unsigned options = number / 3 % 3 * 4, extensions = number / 3 % 3;

	spec->vlan_tags = number % 3;
	spec->ip_options_len = ipv6 ? 0 : number / 2 % 2 * 8;
	spec->about.ip_options_len = ipv6 ? 0 : options;
	spec->about.extension_count = ipv6 ? extensions : 0;
	memcpy(spec->about.extensions, kinds, sizeof(kinds));
	spec->about.no_udp_checksum = number % 5 == 4;
	spec->quote_len = (ipv6 ? 40 + 8 * extensions : 20 + options) + 8 + number / 9 * 6;
}

#define SHAPES 36

static void expect_counted(const struct fixture *f, uint16_t backend, const struct canary_counters *before,
			   bool refused)
{
	struct canary_counters after = fixture_version_stats(f, backend / 2, true), expected = *before;

	expected.icmp_errors++;
	expected.refused += refused;
	assert_memory_equal(&after, &expected, sizeof(after));
}

/* ---- about replies: XDP --------------------------------------------------------------------------------------- */

static struct packet_spec reply_from(struct canary_endpoint source, enum fixture_service service, uint32_t client)
{
	struct packet_spec spec = fixture_response(service * 4, client, ACK, 5001, ISN + 1, GET);

	spec.source = source;
	return spec;
}

static void test_about_replies(void **state)
{
	static const enum complaint complaints[] = { PORT_UNREACHABLE, HOST_UNREACHABLE, TOO_BIG, TIME_EXCEEDED };

	for (unsigned i = 0; i < SHAPES * FIXTURE_SERVICES; i++) {
		enum fixture_service service = i % FIXTURE_SERVICES;
		uint16_t backend = open_flow(*state, service, i);
		struct canary_counters before = fixture_version_stats(*state, backend / 2, true);
		struct packet_error_spec spec = error_about(service, complaints[i / 4 % COUNT(complaints)],
							    reply_from(fixture_vip(service), service, i));
		struct packet_bytes packet, expected;

		shape(&spec, i / FIXTURE_SERVICES);
		packet_build_error(&spec, &packet);
		spec.about.source = spec.destination = fixture_backend(backend);
		packet_build_error(&spec, &expected);
		assert_int_equal(fixture_run_split(*state, &packet), XDP_PASS);
		assert_memory_equal(packet.data, expected.data, expected.len);
		expect_counted(*state, backend, &before, false);
	}
	assert_int_equal(fixture_reasons(*state).other_protocol, 0);
}

static void expect_passed(const struct fixture *f, const struct packet_error_spec *spec, int reason)
{
	struct canary_reasons before = fixture_reasons(f), after;
	struct packet_bytes packet, untouched;

	packet_build_error(spec, &packet);
	untouched = packet;
	assert_int_equal(fixture_run_split(f, &packet), XDP_PASS);
	assert_memory_equal(packet.data, untouched.data, packet.len);
	after = fixture_reasons(f);
	for (size_t i = 0; i < sizeof(after) / sizeof(__u64); i++)
		assert_int_equal(((__u64 *)&after)[i] - ((__u64 *)&before)[i], (int)i + 1 == reason);
}

static void test_not_about_replies(void **state)
{
	for (int service = 0; service < FIXTURE_SERVICES; service++) {
		uint16_t backend = open_flow(*state, service, 1);
		const struct packet_error_spec good =
			error_about(service, TOO_BIG, reply_from(fixture_vip(service), service, 1));
		struct canary_counters before = fixture_backend_stats(*state, backend), after;
		struct packet_error_spec spec = good;

		spec.about.destination = fixture_client(service, 2);
		expect_passed(*state, &spec, CANARY_REASON_icmp_no_flow);
		spec = good;
		spec.about.source.port = htons(22);
		expect_passed(*state, &spec, CANARY_REASON_not_service);
		spec = good;
		spec.destination = router(service); /* somebody else's error */
		expect_passed(*state, &spec, CANARY_REASON_not_service);
		spec = good;
		spec.type = type_of(service, ECHO);
		expect_passed(*state, &spec, CANARY_REASON_other_protocol);
		spec = good;
		spec.about.source.protocol = spec.about.destination.protocol = IPPROTO_SCTP;
		expect_passed(*state, &spec, CANARY_REASON_other_protocol);
		spec = good;
		spec.quote_len = is_ipv6(service) ? 47 : 27;
		expect_passed(*state, &spec, CANARY_REASON_truncated);
		spec = good;
		spec.about.fragment = 8;
		spec.about.extensions[0] = IPPROTO_FRAGMENT;
		spec.about.extension_count = 1;
		expect_passed(*state, &spec, CANARY_REASON_fragment);
		after = fixture_backend_stats(*state, backend);
		assert_memory_equal(&before, &after, sizeof(after));
	}
}

static void test_backend_is_gone(void **state)
{
	struct packet_error_spec spec = error_about(TCP4, TOO_BIG, reply_from(fixture_vip(TCP4), TCP4, 1));
	uint32_t backend = open_flow(*state, TCP4, 1);
	struct canary_backend none = { 0 };
	struct fixture *f = *state;

	fixture_must(bpf_map_update_elem(f->backends, &backend, &none, BPF_ANY), "backends");
	expect_passed(*state, &spec, CANARY_REASON_no_backend);
}

/* ---- about requests: tc egress -------------------------------------------------------------------------------- */

/* From the backend itself, or from a router on the way to it. */
static void test_about_requests(void **state)
{
	for (unsigned i = 0; i < SHAPES * FIXTURE_SERVICES * 2; i++) {
		enum fixture_service service = i % FIXTURE_SERVICES;
		bool itself = i / FIXTURE_SERVICES & 1;
		uint16_t backend = open_flow(*state, service, i);
		struct canary_counters before = fixture_version_stats(*state, backend / 2, true);
		struct packet_error_spec spec = error_about(service, i % 3 ? TOO_BIG : TIME_EXCEEDED,
							    opening_at(service, i, backend));
		struct packet_bytes packet, expected;

		shape(&spec, i / FIXTURE_SERVICES / 2);
		spec.source = itself ? fixture_backend(backend) : router(service);
		packet_build_error(&spec, &packet);
		spec.about.destination = fixture_vip(service);
		spec.source = itself ? fixture_vip(service) : router(service);
		packet_build_error(&spec, &expected);
		assert_int_equal(fixture_run_reply(*state, &packet, 0, 0), FIXTURE_TCX_NEXT);
		assert_memory_equal(packet.data, expected.data, expected.len);
		expect_counted(*state, backend, &before, false);
	}
}

static void expect_left_alone(struct fixture *f, const struct packet_error_spec *spec)
{
	struct canary_reasons before = fixture_reasons(f), after;
	struct packet_bytes packet, untouched;

	packet_build_error(spec, &packet);
	untouched = packet;
	assert_int_equal(fixture_run_reply(f, &packet, 0, 0), FIXTURE_TCX_NEXT);
	assert_memory_equal(packet.data, untouched.data, packet.len);
	after = fixture_reasons(f);
	assert_memory_equal(&before, &after, sizeof(after));
}

static void test_not_about_requests(void **state)
{
	for (int service = 0; service < FIXTURE_SERVICES; service++) {
		uint16_t backend = open_flow(*state, service, 1);
		const struct packet_error_spec good =
			error_about(service, PORT_UNREACHABLE, opening_at(service, 1, backend));
		struct canary_counters before = fixture_backend_stats(*state, backend), after;
		struct packet_error_spec spec = good;

		spec.about.source = spec.destination = fixture_client(service, 2); /* no such flow */
		expect_left_alone(*state, &spec);
		spec = good;
		spec.about.destination = fixture_backend(backend ^ 1); /* the flow belongs to the other backend */
		expect_left_alone(*state, &spec);
		spec = good;
		spec.about.destination.port = htons(22);
		expect_left_alone(*state, &spec);
		spec = good;
		spec.about.destination.addr[3] ^= htonl(0xfe00); /* a backend's port on another host */
		expect_left_alone(*state, &spec);
		spec = good;
		spec.destination = router(service);
		expect_left_alone(*state, &spec);
		spec = good;
		spec.type = type_of(service, ECHO);
		expect_left_alone(*state, &spec);
		spec = good;
		spec.quote_len = is_ipv6(service) ? 47 : 27;
		expect_left_alone(*state, &spec);
		after = fixture_backend_stats(*state, backend);
		assert_memory_equal(&before, &after, sizeof(after));
	}
}

/* ---- refused -------------------------------------------------------------------------------------------------- */

static void complain(struct fixture *f, enum fixture_service service, uint16_t backend, enum complaint complaint,
		     uint32_t seq)
{
	struct packet_error_spec spec = error_about(service, complaint, opening_at(service, 1, backend));
	struct packet_bytes packet;

	spec.about.seq = seq;
	packet_build_error(&spec, &packet);
	assert_int_equal(fixture_run_reply(f, &packet, 0, 0), FIXTURE_TCX_NEXT);
}

/* What the client takes for a refusal is one: in the version, the backend and an event. */
static void test_refused(void **state)
{
	for (int service = 0; service < FIXTURE_SERVICES; service++) {
		uint16_t backend = open_flow(*state, service, 1);
		struct canary_counters before = fixture_version_stats(*state, backend / 2, true);
		struct canary_flow flow;

		complain(*state, service, backend, service & 1 ? HOST_UNREACHABLE : PORT_UNREACHABLE, ISN);
		expect_counted(*state, backend, &before, true);
		assert_int_equal(fixture_backend_stats(*state, backend).refused, 1);
		complain(*state, service, backend, PORT_UNREACHABLE, ISN); /* once more: it is known */
		assert_int_equal(fixture_backend_stats(*state, backend).refused, 1);
		assert_int_equal(fixture_backend_stats(*state, backend).icmp_errors, 2);
		assert_true(fixture_flow(*state, service, 1, &flow));
		assert_int_equal(flow.server_flags, is_udp(service) ? 0 : CANARY_SERVER_UNREACHABLE);
		assert_int_equal(flow.response_turn, is_udp(service));
		assert_int_equal(fixture_backend_latency_count(*state, backend, CANARY_LATENCY_TTFB), 0);
	}
}

/* In UDP each request has its own outcome. */
static void test_refused_again(void **state)
{
	uint16_t backend = 0;

	for (unsigned i = 1; i <= 3; i++) {
		backend = open_flow(*state, UDP6, 1);
		complain(*state, UDP6, backend, PORT_UNREACHABLE, 0);
		assert_int_equal(fixture_backend_stats(*state, backend).requests, i);
		assert_int_equal(fixture_backend_stats(*state, backend).refused, i);
	}
	assert_int_equal(fixture_backend_stats(*state, backend).connections, 1);
}

/* An error about another packet than the SYN, or one after which that is sent again, refuses nothing. */
static void test_not_refused(void **state)
{
	for (int service = TCP4; service <= TCP6; service++) {
		uint16_t backend = open_flow(*state, service, 1);
		struct packet_spec spec;
		struct canary_flow flow;

		complain(*state, service, backend, PORT_UNREACHABLE, ISN + 1);
		complain(*state, service, backend, TOO_BIG, ISN);
		complain(*state, service, backend, TIME_EXCEEDED, ISN);
		spec = fixture_response(backend, 1, SYN | ACK, 5000, ISN + 1, "");
		fixture_answer(*state, &spec);
		complain(*state, service, backend, PORT_UNREACHABLE, ISN); /* established */
		assert_int_equal(fixture_backend_stats(*state, backend).refused, 0);
		assert_int_equal(fixture_backend_stats(*state, backend).icmp_errors, 4);
		assert_true(fixture_flow(*state, service, 1, &flow));
		assert_int_equal(flow.server_flags, CANARY_SERVER_SYNACK);
	}
}

#define IN_FIXTURE(test) cmocka_unit_test_setup_teardown(test, fixture_set_up, fixture_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FIXTURE(test_about_replies),
		IN_FIXTURE(test_not_about_replies),
		IN_FIXTURE(test_backend_is_gone),
		IN_FIXTURE(test_about_requests),
		IN_FIXTURE(test_not_about_requests),
		IN_FIXTURE(test_refused),
		IN_FIXTURE(test_refused_again),
		IN_FIXTURE(test_not_refused),
	};

	return cmocka_run_group_tests_name("icmp", tests, NULL, NULL);
}

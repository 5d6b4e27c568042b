/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ICMP errors in mode fullnat: whoever complains, the client is told about the packet it sent to the VIP, and the backend
 * about the packet it sent to the flow's source. What is about no flow passes untouched.
 */
#include "tests/bpf/fixture_fullnat.h"

#include <arpa/inet.h>
#include <linux/bpf.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define GET "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
#define ISN 1000
#define SHAPES 36

enum complaint { PORT_UNREACHABLE, TOO_BIG, TIME_EXCEEDED, COMPLAINTS };

static bool is_ipv6(enum fixture_service service)
{
	return service & 1;
}

static struct canary_endpoint router(enum fixture_service service)
{
	return packet_endpoint(is_ipv6(service) ? "[2001:db8:ffff::1]:1" : "203.0.113.1:1", IPPROTO_TCP);
}

static struct packet_error_spec error_about(enum fixture_service service, enum complaint complaint,
					    struct packet_spec about)
{
	static const uint8_t types[][2] = { { 3, 1 }, { 3, 2 }, { 11, 3 } }, codes[][2] = { { 3, 4 }, { 4, 0 }, { 0, 0 } };
	struct packet_error_spec spec = {
		.about = about,
		.source = router(service),
		.destination = about.source,
		.type = types[complaint][is_ipv6(service)],
		.code = codes[complaint][is_ipv6(service)],
		.rest = complaint == TOO_BIG ? 1280 : 0,
	};

	return spec;
}

/* Eight bytes of transport and more; tags, options and extension headers in every mixture. */
static void shape(struct packet_error_spec *spec, unsigned number)
{
	static const uint8_t kinds[] = { IPPROTO_DSTOPTS, IPPROTO_ROUTING };
	bool ipv6 = spec->about.source.addr[2] != htonl(0xffff);
	unsigned more = number / 3 % 3;

	spec->ip_options_len = ipv6 ? 0 : number / 2 % 2 * 8;
	spec->about.ip_options_len = ipv6 ? 0 : more * 4;
	spec->about.extension_count = ipv6 ? more : 0;
	memcpy(spec->about.extensions, kinds, sizeof(kinds));
	spec->about.no_udp_checksum = number % 5 == 4;
	spec->quote_len = (ipv6 ? 40 + 8 * more : 20 + 4 * more) + 8 + number / 9 * 6;
}

/* The request that opens a flow, and how the backend saw it. */
static struct packet_spec open_flow(const struct fixture *f, enum fixture_service service, uint32_t client,
				    struct packet_spec *ret_behind)
{
	bool udp = service >= UDP4;
	struct packet_spec spec = fixture_request(service, client, udp ? 0 : SYN, ISN, udp ? GET : "");

	*ret_behind = spec;
	ret_behind->destination = fixture_backend(fullnat_expect_sent(f, &spec, &ret_behind->source));
	return spec;
}

static struct packet_spec reply_to(struct packet_spec spec)
{
	struct canary_endpoint swap = spec.source;

	spec.source = spec.destination;
	spec.destination = swap;
	spec.flags = ACK;
	return spec;
}

/* What goes in on one interface comes out at the other as `expected`, after one hop more. */
static void expect_translated(const struct fixture *f, const char *interface, const struct packet_error_spec *error,
			      const struct packet_error_spec *expected)
{
	struct packet_bytes packet, routed;
	uint16_t check;

	packet_build_error(error, &packet);
	packet_build_error(expected, &routed);
	assert_int_equal(fullnat_run(f, interface, &packet), XDP_REDIRECT);
	routed.data[routed.network + (routed.ipv6 ? 7 : 8)]--;
	if (!routed.ipv6) {
		check = packet_ip_checksum(&routed);
		memcpy(routed.data + routed.network + 10, &check, sizeof(check));
	}
	assert_int_equal(packet.len, routed.len);
	assert_memory_equal(packet.data + 12, routed.data + 12, routed.len - 12);
	assert_int_equal(packet.data[5], *interface == 'c' ? 0xbb : 0xcc);
}

static uint16_t backend_of(const struct packet_spec *behind)
{
	for (uint16_t i = 0; i < FIXTURE_BACKENDS; i++) {
		struct canary_endpoint backend = fixture_backend(i);

		if (!memcmp(&backend, &behind->destination, sizeof(backend)))
			return i;
	}
	fail();
	return CANARY_NONE;
}

static void test_about_replies(void **state)
{
	for (unsigned i = 0; i < SHAPES * FIXTURE_SERVICES * 2; i++) {
		enum fixture_service service = i % FIXTURE_SERVICES;
		bool itself = i / FIXTURE_SERVICES & 1;
		struct packet_error_spec error, expected;
		struct packet_spec behind, spec = open_flow(*state, service, i, &behind);
		uint64_t before = fixture_backend_stats(*state, backend_of(&behind)).icmp_errors;

		error = error_about(service, i % COMPLAINTS, reply_to(spec));
		shape(&error, i / FIXTURE_SERVICES / 2);
		if (itself)
			error.source = spec.source;
		expected = error;
		expected.about.source = expected.destination = behind.destination;
		expected.about.destination = expected.source = behind.source;
		expect_translated(*state, "c0", &error, &expected);
		assert_int_equal(fixture_backend_stats(*state, backend_of(&behind)).icmp_errors, before + 1);
	}
}

static void test_about_requests(void **state)
{
	for (unsigned i = 0; i < SHAPES * FIXTURE_SERVICES * 2; i++) {
		enum fixture_service service = i % FIXTURE_SERVICES;
		bool itself = i / FIXTURE_SERVICES & 1;
		struct packet_error_spec error, expected;
		struct packet_spec behind, spec = open_flow(*state, service, i, &behind);
		struct canary_counters before = fixture_backend_stats(*state, backend_of(&behind)), after;
		enum complaint complaint = i % COMPLAINTS;

		error = error_about(service, complaint, behind);
		shape(&error, i / FIXTURE_SERVICES / 2);
		if (itself)
			error.source = behind.destination;
		expected = error;
		expected.about.source = expected.destination = spec.source;
		expected.about.destination = expected.source = spec.destination;
		expect_translated(*state, "b0", &error, &expected);
		after = fixture_backend_stats(*state, backend_of(&behind));
		assert_int_equal(after.icmp_errors, before.icmp_errors + 1);
		assert_int_equal(after.refused, before.refused + (complaint == PORT_UNREACHABLE));
	}
}

/* The client's own router behind the same interface as the backends': out where it came in. */
static void test_one_interface(void **state)
{
	struct packet_spec behind;
	struct packet_error_spec error;
	struct packet_bytes packet;

	open_flow(*state, TCP4, 1, &behind);
	error = error_about(TCP4, TOO_BIG, behind);
	packet_build_error(&error, &packet);
	assert_int_equal(fullnat_run(*state, "c0", &packet), XDP_TX);
	assert_int_equal(packet.data[5], 0xcc);
}

/* Evicted: the client is told all the same, and nobody's counters change. */
static void test_evicted(void **state)
{
	struct packet_spec behind, spec = open_flow(*state, UDP4, 1, &behind);
	struct packet_error_spec error = error_about(UDP4, PORT_UNREACHABLE, behind), expected = error;

	fixture_forget_flow(*state, UDP4, 1);
	expected.about.source = expected.destination = spec.source;
	expected.about.destination = expected.source = spec.destination;
	expect_translated(*state, "b0", &error, &expected);
	assert_int_equal(fixture_backend_stats(*state, backend_of(&behind)).refused, 0);
}

static void expect_untouched(const struct fixture *f, const struct packet_error_spec *spec, enum canary_reason reason)
{
	struct canary_reasons before = fixture_reasons(f), after;
	struct packet_bytes packet, untouched;

	packet_build_error(spec, &packet);
	untouched = packet;
	assert_int_equal(fullnat_run(f, "b0", &packet), XDP_PASS);
	assert_memory_equal(packet.data, untouched.data, untouched.len);
	after = fixture_reasons(f);
	for (size_t i = 0; i < sizeof(after) / sizeof(__u64); i++)
		assert_int_equal(((__u64 *)&after)[i] - ((__u64 *)&before)[i], i + 1 == reason);
}

static void test_not_ours(void **state)
{
	struct packet_spec behind, spec = open_flow(*state, TCP4, 1, &behind);
	const struct packet_error_spec good = error_about(TCP4, TOO_BIG, behind);
	struct packet_error_spec error = good;

	error.about.source.port ^= htons(1); /* a connection of the node's own */
	expect_untouched(*state, &error, CANARY_REASON_not_service);
	error = good;
	error.destination = spec.source; /* somebody else's error */
	expect_untouched(*state, &error, CANARY_REASON_not_service);
	error = good;
	error.quote_len = 27;
	expect_untouched(*state, &error, CANARY_REASON_truncated);
	fullnat_command("ip route del 198.18.0.0/15");
	expect_untouched(*state, &good, CANARY_REASON_no_route);
	fullnat_command("ip route add 198.18.0.0/15 via 192.0.2.1");
	assert_int_equal(fixture_backend_stats(*state, backend_of(&behind)).refused, 0);
}

#define IN_FIXTURE(test) cmocka_unit_test_setup_teardown(test, fullnat_set_up, fixture_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FIXTURE(test_about_replies),
		IN_FIXTURE(test_about_requests),
		IN_FIXTURE(test_one_interface),
		IN_FIXTURE(test_evicted),
		IN_FIXTURE(test_not_ours),
	};

	return cmocka_run_group_tests_name("fullnat_icmp", tests, fullnat_network_set_up, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Mode dsr packet by packet: what comes out is the client's packet, a hop older, behind a header of its own that takes it
 * to the backend. Only the client's side is seen, and what it acknowledges says what the server did.
 */
#include "tests/bpf/fixture_dsr.h"

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
#define SPLITS 64 /* different flows of a service */

static void test_packets(void **state)
{
	for (int service = 0; service < FIXTURE_SERVICES; service++) {
		bool tcp = fixture_protocol(service) == IPPROTO_TCP;
		unsigned versions[2] = {};

		for (uint32_t client = 0; client < SPLITS; client++) {
			struct packet_spec spec = fixture_request(service, client, SYN, 1000, tcp ? "" : GET);
			uint16_t backend = dsr_expect_sent(*state, &spec);

			assert_int_equal(backend / 4, service);
			versions[backend / 2 & 1]++;
			spec = fixture_request(service, client, ACK, 1001, GET);
			assert_int_equal(dsr_expect_sent(*state, &spec), backend);
		}
		assert_true(versions[0] > 0 && versions[1] > 0);
	}
}

/* VLAN tags, options and extension headers, on the interface the packet came in on. */
static void test_shapes(void **state)
{
	fullnat_command("ip route replace 10.0.0.0/24 via 192.0.2.1; ip route replace fd00::/120 via 2001:db8::ffff");
	for (uint32_t shape = 0; shape < 4 * 3 * 4; shape++) {
		struct packet_spec spec = fixture_request(shape % 4, shape, SYN, 1000, shape % 4 < UDP4 ? "" : GET);
		struct packet_bytes before, after, inner;

		spec.vlan_tags = shape / 4 % 3;
		spec.ip_options_len = shape / 12 * 4;
		spec.extension_count = shape / 12;
		memset(spec.extensions, IPPROTO_DSTOPTS, sizeof(spec.extensions));
		packet_build(&spec, &before);
		dsr_set_class(&before);
		after = before;
		assert_int_equal(fullnat_run(*state, "c0", &after), XDP_TX);
		dsr_expect_in_tunnel(&before, &after, 0xcc, &inner);
	}
	fullnat_command("ip route replace 10.0.0.0/24 via 10.0.1.1; ip route replace fd00::/120 via fd00::ffff");
}

/* What is behind the IP packet stays behind it. */
static void test_padding(void **state)
{
	struct packet_spec spec = fixture_request(TCP4, 3, SYN, 1000, "");
	struct packet_bytes before, after;

	spec.padding_len = 6;
	packet_build(&spec, &before);
	after = before;
	assert_int_equal(fullnat_run(*state, "c0", &after), XDP_REDIRECT);
	assert_int_equal(after.len, before.len + 20);
	assert_int_equal(dsr_be16(after.data + after.network + 2), before.len - 6 - before.network + 20);
}

/* Routers tell flows apart by the label; it is the same for all packets of one. */
static void test_flow_label(void **state)
{
	uint32_t labels[SPLITS], same = 0;

	for (uint32_t client = 0; client < SPLITS; client++)
		for (int again = 0; again < 2; again++) {
			struct packet_spec spec = fixture_request(TCP6, client, again ? ACK : SYN, 1000 + again, "");
			struct packet_bytes packet;
			uint32_t label;

			packet_build(&spec, &packet);
			assert_int_equal(fullnat_run(*state, "c0", &packet), XDP_REDIRECT);
			memcpy(&label, packet.data + packet.network, 4);
			if (again)
				assert_int_equal(label, labels[client]);
			labels[client] = label;
		}
	for (uint32_t i = 0; i < SPLITS; i++)
		for (uint32_t j = 0; j < i; j++)
			same += labels[i] == labels[j];
	assert_true(same < 3);
}

/* Somebody on the way to the client complains about a reply: the backend that has the VIP hears of it, as it is. */
static void test_errors_about_replies(void **state)
{
	for (int service = TCP4; service <= TCP6; service++) {
		struct packet_spec spec = fixture_request(service, 7, SYN, 1000, "");
		uint16_t backend = dsr_expect_sent(*state, &spec);
		struct packet_error_spec error = {
			.about = fixture_request(service, 7, ACK, 5001, "HTTP/1.1 200 OK"),
			.type = service == TCP4 ? 3 : 2,
			.code = service == TCP4 ? 4 : 0,
			.rest = 1280,
		};
		struct packet_bytes before, after, inner;
		struct canary_endpoint to, client = error.about.source;

		error.about.source = error.about.destination;
		error.about.destination = client;
		error.source = client;
		error.destination = error.about.source;
		packet_build_error(&error, &before);
		dsr_set_class(&before);
		after = before;
		assert_int_equal(fullnat_run(*state, "c0", &after), XDP_REDIRECT);
		to = dsr_expect_in_tunnel(&before, &after, 0xbb, &inner);
		assert_int_equal(dsr_backend_at(&to), backend);
		assert_int_equal(fixture_version_stats(*state, backend / 2, true).icmp_errors, 1);
	}
}

/* ---- what is counted ------------------------------------------------------------------------------------------- */

static void test_counts(void **state)
{
	static const uint8_t flags[] = { SYN, ACK, ACK | PSH, ACK, FIN | ACK, ACK };
	static const uint32_t seqs[] = { 1000, 1001, 1001, 1001 + sizeof(GET) - 1, 1001 + sizeof(GET) - 1, 1002 + sizeof(GET) - 1 };
	static const uint32_t acks[] = { 0, 5001, 5001, 5501, 5501, 5502 };

	for (int service = TCP4; service <= TCP6; service++) {
		struct canary_counters counted;
		struct canary_flow flow;
		uint16_t backend = CANARY_NONE;

		for (int i = 0; i < 6; i++) {
			struct packet_spec spec = fixture_request(service, 7, flags[i], seqs[i], i == 2 ? GET : "");

			spec.ack = acks[i];
			backend = dsr_expect_sent(*state, &spec);
		}
		counted = fixture_version_stats(*state, backend / 2, true);
		assert_int_equal(counted.connections, 1);
		assert_int_equal(counted.established, 1);
		assert_int_equal(counted.requests, 1);
		assert_int_equal(counted.answered, 1);
		assert_int_equal(counted.request_packets, 6);
		assert_int_equal(counted.request_bytes, sizeof(GET) - 1);
		assert_true(fixture_flow(*state, service, 7, &flow));
		assert_int_equal(flow.mode, CANARY_MODE_DSR);
		assert_int_equal(flow.client_flags, CANARY_CLIENT_FIN);
		assert_int_equal(flow.server_flags, CANARY_SERVER_SYNACK | CANARY_SERVER_FIN);
	}
}

/* Unanswered, and closed without an answer: the breaker and people hear of them. */
static void test_failures(void **state)
{
	struct packet_spec spec = fixture_request(TCP4, 7, SYN, 1000, "");
	uint16_t backend = dsr_expect_sent(*state, &spec);

	fixture_set_timeouts(*state, TCP4, 1, 1, 1);
	fixture_sweep(*state);
	assert_int_equal(fixture_version_stats(*state, backend / 2, true).syn_timeout, 1);
	spec = fixture_request(TCP4, 8, SYN, 1000, "");
	backend = dsr_expect_sent(*state, &spec);
	spec = fixture_request(TCP4, 8, ACK, 1001, GET);
	spec.ack = 5001;
	dsr_expect_sent(*state, &spec);
	spec = fixture_request(TCP4, 8, FIN | ACK, 1001 + sizeof(GET) - 1, "");
	spec.ack = 5002;
	dsr_expect_sent(*state, &spec);
	assert_int_equal(fixture_version_stats(*state, backend / 2, true).empty_close, 1);
}

/* Datagrams have no turns: that nobody acknowledges them is no failure. */
static void test_datagrams(void **state)
{
	struct packet_spec spec = fixture_request(UDP6, 7, 0, 0, GET);
	uint16_t backend = dsr_expect_sent(*state, &spec);
	struct canary_counters counted;

	assert_int_equal(dsr_expect_sent(*state, &spec), backend);
	fixture_set_timeouts(*state, UDP6, 1, 1, 1000000000000ULL);
	fixture_sweep(*state);
	counted = fixture_version_stats(*state, backend / 2, true);
	assert_int_equal(counted.connections, 1);
	assert_int_equal(counted.requests, 0);
	assert_int_equal(counted.response_timeout, 0);
	assert_int_equal(counted.request_bytes, 2 * (sizeof(GET) - 1));
}

/* ---- what is not sent ----------------------------------------------------------------------------------------- */

static void test_untouched(void **state)
{
	struct packet_spec spec = fixture_request(TCP4, 5, SYN, 1000, "");
	struct packet_bytes before, after;

	fullnat_command("ip route del 10.0.0.0/24");
	fullnat_expect_untouched(*state, "c0", &spec);
	assert_int_equal(fixture_reasons(*state).no_route, 1);
	fullnat_command("ip route add 10.0.0.0/24 via 10.0.1.1");
	packet_build(&spec, &before);
	before.data[before.network + 8] = 1;
	after = before;
	assert_int_equal(fullnat_run(*state, "c0", &after), XDP_PASS);
	assert_memory_equal(after.data, before.data, before.len);
	assert_int_equal(fixture_reasons(*state).time_to_live, 1);
}

/* In its tunnel, and goes up with a note for canary_ingress in front of it. */
static void test_by_stack(void **state)
{
	struct packet_spec spec = fixture_request(TCP4, 5, SYN, 1000, "");
	struct packet_bytes packet;
	uint32_t note[2];
	size_t len;

	fullnat_command("ip neigh del 10.0.1.1 dev b0");
	packet_build(&spec, &packet);
	len = packet.len;
	assert_int_equal(fullnat_run(*state, "c0", &packet), XDP_PASS);
	assert_int_equal(packet.len, len + 20 + sizeof(note));
	memcpy(note, packet.data, sizeof(note));
	assert_int_equal(note[1], if_nametoindex("b0"));
	assert_int_equal(packet.data[sizeof(note) + packet.network + 9], IPPROTO_IPIP);
	assert_int_equal(fixture_reasons(*state).no_neighbour, 1);
	fullnat_command("ip neigh add 10.0.1.1 lladdr 02:00:00:00:00:bb dev b0");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_packets, dsr_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_shapes, dsr_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_padding, dsr_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_flow_label, dsr_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_errors_about_replies, dsr_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_counts, dsr_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_failures, dsr_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_datagrams, dsr_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_untouched, dsr_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_by_stack, dsr_set_up, fixture_tear_down),
	};

	return cmocka_run_group_tests(tests, fullnat_network_set_up, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bpf/flow.h: sequence numbers, states, ends, and that both directions find one key. Conversations: test_telemetry.c. */
#include "bpf/flow.h"

#include "tests/packet.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void test_sequence_numbers(void **state)
{
	static const uint32_t places[] = { 0, 1, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff };

	(void)state;
	for (size_t i = 0; i < COUNT(places); i++) {
		assert_false(seq_after(places[i], places[i]));
		assert_true(seq_after(places[i] + 1, places[i]));
		assert_false(seq_after(places[i], places[i] + 1));
		assert_true(seq_after(places[i] + 0x7fffffff, places[i]));
		assert_false(seq_after(places[i] + 0x80000001, places[i]));
	}
}

static void test_reset_window(void **state)
{
	static const uint32_t places[] = { 0, 5, 70000, 0x7fffffff, 0x80000000, 0xffffffff, 0xffff0000 };

	(void)state;
	for (size_t i = 0; i < COUNT(places); i++) {
		assert_true(flow_rst_in_window(places[i], places[i]));
		assert_true(flow_rst_in_window(places[i] + FLOW_RST_WINDOW, places[i]));
		assert_true(flow_rst_in_window(places[i] - FLOW_RST_WINDOW, places[i]));
		assert_false(flow_rst_in_window(places[i] + FLOW_RST_WINDOW + 1, places[i]));
		assert_false(flow_rst_in_window(places[i] - FLOW_RST_WINDOW - 1, places[i]));
		assert_false(flow_rst_in_window(places[i] + 0x80000000, places[i]));
	}
}

static void test_states(void **state)
{
	static const struct {
		struct canary_flow flow;
		enum canary_flow_state expected;
	} rows[] = {
		{ { .origin = CANARY_ORIGIN_SYN }, FLOW_SYN },
		{ { .server_flags = CANARY_SERVER_SYNACK }, FLOW_ESTABLISHED },
		{ { .server_flags = CANARY_SERVER_SYNACK, .request_turn = 1 }, FLOW_REQUEST },
		{ { .request_turn = 1 }, FLOW_REQUEST },
		{ { .request_turn = 1, .response_turn = 1 }, FLOW_RESPONSE },
		{ { .request_turn = 1, .response_turn = 1, .idle_turn = 1 }, FLOW_IDLE },
		{ { .request_turn = 1, .response_turn = 1, .idle_turn = 1, .server_next = 5, .swept_server_next = 5 },
		  FLOW_IDLE },
		{ { .request_turn = 1, .response_turn = 1, .idle_turn = 1, .server_next = 6, .swept_server_next = 5 },
		  FLOW_RESPONSE },
		{ { .request_turn = 2, .response_turn = 1, .idle_turn = 1 }, FLOW_REQUEST },
		{ { .request_turn = 2, .response_turn = 2, .idle_turn = 1 }, FLOW_RESPONSE },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		assert_int_equal(flow_state(&rows[i].flow), rows[i].expected);
}

static void test_ends(void **state)
{
	(void)state;
	for (unsigned client = 0; client < 4; client++)
		for (unsigned server = 0; server < 4; server++) {
			struct canary_flow flow = {
				.client_flags = (client & 1 ? CANARY_CLIENT_FIN : 0) | (client & 2 ? CANARY_CLIENT_RST : 0) |
						CANARY_CLIENT_TLS | CANARY_CLIENT_MULTIPLEXED,
				.server_flags = (server & 1 ? CANARY_SERVER_FIN : 0) | (server & 2 ? CANARY_SERVER_RST : 0) |
						CANARY_SERVER_SYNACK | CANARY_SERVER_UPGRADED,
			};

			assert_int_equal(flow_closed(&flow), client & 2 || server & 2 || (client & 1 && server & 1));
		}
}

/* Of all combinations of flags only a SYN by itself begins a connection. */
static void test_reopening_flags(void **state)
{
	struct canary_flow ended = { .client_flags = CANARY_CLIENT_RST };

	(void)state;
	for (unsigned flags = 0; flags < 256; flags++) {
		struct packet p = { .protocol = IPPROTO_TCP, .tcp_flags = flags };
		bool syn = (flags & (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN)) == TCP_SYN;

		assert_int_equal(flow_is_syn(&p), syn);
		assert_int_equal(flow_reopens(&ended, &p), syn);
		p.protocol = IPPROTO_UDP;
		assert_false(flow_reopens(&ended, &p));
	}
}

/* A request and the reply to it, which comes from a backend, belong to one flow. */
static void expect_one_key(const char *client, const char *vip, const char *backend, uint8_t protocol)
{
	struct canary_endpoint c = packet_endpoint(client, protocol), v = packet_endpoint(vip, protocol);
	struct packet_spec request = { .source = c, .destination = v, .flags = ACK };
	struct packet_spec reply = { .source = packet_endpoint(backend, protocol), .destination = c, .flags = ACK };
	struct canary_flow_key of_request, of_reply;
	struct canary_endpoint of_backend;
	struct packet_bytes bytes;
	struct packet p;

	packet_build(&request, &bytes);
	assert_int_equal(parse_packet(bytes.data, bytes.data + bytes.len, bytes.len, &p), 0);
	memset(&of_request, 0xa5, sizeof(of_request));
	flow_key_from_request(&of_request, &p);
	packet_build(&reply, &bytes);
	assert_int_equal(parse_packet(bytes.data, bytes.data + bytes.len, bytes.len, &p), 0);
	memset(&of_reply, 0x5a, sizeof(of_reply));
	flow_key_from_reply(&of_reply, &p, &v);
	assert_memory_equal(&of_request, &of_reply, sizeof(of_request));
	assert_memory_equal(of_request.client, c.addr, 16);
	assert_memory_equal(of_request.vip, v.addr, 16);
	memset(&of_backend, 0xa5, sizeof(of_backend));
	flow_endpoint(&of_backend, p.source, p.source_port, p.protocol);
	assert_memory_equal(&of_backend, &reply.source, sizeof(of_backend));
}

static void test_keys(void **state)
{
	(void)state;
	expect_one_key("198.51.100.7:40000", "192.0.2.1:80", "10.0.0.2:8080", IPPROTO_TCP);
	expect_one_key("198.51.100.7:40000", "192.0.2.1:53", "10.0.0.2:5353", IPPROTO_UDP);
	expect_one_key("[2001:db8::7]:40000", "[2001:db8::1]:80", "[fd00::2]:8080", IPPROTO_TCP);
	expect_one_key("[2001:db8::7]:40000", "[2001:db8::1]:53", "[fd00::2]:5353", IPPROTO_UDP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sequence_numbers), cmocka_unit_test(test_reset_window),
		cmocka_unit_test(test_states),           cmocka_unit_test(test_ends),
		cmocka_unit_test(test_reopening_flags),  cmocka_unit_test(test_keys),
	};

	return cmocka_run_group_tests_name("flow", tests, NULL, NULL);
}

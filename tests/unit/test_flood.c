/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bpf/flood.h: when the guard goes on and off, what proves that there is a client, and what becomes of the others. */
#include "bpf/flood.h"
#include "bpf/sweep.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#define S FLOOD_SECOND_NS

static void test_off_without_a_limit(void **state)
{
	struct canary_flood flood = { 0 };

	(void)state;
	for (int i = 0; i < 1000; i++)
		assert_false(flood_is_on(&flood, 0, true, S));
}

/* The hundredth in a second is the last; the guard stays on for two seconds after the last that was too much. */
static void test_limit(void **state)
{
	struct canary_flood flood = { 0 };

	(void)state;
	for (int i = 0; i < 100; i++)
		assert_false(flood_is_on(&flood, 100, false, 10 * S));
	assert_true(flood_is_on(&flood, 100, false, 10 * S));
	assert_true(flood_is_on(&flood, 100, false, 11 * S));
	assert_true(flood_is_on(&flood, 100, false, 12 * S - 1));
	assert_false(flood_is_on(&flood, 100, false, 12 * S));
	for (int i = 0; i < 99; i++)
		assert_false(flood_is_on(&flood, 100, false, 12 * S + i));
	assert_true(flood_is_on(&flood, 100, false, 13 * S - 1));
	assert_false(flood_is_on(&flood, 100, false, 15 * S));
}

static void test_full_table(void **state)
{
	struct canary_flood flood = { 0 };

	(void)state;
	assert_true(flood_is_on(&flood, 100, true, S));
	assert_false(flood_is_on(&flood, 100, false, S));
}

static bool proven(uint8_t protocol, uint8_t flags, uint32_t ack, uint32_t server_next)
{
	struct packet p = { .protocol = protocol, .tcp_flags = flags, .ack = ack };
	struct canary_flow flow = { .server_next = server_next };

	return flood_is_proven(&flow, &p);
}

static void test_proof(void **state)
{
	(void)state;
	assert_true(proven(IPPROTO_TCP, TCP_ACK, 5001, 5001));
	assert_true(proven(IPPROTO_TCP, TCP_ACK, 5001, 5001 + 1448)); /* the server speaks first, and has gone on */
	assert_true(proven(IPPROTO_TCP, TCP_ACK | TCP_FIN, 0xffffff00, 100));
	assert_false(proven(IPPROTO_TCP, TCP_ACK, 5002, 5001));
	assert_false(proven(IPPROTO_TCP, TCP_ACK, 5001, 5001 + 65536));
	assert_false(proven(IPPROTO_TCP, TCP_ACK, 0, 0)); /* no answer yet */
	assert_false(proven(IPPROTO_TCP, TCP_SYN, 5001, 5001));
	assert_false(proven(IPPROTO_TCP, TCP_ACK | TCP_RST, 5001, 5001));
	assert_false(proven(IPPROTO_UDP, 0, 0, 0));
	assert_true(proven(IPPROTO_UDP, 0, 0, 12));
}

/* In dsr no answer is seen: the client has to go on from its SYN. */
static void test_proof_in_dsr(void **state)
{
	const struct canary_flow flow = { .mode = CANARY_MODE_DSR, .client_isn = 0xffffffff };
	struct packet p = { .protocol = IPPROTO_TCP, .tcp_flags = TCP_ACK, .ack = 5001 };

	(void)state;
	assert_true(flood_is_proven(&flow, &p));
	p.seq = FLOW_RST_WINDOW;
	assert_true(flood_is_proven(&flow, &p));
	p.seq = FLOW_RST_WINDOW + 1;
	assert_false(flood_is_proven(&flow, &p));
	p.seq = 0xffffffff;
	assert_false(flood_is_proven(&flow, &p));
	p.seq = 0;
	p.tcp_flags = TCP_ACK | TCP_RST;
	assert_false(flood_is_proven(&flow, &p));
	p.tcp_flags = TCP_SYN;
	assert_false(flood_is_proven(&flow, &p));
}

static void test_who_may_be_held(void **state)
{
	(void)state;
	for (int mode = CANARY_MODE_DNAT; mode <= CANARY_MODE_DSR; mode++) {
		const struct canary_flow flow = { .mode = mode };

		assert_true(flood_may_hold(&flow, true));
		assert_int_equal(flood_may_hold(&flow, false), mode != CANARY_MODE_DSR);
	}
}

static bool swept(uint32_t server_next, uint32_t client_acked, uint64_t age_s)
{
	const struct sweep_limits limits = { 3 * S, 5 * S, 30 * S };
	struct canary_flow flow = { .opened_ns = S, .server_flags = CANARY_SERVER_SYNACK, .server_next = server_next,
				    .client_acked = client_acked };

	return sweep_flow(&flow, &limits, (1 + age_s) * S) == SWEEP_KEEP &&
	       sweep_flow(&flow, &limits, (1 + age_s) * S) == SWEEP_REMOVE;
}

/* A handshake that the client never finishes goes; one that it finished stays, and one of which that is not sure. */
static void test_never_finished(void **state)
{
	(void)state;
	assert_true(swept(5001, 0, 131));
	assert_false(swept(5001, 0, 129));
	assert_false(swept(5001, 5001, 1000000));
	assert_false(swept(0, 0, 1000000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_off_without_a_limit),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_full_table),
		cmocka_unit_test(test_proof),
		cmocka_unit_test(test_proof_in_dsr),
		cmocka_unit_test(test_who_may_be_held),
		cmocka_unit_test(test_never_finished),
	};

	return cmocka_run_group_tests_name("flood", tests, NULL, NULL);
}

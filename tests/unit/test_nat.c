/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The sources of fullnat: which are tried, that enough are, and when one is given back. */
#include "bpf/nat.h"
#include "bpf/sweep.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SECOND 1000000000ULL

static struct canary_flow_key client_key(uint32_t number)
{
	struct canary_flow_key key = { .vip_port = bpf_htons(80), .protocol = IPPROTO_TCP };

	key.client[2] = bpf_htonl(0xffff);
	key.client[3] = bpf_htonl(0xc6120000 + number / 50000);
	key.client_port = bpf_htons(1024 + number % 50000);
	return key;
}

/* Takes a source as the kernel does. Returns how many were tried, 0 where none was free. */
static unsigned take(uint8_t *taken, const struct canary_flow_key *key, unsigned first, unsigned count)
{
	uint64_t hash = nat_hash(key);

	for (unsigned probe = 0; probe < NAT_PROBES; probe++) {
		struct nat_source source = nat_source(hash, probe, first, count);
		size_t place = (size_t)source.index << 16 | bpf_ntohs(source.port);

		assert_in_range(source.index, first, first + count - 1);
		assert_in_range(bpf_ntohs(source.port), CANARY_SOURCE_PORT_MIN, CANARY_SOURCE_PORT_MAX);
		if (taken[place])
			continue;
		taken[place] = 1;
		return probe + 1;
	}
	return 0;
}

static void test_all_find_one(void **state)
{
	uint8_t *taken = calloc(256 << 16, 1);
	unsigned tried = 0;

	(void)state;
	for (uint32_t i = 0; i < 100000; i++) {
		struct canary_flow_key key = client_key(i);
		unsigned n = take(taken, &key, 254, 2);

		assert_true(n > 0);
		tried += n;
	}
	assert_in_range(tried, 100000, 250000); /* 1.92 a flow up to 78 % */
	free(taken);
}

static void test_same_flow(void **state)
{
	struct canary_flow_key a = client_key(1), b = client_key(1);

	(void)state;
	assert_true(nat_same_flow(&a, &b));
	for (size_t i = 0; i < sizeof(b); i++) {
		((uint8_t *)&b)[i] ^= 1;
		assert_false(nat_same_flow(&a, &b));
		((uint8_t *)&b)[i] ^= 1;
	}
}

static void test_given_back(void **state)
{
	struct canary_flow flow = { .mode = CANARY_MODE_FULLNAT };
	struct canary_reply reply = { .gone_ns = 5 };

	(void)state;
	assert_false(sweep_reply(&reply, &flow, SECOND));
	assert_int_equal(reply.gone_ns, 0);
	assert_false(sweep_reply(&reply, NULL, 2 * SECOND));
	assert_true(sweep_reply(&reply, NULL, 3 * SECOND));
	flow.server_flags = CANARY_SERVER_CLOSED_FIRST;
	assert_false(sweep_reply(&reply, &flow, 4 * SECOND));
	assert_false(sweep_reply(&reply, NULL, 5 * SECOND));
	assert_false(sweep_reply(&reply, NULL, 65 * SECOND));
	assert_true(sweep_reply(&reply, NULL, 65 * SECOND + 1));
}

/* Who closes first is left in TIME_WAIT; both are where their FINs cross. */
static void test_who_closes_first(void **state)
{
	struct canary_flow flow = { .client_next = 2000 };
	struct packet fin = { .protocol = IPPROTO_TCP, .tcp_flags = TCP_FIN | TCP_ACK, .ack = 2000 };

	(void)state;
	assert_true(telemetry_server_closes_first(&flow, &fin));
	flow.client_flags = CANARY_CLIENT_FIN;
	assert_true(telemetry_server_closes_first(&flow, &fin));
	fin.ack = 2001;
	assert_false(telemetry_server_closes_first(&flow, &fin));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_find_one),
		cmocka_unit_test(test_same_flow),
		cmocka_unit_test(test_given_back),
		cmocka_unit_test(test_who_closes_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

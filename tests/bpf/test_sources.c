/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The sources of mode fullnat: never two flows with one, what becomes of a flow that finds none, when one is free again. */
#include "tests/bpf/fixture_fullnat.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct canary_reply_key reply_key(const struct canary_flow *flow)
{
	struct canary_endpoint backend = fixture_backend(flow->backend);
	struct canary_endpoint source = packet_endpoint(fullnat_sources4[flow->source], IPPROTO_TCP);
	struct canary_reply_key key = {
		.backend_port = backend.port, .source_port = flow->source_port, .protocol = backend.protocol,
	};

	memcpy(key.backend, backend.addr, sizeof(key.backend));
	memcpy(key.source, source.addr, sizeof(key.source));
	return key;
}

/* Every source of the first address is other flows' at this backend. */
static void take_all(const struct fixture *f, uint16_t backend, bool waiting)
{
	struct canary_flow of = { .backend = backend };
	struct canary_reply_key key = reply_key(&of);
	struct canary_reply other = { .flow.client_port = 1, .gone_ns = waiting, .server_closed_first = waiting };

	for (uint32_t port = CANARY_SOURCE_PORT_MIN; port <= CANARY_SOURCE_PORT_MAX; port++) {
		key.source_port = htons(port);
		fixture_must(bpf_map_update_elem(f->replies, &key, &other, BPF_ANY), "replies");
	}
}

/* None is left at any backend: counted, and passed. One that only waits is taken over, at the baseline's at last. */
static void test_exhausted(void **state)
{
	struct packet_spec spec = fixture_request(TCP4, 5, SYN, 1000, "");
	struct canary_endpoint source;
	struct fixture *f = *state;

	fullnat_set(f, TCP4, 1);
	fixture_set_split(f, TCP4, FIXTURE_WHOLE, FIXTURE_GENERATION);
	for (uint16_t i = 0; i < 4; i++)
		take_all(f, i, false);
	fullnat_expect_untouched(f, "c0", &spec);
	assert_int_equal(fixture_reasons(f).source_exhausted, 1);
	assert_int_equal(fixture_count_flows(f), 0);
	take_all(f, 0, true);
	take_all(f, 1, true);
	assert_int_equal(fullnat_expect_sent(f, &spec, &source) / 2, TCP4 * 2);
	assert_int_equal(fixture_version_stats(f, TCP4 * 2, true).source_reused, 1);
	assert_int_equal(fixture_version_stats(f, TCP4 * 2, true).connections, 1);
	assert_int_equal(fixture_reasons(f).source_exhausted, 1);
}

/* A source is given back two turns after its flow; not for the length of TIME_WAIT where the server closed first. */
static void test_given_back(void **state)
{
	struct packet_spec spec = fixture_request(TCP4, 5, SYN, 1000, "");
	struct canary_endpoint source;
	struct fixture *f = *state;
	struct canary_reply_key key;
	struct canary_reply reply;
	struct canary_flow flow;

	for (int server_first = 0; server_first <= 1; server_first++) {
		fullnat_expect_sent(f, &spec, &source);
		assert_true(fixture_flow(f, TCP4, 5, &flow));
		key = reply_key(&flow);
		flow.server_flags |= server_first ? CANARY_SERVER_CLOSED_FIRST : 0;
		fixture_put_flow(f, TCP4, 5, &flow);
		fixture_sweep(f);
		assert_int_equal(bpf_map_lookup_elem(f->replies, &key, &reply), 0);
		assert_int_equal(reply.gone_ns, 0);
		fixture_forget_flow(f, TCP4, 5);
		fixture_sweep(f);
		assert_int_equal(bpf_map_lookup_elem(f->replies, &key, &reply), 0);
		assert_true(reply.gone_ns > 0);
		fixture_sweep(f);
		assert_int_equal(bpf_map_lookup_elem(f->replies, &key, &reply) == 0, server_first);
	}
	reply.gone_ns -= 61000000000ULL; /* a minute later */
	fixture_must(bpf_map_update_elem(f->replies, &key, &reply, BPF_ANY), "replies");
	fixture_sweep(f);
	assert_int_not_equal(bpf_map_lookup_elem(f->replies, &key, &reply), 0);
}

/* A hundred thousand flows at one backend, over two addresses: no two of them have one source. */
#define MANY 100000
static void test_many(void **state)
{
	uint8_t *taken = calloc(FULLNAT_SOURCES << 16, 1);
	struct fixture *f = *state;

	fullnat_use_one_backend(f);
	for (uint32_t client = 0; client < MANY; client++) {
		struct packet_spec spec = fixture_request(TCP4, client, SYN, 1000, "");
		struct canary_endpoint source;
		uint32_t place;

		assert_int_equal(fullnat_expect_sent(f, &spec, &source), 0);
		place = (ntohl(source.addr[3]) & 1) << 16 | ntohs(source.port);
		assert_int_equal(taken[place], 0);
		taken[place] = 1;
	}
	assert_int_equal(fixture_reasons(f).source_exhausted, 0);
	free(taken);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_exhausted, fullnat_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_given_back, fullnat_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_many, fullnat_set_up, fixture_tear_down),
	};

	return cmocka_run_group_tests(tests, fullnat_network_set_up, NULL);
}

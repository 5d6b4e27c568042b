/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Flood guard and capacity, asked of the real programs: forged SYNs evict nothing of real clients, real ones open
 * connections meanwhile and are counted, and a canary gets no more flows than it may have.
 */
#include "tests/bpf/fixture.h"

#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LIMIT 50 /* new flows a second and CPU */
#define REAL 400
#define FORGED 3000 /* three times what the crowded table holds */
#define FIRST_FORGED 100000

static uint16_t syn(const struct fixture *f, enum fixture_service service, uint32_t client)
{
	struct packet_spec spec = fixture_request(service, client, SYN, 1000, "");
	uint16_t backend = fixture_send(f, &spec);

	assert_int_not_equal(backend, CANARY_NONE);
	return backend;
}

/* SYN, SYN-ACK, ACK. Returns the backend. */
static uint16_t connect_client(struct fixture *f, enum fixture_service service, uint32_t client)
{
	uint16_t backend = syn(f, service, client);
	struct packet_spec answer = fixture_response(backend, client, SYN | ACK, 5000, 1001, "");
	struct packet_spec ack = fixture_request(service, client, ACK, 1001, "");

	fixture_answer(f, &answer);
	ack.ack = 5001;
	assert_int_equal(fixture_send(f, &ack), backend);
	return backend;
}

static void flood(const struct fixture *f, enum fixture_service service, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		syn(f, service, FIRST_FORGED + i);
}

static unsigned present(const struct fixture *f, enum fixture_service service, uint32_t clients)
{
	unsigned count = 0;

	for (uint32_t client = 0; client < clients; client++) {
		struct canary_flow flow;

		count += fixture_flow(f, service, client, &flow);
	}
	return count;
}

/* Without a guard forged SYNs take the table over: what the next test would see without the care. */
static void test_unguarded(void **state)
{
	for (uint32_t client = 0; client < REAL; client++)
		connect_client(*state, TCP4, client);
	flood(*state, TCP4, FORGED);
	assert_true(present(*state, TCP4, REAL) < REAL);
	assert_int_equal(fixture_flow_table(*state).probation, 0);
}

static void test_flood_evicts_nothing(void **state)
{
	struct fixture *f = *state;

	for (int s = TCP4; s <= TCP6; s++) {
		for (uint32_t client = 0; client < REAL / 2; client++)
			connect_client(f, s, client);
		fixture_begin_flood(f, s);
		flood(f, s, FORGED);
	}
	assert_int_equal(present(f, TCP4, REAL / 2) + present(f, TCP6, REAL / 2), REAL);
	assert_int_equal(fixture_flow_table(f).probation, 2 * FORGED);
	assert_int_equal(fixture_flow_table(f).inserted, REAL);
}

/* A real client in a flood: steered, answered, counted once, promoted by its acknowledgement, tracked from then on. */
static void test_real_client_in_a_flood(void **state)
{
	struct packet_spec request = fixture_request(TCP4, 7, ACK, 1001, "GET / HTTP/1.1\r\n\r\n");
	struct packet_spec answer;
	struct fixture *f = *state;
	struct canary_counters stats;
	struct canary_flow flow;
	uint16_t backend;

	fixture_begin_flood(f, TCP4);
	backend = connect_client(f, TCP4, 7);
	assert_true(fixture_flow(f, TCP4, 7, &flow));
	assert_int_equal(flow.backend, backend);
	request.ack = 5001;
	assert_int_equal(fixture_send(f, &request), backend);
	answer = fixture_response(backend, 7, ACK, 5001, 1019, "HTTP/1.1 200 OK\r\n\r\n");
	fixture_answer(f, &answer);
	stats = fixture_version_stats(f, backend / 2, true);
	assert_int_equal(stats.connections, 1);
	assert_int_equal(stats.established, 1);
	assert_int_equal(stats.requests, 1);
	assert_int_equal(stats.http_2xx, 1);
	assert_int_equal(stats.lost_track, 0);
	assert_int_equal(fixture_latency_count(f, backend / 2, true, CANARY_LATENCY_TTFB), 1);
	assert_int_equal(fixture_flow_table(f).promoted, 1);
	assert_int_equal(fixture_flow_table(f).inserted, 1);
}

/* A retransmitted SYN stays on probation, a guessed acknowledgement too; a reset opens nothing. */
static void test_probation(void **state)
{
	struct packet_spec ack = fixture_request(TCP4, 7, ACK, 1001, "");
	struct fixture *f = *state;
	struct packet_spec answer;
	struct canary_flow flow;
	uint16_t backend;

	fixture_begin_flood(f, TCP4);
	backend = syn(f, TCP4, 7);
	assert_int_equal(syn(f, TCP4, 7), backend);
	assert_int_equal(fixture_version_stats(f, backend / 2, true).connections, 1);
	answer = fixture_response(backend, 7, SYN | ACK, 5000, 1001, "");
	fixture_answer(f, &answer);
	ack.ack = 900000;
	assert_int_equal(fixture_send(f, &ack), backend);
	assert_false(fixture_flow(f, TCP4, 7, &flow));
	assert_int_equal(fixture_flow_table(f).probation, 1);
	assert_int_equal(fixture_flow_table(f).promoted, 0);
}

/* Datagrams, and streams that were not seen to begin: promoted when the client goes on after an answer. */
static void test_without_syn(void **state)
{
	struct packet_spec datagram = fixture_request(UDP4, 3, 0, 0, "question"), answer;
	struct packet_spec middle = fixture_request(TCP4, 4, ACK, 777, "x");
	struct fixture *f = *state;
	struct canary_flow flow;
	uint16_t backend;

	fixture_begin_flood(f, UDP4);
	fixture_begin_flood(f, TCP4);
	backend = fixture_send(f, &datagram);
	assert_int_equal(fixture_send(f, &datagram), backend);
	assert_false(fixture_flow(f, UDP4, 3, &flow));
	answer = fixture_response(backend, 3, 0, 0, 0, "answer");
	fixture_answer(f, &answer);
	assert_int_equal(fixture_send(f, &datagram), backend);
	assert_true(fixture_flow(f, UDP4, 3, &flow));
	middle.ack = 99;
	backend = fixture_send(f, &middle);
	answer = fixture_response(backend, 4, ACK, 99, 778, "y");
	fixture_answer(f, &answer);
	assert_false(fixture_flow(f, TCP4, 4, &flow));
	assert_int_equal(fixture_version_stats(f, backend / 2, true).lost_track, 1);
}

/* The limit itself, and that another service is left alone. */
static void test_limit(void **state)
{
	struct fixture *f = *state;

	fixture_set_flood_limit(f, TCP4, LIMIT);
	flood(f, TCP4, FORGED);
	assert_true(fixture_flow_table(f).probation > 0);
	assert_true(fixture_flow_table(f).inserted >= LIMIT);
	syn(f, TCP6, 1);
	assert_int_equal(present(f, TCP6, 2), 1);
}

static void test_table_full(void **state)
{
	struct canary_control control;
	struct fixture *f = *state;
	struct canary_flow flow;
	uint32_t zero = 0;

	assert_int_equal(bpf_map_lookup_elem(f->control, &zero, &control), 0);
	control.table_full = 1;
	assert_int_equal(bpf_map_update_elem(f->control, &zero, &control, BPF_ANY), 0);
	fixture_set_flood_limit(f, TCP4, 1000000);
	syn(f, TCP4, 1);
	syn(f, TCP6, 1);
	assert_false(fixture_flow(f, TCP4, 1, &flow));
	assert_true(fixture_flow(f, TCP6, 1, &flow));
}

/* ---- capacity ------------------------------------------------------------------------------------------------- */

static void set_capacity(const struct fixture *f, uint32_t version, uint32_t max_flows, uint64_t limit)
{
	struct canary_capacity capacity = { .max_flows = max_flows, .limit = limit };

	assert_int_equal(bpf_map_update_elem(f->capacities, &version, &capacity, BPF_ANY), 0);
}

static struct canary_capacity capacity_of(const struct fixture *f, uint32_t version)
{
	struct canary_capacity capacity;

	assert_int_equal(bpf_map_lookup_elem(f->capacities, &version, &capacity), 0);
	return capacity;
}

/* The canary gets as many as it may, the baseline the rest; open flows go on. */
static void test_capacity(void **state)
{
	struct packet_spec data = fixture_request(TCP4, 0, ACK, 1001, "x");
	struct canary_explain question = { .key = fixture_key(TCP4, 5000) };
	struct fixture *f = *state;

	fixture_set_split(f, TCP4, FIXTURE_WHOLE, FIXTURE_GENERATION);
	set_capacity(f, TCP4 * 2 + 1, 10, 10);
	for (uint32_t client = 0; client < 30; client++)
		assert_int_equal(syn(f, TCP4, client) / 2, client < 10 ? TCP4 * 2 + 1 : TCP4 * 2);
	syn(f, TCP4, 0); /* again: the same connection */
	assert_int_equal(fixture_send(f, &data) / 2, TCP4 * 2 + 1);
	assert_int_equal(capacity_of(f, TCP4 * 2 + 1).opened, 10);
	assert_int_equal(fixture_version_stats(f, TCP4 * 2, true).over_capacity, 20);
	assert_int_equal(fixture_version_stats(f, TCP4 * 2, true).diverted, 20);
	fixture_explain(f, &question);
	assert_int_equal(question.source, CANARY_EXPLAIN_CAPACITY);
	assert_int_equal(question.version, TCP4 * 2);
}

static void test_no_capacity(void **state)
{
	struct fixture *f = *state;

	fixture_set_split(f, TCP4, FIXTURE_WHOLE, FIXTURE_GENERATION);
	set_capacity(f, TCP4 * 2, 1, 0); /* the baseline takes what there is */
	for (uint32_t client = 0; client < 30; client++)
		assert_int_equal(syn(f, TCP4, client) / 2, TCP4 * 2 + 1);
	assert_int_equal(capacity_of(f, TCP4 * 2 + 1).opened, 0);
	fixture_set_split(f, TCP4, 0, FIXTURE_GENERATION);
	assert_int_equal(syn(f, TCP4, 31) / 2, TCP4 * 2);
}

#define IN_FIXTURE(test) cmocka_unit_test_setup_teardown(test, fixture_set_up, fixture_tear_down)
#define IN_CROWDED(test) cmocka_unit_test_setup_teardown(test, fixture_set_up_crowded_table, fixture_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_CROWDED(test_unguarded),
		IN_CROWDED(test_flood_evicts_nothing),
		IN_FIXTURE(test_real_client_in_a_flood),
		IN_FIXTURE(test_probation),
		IN_FIXTURE(test_without_syn),
		IN_FIXTURE(test_limit),
		IN_FIXTURE(test_table_full),
		IN_FIXTURE(test_capacity),
		IN_FIXTURE(test_no_capacity),
	};

	return cmocka_run_group_tests_name("flood", tests, NULL, NULL);
}

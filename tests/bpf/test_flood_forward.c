/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The flood guard in the modes whose packets are sent on from XDP. In fullnat a flow on probation has a source of its own,
 * which it loses to others on probation alone; in dsr the client's acknowledgement is all that is heard of the handshake.
 */
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

#define REAL 400
#define FORGED 3000 /* three times what the crowded table holds */
#define FIRST_FORGED 100000
#define GET "GET / HTTP/1.1\r\n\r\n"
#define OK "HTTP/1.1 200 OK\r\n\r\n"

static int dsr_set_up_crowded_table(void **state)
{
	int r = fullnat_set_up_crowded_table(state);

	for (int service = 0; !r && service < FIXTURE_SERVICES; service++)
		fullnat_set_mode(*state, service, CANARY_MODE_DSR);
	return r;
}

/* Runs a request, and fails the test unless it is sent on. */
static void expect_redirected(const struct fixture *f, const struct packet_spec *spec)
{
	struct packet_bytes packet;

	packet_build(spec, &packet);
	assert_int_equal(fullnat_run(f, "c0", &packet), XDP_REDIRECT);
}

static void flood(const struct fixture *f, enum fixture_service service, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		struct packet_spec spec = fixture_request(service, FIRST_FORGED + i, SYN, 1000, "");

		expect_redirected(f, &spec);
	}
}

static unsigned present(const struct fixture *f, enum fixture_service service)
{
	unsigned count = 0;

	for (uint32_t client = 0; client < REAL; client++) {
		struct canary_flow flow;

		count += fixture_flow(f, service, client, &flow);
	}
	return count;
}

static unsigned entries(int map)
{
	struct canary_reply_key key, *previous = NULL;
	unsigned count = 0;

	for (; !bpf_map_get_next_key(map, previous, &key); previous = &key)
		count++;
	return count;
}

/* ---- fullnat ---------------------------------------------------------------------------------------------------- */

static struct packet_spec ack_of(enum fixture_service service, uint32_t client, const char *payload)
{
	struct packet_spec spec = fixture_request(service, client, ACK, 1001, payload);

	spec.ack = 5001;
	return spec;
}

/* SYN, SYN-ACK, ACK. Returns the backend. */
static uint16_t connect_client(const struct fixture *f, enum fixture_service service, uint32_t client,
			       struct canary_endpoint *ret_source)
{
	struct packet_spec syn = fixture_request(service, client, SYN, 1000, ""), ack = ack_of(service, client, "");
	uint16_t backend = fullnat_expect_sent(f, &syn, ret_source);
	struct canary_endpoint source;

	fullnat_expect_answered(f, backend, client, *ret_source, SYN | ACK, 5000, 1001, "");
	assert_int_equal(fullnat_expect_sent(f, &ack, &source), backend);
	assert_memory_equal(&source, ret_source, sizeof(source));
	return backend;
}

static struct canary_reply_key reply_key(uint16_t backend, const struct canary_endpoint *source)
{
	struct canary_endpoint from = fixture_backend(backend);
	struct canary_reply_key key = {
		.backend_port = from.port, .source_port = source->port, .protocol = from.protocol,
	};

	memcpy(key.backend, from.addr, sizeof(key.backend));
	memcpy(key.source, source->addr, sizeof(key.source));
	return key;
}

/* Whose the source is for good; false where it is nobody's. */
static bool owned_by(const struct fixture *f, uint16_t backend, const struct canary_endpoint *source, uint32_t client)
{
	struct canary_reply_key key = reply_key(backend, source);
	struct canary_flow_key flow = fixture_key(backend / 4, client);
	struct canary_reply reply;

	return !bpf_map_lookup_elem(f->replies, &key, &reply) && !memcmp(&reply.flow, &flow, sizeof(flow));
}

/* What the guard is for; without it, what the test after this one finds. */
static void test_flood_takes_nothing(void **state)
{
	struct fixture *f = *state;

	for (int service = TCP4; service <= TCP6; service++) {
		struct canary_endpoint sources[REAL / 2];
		uint16_t backends[REAL / 2];

		for (uint32_t client = 0; client < REAL / 2; client++)
			backends[client] = connect_client(f, service, client, &sources[client]);
		fixture_begin_flood(f, service);
		flood(f, service, FORGED);
		for (uint32_t client = 0; client < REAL / 2; client++)
			fullnat_expect_answered(f, backends[client], client, sources[client], ACK, 5001, 1001, OK);
	}
	assert_int_equal(present(f, TCP4) + present(f, TCP6), REAL);
	assert_int_equal(entries(f->replies), REAL);
	assert_int_equal(fixture_flow_table(f).probation, 2 * FORGED);
	assert_int_equal(fixture_flow_table(f).inserted, REAL);
	assert_int_equal(fixture_reasons(f).source_exhausted, 0);
}

static void test_unguarded(void **state)
{
	struct canary_endpoint source;

	for (uint32_t client = 0; client < REAL; client++)
		connect_client(*state, TCP4, client, &source);
	flood(*state, TCP4, FORGED);
	assert_true(present(*state, TCP4) < REAL);
	assert_int_equal(entries(((struct fixture *)*state)->replies), REAL + FORGED);
}

/* A real client in a flood: its SYN comes twice, an acknowledgement is guessed; its own one gives it a source for good. */
static void test_real_client_in_a_flood(void **state)
{
	for (int service = TCP4; service <= TCP6; service++) {
		struct packet_spec syn = fixture_request(service, 7, SYN, 1000, ""), guess = ack_of(service, 7, "");
		struct packet_spec request = ack_of(service, 7, GET);
		struct canary_endpoint source, again;
		struct canary_counters stats;
		struct fixture *f = *state;
		struct canary_flow flow;
		uint16_t backend;

		fixture_begin_flood(f, service);
		backend = fullnat_expect_sent(f, &syn, &source);
		assert_int_equal(fullnat_expect_sent(f, &syn, &again), backend);
		assert_memory_equal(&again, &source, sizeof(source));
		guess.ack = 900000;
		fullnat_expect_answered(f, backend, 7, source, SYN | ACK, 5000, 1001, "");
		assert_int_equal(fullnat_expect_sent(f, &guess, &again), backend);
		assert_false(fixture_flow(f, service, 7, &flow));
		assert_false(owned_by(f, backend, &source, 7));
		assert_int_equal(connect_client(f, service, 7, &again), backend);
		assert_true(fixture_flow(f, service, 7, &flow));
		assert_int_equal(flow.source_port, source.port);
		assert_true(owned_by(f, backend, &source, 7));
		assert_int_equal(entries(f->half_open_replies), 0);
		assert_int_equal(fullnat_expect_sent(f, &request, &again), backend);
		fullnat_expect_answered(f, backend, 7, source, ACK, 5001, 1019, OK);
		stats = fixture_version_stats(f, backend / 2, true);
		assert_int_equal(stats.connections, 1);
		assert_int_equal(stats.established, 1);
		assert_int_equal(stats.http_2xx, 1);
		assert_int_equal(stats.lost_track + stats.source_reused, 0);
		assert_int_equal(fixture_latency_count(f, backend / 2, true, CANARY_LATENCY_TTFB), 1);
	}
}

/* Every source of the first address is somebody's at backend 0: a flow's on probation, or as well another's for good. */
static void take_all(const struct fixture *f, bool for_good)
{
	struct canary_endpoint source = packet_endpoint(fullnat_sources4[0], IPPROTO_TCP);
	struct canary_flow_key other = { .client_port = 1 };
	struct canary_reply reply = { .flow = { .client_port = 2 } };

	for (uint32_t port = CANARY_SOURCE_PORT_MIN; port <= CANARY_SOURCE_PORT_MAX; port++) {
		struct canary_reply_key key;

		source.port = htons(port);
		key = reply_key(0, &source);
		fixture_must(bpf_map_update_elem(f->half_open_replies, &key, &other, BPF_ANY), "half_open_replies");
		if (for_good)
			fixture_must(bpf_map_update_elem(f->replies, &key, &reply, BPF_ANY), "replies");
	}
}

/* Where a flood has all sources one of its own gives way: to a client in it, and to who needs no probation. */
static void test_taken_over(void **state)
{
	struct packet_spec syn = fixture_request(TCP4, 8, SYN, 1000, "");
	struct canary_endpoint source;
	struct fixture *f = *state;

	fullnat_set(f, TCP4, 1);
	fullnat_use_one_backend(f);
	fixture_begin_flood(f, TCP4);
	expect_redirected(f, &syn); /* the flood is known of */
	take_all(f, false);
	assert_int_equal(connect_client(f, TCP4, 7, &source), 0);
	assert_true(owned_by(f, 0, &source, 7));
	fixture_set_flood_limit(f, TCP4, 0);
	assert_int_equal(connect_client(f, TCP4, 9, &source), 0);
	assert_true(owned_by(f, 0, &source, 9));
	assert_int_equal(fixture_version_stats(f, TCP4 * 2, true).source_reused, 1);
	assert_int_equal(fixture_reasons(f).source_exhausted, 0);
}

/* Those that were taken over are their new owners', whoever was on probation there before: neither kind gets one. */
static void test_not_taken_over_twice(void **state)
{
	struct packet_spec syn = fixture_request(TCP4, 8, SYN, 1000, "");
	struct fixture *f = *state;
	uint64_t refused;

	fullnat_set(f, TCP4, 1);
	fullnat_use_one_backend(f);
	fixture_begin_flood(f, TCP4);
	expect_redirected(f, &syn); /* the flood is known of */
	take_all(f, true);
	for (uint32_t client = 9; client < 13; client++) {
		fixture_set_flood_limit(f, TCP4, client & 1);
		syn = fixture_request(TCP4, client, SYN, 1000, "");
		refused = fixture_reasons(f).source_exhausted;
		fullnat_expect_untouched(f, "c0", &syn);
		assert_int_equal(fixture_reasons(f).source_exhausted, refused + 1);
	}
	assert_int_equal(fixture_version_stats(f, TCP4 * 2, true).source_reused, 0);
}

/* Gives the source to somebody else: for good, or on probation. */
static void give_away(const struct fixture *f, uint16_t backend, const struct canary_endpoint *source, bool for_good)
{
	struct canary_reply_key key = reply_key(backend, source);
	struct canary_reply reply = { .flow = fixture_key(backend / 4, 5) };

	if (for_good)
		fixture_must(bpf_map_update_elem(f->replies, &key, &reply, BPF_ANY), "replies");
	fixture_must(bpf_map_update_elem(f->half_open_replies, &key, &reply.flow, BPF_ANY), "half_open_replies");
}

/*
 * A flow whose source went to another on probation gets it back by proving itself. Where it went for good, or nothing is
 * proven, no packet is sent with it any more: a SYN that comes again finds another, and so does what opens nothing.
 */
static void test_lost_source(void **state)
{
	struct fixture *f = *state;

	fixture_begin_flood(f, TCP4);
	for (int i = 0; i < 4; i++) {
		bool for_good = i & 1, proves = i & 2;
		struct packet_spec syn = fixture_request(TCP4, 10 + i, SYN, 1000, "");
		struct packet_spec next = proves ? ack_of(TCP4, 10 + i, "") : syn;
		struct canary_endpoint source, then;
		uint16_t backend = fullnat_expect_sent(f, &syn, &source);

		fullnat_expect_answered(f, backend, 10 + i, source, SYN | ACK, 5000, 1001, "");
		give_away(f, backend, &source, for_good);
		assert_int_equal(fullnat_expect_sent(f, &next, &then), backend);
		assert_int_equal(memcmp(&then, &source, sizeof(then)) == 0, proves && !for_good);
		assert_int_equal(owned_by(f, backend, &source, 10 + i), proves && !for_good);
		assert_int_equal(owned_by(f, backend, &source, 5), for_good);
		if (!proves)
			fullnat_expect_answered(f, backend, 10 + i, then, SYN | ACK, 5000, 1001, "");
	}
}

/* As in dnat: when the client goes on after an answer. */
static void test_datagrams(void **state)
{
	struct packet_spec datagram = fixture_request(UDP4, 3, 0, 0, "question");
	struct canary_endpoint source, again;
	struct fixture *f = *state;
	struct canary_flow flow;
	uint16_t backend;

	fixture_begin_flood(f, UDP4);
	backend = fullnat_expect_sent(f, &datagram, &source);
	fullnat_expect_sent(f, &datagram, &again);
	assert_memory_equal(&again, &source, sizeof(source));
	assert_false(fixture_flow(f, UDP4, 3, &flow));
	assert_int_equal(entries(f->replies), 0);
	fullnat_expect_answered(f, backend, 3, source, 0, 0, 0, "answer");
	fullnat_expect_sent(f, &datagram, &again);
	assert_memory_equal(&again, &source, sizeof(source));
	assert_true(fixture_flow(f, UDP4, 3, &flow));
	assert_true(owned_by(f, backend, &source, 3));
}

/* ---- dsr -------------------------------------------------------------------------------------------------------- */

static void dsr_send(const struct fixture *f, enum fixture_service service, uint32_t client, uint8_t flags, uint32_t seq)
{
	struct packet_spec spec = fixture_request(service, client, flags, seq, "");

	spec.ack = flags & ACK ? 5001 : 0;
	expect_redirected(f, &spec);
}

static void test_dsr_flood_evicts_nothing(void **state)
{
	struct fixture *f = *state;

	for (int service = TCP4; service <= TCP6; service++) {
		for (uint32_t client = 0; client < REAL / 2; client++) {
			dsr_send(f, service, client, SYN, 1000);
			dsr_send(f, service, client, ACK, 1001);
		}
		fixture_begin_flood(f, service);
		flood(f, service, FORGED);
	}
	assert_int_equal(present(f, TCP4) + present(f, TCP6), REAL);
	assert_int_equal(fixture_flow_table(f).probation, 2 * FORGED);
	assert_int_equal(fixture_flow_table(f).inserted, REAL);
}

/* The client goes on from its SYN: that is the proof. One that begins elsewhere, or resets, has none. */
static void test_dsr_real_client(void **state)
{
	for (int service = TCP4; service <= TCP6; service++) {
		struct fixture *f = *state;
		struct canary_counters stats;
		struct canary_flow flow;

		fixture_begin_flood(f, service);
		dsr_send(f, service, 7, SYN, 1000);
		dsr_send(f, service, 7, SYN, 1000);
		dsr_send(f, service, 7, ACK, 900000);
		dsr_send(f, service, 7, RST | ACK, 1001);
		assert_false(fixture_flow(f, service, 7, &flow));
		dsr_send(f, service, 7, ACK, 1001);
		assert_true(fixture_flow(f, service, 7, &flow));
		stats = fixture_version_stats(f, flow.version, true);
		assert_int_equal(stats.connections, 1);
		assert_int_equal(stats.established, 1);
		assert_int_equal(stats.lost_track, 0);
	}
	assert_int_equal(fixture_flow_table(*state).promoted, 2);
}

/* Of what does not begin with a SYN nothing is ever proven: it opens as without a flood. */
static void test_dsr_without_syn(void **state)
{
	struct fixture *f = *state;
	struct canary_flow flow;

	fixture_begin_flood(f, UDP4);
	fixture_begin_flood(f, TCP4);
	dsr_send(f, UDP4, 3, 0, 0);
	dsr_send(f, TCP4, 4, ACK, 777);
	assert_true(fixture_flow(f, UDP4, 3, &flow));
	assert_true(fixture_flow(f, TCP4, 4, &flow));
	assert_int_equal(fixture_flow_table(f).probation, 0);
}

#define IN_FULLNAT(test) cmocka_unit_test_setup_teardown(test, fullnat_set_up, fixture_tear_down)
#define IN_CROWD(test) cmocka_unit_test_setup_teardown(test, fullnat_set_up_crowded_table, fixture_tear_down)
#define IN_DSR(test) cmocka_unit_test_setup_teardown(test, dsr_set_up_crowded_table, fixture_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_CROWD(test_flood_takes_nothing),
		IN_CROWD(test_unguarded),
		IN_FULLNAT(test_real_client_in_a_flood),
		IN_FULLNAT(test_taken_over),
		IN_FULLNAT(test_not_taken_over_twice),
		IN_FULLNAT(test_lost_source),
		IN_FULLNAT(test_datagrams),
		IN_DSR(test_dsr_flood_evicts_nothing),
		IN_DSR(test_dsr_real_client),
		IN_DSR(test_dsr_without_syn),
	};

	return cmocka_run_group_tests_name("flood in fullnat and dsr", tests, fullnat_network_set_up, NULL);
}

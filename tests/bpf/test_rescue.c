/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rescue: the canary's refusal becomes the client's SYN for the baseline, byte for byte but for its data; a SYN that nobody
 * answers goes there when it comes again. The canary is charged all the same, and whoever has nobody to fall back on is
 * refused as ever.
 */
#include "tests/bpf/fixture.h"

#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define GET "GET / HTTP/1.1\r\n\r\n"

static int set_up(void **state)
{
	fixture_set_up(state);
	for (int service = TCP4; service <= TCP6; service++) {
		fixture_set_rescue(*state, service, true);
		fixture_set_split(*state, service, FIXTURE_WHOLE, FIXTURE_GENERATION);
	}
	return 0;
}

/* A client's SYN, through the splitter. Returns the canary's backend that it went to. */
static uint16_t send_syn(const struct fixture *f, const struct packet_spec *syn)
{
	uint16_t backend = fixture_send(f, syn);

	assert_int_equal(backend / 2 % 2, 1);
	return backend;
}

/* That backend's answer to a SYN of 1000. */
static uint32_t refuse(struct fixture *f, uint16_t backend, uint32_t client, uint32_t ack, struct packet_bytes *packet)
{
	struct packet_spec reset = fixture_response(backend, client, RST | ACK, 0, ack, "");

	packet_build(&reset, packet);
	return fixture_run_reply(f, packet, 0, 0);
}

/* `packet` is `syn` as the client sent it, without its data, for the baseline's backend, which is returned. */
static uint16_t expect_syn(const struct packet_bytes *packet, struct packet_spec syn)
{
	struct packet_bytes expected;
	uint16_t service = syn.destination.addr[0] ? TCP6 : TCP4;

	syn.payload_len = 0;
	for (uint16_t backend = service * 4; backend < service * 4 + 2; backend++) {
		syn.destination = fixture_backend(backend);
		packet_build(&syn, &expected);
		assert_int_equal(packet->len, expected.len);
		if (!memcmp(packet->data + expected.network, expected.data + expected.network,
			    expected.len - expected.network))
			return backend;
	}
	fail_msg("what came out is not the client's SYN for the baseline");
	return CANARY_NONE;
}

static void expect_swapped(const struct packet_bytes *packet, const struct packet_bytes *reset)
{
	assert_memory_equal(packet->data, reset->data + 6, 6);
	assert_memory_equal(packet->data + 6, reset->data, 6);
	assert_memory_equal(packet->data + 12, reset->data + 12, 2);
}

/* Any length of options, with data and without, both families, tags in the frame. */
static void test_refused(void **state)
{
	for (uint32_t i = 0; i < 2 * 11 * 2 * 2; i++) {
		struct packet_spec syn = fixture_request(i % 2 ? TCP6 : TCP4, i, SYN, 1000, i / 22 % 2 ? GET : "");
		struct packet_spec reset;
		struct packet_bytes packet, before;
		uint16_t canary, baseline;

		syn.tcp_options_len = i / 2 % 11 * 4;
		canary = send_syn(*state, &syn);
		reset = fixture_response(canary, i, RST | ACK, 0, 1001 + (i & 4 ? syn.payload_len : 0), "");
		reset.vlan_tags = i / 44;
		packet_build(&reset, &packet);
		before = packet;
		assert_int_equal(fixture_run_reply(*state, &packet, 0, 0), TC_ACT_REDIRECT);
		if (reset.vlan_tags == 0)
			expect_swapped(&packet, &before);
		syn.vlan_tags = reset.vlan_tags;
		baseline = expect_syn(&packet, syn);
		assert_int_equal(fixture_backend_stats(*state, canary).rescued, fixture_backend_stats(*state, canary).refused);
		assert_true(fixture_backend_stats(*state, baseline).connections > 0);
	}
}

/* From there on it is the baseline's flow: its answers come from the VIP, and are timed from the second SYN on. */
static void test_goes_on(void **state)
{
	for (int service = TCP4; service <= TCP6; service++) {
		struct packet_spec syn = fixture_request(service, 1, SYN, 1000, ""), spec;
		uint16_t canary = send_syn(*state, &syn), baseline;
		struct canary_counters of_canary, of_baseline;
		struct packet_bytes packet;
		struct canary_flow flow;

		assert_int_equal(refuse(*state, canary, 1, 1001, &packet), TC_ACT_REDIRECT);
		baseline = expect_syn(&packet, syn);
		assert_true(fixture_flow(*state, service, 1, &flow));
		assert_int_equal(flow.backend, baseline);
		assert_int_equal(flow.version, baseline / 2);
		spec = fixture_response(baseline, 1, SYN | ACK, 5000, 1001, "");
		fixture_answer(*state, &spec);
		spec = fixture_request(service, 1, ACK, 1001, GET);
		assert_int_equal(fixture_send(*state, &spec), baseline);
		of_canary = fixture_version_stats(*state, canary / 2, true);
		of_baseline = fixture_version_stats(*state, baseline / 2, true);
		assert_int_equal(of_canary.connections, 1);
		assert_int_equal(of_canary.refused, 1);
		assert_int_equal(of_canary.rescued, 1);
		assert_int_equal(of_canary.established + of_canary.requests, 0);
		assert_int_equal(of_baseline.connections, 1);
		assert_int_equal(of_baseline.established, 1);
		assert_int_equal(of_baseline.requests, 1);
		assert_int_equal(of_baseline.refused + of_baseline.rescued, 0);
		assert_int_equal(fixture_latency_count(*state, baseline / 2, true, CANARY_LATENCY_CONNECT), 1);
		assert_int_equal(fixture_latency_count(*state, canary / 2, true, CANARY_LATENCY_CONNECT), 0);
	}
}

/* A baseline that refuses, too, is heard by the client. */
static void test_once(void **state)
{
	struct packet_spec syn = fixture_request(TCP4, 1, SYN, 1000, ""), spec;
	uint16_t canary = send_syn(*state, &syn), baseline;
	struct packet_bytes packet;

	assert_int_equal(refuse(*state, canary, 1, 1001, &packet), TC_ACT_REDIRECT);
	baseline = expect_syn(&packet, syn);
	spec = fixture_response(baseline, 1, RST | ACK, 0, 1001, "");
	fixture_answer(*state, &spec);
	assert_int_equal(fixture_version_stats(*state, baseline / 2, true).refused, 1);
}

/* What is no refusal of a SYN, and a refusal that nobody can take over: out it goes, from the VIP. */
static void test_not_rescued(void **state)
{
	struct packet_spec syn = fixture_request(TCP4, 1, SYN, 1000, ""), spec;
	uint16_t canary = send_syn(*state, &syn);

	spec = fixture_response(canary, 1, RST | ACK, 0, 999, ""); /* not of this SYN */
	fixture_answer(*state, &spec);
	spec = fixture_response(canary, 1, SYN | ACK, 5000, 1001, "");
	fixture_answer(*state, &spec);
	spec = fixture_response(canary, 1, RST | ACK, 5001, 1001, ""); /* of a connection that stands */
	fixture_answer(*state, &spec);
	fixture_set_rescue(*state, TCP4, false);
	syn = fixture_request(TCP4, 2, SYN, 1000, "");
	canary = send_syn(*state, &syn);
	spec = fixture_response(canary, 2, RST | ACK, 0, 1001, "");
	fixture_answer(*state, &spec);
	fixture_set_rescue(*state, TCP4, true);
	fixture_set_maglev(*state, TCP4 * 2, false); /* a baseline without backends */
	syn = fixture_request(TCP4, 3, SYN, 1000, "");
	canary = send_syn(*state, &syn);
	spec = fixture_response(canary, 3, RST | ACK, 0, 1001, "");
	fixture_answer(*state, &spec);
	assert_int_equal(fixture_version_stats(*state, canary / 2, true).refused, 2);
	assert_int_equal(fixture_version_stats(*state, canary / 2, true).rescued, 0);
}

/* Its SYN was forgotten, or the fallback is no backend of the baseline any more. */
static void test_nothing_to_replay(void **state)
{
	struct packet_spec syn = fixture_request(TCP4, 1, SYN, 1000, ""), spec;
	const struct fixture *f = *state;
	uint16_t canary = send_syn(f, &syn);
	struct canary_flow_key key = fixture_key(TCP4, 1);

	fixture_must(bpf_map_delete_elem(f->syns, &key), "syns");
	spec = fixture_response(canary, 1, RST | ACK, 0, 1001, "");
	fixture_answer(*state, &spec);
	syn = fixture_request(TCP4, 2, SYN, 1000, "");
	canary = send_syn(f, &syn);
	for (uint32_t backend = 0; backend < 2; backend++) {
		struct canary_backend none = { .in_use = 0 };

		fixture_must(bpf_map_update_elem(f->backends, &backend, &none, BPF_ANY), "backends");
	}
	spec = fixture_response(canary, 2, RST | ACK, 0, 1001, "");
	fixture_answer(*state, &spec);
	assert_int_equal(fixture_version_stats(*state, canary / 2, true).rescued, 0);
}

/* ---- unanswered ----------------------------------------------------------------------------------------------- */

static void test_unanswered(void **state)
{
	for (int service = TCP4; service <= TCP6; service++) {
		struct packet_spec syn = fixture_request(service, 1, SYN, 1000, ""), spec;
		struct canary_counters of_canary, of_baseline;
		uint16_t canary = send_syn(*state, &syn), baseline;
		struct packet_bytes late, before;

		assert_int_equal(fixture_send(*state, &syn), canary); /* a copy, not a retransmission */
		fixture_age(*state, service, 1, 1000000000);
		baseline = fixture_send(*state, &syn);
		assert_int_equal(baseline / 2, service * 2);
		assert_int_equal(fixture_send(*state, &syn), baseline);
		spec = fixture_response(canary, 1, SYN | ACK, 9000, 1001, ""); /* the canary wakes up */
		packet_build(&spec, &late);
		before = late;
		assert_int_equal(fixture_run_reply(*state, &late, 0, 0), FIXTURE_TCX_NEXT);
		assert_memory_equal(late.data, before.data, late.len);
		spec = fixture_response(baseline, 1, SYN | ACK, 5000, 1001, "");
		fixture_answer(*state, &spec);
		of_canary = fixture_version_stats(*state, canary / 2, true);
		of_baseline = fixture_version_stats(*state, baseline / 2, true);
		assert_int_equal(of_canary.connections, 1);
		assert_int_equal(of_canary.syn_timeout, 1);
		assert_int_equal(of_canary.rescued, 1);
		assert_int_equal(of_canary.established, 0);
		assert_int_equal(of_baseline.connections, 1);
		assert_int_equal(of_canary.request_retransmits, 1);
		assert_int_equal(of_baseline.established, 1);
		assert_int_equal(of_baseline.syn_timeout, 0);
		assert_int_equal(of_baseline.request_packets, 2);
		assert_int_equal(of_baseline.request_retransmits, 1); /* not by the SYN that opened it there */
	}
}

/* Where the sweep was there before, it is counted once. */
static void test_unanswered_and_swept(void **state)
{
	struct packet_spec syn = fixture_request(TCP4, 1, SYN, 1000, "");
	uint16_t canary = send_syn(*state, &syn);

	fixture_age(*state, TCP4, 1, 4000000000);
	fixture_sweep(*state);
	assert_int_equal(fixture_send(*state, &syn) / 2, TCP4 * 2);
	assert_int_equal(fixture_version_stats(*state, canary / 2, true).syn_timeout, 1);
	assert_int_equal(fixture_version_stats(*state, canary / 2, true).rescued, 1);
	fixture_sweep(*state);
	assert_int_equal(fixture_version_stats(*state, TCP4 * 2, true).syn_timeout, 0);
}

/* An answered connection's SYN, a service that wants no rescue. */
static void test_unanswered_not_rescued(void **state)
{
	struct packet_spec syn = fixture_request(TCP4, 1, SYN, 1000, ""), spec;
	uint16_t canary = send_syn(*state, &syn);

	spec = fixture_response(canary, 1, SYN | ACK, 5000, 1001, "");
	fixture_answer(*state, &spec);
	fixture_age(*state, TCP4, 1, 1000000000);
	assert_int_equal(fixture_send(*state, &syn), canary);
	fixture_set_rescue(*state, TCP4, false);
	syn = fixture_request(TCP4, 2, SYN, 1000, "");
	canary = send_syn(*state, &syn);
	fixture_age(*state, TCP4, 2, 1000000000);
	assert_int_equal(fixture_send(*state, &syn), canary);
	assert_int_equal(fixture_version_stats(*state, canary / 2, true).rescued, 0);
}

/* That nobody gets its SYN the client is not told: it sends it again, and the baseline does. */
static void test_unreachable(void **state)
{
	for (int service = TCP4; service <= TCP6; service++) {
		struct packet_spec syn = fixture_request(service, 1, SYN, 1000, "");
		struct packet_error_spec error = {
			.type = service == TCP4 ? 3 : 1, .code = service == TCP4 ? 3 : 4, .about = syn, .destination = syn.source,
		};
		uint16_t canary = send_syn(*state, &syn);
		struct packet_bytes packet;

		error.source = error.about.destination = fixture_backend(canary);
		for (int i = 0; i < 2; i++) {
			packet_build_error(&error, &packet);
			assert_int_equal(fixture_run_reply(*state, &packet, 0, 0), TC_ACT_SHOT);
		}
		fixture_age(*state, service, 1, 1000000000);
		assert_int_equal(fixture_send(*state, &syn) / 2, service * 2);
		assert_int_equal(fixture_version_stats(*state, canary / 2, true).refused, 1);
		assert_int_equal(fixture_version_stats(*state, canary / 2, true).rescued, 1);
		assert_int_equal(fixture_version_stats(*state, canary / 2, true).syn_timeout, 0);
		fixture_set_rescue(*state, service, false);
		syn = fixture_request(service, 2, SYN, 1000, "");
		canary = send_syn(*state, &syn);
		error.about = syn;
		error.destination = syn.source;
		error.source = error.about.destination = fixture_backend(canary);
		packet_build_error(&error, &packet);
		assert_int_equal(fixture_run_reply(*state, &packet, 0, 0), FIXTURE_TCX_NEXT);
	}
}

/* ---- the breaker ---------------------------------------------------------------------------------------------- */

/* A canary that is rescued trips its breaker all the same. */
static void test_breaker_hears_of_it(void **state)
{
	struct canary_breaker breaker = {
		.slot_ns = 1800000000000ULL, .min_failures = 4, .ratio_ppm = 500000,
		.kinds = 1ULL << CANARY_COUNTER_refused | 1ULL << CANARY_COUNTER_syn_timeout,
	};
	const struct fixture *f = *state;
	uint32_t service = TCP4;

	fixture_must(bpf_map_update_elem(f->breakers, &service, &breaker, BPF_ANY), "breakers");
	for (uint32_t client = 0; client < 4; client++) {
		struct packet_spec syn = fixture_request(TCP4, client, SYN, 1000, "");
		uint16_t canary = send_syn(f, &syn);
		struct packet_bytes packet;

		if (client < 2) {
			assert_int_equal(refuse(*state, canary, client, 1001, &packet), TC_ACT_REDIRECT);
			continue;
		}
		fixture_age(f, TCP4, client, 1000000000);
		assert_int_equal(fixture_send(f, &syn) / 2, TCP4 * 2);
	}
	fixture_must(bpf_map_lookup_elem(f->breakers, &service, &breaker), "breakers");
	assert_int_equal(breaker.tripped, FIXTURE_GENERATION);
}

#define IN_FIXTURE(test) cmocka_unit_test_setup_teardown(test, set_up, fixture_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FIXTURE(test_refused),
		IN_FIXTURE(test_goes_on),
		IN_FIXTURE(test_once),
		IN_FIXTURE(test_not_rescued),
		IN_FIXTURE(test_nothing_to_replay),
		IN_FIXTURE(test_unanswered),
		IN_FIXTURE(test_unanswered_and_swept),
		IN_FIXTURE(test_unanswered_not_rescued),
		IN_FIXTURE(test_unreachable),
		IN_FIXTURE(test_breaker_hears_of_it),
	};

	return cmocka_run_group_tests_name("rescue", tests, NULL, NULL);
}

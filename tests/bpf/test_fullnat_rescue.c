/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rescue in modes fullnat and dsr: the canary's refusal leaves as the client's SYN for the baseline, with a source of its
 * own there, byte for byte but for its data; a SYN that comes again goes there, in dsr only where the canary takes no
 * connection at all. Where there is no room for the SYN the client is refused, and nothing has moved.
 */
#include "tests/bpf/fixture_fullnat.h"

#include "split.skel.h"
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <net/if.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define GET "GET / HTTP/1.1\r\n\r\n"
#define META 216 /* bytes in front of the packet: they leave no room for a longer one */
#define SECOND 1000000000ULL

static int set_up(void **state)
{
	fullnat_set_up(state);
	for (int service = TCP4; service <= TCP6; service++) {
		fixture_set_rescue(*state, service, true);
		fixture_set_split(*state, service, FIXTURE_WHOLE, FIXTURE_GENERATION);
	}
	return 0;
}

static int set_up_dsr(void **state)
{
	set_up(state);
	for (int service = TCP4; service <= TCP6; service++)
		fullnat_set_mode(*state, service, CANARY_MODE_DSR);
	return 0;
}

static void refusal(uint16_t canary, uint32_t client, struct canary_endpoint source, uint32_t ack, struct packet_bytes *ret)
{
	struct packet_spec reset = fixture_response(canary, client, RST | ACK, 0, ack, "");

	reset.destination = source;
	packet_build(&reset, ret);
}

/* `packet` is `syn` after one hop, without its data, from a source for the baseline's backend, which is returned. */
static uint16_t expect_syn(const struct packet_bytes *packet, struct packet_spec syn, struct canary_endpoint *ret_source)
{
	uint16_t service = syn.destination.addr[0] ? TCP6 : TCP4, check;
	struct packet_bytes expected;

	*ret_source = syn.source = fullnat_endpoint(packet, true);
	syn.payload_len = 0;
	for (uint16_t backend = service * 4; backend < service * 4 + 2; backend++) {
		syn.destination = fixture_backend(backend);
		packet_build(&syn, &expected);
		expected.data[expected.network + (expected.ipv6 ? 7 : 8)]--;
		if (!expected.ipv6) {
			check = packet_ip_checksum(&expected);
			memcpy(expected.data + expected.network + 10, &check, sizeof(check));
		}
		assert_int_equal(packet->len, expected.len);
		if (!memcmp(packet->data + expected.network, expected.data + expected.network,
			    expected.len - expected.network))
			return backend;
	}
	fail_msg("what came out is not the client's SYN for the baseline");
	return CANARY_NONE;
}

/* ---- refused -------------------------------------------------------------------------------------------------- */

/* Any length of options, with data and without, both families. */
static void test_refused(void **state)
{
	for (uint32_t i = 0; i < 2 * 11 * 2; i++) {
		struct packet_spec syn = fixture_request(i % 2 ? TCP6 : TCP4, i, SYN, 1000, i / 22 ? GET : "");
		struct canary_endpoint first, second;
		uint16_t canary, baseline;
		struct packet_bytes packet;

		syn.tcp_options_len = i / 2 % 11 * 4;
		canary = fullnat_expect_sent(*state, &syn, &first);
		assert_int_equal(canary / 2 % 2, 1);
		refusal(canary, i, first, 1001 + (i & 4 ? syn.payload_len : 0), &packet);
		assert_int_equal(fullnat_run(*state, "b0", &packet), XDP_TX);
		assert_int_equal(packet.data[5], 0xbb);
		baseline = expect_syn(&packet, syn, &second);
		assert_int_equal(fixture_backend_stats(*state, canary).rescued, fixture_backend_stats(*state, canary).refused);
		assert_true(fixture_backend_stats(*state, baseline).connections > 0);
	}
}

/* From there on it is the baseline's flow, and what comes to the source that the canary saw is nobody's. */
static void test_goes_on(void **state)
{
	for (int service = TCP4; service <= TCP6; service++) {
		struct packet_spec syn = fixture_request(service, 1, SYN, 1000, ""), spec;
		struct canary_endpoint first, second, third;
		struct canary_counters of_canary, of_baseline;
		uint16_t canary = fullnat_expect_sent(*state, &syn, &first), baseline;
		struct packet_bytes packet;

		refusal(canary, 1, first, 1001, &packet);
		fullnat_run(*state, "b0", &packet);
		baseline = expect_syn(&packet, syn, &second);
		spec = fixture_response(canary, 1, SYN | ACK, 9000, 1001, "");
		spec.destination = first;
		fullnat_expect_untouched(*state, "b0", &spec);
		fullnat_expect_answered(*state, baseline, 1, second, SYN | ACK, 5000, 1001, "");
		spec = fixture_request(service, 1, ACK, 1001, GET);
		assert_int_equal(fullnat_expect_sent(*state, &spec, &third), baseline);
		assert_memory_equal(&third, &second, sizeof(third));
		of_canary = fixture_version_stats(*state, canary / 2, true);
		of_baseline = fixture_version_stats(*state, baseline / 2, true);
		assert_int_equal(of_canary.connections + of_canary.refused + of_canary.rescued, 3);
		assert_int_equal(of_canary.established + of_canary.requests, 0);
		assert_int_equal(of_baseline.connections + of_baseline.established + of_baseline.requests, 3);
		assert_int_equal(of_baseline.request_packets, 2);
		assert_int_equal(of_baseline.refused + of_baseline.rescued, 0);
	}
}

static unsigned count_sources(const struct fixture *f)
{
	struct canary_reply_key key, next;
	unsigned count = 0;

	for (int r = bpf_map_get_next_key(f->replies, NULL, &next); !r; r = bpf_map_get_next_key(f->replies, &key, &next)) {
		key = next;
		count++;
	}
	return count;
}

/* As fullnat_run() on b0, with no room in front of the packet. Returns -1 where the kernel lets nobody have so little. */
static int run_cramped(const struct fixture *f, struct packet_bytes *packet)
{
	uint8_t in[META + PACKET_MAX] = { 0 }, out[META + PACKET_MAX];
	struct xdp_md ctx = { .data = META, .data_end = META + packet->len, .ingress_ifindex = if_nametoindex("b0") };
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = in, .data_size_in = META + packet->len, .data_out = out,
		    .data_size_out = sizeof(out), .repeat = 1, .ctx_in = &ctx, .ctx_size_in = sizeof(ctx));
	int r;

	memcpy(in + META, packet->data, packet->len);
	r = bpf_prog_test_run_opts(bpf_program__fd(f->split->progs.canary_split), &options);
	if (r == -EINVAL)
		return -1;
	fixture_must(r, "BPF_PROG_TEST_RUN");
	assert_int_equal(options.data_size_out, META + packet->len);
	memcpy(packet->data, out + META, packet->len);
	return options.retval;
}

/* The client is refused, by the VIP; flow and sources are as if there were no rescue. */
static void test_no_room(void **state)
{
	for (int service = TCP4; service <= TCP6; service++) {
		struct packet_spec syn = fixture_request(service, 1, SYN, 1000, "");
		struct canary_endpoint source, from, vip = fixture_vip(service);
		struct packet_bytes before, after;
		struct canary_flow flow;
		uint16_t canary;
		int verdict;

		syn.tcp_options_len = 20;
		canary = fullnat_expect_sent(*state, &syn, &source);
		refusal(canary, 1, source, 1001, &before);
		after = before;
		verdict = run_cramped(*state, &after);
		if (verdict < 0)
			skip();
		assert_int_equal(verdict, XDP_REDIRECT);
		fullnat_expect_routed(&before, &after, 0xcc);
		from = fullnat_endpoint(&after, true);
		assert_memory_equal(&from, &vip, sizeof(vip));
		assert_true(fixture_flow(*state, service, 1, &flow));
		assert_int_equal(flow.backend, canary);
		assert_int_equal(flow.source_port, source.port);
		assert_int_equal(count_sources(*state), service + 1);
		assert_int_equal(fixture_version_stats(*state, canary / 2, true).refused, 1);
		assert_int_equal(fixture_version_stats(*state, canary / 2, true).rescued, 0);
		assert_int_equal(fixture_version_stats(*state, service * 2, true).connections, 0);
	}
}

/* A baseline without backends, and a service that wants no rescue: the client is told, once. */
static void test_not_rescued(void **state)
{
	struct canary_endpoint source;
	struct packet_spec syn = fixture_request(TCP4, 1, SYN, 1000, "");
	uint16_t canary;

	fixture_set_rescue(*state, TCP4, false);
	canary = fullnat_expect_sent(*state, &syn, &source);
	fullnat_expect_answered(*state, canary, 1, source, RST | ACK, 0, 1001, "");
	fixture_set_rescue(*state, TCP4, true);
	fixture_set_maglev(*state, TCP4 * 2, false);
	syn = fixture_request(TCP4, 2, SYN, 1000, "");
	canary = fullnat_expect_sent(*state, &syn, &source);
	fullnat_expect_answered(*state, canary, 2, source, RST | ACK, 0, 1001, "");
	assert_int_equal(fixture_version_stats(*state, canary / 2, true).refused, 2);
	assert_int_equal(fixture_version_stats(*state, canary / 2, true).rescued, 0);
}

/* ---- unanswered ----------------------------------------------------------------------------------------------- */

static void test_unanswered(void **state)
{
	for (int service = TCP4; service <= TCP6; service++) {
		struct packet_spec syn = fixture_request(service, 1, SYN, 1000, ""), spec;
		struct canary_counters of_canary, of_baseline;
		struct canary_endpoint first, second;
		uint16_t canary = fullnat_expect_sent(*state, &syn, &first), baseline;

		fixture_age(*state, service, 1, SECOND);
		baseline = fullnat_expect_sent(*state, &syn, &second);
		assert_int_equal(baseline / 2, service * 2);
		spec = fixture_response(canary, 1, SYN | ACK, 9000, 1001, "");
		spec.destination = first;
		fullnat_expect_untouched(*state, "b0", &spec);
		fullnat_expect_answered(*state, baseline, 1, second, SYN | ACK, 5000, 1001, "");
		of_canary = fixture_version_stats(*state, canary / 2, true);
		of_baseline = fixture_version_stats(*state, baseline / 2, true);
		assert_int_equal(of_canary.connections + of_canary.syn_timeout + of_canary.rescued, 3);
		assert_int_equal(of_baseline.connections + of_baseline.established, 2);
		assert_int_equal(of_baseline.request_packets, 1);
		assert_int_equal(of_baseline.request_retransmits, 0);
	}
}

/* That nobody gets its SYN the client is not told: it sends it again, and the baseline does. */
static void test_unreachable(void **state)
{
	for (int service = TCP4; service <= TCP6; service++) {
		struct packet_spec syn = fixture_request(service, 1, SYN, 1000, "");
		struct canary_endpoint source;
		uint16_t canary = fullnat_expect_sent(*state, &syn, &source);
		struct packet_error_spec error = {
			.type = service == TCP4 ? 3 : 1, .code = service == TCP4 ? 1 : 3, .about = syn, .destination = source,
		};
		struct packet_bytes packet;

		error.about.source = source;
		error.source = error.about.destination = fixture_backend(canary);
		packet_build_error(&error, &packet);
		assert_int_equal(fullnat_run(*state, "b0", &packet), XDP_DROP);
		fixture_age(*state, service, 1, SECOND);
		assert_int_equal(fullnat_expect_sent(*state, &syn, &source) / 2, service * 2);
		assert_int_equal(fixture_version_stats(*state, canary / 2, true).refused, 1);
		assert_int_equal(fixture_version_stats(*state, canary / 2, true).rescued, 1);
		assert_int_equal(fixture_version_stats(*state, canary / 2, true).syn_timeout, 0);
	}
}

/* ---- dsr ------------------------------------------------------------------------------------------------------ */

/* A client's packet in its tunnel. Returns the version it goes to. */
static uint16_t send_in_tunnel(const struct fixture *f, enum fixture_service service, uint32_t client, uint8_t flags,
			       uint32_t ack)
{
	struct packet_spec spec = fixture_request(service, client, flags, flags & SYN ? 1000 : 1001, "");
	struct packet_bytes packet;
	struct canary_flow flow;

	spec.ack = ack;
	packet_build(&spec, &packet);
	assert_int_equal(fullnat_run(f, "c0", &packet), XDP_REDIRECT);
	assert_true(fixture_flow(f, service, client, &flow));
	return flow.version;
}

/* As if nobody had been heard of since so long ago. */
static void age_answers(const struct fixture *f, uint64_t ns)
{
	struct {
		uint64_t answered_ns, syns;
	} silence;

	for (uint32_t i = 0; i < FIXTURE_BACKENDS; i++) {
		fixture_must(bpf_map_lookup_elem(f->silences, &i, &silence), "silences");
		silence.answered_ns = silence.answered_ns > ns ? silence.answered_ns - ns : 0;
		fixture_must(bpf_map_update_elem(f->silences, &i, &silence, BPF_ANY), "silences");
	}
}

#define CLIENTS 16 /* some for each of the canary's two backends */

/* A canary that takes no connection of many. */
static void test_dsr_silent(void **state)
{
	for (int service = TCP4; service <= TCP6; service++) {
		struct canary_counters of_canary, of_baseline;
		uint16_t canary = service * 2 + 1;

		for (uint32_t client = 0; client < CLIENTS; client++)
			assert_int_equal(send_in_tunnel(*state, service, client, SYN, 0), canary);
		for (uint32_t client = 0; client < CLIENTS; client++) {
			fixture_age(*state, service, client, SECOND);
			assert_int_equal(send_in_tunnel(*state, service, client, SYN, 0), service * 2);
			assert_int_equal(send_in_tunnel(*state, service, client, ACK, 5001), service * 2);
		}
		of_canary = fixture_version_stats(*state, canary, true);
		of_baseline = fixture_version_stats(*state, service * 2, true);
		assert_int_equal(of_canary.connections, CLIENTS);
		assert_int_equal(of_canary.syn_timeout, CLIENTS);
		assert_int_equal(of_canary.rescued, CLIENTS);
		assert_int_equal(of_canary.request_packets, CLIENTS);
		assert_int_equal(of_baseline.connections, CLIENTS);
		assert_int_equal(of_baseline.established, CLIENTS);
		assert_int_equal(of_baseline.request_packets, CLIENTS * 2);
		assert_int_equal(of_baseline.request_retransmits + of_canary.request_retransmits, 0);
	}
}

/* Where it takes others, or nobody has asked enough, an answer was lost: a second one would cost the connection. */
static void test_dsr_lost_answer(void **state)
{
	uint16_t canary = TCP4 * 2 + 1;

	assert_int_equal(send_in_tunnel(*state, TCP4, 0, SYN, 0), canary);
	fixture_age(*state, TCP4, 0, SECOND);
	assert_int_equal(send_in_tunnel(*state, TCP4, 0, SYN, 0), canary); /* the only one who asks */
	for (uint32_t client = 1; client < CLIENTS; client++)
		assert_int_equal(send_in_tunnel(*state, TCP4, client, SYN, 0), canary);
	for (uint32_t client = 1; client < CLIENTS; client++)
		send_in_tunnel(*state, TCP4, client, ACK, 5001);
	for (uint32_t client = CLIENTS; client < CLIENTS * 3; client++)
		send_in_tunnel(*state, TCP4, client, SYN, 0);
	fixture_age(*state, TCP4, 0, SECOND);
	assert_int_equal(send_in_tunnel(*state, TCP4, 0, SYN, 0), canary);
	assert_int_equal(fixture_version_stats(*state, canary, true).rescued, 0);
	age_answers(*state, SECOND); /* and then it falls silent */
	assert_int_equal(send_in_tunnel(*state, TCP4, 0, SYN, 0), TCP4 * 2);
	assert_int_equal(send_in_tunnel(*state, TCP4, 1, SYN, 0), canary); /* it was answered */
}

#define IN_FIXTURE(test) cmocka_unit_test_setup_teardown(test, set_up, fixture_tear_down)
#define IN_TUNNELS(test) cmocka_unit_test_setup_teardown(test, set_up_dsr, fixture_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FIXTURE(test_refused),    IN_FIXTURE(test_goes_on),     IN_FIXTURE(test_no_room),
		IN_FIXTURE(test_not_rescued), IN_FIXTURE(test_unanswered), IN_FIXTURE(test_unreachable),
		IN_TUNNELS(test_dsr_silent), IN_TUNNELS(test_dsr_lost_answer),
	};

	return cmocka_run_group_tests_name("fullnat_rescue", tests, fullnat_network_set_up, NULL);
}

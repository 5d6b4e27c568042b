/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Mode dsr, where the way to a backend takes less than a client sends: the client hears of it, whoever knows it. The
 * kernel's routes do; and routers behind them, which complain about the tunnel to the node.
 */
#include "tests/bpf/fixture_dsr.h"

#include "split.skel.h"
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define CLIENT 5
#define OVERHEAD(ipv6) ((ipv6) ? 40 : 20)
#define QUOTE_ALL 0

/* A packet of so many bytes from the IP header on. */
static void build_request(enum fixture_service service, uint32_t client, size_t length, struct packet_bytes *packet)
{
	static const char payload[1460];
	struct packet_spec spec = fixture_request(service, client, ACK, 1001, "");
	bool ipv6 = service & 1;
	uint8_t *ip;

	spec.payload = payload;
	spec.payload_len = length - (ipv6 ? 60 : 40);
	packet_build(&spec, packet);
	if (ipv6)
		return;
	ip = packet->data + packet->network;
	ip[6] |= 0x40;
	ip[10] = ip[11] = 0;
	memcpy(ip + 10, &(uint16_t){ packet_ip_checksum(packet) }, 2);
}

/* An error about `request`, as a client's stack takes it: from the VIP, and with the beginning of what it has sent. */
static void expect_error(const struct packet_bytes *request, const struct packet_bytes *after, size_t mtu, int hops)
{
	struct packet_bytes error = *after;
	bool ipv6 = request->ipv6;
	size_t address = ipv6 ? 16 : 4, source = request->network + (ipv6 ? 8 : 12), icmp = request->network + (ipv6 ? 40 : 20);
	const uint8_t *sent = request->data + request->network, *quote = after->data + icmp + 8;

	error.ipv6 = ipv6;
	error.network = request->network;
	error.transport = icmp;
	assert_memory_equal(after->data + source, request->data + source + address, address);
	assert_memory_equal(after->data + source + address, request->data + source, address);
	assert_int_equal(after->data[icmp], ipv6 ? 2 : 3);
	assert_int_equal(after->data[icmp + 1], ipv6 ? 0 : 4);
	assert_int_equal(dsr_be16(after->data + icmp + 6), mtu);
	assert_memory_equal(after->data + icmp + 2, &(uint16_t){ packet_icmp_checksum(&error) }, 2);
	assert_true(ipv6 || packet_ip_checksum(&error) == *(uint16_t *)(after->data + request->network + 10));
	assert_int_equal(quote[ipv6 ? 7 : 8], sent[ipv6 ? 7 : 8] - hops);
	assert_memory_equal(quote + (ipv6 ? 8 : 12), sent + (ipv6 ? 8 : 12), (ipv6 ? 32 : 8) + 16);
}

/* The client is told so; 0: it is sent. */
static void expect_told(const struct fixture *f, enum fixture_service service, uint32_t client, size_t length, size_t mtu)
{
	struct packet_bytes before, after;

	build_request(service, client, length, &before);
	after = before;
	if (!mtu) {
		assert_int_equal(fullnat_run(f, "c0", &after), XDP_REDIRECT);
		return;
	}
	assert_int_equal(fullnat_run(f, "c0", &after), XDP_TX);
	expect_error(&before, &after, mtu, 0);
}

static void test_route(void **state)
{
	fullnat_command("ip link set b0 mtu 1400");
	expect_told(*state, TCP4, CLIENT, 1380, 0);
	expect_told(*state, TCP4, CLIENT, 1381, 1380);
	expect_told(*state, TCP6, CLIENT, 1360, 0);
	expect_told(*state, TCP6, CLIENT, 1361, 1360);
	fullnat_command("ip link set b0 mtu 1300");
	expect_told(*state, TCP6, CLIENT, 1261, 1280); /* less is no answer */
	assert_int_equal(fixture_reasons(*state).too_big, 3);
	fullnat_command("ip link set b0 mtu 1500");
}

/* ---- routers -------------------------------------------------------------------------------------------------- */

/* Opens the client's flow, and sends a large packet; that in its tunnel is written. Returns the backend. */
static uint16_t send_large(const struct fixture *f, enum fixture_service service, uint32_t client,
			   struct packet_bytes *ret_tunnel)
{
	struct packet_spec spec = fixture_request(service, client, SYN, 1000, "");
	uint16_t backend = dsr_expect_sent(f, &spec);

	build_request(service, client, 1440, ret_tunnel);
	assert_int_equal(fullnat_run(f, "c0", ret_tunnel), XDP_REDIRECT);
	return backend;
}

/* What a router says about that, to where the tunnel begins. */
static struct packet_error_spec router_says(bool ipv6, uint32_t mtu, size_t quote_len)
{
	struct packet_error_spec spec = {
		.source = packet_endpoint(ipv6 ? "[fd00::ffff]:1" : "10.0.1.1:1", 0),
		.destination = packet_endpoint(ipv6 ? "[fd00:9::1]:1" : "10.9.0.1:1", 0),
		.type = ipv6 ? 2 : 3,
		.code = ipv6 ? 0 : 4,
		.rest = mtu,
		.quote_len = quote_len,
	};

	return spec;
}

/* What is known of ways is as old as can be. */
static void age_paths(const struct fixture *f)
{
	struct canary_source to;

	for (void *last = NULL; !bpf_map_get_next_key(f->tunnel_paths, last, &to); last = &to) {
		struct canary_tunnel_path path;

		fixture_must(bpf_map_lookup_elem(f->tunnel_paths, &to, &path), "tunnel_paths");
		path.told_ns -= path.told_ns ? 600000000001ULL : 0;
		fixture_must(bpf_map_update_elem(f->tunnel_paths, &to, &path, BPF_EXIST), "tunnel_paths");
	}
}

static void forget_paths(const struct fixture *f)
{
	struct canary_source to;

	while (!bpf_map_get_next_key(f->tunnel_paths, NULL, &to))
		fixture_must(bpf_map_delete_elem(f->tunnel_paths, &to), "tunnel_paths");
}

/* An error that is no more than heard. */
static void expect_passed(const struct fixture *f, const struct packet_error_spec *spec, const struct packet_bytes *about)
{
	struct packet_bytes before, after;
	uint64_t counted = fixture_reasons(f).tunnel_error;

	packet_build_error_about(spec, about, &before);
	after = before;
	assert_int_equal(fullnat_run(f, "b0", &after), XDP_PASS);
	assert_int_equal(after.len, before.len);
	assert_memory_equal(after.data, before.data, before.len);
	assert_int_equal(fixture_reasons(f).tunnel_error, counted + 1);
}

/* Linux quotes up to 576 bytes in IPv4, 1,280 in IPv6; others no more than has to be there. */
static void test_quoted(void **state)
{
	static const size_t quotes[][3] = { { 548, 20 + 20 + 16, QUOTE_ALL }, { 1232, 40 + 40 + 16, QUOTE_ALL } };

	for (int service = TCP4; service <= TCP6; service++)
		for (int i = 0; i < 3; i++) {
			struct packet_error_spec spec = router_says(service, 1400, quotes[service][i]);
			struct packet_bytes tunnel, request, after;
			uint16_t backend = send_large(*state, service, CLIENT + i, &tunnel);
			uint64_t counted = fixture_version_stats(*state, backend / 2, true).icmp_errors;

			build_request(service, CLIENT + i, 1440, &request);
			packet_build_error_about(&spec, &tunnel, &after);
			assert_int_equal(fullnat_run(*state, "b0", &after), XDP_REDIRECT);
			assert_int_equal(after.data[5], 0xcc);
			expect_error(&request, &after, 1400 - OVERHEAD(service), 1);
			assert_int_equal(fixture_version_stats(*state, backend / 2, true).icmp_errors, counted + 1);
			forget_paths(*state);
		}
	assert_int_equal(fixture_reasons(*state).tunnel_error, 0);
}

/* Another client than `client`, whose flow goes to this backend, or to another than this one. */
static uint32_t other_client(const struct fixture *f, enum fixture_service service, uint16_t backend, bool same)
{
	for (uint32_t client = CLIENT + 1; client < CLIENT + 100; client++) {
		struct packet_spec spec = fixture_request(service, client, SYN, 1000, "");

		if ((dsr_expect_sent(f, &spec) == backend) == same)
			return client;
	}
	fail_msg("no such client");
	return 0;
}

/* Eight bytes behind the tunnel's header say nothing of a client: who sends too much next hears of it, for that backend. */
static void test_remembered(void **state)
{
	for (int service = TCP4; service <= TCP6; service++) {
		struct packet_error_spec spec = router_says(service, 1400, OVERHEAD(service) + 8);
		struct packet_bytes tunnel;
		uint16_t backend = send_large(*state, service, CLIENT, &tunnel);
		uint32_t same = other_client(*state, service, backend, true), other = other_client(*state, service, backend, false);
		size_t left = 1400 - OVERHEAD(service);

		expect_passed(*state, &spec, &tunnel);
		expect_told(*state, service, CLIENT, left + 1, left);
		expect_told(*state, service, same, left + 1, left);
		expect_told(*state, service, CLIENT, left, 0);
		expect_told(*state, service, other, left + 1, 0);
		spec.rest = 1450; /* older than what is known */
		expect_passed(*state, &spec, &tunnel);
		expect_told(*state, service, CLIENT, left + 1, left);
		spec.rest = 1390;
		expect_passed(*state, &spec, &tunnel);
		expect_told(*state, service, CLIENT, left, left - 10);
		age_paths(*state);
		expect_told(*state, service, CLIENT, left + 1, 0);
		spec.rest = 1450;
		expect_passed(*state, &spec, &tunnel);
		expect_told(*state, service, CLIENT, left, 0);
	}
}

/* Nobody's word makes the way narrower than ways are. */
static void test_least(void **state)
{
	for (int service = TCP4; service <= TCP6; service++) {
		struct packet_error_spec spec = router_says(service, 1, OVERHEAD(service) + 8);
		struct packet_bytes tunnel;

		send_large(*state, service, CLIENT, &tunnel);
		expect_passed(*state, &spec, &tunnel);
		expect_told(*state, service, CLIENT, 1300, service == TCP6 ? 1280 : 552 - 20);
	}
}

/* Another error, one to somebody else, one about a way nothing large was sent, one about a flow that is none. */
static void test_unheard(void **state)
{
	for (int service = TCP4; service <= TCP6; service++) {
		struct packet_error_spec unreachable = router_says(service, 1400, QUOTE_ALL), elsewhere = unreachable;
		struct packet_error_spec says = unreachable;
		struct packet_bytes tunnel;
		uint8_t *port;

		send_large(*state, service, CLIENT, &tunnel);
		unreachable.type = service == TCP6 ? 1 : 3;
		unreachable.code = 1;
		expect_passed(*state, &unreachable, &tunnel);
		elsewhere.destination = packet_endpoint(service ? "[fd00:9::2]:1" : "10.9.0.2:1", 0);
		expect_passed(*state, &elsewhere, &tunnel);
		expect_told(*state, service, CLIENT, 1440, 0);
		forget_paths(*state);
		expect_passed(*state, &says, &tunnel);
		expect_told(*state, service, CLIENT, 1440, 0);
		port = tunnel.data + tunnel.network + OVERHEAD(service) + (service ? 40 : 20) + 2;
		*port ^= 1; /* of the VIP */
		expect_passed(*state, &says, &tunnel);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_route, dsr_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_quoted, dsr_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_remembered, dsr_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_least, dsr_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_unheard, dsr_set_up, fixture_tear_down),
	};

	return cmocka_run_group_tests(tests, fullnat_network_set_up, NULL);
}

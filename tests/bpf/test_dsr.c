/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Mode dsr packet by packet: what comes out is the client's packet, a hop older, behind a header of its own that takes it
 * to the backend. Only the client's side is seen, and what it acknowledges says what the server did.
 */
#include "tests/bpf/fixture_fullnat.h"

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

static int set_up(void **state)
{
	int r = fullnat_set_up(state);

	for (int service = 0; !r && service < FIXTURE_SERVICES; service++)
		fullnat_set_mode(*state, service, CANARY_MODE_DSR);
	return r;
}

/* ---- the tunnel ----------------------------------------------------------------------------------------------- */

static uint16_t be16(const uint8_t *bytes)
{
	return bytes[0] << 8 | bytes[1];
}

static uint16_t ones_sum(const uint8_t *bytes, size_t len)
{
	uint32_t sum = 0;

	for (size_t i = 0; i + 1 < len; i += 2)
		sum += be16(bytes + i);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* IPv4 in IPv4, from the tunnel's source. Returns where to. */
static struct canary_endpoint expect_ipv4_header(const uint8_t *ip, size_t len)
{
	static const uint8_t start[] = { 0x45, 0x48 };
	struct canary_endpoint to = { .addr = { 0, 0, htonl(0xffff) } };
	struct in_addr source;

	inet_pton(AF_INET, "10.9.0.1", &source);
	assert_memory_equal(ip, start, sizeof(start));
	assert_int_equal(be16(ip + 2), len);
	assert_int_equal(be16(ip + 6), 0x4000);
	assert_int_equal(ip[8], 64);
	assert_int_equal(ip[9], IPPROTO_IPIP);
	assert_int_equal(ones_sum(ip, 20), 0xffff);
	assert_memory_equal(ip + 12, &source, sizeof(source));
	memcpy(&to.addr[3], ip + 16, 4);
	return to;
}

static struct canary_endpoint expect_ipv6_header(const uint8_t *ip, size_t len)
{
	struct canary_endpoint to = {};
	struct in6_addr source;

	inet_pton(AF_INET6, "fd00:9::1", &source);
	assert_int_equal(be16(ip) >> 4, 0x648);
	assert_int_equal(be16(ip + 4), len - 40);
	assert_int_equal(ip[6], IPPROTO_IPV6);
	assert_int_equal(ip[7], 64);
	assert_memory_equal(ip + 8, &source, sizeof(source));
	memcpy(to.addr, ip + 24, 16);
	return to;
}

/* Sets the class of service, so that it is seen whether the tunnel has it, too. */
static void set_class(struct packet_bytes *packet)
{
	uint8_t *ip = packet->data + packet->network;

	if (packet->ipv6) {
		ip[0] = 0x64;
		ip[1] = 0x80 | (ip[1] & 0x0f);
		return;
	}
	ip[1] = 0x48;
	ip[10] = ip[11] = 0;
	memcpy(ip + 10, &(uint16_t){ packet_ip_checksum(packet) }, 2);
}

/* The packet without the tunnel, in `inner`. Returns the address of the backend. */
static struct canary_endpoint expect_in_tunnel(const struct packet_bytes *before, const struct packet_bytes *after,
					       uint8_t mac, struct packet_bytes *inner)
{
	size_t overhead = before->ipv6 ? 40 : 20, ip = before->network;
	struct canary_endpoint to;

	assert_int_equal(after->len, before->len + overhead);
	to = before->ipv6 ? expect_ipv6_header(after->data + ip, after->len - ip) :
			    expect_ipv4_header(after->data + ip, after->len - ip);
	*inner = *before;
	memcpy(inner->data, after->data, ip);
	memcpy(inner->data + ip, after->data + ip + overhead, before->len - ip);
	assert_memory_equal(inner->data + 12, before->data + 12, ip - 12);
	if (before->protocol == IPPROTO_TCP || before->protocol == IPPROTO_UDP)
		fullnat_expect_routed(before, inner, mac);
	assert_memory_equal(inner->data + ip + 12, before->data + ip + 12, before->len - ip - 12);
	return to;
}

static uint16_t backend_at(const struct canary_endpoint *to)
{
	for (uint16_t i = 0; i < FIXTURE_BACKENDS; i++) {
		struct canary_endpoint backend = fixture_backend(i);

		if (!memcmp(backend.addr, to->addr, sizeof(to->addr)))
			return i;
	}
	fail_msg("sent to nobody's address");
	return CANARY_NONE;
}

/* Sends a request, and returns the backend it was sent to. */
static uint16_t expect_sent(const struct fixture *f, const struct packet_spec *spec)
{
	struct packet_bytes before, after, inner;
	struct canary_endpoint to;

	packet_build(spec, &before);
	set_class(&before);
	after = before;
	assert_int_equal(fullnat_run(f, "c0", &after), XDP_REDIRECT);
	to = expect_in_tunnel(&before, &after, 0xbb, &inner);
	return backend_at(&to);
}

static void test_packets(void **state)
{
	for (int service = 0; service < FIXTURE_SERVICES; service++) {
		bool tcp = fixture_protocol(service) == IPPROTO_TCP;
		unsigned versions[2] = {};

		for (uint32_t client = 0; client < SPLITS; client++) {
			struct packet_spec spec = fixture_request(service, client, SYN, 1000, tcp ? "" : GET);
			uint16_t backend = expect_sent(*state, &spec);

			assert_int_equal(backend / 4, service);
			versions[backend / 2 & 1]++;
			spec = fixture_request(service, client, ACK, 1001, GET);
			assert_int_equal(expect_sent(*state, &spec), backend);
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
		set_class(&before);
		after = before;
		assert_int_equal(fullnat_run(*state, "c0", &after), XDP_TX);
		expect_in_tunnel(&before, &after, 0xcc, &inner);
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
	assert_int_equal(be16(after.data + after.network + 2), before.len - 6 - before.network + 20);
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
		uint16_t backend = expect_sent(*state, &spec);
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
		set_class(&before);
		after = before;
		assert_int_equal(fullnat_run(*state, "c0", &after), XDP_REDIRECT);
		to = expect_in_tunnel(&before, &after, 0xbb, &inner);
		assert_int_equal(backend_at(&to), backend);
		assert_int_equal(fixture_version_stats(*state, backend / 2, true).icmp_errors, 1);
	}
}

/* A router complains about a tunnel to the node: it is counted, and the stack hears of it. */
static void test_errors_about_tunnels(void **state)
{
	for (int service = TCP4; service <= TCP6; service++) {
		struct packet_error_spec error = {
			.about = fixture_request(service, 7, ACK, 5001, GET),
			.type = service == TCP4 ? 3 : 1,
		};
		struct packet_bytes before, after;

		error.source = error.about.destination;
		error.destination = error.about.source;
		packet_build_error(&error, &before);
		before.data[before.payload + (before.ipv6 ? 6 : 9)] = before.ipv6 ? IPPROTO_IPV6 : IPPROTO_IPIP;
		after = before;
		assert_int_equal(fullnat_run(*state, "c0", &after), XDP_PASS);
		assert_int_equal(after.len, before.len);
		assert_memory_equal(after.data, before.data, before.len);
		assert_int_equal(fixture_reasons(*state).tunnel_error, service + 1);
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
			backend = expect_sent(*state, &spec);
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
	uint16_t backend = expect_sent(*state, &spec);

	fixture_set_timeouts(*state, TCP4, 1, 1, 1);
	fixture_sweep(*state);
	assert_int_equal(fixture_version_stats(*state, backend / 2, true).syn_timeout, 1);
	spec = fixture_request(TCP4, 8, SYN, 1000, "");
	backend = expect_sent(*state, &spec);
	spec = fixture_request(TCP4, 8, ACK, 1001, GET);
	spec.ack = 5001;
	expect_sent(*state, &spec);
	spec = fixture_request(TCP4, 8, FIN | ACK, 1001 + sizeof(GET) - 1, "");
	spec.ack = 5002;
	expect_sent(*state, &spec);
	assert_int_equal(fixture_version_stats(*state, backend / 2, true).empty_close, 1);
}

/* Datagrams have no turns: that nobody acknowledges them is no failure. */
static void test_datagrams(void **state)
{
	struct packet_spec spec = fixture_request(UDP6, 7, 0, 0, GET);
	uint16_t backend = expect_sent(*state, &spec);
	struct canary_counters counted;

	assert_int_equal(expect_sent(*state, &spec), backend);
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

/* The client is told what is left of the way's MTU for its packet. */
static void expect_too_big(const struct fixture *f, enum fixture_service service, size_t payload_len, uint16_t mtu)
{
	static const char payload[1460];
	struct packet_spec spec = fixture_request(service, 5, ACK, 1001, "");
	struct packet_bytes before, after;
	uint8_t *ip;
	size_t icmp;

	spec.payload = payload;
	spec.payload_len = payload_len;
	packet_build(&spec, &before);
	ip = before.data + before.network;
	if (!before.ipv6) {
		ip[6] |= 0x40;
		ip[10] = ip[11] = 0;
		memcpy(ip + 10, &(uint16_t){ packet_ip_checksum(&before) }, 2);
	}
	after = before;
	if (!mtu) {
		assert_int_equal(fullnat_run(f, "c0", &after), XDP_REDIRECT);
		return;
	}
	assert_int_equal(fullnat_run(f, "c0", &after), XDP_TX);
	icmp = before.network + (before.ipv6 ? 40 : 20);
	assert_int_equal(after.data[icmp], before.ipv6 ? 2 : 3);
	assert_int_equal(be16(after.data + icmp + 6), mtu);
	assert_memory_equal(after.data + icmp + 8, ip, after.len - icmp - 8);
}

static void test_too_big(void **state)
{
	fullnat_command("ip link set b0 mtu 1400");
	expect_too_big(*state, TCP4, 1380 - 40, 0);
	expect_too_big(*state, TCP4, 1380 - 39, 1380);
	expect_too_big(*state, TCP6, 1360 - 60, 0);
	expect_too_big(*state, TCP6, 1360 - 59, 1360);
	fullnat_command("ip link set b0 mtu 1300");
	expect_too_big(*state, TCP6, 1261 - 60, 1280); /* less is no answer */
	assert_int_equal(fixture_reasons(*state).too_big, 3);
	fullnat_command("ip link set b0 mtu 1500");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_packets, set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_shapes, set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_padding, set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_flow_label, set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_errors_about_replies, set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_errors_about_tunnels, set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_counts, set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_failures, set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_datagrams, set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_untouched, set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_by_stack, set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_too_big, set_up, fixture_tear_down),
	};

	return cmocka_run_group_tests(tests, fullnat_network_set_up, NULL);
}

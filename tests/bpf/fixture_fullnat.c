/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/bpf/fixture_fullnat.h"

#include "split.skel.h"
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

const char *const fullnat_sources4[FULLNAT_SOURCES] = { "10.9.0.1:1", "10.9.0.2:1" };
static const char *const fullnat_sources6[FULLNAT_SOURCES] = { "[fd00:9::1]:1", "[fd00:9::2]:1" };

/* The node: clients behind c0, backends behind b0; their MACs are 02:…:cc and 02:…:bb. */
static const char *const network[] = {
	"ip link set lo up",
	"ip link add c0 type veth peer name c1",
	"ip link add b0 type veth peer name b1",
	"sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv6.conf.c0.accept_dad=0 "
	"net.ipv6.conf.b0.accept_dad=0",
	"ip link set c0 up; ip link set c1 up; ip link set b0 up; ip link set b1 up",
	"ip address add 10.0.1.254/24 dev b0; ip address add 192.0.2.254/24 dev c0",
	"ip address add fd00::fffe/64 dev b0 nodad; ip address add 2001:db8::fffe/64 dev c0 nodad",
	"ip neigh add 10.0.1.1 lladdr 02:00:00:00:00:bb dev b0; ip neigh add 192.0.2.1 lladdr 02:00:00:00:00:cc dev c0",
	"ip neigh add fd00::ffff lladdr 02:00:00:00:00:bb dev b0; ip neigh add 2001:db8::ffff lladdr 02:00:00:00:00:cc dev c0",
	"ip route add 10.0.0.0/24 via 10.0.1.1; ip route add 198.18.0.0/15 via 192.0.2.1",
	"ip route add fd00::/120 via fd00::ffff; ip -6 route add 2001:db8:1::/48 via 2001:db8::ffff",
};

void fullnat_command(const char *command)
{
	if (system(command) != 0)
		fail_msg("%s", command);
}

int fullnat_network_set_up(void **state)
{
	(void)state;
	if (unshare(CLONE_NEWNET))
		return -1;
	for (size_t i = 0; i < sizeof(network) / sizeof(*network); i++)
		fullnat_command(network[i]);
	return 0;
}

static void set_source(const struct fixture *f, uint32_t index, const char *text)
{
	struct canary_endpoint endpoint = packet_endpoint(text, IPPROTO_TCP);

	fixture_must(bpf_map_update_elem(f->sources, &index, endpoint.addr, BPF_ANY), "sources");
}

void fullnat_set(const struct fixture *f, enum fixture_service id, uint8_t count)
{
	struct canary_endpoint vip = fixture_vip(id);
	struct canary_service service;

	fixture_must(bpf_map_lookup_elem(f->services, &vip, &service), "services");
	service.mode = CANARY_MODE_FULLNAT;
	service.source_first = id & 1 ? FULLNAT_SOURCES : 0;
	service.source_count = count;
	fixture_must(bpf_map_update_elem(f->services, &vip, &service, BPF_ANY), "services");
}

void fullnat_set_mode(const struct fixture *f, enum fixture_service id, enum canary_mode mode)
{
	struct canary_endpoint vip = fixture_vip(id);
	struct canary_service service;

	fixture_must(bpf_map_lookup_elem(f->services, &vip, &service), "services");
	service.mode = mode;
	fixture_must(bpf_map_update_elem(f->services, &vip, &service, BPF_ANY), "services");
}

/* A table of zeros. */
void fullnat_use_one_backend(struct fixture *f)
{
	uint32_t baseline = TCP4 * 2, zero = 0;
	int inner = bpf_map_create(BPF_MAP_TYPE_ARRAY, "maglev_table", sizeof(zero), sizeof(canary_maglev), 1, NULL);

	assert_true(inner >= 0);
	fixture_must(bpf_map_update_elem(f->maglev, &baseline, &inner, BPF_ANY), "maglev");
	close(inner);
	fixture_set_split(f, TCP4, 0, FIXTURE_GENERATION);
}

static void configure(const struct fixture *f)
{
	struct canary_ports ports;
	uint32_t b0 = if_nametoindex("b0"), c0 = if_nametoindex("c0");

	for (uint32_t i = 0; i < FULLNAT_SOURCES; i++) {
		set_source(f, i, fullnat_sources4[i]);
		set_source(f, FULLNAT_SOURCES + i, fullnat_sources6[i]);
	}
	for (int service = 0; service < FIXTURE_SERVICES; service++)
		fullnat_set(f, service, FULLNAT_SOURCES);
	for (uint32_t i = CANARY_SOURCE_PORT_MIN / 64; i < 1024; i++) {
		fixture_must(bpf_map_lookup_elem(f->ports, &i, &ports), "ports");
		ports.source_tcp = ports.source_udp = ~0ULL;
		fixture_must(bpf_map_update_elem(f->ports, &i, &ports, BPF_ANY), "ports");
	}
	fixture_must(bpf_map_update_elem(bpf_map__fd(f->split->maps.outputs), &b0, &b0, BPF_ANY), "outputs");
	fixture_must(bpf_map_update_elem(bpf_map__fd(f->split->maps.outputs), &c0, &c0, BPF_ANY), "outputs");
}

int fullnat_set_up(void **state)
{
	fixture_set_up(state);
	configure(*state);
	return 0;
}

int fullnat_set_up_crowded_table(void **state)
{
	fixture_set_up_crowded_table(state);
	configure(*state);
	return 0;
}

/* Runs the packet as if it came in on the interface; `packet` is then what came out. Returns the verdict. */
uint32_t fullnat_run(const struct fixture *f, const char *interface, struct packet_bytes *packet)
{
	uint8_t out[PACKET_MAX];
	struct xdp_md ctx = { .data_end = packet->len, .ingress_ifindex = if_nametoindex(interface) };
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = packet->data, .data_size_in = packet->len, .data_out = out,
		    .data_size_out = sizeof(out), .repeat = 1, .ctx_in = &ctx, .ctx_size_in = sizeof(ctx));

	fixture_must(bpf_prog_test_run_opts(bpf_program__fd(f->split->progs.canary_split), &options), "BPF_PROG_TEST_RUN");
	memcpy(packet->data, out, options.data_size_out);
	packet->len = options.data_size_out;
	return options.retval;
}

bool fullnat_can_run(const struct fixture *f)
{
	uint8_t packet[64] = { 0 };
	struct xdp_md ctx = { .data_end = sizeof(packet), .ingress_ifindex = if_nametoindex("c0") };
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = packet, .data_size_in = sizeof(packet), .repeat = 1,
		    .ctx_in = &ctx, .ctx_size_in = sizeof(ctx));

	return bpf_prog_test_run_opts(bpf_program__fd(f->split->progs.canary_split), &options) != -EINVAL;
}

struct canary_endpoint fullnat_endpoint(const struct packet_bytes *packet, bool source)
{
	struct canary_endpoint endpoint = { .protocol = packet->protocol };

	if (packet->ipv6) {
		memcpy(endpoint.addr, packet->data + packet->network + (source ? 8 : 24), 16);
	} else {
		endpoint.addr[2] = htonl(0xffff);
		memcpy(&endpoint.addr[3], packet->data + packet->network + (source ? 12 : 16), 4);
	}
	memcpy(&endpoint.port, packet->data + packet->transport + (source ? 0 : 2), 2);
	return endpoint;
}

/* What a router leaves: a hop less, and MACs of its own and of the next. */
void fullnat_expect_routed(const struct packet_bytes *before, const struct packet_bytes *after, uint8_t mac)
{
	size_t ttl = after->network + (after->ipv6 ? 7 : 8);

	assert_int_equal(after->len, before->len);
	assert_int_equal(after->data[ttl], before->data[ttl] - 1);
	assert_int_equal(after->data[0], 2);
	assert_int_equal(after->data[5], mac);
	assert_true(packet_checksums_hold(after));
	assert_memory_equal(after->data + after->payload, before->data + before->payload, before->len - before->payload);
}

/* A request that is sent on; the flow's backend and source, as the backend sees them, are written. */
uint16_t fullnat_expect_sent(const struct fixture *f, const struct packet_spec *spec, struct canary_endpoint *ret_source)
{
	struct packet_bytes before, after;
	struct canary_endpoint to;

	packet_build(spec, &before);
	after = before;
	assert_int_equal(fullnat_run(f, "c0", &after), XDP_REDIRECT);
	fullnat_expect_routed(&before, &after, 0xbb);
	*ret_source = fullnat_endpoint(&after, true);
	to = fullnat_endpoint(&after, false);
	for (uint16_t i = 0; i < FIXTURE_BACKENDS; i++) {
		struct canary_endpoint backend = fixture_backend(i);

		if (!memcmp(&backend, &to, sizeof(to)))
			return i;
	}
	fail_msg("sent to nobody's address");
	return CANARY_NONE;
}

void fullnat_expect_answered(const struct fixture *f, uint16_t backend, uint32_t client, struct canary_endpoint source,
			    uint8_t flags, uint32_t seq, uint32_t ack, const char *payload)
{
	struct packet_spec spec = fixture_response(backend, client, flags, seq, ack, payload);
	struct packet_bytes before, after;
	struct canary_endpoint from, to;

	spec.destination = source;
	packet_build(&spec, &before);
	after = before;
	assert_int_equal(fullnat_run(f, "b0", &after), XDP_REDIRECT);
	fullnat_expect_routed(&before, &after, 0xcc);
	from = fixture_vip(backend / 4);
	to = fullnat_endpoint(&after, true);
	assert_memory_equal(&to, &from, sizeof(to));
	from = fixture_client(backend / 4, client);
	to = fullnat_endpoint(&after, false);
	assert_memory_equal(&to, &from, sizeof(to));
}

void fullnat_expect_untouched(const struct fixture *f, const char *interface, const struct packet_spec *spec)
{
	struct packet_bytes before, after;

	packet_build(spec, &before);
	after = before;
	assert_int_equal(fullnat_run(f, interface, &after), XDP_PASS);
	assert_int_equal(after.len, before.len);
	assert_memory_equal(after.data, before.data, before.len);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel programs with four services, two versions each and two backends a version. */
#include "tests/bpf/fixture.h"

#include "reply.skel.h"
#include "split.skel.h"
#include "sweep.skel.h"
#include "user/maglev.h"
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum table { TABLE_LARGE, TABLE_SMALL, TABLE_CROWDED };

static const uint32_t table_entries[] = { 65536, 1, 1024 };

/* ---- what is configured ------------------------------------------------------------------------------------- */

static bool is_ipv6(enum fixture_service service)
{
	return service == TCP6 || service == UDP6;
}

uint8_t fixture_protocol(enum fixture_service service)
{
	return service == TCP4 || service == TCP6 ? IPPROTO_TCP : IPPROTO_UDP;
}

struct canary_endpoint fixture_vip(enum fixture_service service)
{
	static const char *const texts[] = { "192.0.2.1:80", "[2001:db8::1]:80", "192.0.2.1:53", "[2001:db8::1]:53" };

	return packet_endpoint(texts[service], fixture_protocol(service));
}

struct canary_endpoint fixture_backend(uint16_t backend)
{
	enum fixture_service service = backend / 4;
	char text[64];

	snprintf(text, sizeof(text), is_ipv6(service) ? "[fd00::%x]:%u" : "10.0.0.%u:%u", backend + 1, 8000 + backend);
	return packet_endpoint(text, fixture_protocol(service));
}

struct canary_endpoint fixture_client(enum fixture_service service, uint32_t number)
{
	const char *base = is_ipv6(service) ? "[2001:db8:1::1]:1" : "198.18.0.1:1";

	return packet_client(packet_endpoint(base, fixture_protocol(service)), number);
}

struct canary_flow_key fixture_key(enum fixture_service service, uint32_t number)
{
	struct canary_endpoint client = fixture_client(service, number), vip = fixture_vip(service);
	struct canary_flow_key key = { .client_port = client.port, .vip_port = vip.port, .protocol = vip.protocol };

	memcpy(key.client, client.addr, sizeof(key.client));
	memcpy(key.vip, vip.addr, sizeof(key.vip));
	return key;
}

void fixture_must(int r, const char *what)
{
	if (r)
		fail_msg("%s: %s", what, strerror(r < 0 ? -r : r));
}

static void set_port_bit(const struct fixture *f, struct canary_endpoint endpoint, bool backend)
{
	uint32_t port = ntohs(endpoint.port), element = port / 64;
	struct canary_ports ports;
	__u64 *word;

	fixture_must(bpf_map_lookup_elem(f->ports, &element, &ports), "ports");
	if (endpoint.protocol == IPPROTO_TCP)
		word = backend ? &ports.backend_tcp : &ports.vip_tcp;
	else
		word = backend ? &ports.backend_udp : &ports.vip_udp;
	*word |= 1ULL << port % 64;
	fixture_must(bpf_map_update_elem(f->ports, &element, &ports, BPF_ANY), "ports");
}

void fixture_set_maglev(struct fixture *f, uint16_t version, bool usable)
{
	struct maglev_backend backends[2];
	uint32_t key = version, zero = 0;
	static canary_maglev table;
	int inner;

	for (int i = 0; i < 2; i++) {
		backends[i].index = version * 2 + i;
		backends[i].endpoint = fixture_backend(backends[i].index);
	}
	if (!usable) {
		fixture_must(bpf_map_delete_elem(f->maglev, &key), "maglev");
		return;
	}
	maglev_build(&table, backends, 2);
	inner = bpf_map_create(BPF_MAP_TYPE_ARRAY, "maglev_table", sizeof(zero), sizeof(table), 1, NULL);
	assert_true(inner >= 0);
	fixture_must(bpf_map_update_elem(inner, &zero, &table, BPF_ANY), "maglev table");
	fixture_must(bpf_map_update_elem(f->maglev, &key, &inner, BPF_ANY), "maglev");
	close(inner);
}

static void set_backend(struct fixture *f, uint16_t index)
{
	struct canary_backend backend = {
		.endpoint = fixture_backend(index), .version = index / 2, .service = index / 4, .in_use = 1,
	};
	struct canary_backend_address address = {
		.vip = fixture_vip(index / 4), .backend = index, .version = index / 2,
	};
	uint32_t key = index;

	fixture_must(bpf_map_update_elem(f->backends, &key, &backend, BPF_ANY), "backends");
	fixture_must(bpf_map_update_elem(f->backend_addresses, &backend.endpoint, &address, BPF_ANY), "backend_addresses");
	set_port_bit(f, backend.endpoint, true);
}

static void set_service(struct fixture *f, enum fixture_service id)
{
	struct canary_service service = { .id = id, .seed = 0x5eed + id };
	struct canary_endpoint vip = fixture_vip(id);

	memset(service.affinity_mask, 0xff, sizeof(service.affinity_mask));
	snprintf(service.name, sizeof(service.name), "service%d", id);
	fixture_must(bpf_map_update_elem(f->services, &vip, &service, BPF_ANY), "services");
	set_port_bit(f, vip, false);
	fixture_set_timeouts(f, id, 3000000000ULL, 5000000000ULL, 10000000000ULL);
	fixture_set_split(f, id, FIXTURE_HALF, FIXTURE_GENERATION);
}

static struct canary_split get_split(const struct fixture *f, uint32_t service)
{
	struct canary_split split;

	fixture_must(bpf_map_lookup_elem(f->splits, &service, &split), "splits");
	return split;
}

void fixture_set_split(struct fixture *f, enum fixture_service service, uint64_t threshold, uint32_t generation)
{
	struct canary_split split = get_split(f, service);
	struct canary_split_view *view = &split.view[!split.active];
	uint32_t key = service;

	view->epoch = split.view[split.active].epoch + 1;
	view->generation = generation;
	view->baseline = service * 2;
	view->canary = service * 2 + 1;
	view->canary_threshold = threshold;
	fixture_must(bpf_map_update_elem(f->splits, &key, &split, BPF_ANY), "splits");
	split.active = !split.active;
	fixture_must(bpf_map_update_elem(f->splits, &key, &split, BPF_ANY), "splits");
}

void fixture_set_cohorts(const struct fixture *f, enum fixture_service service, const struct canary_prefix *prefixes,
			 const struct canary_cohort *cohorts, size_t count)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_NO_PREALLOC);
	uint32_t key = service;
	int trie;

	if (!count) {
		fixture_must(bpf_map_delete_elem(f->cohorts, &key), "cohorts");
		return;
	}
	trie = bpf_map_create(BPF_MAP_TYPE_LPM_TRIE, "cohort_trie", sizeof(*prefixes), sizeof(*cohorts), count, &options);
	assert_true(trie >= 0);
	for (size_t i = 0; i < count; i++)
		fixture_must(bpf_map_update_elem(trie, &prefixes[i], &cohorts[i], BPF_ANY), "cohort trie");
	fixture_must(bpf_map_update_elem(f->cohorts, &key, &trie, BPF_ANY), "cohorts");
	close(trie);
}

void fixture_set_timeouts(struct fixture *f, enum fixture_service service, uint64_t syn_ns, uint64_t response_ns,
			  uint64_t udp_idle_ns)
{
	struct canary_split split = get_split(f, service);
	uint32_t key = service;

	split.syn_timeout_ns = syn_ns;
	split.response_timeout_ns = response_ns;
	split.udp_idle_ns = udp_idle_ns;
	fixture_must(bpf_map_update_elem(f->splits, &key, &split, BPF_ANY), "splits");
}

void fixture_set_control(struct fixture *f, uint32_t sweep_turn, uint32_t events_per_cpu)
{
	struct canary_control control = { .abi = CANARY_ABI, .sweep_turn = sweep_turn, .events_per_cpu = events_per_cpu };
	uint32_t zero = 0;

	fixture_must(bpf_map_update_elem(f->control, &zero, &control, BPF_ANY), "control");
}

/* ---- loading ------------------------------------------------------------------------------------------------ */

#define REUSE(f, skeleton, name) fixture_must(bpf_map__reuse_fd((skeleton)->maps.name, (f)->name), #name);

/* The programs of the reply and of the sweep are loaded by the test that needs them: verifying them takes a moment. */
static void load_reply(struct fixture *f)
{
	if (f->reply)
		return;
	f->reply = reply_bpf__open();
	assert_non_null(f->reply);
#define X(name) REUSE(f, f->reply, name)
	FIXTURE_MAPS(X)
#undef X
	fixture_must(reply_bpf__load(f->reply), "reply.bpf.o");
}

static void load_sweep(struct fixture *f)
{
	if (f->sweep)
		return;
	f->sweep = sweep_bpf__open();
	assert_non_null(f->sweep);
#define X(name) REUSE(f, f->sweep, name)
	FIXTURE_MAPS(X)
#undef X
	fixture_must(sweep_bpf__load(f->sweep), "sweep.bpf.o");
}

static void load(struct fixture *f, enum table table)
{
	f->split = split_bpf__open();
	assert_non_null(f->split);
	bpf_map__set_max_entries(f->split->maps.flows, table_entries[table]);
	bpf_map__set_max_entries(f->split->maps.half_open_replies, 2 << 16); /* all sources of an address, without evicting */
	if (table == TABLE_SMALL)
		bpf_map__set_type(f->split->maps.flows, BPF_MAP_TYPE_HASH);
	fixture_must(split_bpf__load(f->split), "split.bpf.o");
#define X(name) f->name = bpf_map__fd(f->split->maps.name);
	FIXTURE_MAPS(X)
#undef X
}

static int set_up(void **state, enum table table)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	*state = f;
	load(f, table);
	fixture_set_control(f, 0, 1000);
	for (uint16_t i = 0; i < FIXTURE_BACKENDS; i++)
		set_backend(f, i);
	for (uint16_t i = 0; i < FIXTURE_VERSIONS; i++)
		fixture_set_maglev(f, i, true);
	for (int i = 0; i < FIXTURE_SERVICES; i++)
		set_service(f, i);
	return 0;
}

int fixture_set_up(void **state)
{
	return set_up(state, TABLE_LARGE);
}

int fixture_set_up_small_table(void **state)
{
	return set_up(state, TABLE_SMALL);
}

int fixture_set_up_crowded_table(void **state)
{
	return set_up(state, TABLE_CROWDED);
}

int fixture_tear_down(void **state)
{
	struct fixture *f = *state;

	split_bpf__destroy(f->split);
	reply_bpf__destroy(f->reply);
	sweep_bpf__destroy(f->sweep);
	free(f);
	return 0;
}

/* ---- packets ------------------------------------------------------------------------------------------------ */

struct packet_spec fixture_request(enum fixture_service service, uint32_t client, uint8_t flags, uint32_t seq,
				   const char *payload)
{
	struct packet_spec spec = {
		.source = fixture_client(service, client),
		.destination = fixture_vip(service),
		.flags = flags,
		.seq = seq,
		.window = 500,
		.payload = payload,
		.payload_len = strlen(payload),
	};

	return spec;
}

struct packet_spec fixture_response(uint16_t backend, uint32_t client, uint8_t flags, uint32_t seq, uint32_t ack,
				    const char *payload)
{
	struct packet_spec spec = {
		.source = fixture_backend(backend),
		.destination = fixture_client(backend / 4, client),
		.flags = flags,
		.seq = seq,
		.ack = ack,
		.window = 500,
		.payload = payload,
		.payload_len = strlen(payload),
	};

	return spec;
}

static uint32_t run(int fd, struct packet_bytes *packet, struct __sk_buff *skb)
{
	uint8_t out[PACKET_MAX];
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = packet->data, .data_size_in = packet->len, .data_out = out,
		    .data_size_out = sizeof(out), .repeat = 1, .ctx_in = skb, .ctx_size_in = skb ? sizeof(*skb) : 0);

	fixture_must(bpf_prog_test_run_opts(fd, &options), "BPF_PROG_TEST_RUN");
	packet->len = options.data_size_out;
	memcpy(packet->data, out, packet->len);
	return options.retval;
}

uint32_t fixture_run_split(const struct fixture *f, struct packet_bytes *packet)
{
	return run(bpf_program__fd(f->split->progs.canary_split), packet, NULL);
}

uint32_t fixture_run_reply(struct fixture *f, struct packet_bytes *packet, uint32_t gso_segs, uint32_t gso_size)
{
	struct __sk_buff skb = { .gso_segs = gso_segs, .gso_size = gso_size };

	load_reply(f);
	return run(bpf_program__fd(f->reply->progs.canary_reply), packet, &skb);
}

/* Which backend's endpoint, put into `before`, gives `after`? */
static uint16_t backend_reached(const struct packet_bytes *before, const struct packet_bytes *after)
{
	for (uint16_t i = 0; i < FIXTURE_BACKENDS; i++) {
		struct canary_endpoint endpoint = fixture_backend(i);
		struct packet_bytes expected = *before;

		if (endpoint.protocol != before->protocol || (i / 4 & 1) != before->ipv6)
			continue;
		packet_set_destination(&expected, &endpoint);
		if (!memcmp(expected.data, after->data, after->len))
			return i;
	}
	fail_msg("the packet that came out is neither what went in nor for a backend");
	return CANARY_NONE;
}

uint16_t fixture_send(const struct fixture *f, const struct packet_spec *spec)
{
	struct packet_bytes before, after;

	packet_build(spec, &before);
	after = before;
	assert_int_equal(fixture_run_split(f, &after), XDP_PASS);
	assert_int_equal(after.len, before.len);
	if (!memcmp(before.data, after.data, after.len))
		return CANARY_NONE;
	return backend_reached(&before, &after);
}

void fixture_answer(struct fixture *f, const struct packet_spec *spec)
{
	struct packet_bytes packet, expected;
	struct canary_endpoint vip;

	packet_build(spec, &packet);
	expected = packet;
	for (uint16_t i = 0; i < FIXTURE_BACKENDS; i++) {
		struct canary_endpoint endpoint = fixture_backend(i);

		if (!memcmp(&endpoint, &spec->source, sizeof(endpoint))) {
			vip = fixture_vip(i / 4);
			packet_set_source(&expected, &vip);
		}
	}
	assert_int_equal(fixture_run_reply(f, &packet, 0, 0), FIXTURE_TCX_NEXT);
	assert_int_equal(packet.len, expected.len);
	assert_memory_equal(packet.data, expected.data, packet.len);
}

static void walk(struct bpf_program *program, int map)
{
	union bpf_iter_link_info info = { .map.map_fd = map };
	LIBBPF_OPTS(bpf_iter_attach_opts, options, .link_info = &info, .link_info_len = sizeof(info));
	struct bpf_link *link = bpf_program__attach_iter(program, &options);
	char buffer[64];
	int iterator;

	assert_non_null(link);
	iterator = bpf_iter_create(bpf_link__fd(link));
	assert_true(iterator >= 0);
	assert_int_equal(read(iterator, buffer, sizeof(buffer)), 0);
	close(iterator);
	bpf_link__destroy(link);
}

void fixture_sweep(struct fixture *f)
{
	load_sweep(f);
	walk(f->sweep->progs.canary_sweep, f->flows);
	walk(f->sweep->progs.canary_sweep_replies, f->replies);
}

void fixture_explain(const struct fixture *f, struct canary_explain *question)
{
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = question, .data_size_in = sizeof(*question),
		    .data_out = question, .data_size_out = sizeof(*question), .repeat = 1);

	fixture_must(bpf_prog_test_run_opts(bpf_program__fd(f->split->progs.canary_explain), &options), "explain");
	assert_int_equal(options.retval, XDP_PASS);
}

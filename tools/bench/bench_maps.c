/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Loads the programs the bench runs, and configures their maps by hand. Nothing is pinned. */
#include "tools/bench/bench.h"

#include "bench.skel.h"
#include "bench_reply.skel.h"
#include "tools/bench/bench_turn.h"
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SERVICES 4 /* TCP and UDP of IPv4, then of IPv6 */
#define BATCH 32768

static void die(const char *what, int r)
{
	fprintf(stderr, "bench: %s: %s (run it as root)\n", what, strerror(r < 0 ? -r : r));
	exit(2);
}

void bench_must(int r, const char *what)
{
	if (r)
		die(what, r);
}

static void set(const struct bpf_map *map, const void *key, const void *value)
{
	bench_must(bpf_map_update_elem(bpf_map__fd(map), key, value, BPF_ANY), bpf_map__name(map));
}

struct canary_endpoint bench_endpoint(const char *address, __u16 port, enum bench_service service)
{
	struct canary_endpoint endpoint = { .port = htons(port), .protocol = service == TCP ? IPPROTO_TCP : IPPROTO_UDP };

	if (inet_pton(AF_INET6, address, endpoint.addr) == 1)
		return endpoint;
	endpoint.addr[2] = htonl(0xffff);
	bench_must(inet_pton(AF_INET, address, &endpoint.addr[3]) == 1 ? 0 : EINVAL, address);
	return endpoint;
}

/* ---- services ------------------------------------------------------------------------------------------------- */

static struct canary_endpoint vip_of(__u32 id)
{
	return bench_endpoint(id / 2 ? BENCH_VIP6 : BENCH_VIP, id % 2 == TCP ? 80 : 53, id % 2);
}

static struct canary_endpoint backend_of(__u32 id)
{
	return bench_endpoint(id / 2 ? BENCH_BACKEND6 : BENCH_BACKEND, id % 2 == TCP ? 8080 : 5353, id % 2);
}

/* The ports of sources are ours only where there are such: elsewhere they cost a packet nothing. */
static void set_ports(const struct bench *b)
{
	static const uint16_t vip[] = { 80, 53 }, backend[] = { 8080, 5353 };
	__u64 sources = b->mode == CANARY_MODE_FULLNAT ? ~0ULL : 0;

	for (uint32_t i = 0; i < 1024; i++) {
		struct canary_ports ports = { 0 };

		ports.vip_tcp = vip[TCP] / 64 == (int)i ? 1ULL << vip[TCP] % 64 : 0;
		ports.vip_udp = vip[UDP] / 64 == (int)i ? 1ULL << vip[UDP] % 64 : 0;
		ports.backend_tcp = backend[TCP] / 64 == (int)i ? 1ULL << backend[TCP] % 64 : 0;
		ports.backend_udp = backend[UDP] / 64 == (int)i ? 1ULL << backend[UDP] % 64 : 0;
		ports.source_tcp = ports.source_udp = i >= CANARY_SOURCE_PORT_MIN / 64 ? sources : 0;
		set(b->split->maps.ports, &i, &ports);
	}
}

static void set_maglev(const struct bench *b, uint32_t version, uint16_t backend)
{
	static canary_maglev table;
	uint32_t zero = 0;
	int inner = bpf_map_create(BPF_MAP_TYPE_ARRAY, "maglev_table", sizeof(zero), sizeof(table), 1, NULL);

	bench_must(inner < 0 ? inner : 0, "maglev table");
	for (size_t i = 0; i < CANARY_MAGLEV_SIZE; i++)
		table[i] = backend;
	bench_must(bpf_map_update_elem(inner, &zero, &table, BPF_ANY), "maglev table");
	set(b->split->maps.maglev, &version, &inner);
	close(inner);
}

/* What may change of a service. */
static void set_service(const struct bench *b, __u32 id, struct bench_defence defence)
{
	struct canary_service service = {
		.id = id, .seed = 42, .mode = b->mode, .source_first = id / 2 * BENCH_SOURCES,
		.source_count = BENCH_SOURCES, .rescue = defence.rescue,
	};
	struct canary_split split = {
		.view[0] = { .epoch = 1, .generation = 1, .baseline = id * 2, .canary = id * 2 + 1,
			     .canary_threshold = defence.canary ? 1ULL << 32 : 1ULL << 31 },
		.traces = defence.traces,
	};
	struct canary_breaker breaker = {
		.slot_ns = defence.breaker ? 5000000000 : 0, .kinds = 1ULL << CANARY_COUNTER_refused,
		.min_failures = 10, .ratio_ppm = 500000,
	};
	struct canary_endpoint vip = vip_of(id);

	memset(service.affinity_mask, 0xff, sizeof(service.affinity_mask));
	set(b->split->maps.services, &vip, &service);
	set(b->split->maps.splits, &id, &split);
	set(b->split->maps.breakers, &id, &breaker);
}

void bench_set_defence(const struct bench *b, struct bench_defence defence)
{
	for (__u32 id = 0; id < SERVICES; id++)
		set_service(b, id, defence);
}

/* Version 2s is the baseline of service s, version 2s + 1 its canary, both on backend s: a reply is known to be its. */
static void set_backend(const struct bench *b, __u32 id)
{
	struct canary_backend backend = { .endpoint = backend_of(id), .version = id * 2, .service = id, .in_use = 1 };
	struct canary_backend_address address = { .vip = vip_of(id), .backend = id, .version = id * 2 };

	set(b->split->maps.backends, &id, &backend);
	set(b->split->maps.backend_addresses, &backend.endpoint, &address);
	set_maglev(b, id * 2, id);
	set_maglev(b, id * 2 + 1, id);
}

/* ---- modes ---------------------------------------------------------------------------------------------------- */

static void set_sources(const struct bench *b)
{
	for (__u32 i = 0; i < 2 * BENCH_SOURCES; i++) {
		const char *first = i < BENCH_SOURCES ? "10.9.0.0" : BENCH_SOURCES6;
		struct canary_endpoint source = bench_endpoint(first, 0, TCP);

		source.addr[3] |= htonl(1 + i % BENCH_SOURCES);
		set(b->split->maps.sources, &i, source.addr);
	}
}

static void set_outputs(const struct bench *b)
{
	__u32 clients = if_nametoindex("c0"), backends = if_nametoindex("b0");

	set(b->split->maps.outputs, &clients, &clients);
	set(b->split->maps.outputs, &backends, &backends);
}

static void empty(const struct bpf_map *map)
{
	static char keys[BATCH * 40], values[BATCH * 88], place[8];
	void *from = NULL;
	int r = 0;

	while (!r) {
		__u32 count = BATCH;

		r = bpf_map_lookup_and_delete_batch(bpf_map__fd(map), from, place, keys, values, &count, NULL);
		from = place;
	}
	bench_must(r == -ENOENT ? 0 : r, bpf_map__name(map));
}

void bench_set_mode(struct bench *b, enum canary_mode mode, bool ipv6)
{
	b->mode = mode;
	b->ipv6 = ipv6;
	set_ports(b);
	bench_set_defence(b, (struct bench_defence){ 0 });
	empty(b->split->maps.flows);
	empty(b->split->maps.replies);
}

static struct canary_flow_key key_of(const struct bench *b, enum bench_service service, __u32 flow)
{
	__u32 id = b->ipv6 * 2 + service;
	struct canary_endpoint client = bench_endpoint(b->ipv6 ? BENCH_CLIENTS6 : "0.0.0.0", 0, service);
	struct canary_endpoint vip = vip_of(id);
	struct canary_flow_key key = {
		.client_port = bench_client_port(flow), .vip_port = vip.port, .protocol = vip.protocol,
	};

	memcpy(key.client, client.addr, sizeof(key.client));
	key.client[3] = bench_client(flow);
	memcpy(key.vip, vip.addr, sizeof(key.vip));
	return key;
}

void bench_note_sources(const struct bench *b, enum bench_service service, unsigned bits)
{
	for (__u32 i = 0; i < 1U << bits; i++) {
		struct canary_flow_key key = key_of(b, service, i);
		__u32 index = i | (__u32)service << BENCH_FLOW_BITS, source;
		struct bench_end end = { 0 };
		struct canary_source address;
		struct canary_flow flow;

		bench_must(bpf_map_lookup_elem(bpf_map__fd(b->split->maps.flows), &key, &flow), "a flow of fullnat");
		source = flow.source;
		bench_must(bpf_map_lookup_elem(bpf_map__fd(b->split->maps.sources), &source, &address), "sources");
		end.address = address.addr[3];
		end.port = flow.source_port;
		set(b->split->maps.bench_sources, &index, &end);
	}
}

__u64 bench_passed(const struct bench *b)
{
	int cpus = libbpf_num_possible_cpus();
	struct canary_reasons *reasons = calloc(cpus, sizeof(*reasons));
	__u32 zero = 0;
	__u64 sum = 0;

	bench_must(reasons ? 0 : ENOMEM, "reasons");
	bench_must(bpf_map_lookup_elem(bpf_map__fd(b->split->maps.reasons), &zero, reasons), "reasons");
	for (size_t i = 0; i < cpus * sizeof(*reasons) / sizeof(__u64); i++)
		sum += ((__u64 *)reasons)[i];
	free(reasons);
	return sum;
}

/* ---- loading -------------------------------------------------------------------------------------------------- */

/* As the pins see to in canaryd: a map of both is one. */
static void share_maps(const struct bench *b)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, b->reply->obj) {
		const struct bpf_map *there = bpf_object__find_map_by_name(b->split->obj, bpf_map__name(map));

		if (there && !bpf_map__is_internal(map))
			bench_must(bpf_map__reuse_fd(map, bpf_map__fd(there)), bpf_map__name(map));
	}
}

static void open_reply(struct bench *b)
{
	b->reply = bench_reply_bpf__open();
	if (!b->reply)
		die("opening the reply path", errno);
	bpf_program__set_autoload(b->reply->progs.canary_reply, false);
	share_maps(b);
	bench_must(bench_reply_bpf__load(b->reply), "loading the reply path");
}

struct bench bench_open(__u32 flows)
{
	struct bench b = { .split = bench_bpf__open() };

	if (!b.split)
		die("opening the request path", errno);
	bpf_program__set_autoload(b.split->progs.canary_split, false);
	bpf_program__set_autoload(b.split->progs.canary_explain, false);
	bench_must(bpf_map__set_max_entries(b.split->maps.flows, flows), "flows");
	bench_must(bench_bpf__load(b.split), "loading the request path");
	open_reply(&b);
	set_ports(&b);
	for (__u32 id = 0; id < SERVICES; id++)
		set_backend(&b, id);
	bench_set_defence(&b, (struct bench_defence){ 0 });
	set_sources(&b);
	set_outputs(&b);
	return b;
}

void bench_close(struct bench *b)
{
	bench_reply_bpf__destroy(b->reply);
	bench_bpf__destroy(b->split);
}

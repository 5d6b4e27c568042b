/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Loads the programs the bench runs, and configures their maps by hand. Nothing is pinned. */
#include "tools/bench/bench.h"

#include "bench.skel.h"
#include "bench_reply.skel.h"
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <canaryd/abi.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

static struct canary_endpoint endpoint(const char *address, uint16_t port, enum bench_service service)
{
	struct canary_endpoint endpoint = { .port = htons(port), .protocol = service == TCP ? IPPROTO_TCP : IPPROTO_UDP };

	endpoint.addr[2] = htonl(0xffff);
	endpoint.addr[3] = inet_addr(address);
	return endpoint;
}

static void set_ports(const struct bench *b)
{
	static const uint16_t vip[] = { 80, 53 }, backend[] = { 8080, 5353 };
	int map = bpf_map__fd(b->split->maps.ports);

	for (uint32_t i = 0; i < 1024; i++) {
		struct canary_ports ports = { 0 };

		ports.vip_tcp = vip[TCP] / 64 == (int)i ? 1ULL << vip[TCP] % 64 : 0;
		ports.vip_udp = vip[UDP] / 64 == (int)i ? 1ULL << vip[UDP] % 64 : 0;
		ports.backend_tcp = backend[TCP] / 64 == (int)i ? 1ULL << backend[TCP] % 64 : 0;
		ports.backend_udp = backend[UDP] / 64 == (int)i ? 1ULL << backend[UDP] % 64 : 0;
		bench_must(bpf_map_update_elem(map, &i, &ports, BPF_ANY), "ports");
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
	bench_must(bpf_map_update_elem(bpf_map__fd(b->split->maps.maglev), &version, &inner, BPF_ANY), "maglev");
	close(inner);
}

/* Version 2s is the baseline of service s, version 2s + 1 its canary, both on backend s: a reply is known to be its. */
static void set_service(const struct bench *b, enum bench_service id)
{
	struct canary_endpoint vip = endpoint(BENCH_VIP, id == TCP ? 80 : 53, id);
	struct canary_backend backend = {
		.endpoint = endpoint(BENCH_BACKEND, id == TCP ? 8080 : 5353, id), .version = id * 2, .service = id, .in_use = 1,
	};
	struct canary_backend_address address = { .vip = vip, .backend = id, .version = id * 2 };
	struct canary_service service = { .id = id, .seed = 42 };
	struct canary_split split = {
		.view[0] = { .epoch = 1, .generation = 1, .baseline = id * 2, .canary = id * 2 + 1,
			     .canary_threshold = 1ULL << 31 },
	};
	uint32_t key = id;

	memset(service.affinity_mask, 0xff, sizeof(service.affinity_mask));
	bench_must(bpf_map_update_elem(bpf_map__fd(b->split->maps.services), &vip, &service, BPF_ANY), "services");
	bench_must(bpf_map_update_elem(bpf_map__fd(b->split->maps.splits), &key, &split, BPF_ANY), "splits");
	bench_must(bpf_map_update_elem(bpf_map__fd(b->split->maps.backends), &key, &backend, BPF_ANY), "backends");
	bench_must(bpf_map_update_elem(bpf_map__fd(b->split->maps.backend_addresses), &backend.endpoint, &address, BPF_ANY),
	     "backend_addresses");
	set_maglev(b, id * 2, id);
	set_maglev(b, id * 2 + 1, id);
}

#define SHARE(b, name)                                                                                              \
	bench_must(bpf_map__reuse_fd((b)->reply->maps.name, bpf_map__fd((b)->split->maps.name)), #name)

static void open_reply(struct bench *b)
{
	b->reply = bench_reply_bpf__open();
	if (!b->reply)
		die("opening the reply path", errno);
	SHARE(b, ports);
	SHARE(b, splits);
	SHARE(b, backends);
	SHARE(b, backend_addresses);
	SHARE(b, flows);
	SHARE(b, version_stats);
	SHARE(b, backend_stats);
	SHARE(b, latency);
	SHARE(b, backend_latency);
	SHARE(b, reasons);
	SHARE(b, control);
	SHARE(b, events);
	SHARE(b, event_budget);
	bench_must(bench_reply_bpf__load(b->reply), "loading the reply path");
}

struct bench bench_open(__u32 flows)
{
	struct bench b = { .split = bench_bpf__open() };

	if (!b.split)
		die("opening the request path", errno);
	bench_must(bpf_map__set_max_entries(b.split->maps.flows, flows), "flows");
	bench_must(bench_bpf__load(b.split), "loading the request path");
	open_reply(&b);
	set_ports(&b);
	set_service(&b, TCP);
	set_service(&b, UDP);
	return b;
}

void bench_close(struct bench *b)
{
	bench_reply_bpf__destroy(b->reply);
	bench_bpf__destroy(b->split);
}

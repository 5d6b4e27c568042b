/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a test of the kernel programs finds in their maps: flows, and counters summed over all CPUs. */
#include "tests/bpf/fixture.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define CPUS_MAX 256

bool fixture_flow(const struct fixture *f, enum fixture_service service, uint32_t client, struct canary_flow *ret)
{
	struct canary_flow_key key = fixture_key(service, client);

	return bpf_map_lookup_elem(f->flows, &key, ret) == 0;
}

void fixture_put_flow(const struct fixture *f, enum fixture_service service, uint32_t client,
		      const struct canary_flow *flow)
{
	struct canary_flow_key key = fixture_key(service, client);

	fixture_must(bpf_map_update_elem(f->flows, &key, flow, BPF_ANY), "flows");
}

void fixture_forget_flow(const struct fixture *f, enum fixture_service service, uint32_t client)
{
	struct canary_flow_key key = fixture_key(service, client);

	fixture_must(bpf_map_delete_elem(f->flows, &key), "flows");
}

unsigned fixture_count_flows(const struct fixture *f)
{
	struct canary_flow_key key, *previous = NULL;
	unsigned count = 0;

	for (; !bpf_map_get_next_key(f->flows, previous, &key); previous = &key)
		count++;
	return count;
}

/* Adds the words of a per-CPU value into `sum`. */
static void add_over_cpus(int map, uint32_t key, void *sum, size_t words)
{
	static uint64_t values[CPUS_MAX * CANARY_HISTOGRAM_BUCKETS];
	int cpus = libbpf_num_possible_cpus();

	assert_in_range(cpus, 1, CPUS_MAX);
	fixture_must(bpf_map_lookup_elem(map, &key, values), "a per-CPU map");
	for (size_t i = 0; i < words * cpus; i++)
		((uint64_t *)sum)[i % words] += values[i];
}

#define WORDS(value) (sizeof(value) / sizeof(uint64_t))

struct canary_counters fixture_version_stats(const struct fixture *f, uint16_t version, bool judged)
{
	struct canary_counters sum = { 0 };

	add_over_cpus(f->version_stats, CANARY_STATS_SLOT(version, judged), &sum, WORDS(sum));
	return sum;
}

struct canary_counters fixture_backend_stats(const struct fixture *f, uint16_t backend)
{
	struct canary_counters sum = { 0 };

	add_over_cpus(f->backend_stats, backend, &sum, WORDS(sum));
	return sum;
}

struct canary_reasons fixture_reasons(const struct fixture *f)
{
	struct canary_reasons sum = { 0 };

	add_over_cpus(f->reasons, 0, &sum, WORDS(sum));
	return sum;
}

struct canary_flow_table fixture_flow_table(const struct fixture *f)
{
	struct canary_flow_table sum = { 0 };

	add_over_cpus(f->flow_table, 0, &sum, WORDS(sum));
	return sum;
}

void fixture_set_flood_limit(const struct fixture *f, enum fixture_service service, uint32_t limit)
{
	struct canary_split split;
	uint32_t key = service;

	fixture_must(bpf_map_lookup_elem(f->splits, &key, &split), "splits");
	split.flood_limit = limit;
	fixture_must(bpf_map_update_elem(f->splits, &key, &split, BPF_ANY), "splits");
}

void fixture_begin_flood(const struct fixture *f, enum fixture_service service)
{
	struct canary_flood cpus[CPUS_MAX] = { 0 };
	uint32_t key = service;

	fixture_set_flood_limit(f, service, UINT32_MAX); /* never passed: what is set below stays */
	assert_in_range(libbpf_num_possible_cpus(), 1, CPUS_MAX);
	for (int i = 0; i < libbpf_num_possible_cpus(); i++)
		cpus[i].until_ns = UINT64_MAX;
	fixture_must(bpf_map_update_elem(f->floods, &key, cpus, BPF_ANY), "floods");
}

void fixture_set_rescue(const struct fixture *f, enum fixture_service id, bool rescue)
{
	struct canary_endpoint vip = fixture_vip(id);
	struct canary_service service;

	fixture_must(bpf_map_lookup_elem(f->services, &vip, &service), "services");
	service.rescue = rescue;
	fixture_must(bpf_map_update_elem(f->services, &vip, &service, BPF_ANY), "services");
}

void fixture_age(const struct fixture *f, enum fixture_service service, uint32_t client, uint64_t ns)
{
	struct canary_flow flow;

	assert_true(fixture_flow(f, service, client, &flow));
	flow.opened_ns -= ns;
	fixture_put_flow(f, service, client, &flow);
}

static uint64_t histogram_total(int map, uint32_t slot)
{
	struct canary_histogram sum = { 0 };
	uint64_t total = 0;

	add_over_cpus(map, slot, &sum, WORDS(sum));
	for (size_t i = 0; i < WORDS(sum); i++)
		total += sum.bucket[i];
	return total;
}

uint64_t fixture_latency_count(const struct fixture *f, uint16_t version, bool judged, enum canary_latency kind)
{
	return histogram_total(f->latency, CANARY_LATENCY_SLOT(CANARY_STATS_SLOT(version, judged), kind));
}

uint64_t fixture_backend_latency_count(const struct fixture *f, uint16_t backend, enum canary_latency kind)
{
	return histogram_total(f->backend_latency, CANARY_LATENCY_SLOT(backend, kind));
}

uint64_t fixture_sum_of_others(const struct fixture *f, uint16_t but_version, uint16_t but_backend)
{
	struct canary_counters sum = { 0 };
	uint64_t total = 0;

	for (uint16_t i = 0; i < FIXTURE_VERSIONS * CANARY_STATS_SLOTS; i++)
		if (i != CANARY_STATS_SLOT(but_version, true))
			add_over_cpus(f->version_stats, i, &sum, WORDS(sum));
	for (uint16_t i = 0; i < FIXTURE_BACKENDS; i++)
		if (i != but_backend)
			add_over_cpus(f->backend_stats, i, &sum, WORDS(sum));
	for (size_t i = 0; i < WORDS(sum); i++)
		total += ((uint64_t *)&sum)[i];
	return total;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How large the maps are made, and what they and the programs come to. */
#include "user/datapath_internal.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "user/datapath_probe.h"

#define HASH_ELEMENT 48 /* what the kernel keeps of an element beside key and value: struct htab_elem */
#define HASH_BUCKET 16
#define NAMES_MAX 64
#define TRACES 16384 /* requests whose traceparent is kept, the oldest going first */

void datapath_size_map(struct bpf_map *map, const struct datapath_sizes *to)
{
	uint32_t flows = to->flows, versions = to->versions, backends = to->backends;
	const struct {
		const char *name;
		uint32_t entries;
	} sizes[] = {
		{ "flows", flows },
		{ "half_open", flows / 4 },
		{ "half_open_replies", flows / 4 },
		{ "shadows", flows / 4 },
		{ "traces", to->traces ? TRACES : 1 },
		{ "capacities", versions },
		{ "replies", flows },
		{ "versions", versions },
		{ "maglev", versions },
		{ "version_stats", versions * CANARY_STATS_SLOTS },
		{ "latency", versions * CANARY_STATS_SLOTS * CANARY_LATENCIES },
		{ "backends", backends },
		{ "backend_addresses", backends },
		{ "backend_stats", backends },
		{ "active_flows", backends },
		{ "silences", backends },
		{ "backend_latency", backends * CANARY_LATENCIES },
	};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
		if (!strcmp(bpf_map__name(map), sizes[i].name))
			bpf_map__set_max_entries(map, sizes[i].entries);
}

/* ---- memory ------------------------------------------------------------------------------------------------ */

static uint64_t round_up(uint64_t size, uint64_t to)
{
	return (size + to - 1) / to * to;
}

static uint64_t buckets(uint64_t entries)
{
	uint64_t n = 1;

	while (n < entries)
		n *= 2;
	return n * HASH_BUCKET;
}

/* What it takes once it is made; what fills up later, tries of cohorts, is not in it. */
static uint64_t map_bytes(const struct bpf_map *map, uint64_t cpus)
{
	uint64_t entries = bpf_map__max_entries(map), value = round_up(bpf_map__value_size(map), 8);
	uint64_t key = round_up(bpf_map__key_size(map), 8);

	switch (bpf_map__type(map)) {
	case BPF_MAP_TYPE_ARRAY: return entries * value;
	case BPF_MAP_TYPE_PERCPU_ARRAY: return entries * (8 + value * cpus);
	case BPF_MAP_TYPE_HASH:
		if (bpf_map__map_flags(map) & BPF_F_NO_PREALLOC)
			return buckets(entries);
		return entries * (HASH_ELEMENT + key + value) + buckets(entries);
	case BPF_MAP_TYPE_LRU_HASH: return entries * (HASH_ELEMENT + key + value) + buckets(entries);
	case BPF_MAP_TYPE_ARRAY_OF_MAPS: return entries * sizeof(void *);
	case BPF_MAP_TYPE_DEVMAP_HASH: return buckets(entries);
	case BPF_MAP_TYPE_RINGBUF: return entries + 3 * (uint64_t)sysconf(_SC_PAGESIZE);
	default: return 0;
	}
}

static const char *type_name(enum bpf_map_type type)
{
	switch (type) {
	case BPF_MAP_TYPE_ARRAY: return "array";
	case BPF_MAP_TYPE_PERCPU_ARRAY: return "percpu_array";
	case BPF_MAP_TYPE_HASH: return "hash";
	case BPF_MAP_TYPE_LRU_HASH: return "lru_hash";
	case BPF_MAP_TYPE_ARRAY_OF_MAPS: return "array_of_maps";
	case BPF_MAP_TYPE_DEVMAP_HASH: return "devmap_hash";
	case BPF_MAP_TYPE_LPM_TRIE: return "lpm_trie";
	case BPF_MAP_TYPE_RINGBUF: return "ringbuf";
	default: return "other";
	}
}

/* ---- the plan ---------------------------------------------------------------------------------------------- */

/* The objects share maps by their names. */
struct plan {
	const struct datapath_sizes *sizes;
	const struct datapath_plan_visitor *visitor;
	const char *seen[NAMES_MAX];
	size_t n_seen;
	uint64_t cpus;
	uint64_t bytes;
};

static bool is_new(struct plan *plan, const char *name)
{
	for (size_t i = 0; i < plan->n_seen; i++)
		if (!strcmp(plan->seen[i], name))
			return false;
	if (plan->n_seen < NAMES_MAX)
		plan->seen[plan->n_seen++] = name;
	return true;
}

static void tell_map(struct plan *plan, const struct datapath_map_plan *map)
{
	plan->bytes += map->bytes;
	if (plan->visitor->map)
		plan->visitor->map(map, plan->visitor->context);
}

static void plan_maps(struct plan *plan, struct bpf_object *object)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, object) {
		if (bpf_map__is_internal(map) || !is_new(plan, bpf_map__name(map)))
			continue;
		datapath_size_map(map, plan->sizes);
		tell_map(plan, &(struct datapath_map_plan){ bpf_map__name(map), type_name(bpf_map__type(map)),
							   bpf_map__max_entries(map), map_bytes(map, plan->cpus) });
	}
}

static const char *hook_of(const struct bpf_program *program)
{
	const char *name = bpf_program__name(program);

	switch (bpf_program__type(program)) {
	case BPF_PROG_TYPE_XDP: return !strcmp(name, "canary_split") ? "xdp" : "asked";
	case BPF_PROG_TYPE_SCHED_CLS:
		return !strcmp(name, "canary_reply")   ? "tc egress" :
		       !strcmp(name, "canary_ingress") ? "tc ingress" :
							 "asked";
	case BPF_PROG_TYPE_TRACING: return "iterator";
	default: return "asked";
	}
}

static void plan_programs(const struct plan *plan, struct bpf_object *object)
{
	struct bpf_program *program;

	bpf_object__for_each_program(program, object) {
		struct datapath_program_plan told = { bpf_program__name(program), hook_of(program) };

		if (plan->visitor->program)
			plan->visitor->program(&told, plan->visitor->context);
	}
}

int datapath_plan(const struct datapath_sizes *sizes, const struct datapath_plan_visitor *visitor, uint64_t *ret_bytes)
{
	struct plan plan = { .sizes = sizes, .visitor = visitor, .cpus = (uint64_t)libbpf_num_possible_cpus() };
	struct bpf_object *objects[DATAPATH_OBJECTS] = {};
	struct datapath *datapath;
	int r = datapath_open_objects(&datapath, objects);

	if (r)
		return r;
	for (size_t i = 0; i < DATAPATH_OBJECTS; i++) {
		if (i == DATAPATH_OBJECT_INGRESS && !sizes->forwards)
			continue;
		plan_programs(&plan, objects[i]);
		plan_maps(&plan, objects[i]);
	}
	tell_map(&plan, &(struct datapath_map_plan){ "maglev_table", "array", sizes->versions_used,
						    (uint64_t)sizes->versions_used * sizeof(canary_maglev) });
	datapath_close(datapath);
	*ret_bytes = plan.bytes;
	return 0;
}

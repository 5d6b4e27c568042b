/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads and writes map values. */
#include "user/datapath_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

_Static_assert(sizeof(struct canary_breaker) % 8 == 0 && sizeof(struct canary_split) % 8 == 0, "elements of a mapped array are 8-byte aligned");

static size_t pages(size_t size)
{
	size_t page = sysconf(_SC_PAGESIZE);

	return (size + page - 1) / page * page;
}

static void *map_memory(int fd, size_t size)
{
	void *memory = mmap(NULL, pages(size), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

int datapath_map_memory(struct datapath *datapath)
{
	datapath->splits = map_memory(datapath->map.splits, sizeof(struct canary_split) * DATAPATH_SERVICES_MAX);
	if (!datapath->splits)
		return -errno;
	datapath->control = map_memory(datapath->map.control, sizeof(struct canary_control));
	if (!datapath->control)
		return -errno;
	datapath->breakers = map_memory(datapath->map.breakers, sizeof(struct canary_breaker) * DATAPATH_SERVICES_MAX);
	if (!datapath->breakers)
		return -errno;
	datapath->capacities = map_memory(datapath->map.capacities, sizeof(struct canary_capacity) * datapath->versions_max);
	return datapath->capacities ? 0 : -errno;
}

void datapath_unmap_memory(struct datapath *datapath)
{
	if (datapath->splits)
		munmap(datapath->splits, pages(sizeof(struct canary_split) * DATAPATH_SERVICES_MAX));
	if (datapath->control)
		munmap(datapath->control, pages(sizeof(struct canary_control)));
	if (datapath->breakers)
		munmap(datapath->breakers, pages(sizeof(struct canary_breaker) * DATAPATH_SERVICES_MAX));
	if (datapath->capacities)
		munmap(datapath->capacities, pages(sizeof(struct canary_capacity) * datapath->versions_max));
}

/* ---- configuration ----------------------------------------------------------------------------------------- */

int datapath_set_service(struct datapath *datapath, const struct canary_endpoint *vip,
			 const struct canary_service *service)
{
	return bpf_map_update_elem(datapath->map.services, vip, service, BPF_ANY);
}

int datapath_delete_service(struct datapath *datapath, const struct canary_endpoint *vip)
{
	return bpf_map_delete_elem(datapath->map.services, vip);
}

int datapath_next_service(const struct datapath *datapath, const struct canary_endpoint *key,
			  struct canary_endpoint *ret_vip, struct canary_service *ret_service)
{
	struct canary_endpoint next;
	int r = bpf_map_get_next_key(datapath->map.services, key, &next);

	if (!r)
		r = bpf_map_lookup_elem(datapath->map.services, &next, ret_service);
	if (!r)
		*ret_vip = next;
	return r;
}

int datapath_set_version(struct datapath *datapath, uint32_t index, const struct canary_version *version)
{
	return bpf_map_update_elem(datapath->map.versions, &index, version, BPF_ANY);
}

int datapath_get_version(const struct datapath *datapath, uint32_t index, struct canary_version *ret)
{
	return bpf_map_lookup_elem(datapath->map.versions, &index, ret);
}

int datapath_set_backend(struct datapath *datapath, uint32_t index, const struct canary_backend *backend,
			 const struct canary_endpoint *vip)
{
	struct canary_backend_address address = { .vip = *vip, .backend = index, .version = backend->version };
	int r = bpf_map_update_elem(datapath->map.backend_addresses, &backend->endpoint, &address, BPF_ANY);

	return r ? r : bpf_map_update_elem(datapath->map.backends, &index, backend, BPF_ANY);
}

int datapath_get_backend(const struct datapath *datapath, uint32_t index, struct canary_backend *ret)
{
	return bpf_map_lookup_elem(datapath->map.backends, &index, ret);
}

int datapath_delete_backend(struct datapath *datapath, uint32_t index)
{
	struct canary_backend backend, none = {};
	int r = datapath_get_backend(datapath, index, &backend);

	if (!r)
		r = bpf_map_update_elem(datapath->map.backends, &index, &none, BPF_ANY);
	if (!r)
		r = bpf_map_delete_elem(datapath->map.backend_addresses, &backend.endpoint);
	return r == -ENOENT ? 0 : r;
}

int datapath_end_flows(struct datapath *datapath, uint32_t backend, bool end)
{
	struct canary_backend there;
	int r = datapath_get_backend(datapath, backend, &there);

	if (r || there.ends_flows == end)
		return r;
	there.ends_flows = end;
	return bpf_map_update_elem(datapath->map.backends, &backend, &there, BPF_ANY);
}

int datapath_set_source(struct datapath *datapath, uint32_t index, const struct canary_source *source)
{
	return bpf_map_update_elem(datapath->map.sources, &index, source, BPF_ANY);
}

int datapath_get_source(const struct datapath *datapath, uint32_t index, struct canary_source *ret)
{
	return bpf_map_lookup_elem(datapath->map.sources, &index, ret);
}

int datapath_set_flow(struct datapath *datapath, const struct canary_flow_key *key, const struct canary_flow *flow)
{
	return bpf_map_update_elem(datapath->map.flows, key, flow, BPF_NOEXIST);
}

int datapath_delete_flow(struct datapath *datapath, const struct canary_flow_key *key)
{
	return bpf_map_delete_elem(datapath->map.flows, key);
}

int datapath_set_shadow(struct datapath *datapath, uint32_t service, const struct canary_shadow_rule *rule)
{
	return bpf_map_update_elem(datapath->map.shadow_rules, &service, rule, BPF_ANY);
}

bool datapath_has_replies(const struct datapath *datapath)
{
	struct canary_reply_key first;

	return !bpf_map_get_next_key(datapath->map.replies, NULL, &first);
}

int datapath_set_maglev(struct datapath *datapath, uint32_t version, const canary_maglev *table)
{
	uint32_t zero = 0;
	int inner, r;

	if (!table) {
		r = bpf_map_delete_elem(datapath->map.maglev, &version);
		return r == -ENOENT ? 0 : r;
	}
	inner = bpf_map_create(BPF_MAP_TYPE_ARRAY, "maglev_table", sizeof(zero), sizeof(*table), 1, NULL);
	if (inner < 0)
		return inner;
	r = bpf_map_update_elem(inner, &zero, table, BPF_ANY);
	if (!r)
		r = bpf_map_update_elem(datapath->map.maglev, &version, &inner, BPF_ANY);
	close(inner); /* the outer map holds it */
	return r;
}

int datapath_set_ports(struct datapath *datapath, const struct canary_ports *ports)
{
	struct canary_ports now;
	int r;

	for (uint32_t i = 0; i < DATAPATH_PORT_ELEMENTS; i++) {
		r = bpf_map_lookup_elem(datapath->map.ports, &i, &now);
		if (!r && memcmp(&now, &ports[i], sizeof(now)))
			r = bpf_map_update_elem(datapath->map.ports, &i, &ports[i], BPF_ANY);
		if (r)
			return r;
	}
	return 0;
}

struct canary_split *datapath_split(struct datapath *datapath, uint32_t service)
{
	return service < DATAPATH_SERVICES_MAX ? &datapath->splits[service] : NULL;
}

struct canary_breaker *datapath_breaker(struct datapath *datapath, uint32_t service)
{
	return service < DATAPATH_SERVICES_MAX ? &datapath->breakers[service] : NULL;
}

void datapath_set_lease(struct datapath *datapath, uint64_t deadline_ns)
{
	__atomic_store_n(&datapath->control->lease_ns, deadline_ns, __ATOMIC_RELEASE);
}

struct canary_capacity *datapath_capacity(struct datapath *datapath, uint32_t version)
{
	return version < datapath->versions_max ? &datapath->capacities[version] : NULL;
}

void datapath_set_flood(struct datapath *datapath, bool table_full, uint64_t before_ns)
{
	struct canary_control *control = datapath->control;

	__atomic_store_n(&control->table_full, table_full, __ATOMIC_RELEASE);
	if (__atomic_load_n(&control->flood_ns, __ATOMIC_ACQUIRE) < before_ns)
		__atomic_store_n(&control->flood_ns, 0, __ATOMIC_RELEASE);
}

/* ---- measurement ------------------------------------------------------------------------------------------- */

/* Sums a per-CPU value of 64-bit counters. */
static int sum_over_cpus(const struct datapath *datapath, int fd, uint32_t key, uint64_t *ret, size_t n)
{
	uint64_t *values = calloc(datapath->cpus, n * sizeof(*values));
	int r;

	if (!values)
		return -ENOMEM;
	r = bpf_map_lookup_elem(fd, &key, values);
	if (!r) {
		memset(ret, 0, n * sizeof(*ret));
		for (int cpu = 0; cpu < datapath->cpus; cpu++)
			for (size_t i = 0; i < n; i++)
				ret[i] += values[cpu * n + i];
	}
	free(values);
	return r;
}

#define SUM_OVER_CPUS(datapath, fd, key, ret)                                                                       \
	sum_over_cpus(datapath, fd, key, (uint64_t *)(ret), sizeof(*(ret)) / sizeof(uint64_t))

int datapath_version_stats(const struct datapath *datapath, uint32_t version, bool judged, struct canary_counters *ret)
{
	return SUM_OVER_CPUS(datapath, datapath->map.version_stats, CANARY_STATS_SLOT(version, judged), ret);
}

int datapath_backend_stats(const struct datapath *datapath, uint32_t backend, struct canary_counters *ret)
{
	return SUM_OVER_CPUS(datapath, datapath->map.backend_stats, backend, ret);
}

int datapath_latency(const struct datapath *datapath, uint32_t version, bool judged, enum canary_latency kind,
		     struct canary_histogram *ret)
{
	return SUM_OVER_CPUS(datapath, datapath->map.latency,
			     CANARY_LATENCY_SLOT(CANARY_STATS_SLOT(version, judged), kind), ret);
}

int datapath_backend_latency(const struct datapath *datapath, uint32_t backend, enum canary_latency kind,
			     struct canary_histogram *ret)
{
	return SUM_OVER_CPUS(datapath, datapath->map.backend_latency, CANARY_LATENCY_SLOT(backend, kind), ret);
}

int datapath_flow_table(const struct datapath *datapath, struct canary_flow_table *ret)
{
	return SUM_OVER_CPUS(datapath, datapath->map.flow_table, 0, ret);
}

int datapath_reasons(const struct datapath *datapath, struct canary_reasons *ret)
{
	return SUM_OVER_CPUS(datapath, datapath->map.reasons, 0, ret);
}

static int clear_active(struct datapath *datapath, uint32_t half)
{
	struct canary_active_flows active;
	int r;

	for (uint32_t i = 0; i < datapath->backends_max; i++) {
		r = bpf_map_lookup_elem(datapath->map.active_flows, &i, &active);
		if (r)
			return r;
		if (!active.open[half] && !active.closed[half])
			continue;
		active.open[half] = 0;
		active.closed[half] = 0;
		r = bpf_map_update_elem(datapath->map.active_flows, &i, &active, BPF_ANY);
		if (r)
			return r;
	}
	return 0;
}

/* Lets an iterator walk its map to the end. */
static int walk(struct bpf_link *link)
{
	char buffer[4096];
	ssize_t n;
	int fd = bpf_iter_create(bpf_link__fd(link)), r;

	if (fd < 0)
		return fd;
	do
		n = read(fd, buffer, sizeof(buffer));
	while (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)));
	r = n < 0 ? -errno : 0;
	close(fd);
	return r;
}

/*
 * The programs write through the same memory only while a sweep runs, so clearing before it loses nothing. A flow that
 * has ended is there for a turn more: the sources are looked at after the flows, so that none misses how it ended.
 */
int datapath_sweep(struct datapath *datapath)
{
	uint32_t turn = datapath->control->sweep_turn + 1;
	int r = clear_active(datapath, turn & 1);

	if (r)
		return r;
	__atomic_store_n(&datapath->control->sweep_turn, turn, __ATOMIC_RELEASE);
	r = walk(datapath->sweep_link);
	if (!r && datapath_has_replies(datapath))
		r = walk(datapath->sweep_replies_link);
	if (!r)
		r = walk(datapath->sweep_shadows_link);
	return r;
}

int datapath_active_flows(const struct datapath *datapath, uint32_t backend, uint64_t *ret_open, uint64_t *ret_closed)
{
	uint32_t half = datapath->control->sweep_turn & 1;
	struct canary_active_flows active;
	int r = bpf_map_lookup_elem(datapath->map.active_flows, &backend, &active);

	if (r)
		return r;
	*ret_open = active.open[half];
	*ret_closed = active.closed[half];
	return 0;
}

int datapath_explain(const struct datapath *datapath, struct canary_explain *explain)
{
	struct canary_explain answer;
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = explain, .data_size_in = sizeof(*explain),
		    .data_out = &answer, .data_size_out = sizeof(answer));
	int r = bpf_prog_test_run_opts(datapath_explain_fd(datapath), &options);

	if (r)
		return r;
	if (options.data_size_out != sizeof(answer))
		return -EIO;
	*explain = answer;
	return 0;
}

int datapath_events_fd(const struct datapath *datapath)
{
	return ring_buffer__epoll_fd(datapath->events);
}

int datapath_read_events(struct datapath *datapath)
{
	int r = ring_buffer__consume(datapath->events);

	return r < 0 ? r : 0;
}

void datapath_on_event(struct datapath *datapath, void (*handle)(const struct canary_event *, void *), void *context)
{
	datapath->on_event = handle;
	datapath->on_event_context = context;
}

int datapath_events_untold(const struct datapath *datapath, uint32_t service, bool slow, uint64_t *ret)
{
	struct canary_event_budget *budgets = calloc(datapath->cpus, sizeof(*budgets));
	uint64_t sum = 0;
	int r = budgets ? 0 : -ENOMEM;

	for (unsigned baseline = 0; !r && baseline < 2; baseline++) {
		uint32_t key = CANARY_EVENT_BUDGET(service, slow, baseline);

		r = bpf_map_lookup_elem(datapath->map.event_budget, &key, budgets);
		for (int cpu = 0; !r && cpu < datapath->cpus; cpu++)
			sum += budgets[cpu].suppressed;
	}
	free(budgets);
	if (!r)
		*ret = sum;
	return r;
}

/* ---- memory ------------------------------------------------------------------------------------------------- */

static int read_memlock(int fd, uint64_t *ret)
{
	char path[64], line[128];
	int r = -ENODATA;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	file = fopen(path, "re");
	if (!file)
		return -errno;
	while (r && fgets(line, sizeof(line), file))
		if (sscanf(line, "memlock: %" SCNu64, ret) == 1)
			r = 0;
	fclose(file);
	return r;
}

int datapath_map_bytes(const struct datapath *datapath, size_t i, const char **ret_name, uint64_t *ret_bytes)
{
	const struct {
		const char *name;
		int fd;
	} maps[] = {
#define X(map_name) { #map_name, datapath->map.map_name },
		DATAPATH_MAPS(X)
#undef X
	};

	if (i >= sizeof(maps) / sizeof(*maps))
		return -ERANGE;
	*ret_name = maps[i].name;
	return read_memlock(maps[i].fd, ret_bytes);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "user/capacity.h"

#define FULL_SHARE 0.9         /* of the table, from which new flows go on probation */
#define FLOOD_OVER_NS 60000000000ULL /* after so long the last flow on probation has proven itself, or never will */

static uint64_t count_open(const struct datapath *datapath, const struct inventory_version *version)
{
	uint64_t sum = 0;

	for (size_t b = 0; b < version->n_backends; b++) {
		uint64_t open = 0, closed = 0;

		if (!datapath_active_flows(datapath, version->backends[b].index, &open, &closed))
			sum += open;
	}
	return sum;
}

static uint64_t count_present(const struct datapath *datapath)
{
	uint64_t sum = 0;

	for (uint32_t b = 0; b < datapath_backends_max(datapath); b++) {
		uint64_t open = 0, closed = 0;

		if (!datapath_active_flows(datapath, b, &open, &closed))
			sum += open + closed;
	}
	return sum;
}

/* Flows that open while the sweep goes on may be in both counts: then the limit is too low until the next one. */
static void for_each_cap(struct datapath *datapath, const struct inventory *inventory, bool after)
{
	for (size_t s = 0; s < inventory->n_services; s++)
		for (size_t v = 0; v < inventory->services[s].n_versions; v++) {
			const struct inventory_version *version = &inventory->services[s].versions[v];
			struct canary_capacity *shared = datapath_capacity(datapath, version->index);
			uint64_t open, room;

			if (!shared)
				continue;
			if (!after) {
				shared->opened_before_sweep = __atomic_load_n(&shared->opened, __ATOMIC_ACQUIRE);
				continue;
			}
			open = count_open(datapath, version);
			room = open < version->max_flows ? version->max_flows - open : 0;
			__atomic_store_n(&shared->limit, shared->opened_before_sweep + room, __ATOMIC_RELEASE);
			__atomic_store_n(&shared->max_flows, version->max_flows, __ATOMIC_RELEASE);
		}
}

void capacity_begin(struct capacity *capacity, struct datapath *datapath, const struct inventory *inventory)
{
	struct canary_flow_table table;

	for_each_cap(datapath, inventory, false);
	if (!datapath_flow_table(datapath, &table))
		capacity->inserted = table.inserted;
}

/* What is lost in one sweep alone was passed over by the walk, which does not stop the table. */
static void count_evicted(struct capacity *capacity, const struct canary_flow_table *table)
{
	uint64_t known = table->removed + capacity->present;
	uint64_t lost = capacity->inserted > known ? capacity->inserted - known : 0;
	uint64_t both = lost < capacity->lost ? lost : capacity->lost;

	if (both > capacity->evicted)
		capacity->evicted = both;
	capacity->lost = lost;
}

void capacity_end(struct capacity *capacity, struct datapath *datapath, const struct inventory *inventory,
		  uint64_t now_ns)
{
	struct canary_flow_table table;

	for_each_cap(datapath, inventory, true);
	capacity->present = count_present(datapath);
	if (!datapath_flow_table(datapath, &table))
		count_evicted(capacity, &table);
	datapath_set_flood(datapath, capacity->present > FULL_SHARE * datapath_flows_capacity(datapath),
			   now_ns > FLOOD_OVER_NS ? now_ns - FLOOD_OVER_NS : 0);
}

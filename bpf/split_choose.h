/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Where a new flow goes, by the maps: its service, the split's active view, the cohort, a backend that is in use. */
#ifndef CANARYD_BPF_SPLIT_CHOOSE_H
#define CANARYD_BPF_SPLIT_CHOOSE_H

#include "account.h"
#include "cohort.h"
#include "decide.h"
#include "maps.h"

#define SPLIT_PORT_VIP 1
#define SPLIT_PORT_SOURCE 2

/* Whose may a packet to this port be? */
static __always_inline __u32 split_port_of(__be16 port_on_wire, __u8 protocol)
{
	__u32 port = bpf_ntohs(port_on_wire), element = port / 64;
	struct canary_ports *bits = bpf_map_lookup_elem(&ports, &element);
	bool tcp = protocol == IPPROTO_TCP;

	if (!bits)
		return 0;
	return ((tcp ? bits->vip_tcp : bits->vip_udp) >> (port & 63) & 1) * SPLIT_PORT_VIP |
	       ((tcp ? bits->source_tcp : bits->source_udp) >> (port & 63) & 1) * SPLIT_PORT_SOURCE;
}

static __always_inline struct canary_service *split_service(const struct canary_flow_key *key)
{
	struct canary_endpoint vip;

	flow_endpoint(&vip, key->vip, key->vip_port, key->protocol);
	return bpf_map_lookup_elem(&services, &vip);
}

/* The view that counts; NULL before the first is published. */
static __always_inline struct canary_split_view *split_view(__u32 service)
{
	struct canary_split_view *view = account_view(service);

	return view && view->epoch ? view : NULL;
}

/* The cohort the client is in; NULL where there is none. */
static __always_inline struct canary_cohort *split_cohort(__u32 service, const struct canary_flow_key *key)
{
	void *trie = bpf_map_lookup_elem(&cohorts, &service);
	struct canary_prefix client;

	if (!trie)
		return NULL;
	client = cohort_client(key);
	return bpf_map_lookup_elem(trie, &client);
}

static __always_inline struct canary_backend *split_backend(__u32 index)
{
	struct canary_backend *backend = bpf_map_lookup_elem(&backends, &index);

	return backend && backend->in_use ? backend : NULL;
}

static __always_inline __u16 split_backend_of(__u32 version, __u64 hash)
{
	__u32 zero = 0;
	void *inner = bpf_map_lookup_elem(&maglev, &version);
	canary_maglev *table;
	__u16 index;

	if (!inner)
		return CANARY_NONE;
	table = bpf_map_lookup_elem(inner, &zero);
	if (!table)
		return CANARY_NONE;
	index = (*table)[decide_maglev_entry(hash)];
	return split_backend(index) ? index : CANARY_NONE;
}

/* Has the version as many flows as it may? */
static __always_inline bool split_is_full(__u32 version)
{
	struct canary_capacity *capacity = bpf_map_lookup_elem(&capacities, &version);

	return capacity && capacity->max_flows &&
	       *(volatile __u64 *)&capacity->opened >= *(volatile __u64 *)&capacity->limit;
}

static __always_inline void split_count_towards_cap(__u32 version)
{
	struct canary_capacity *capacity = bpf_map_lookup_elem(&capacities, &version);

	if (capacity && capacity->max_flows)
		__sync_fetch_and_add(&capacity->opened, 1);
}

/* May a new flow go to the canary now? CANARY_EXPLAIN_HASH, or why it may not. */
static __always_inline enum canary_explain_source split_canary_is_open(__u32 service,
									const struct canary_split_view *view,
									__u64 now_ns)
{
	__u32 generation = view->generation;
	struct canary_breaker *breaker = bpf_map_lookup_elem(&breakers, &service);
	struct canary_control *settings = account_control();

	if (breaker && generation && *(volatile __u32 *)&breaker->tripped == generation)
		return CANARY_EXPLAIN_BREAKER;
	if (settings && decide_lease_is_over(*(volatile __u64 *)&settings->lease_ns, now_ns))
		return CANARY_EXPLAIN_LEASE;
	return split_is_full(view->canary) ? CANARY_EXPLAIN_CAPACITY : CANARY_EXPLAIN_HASH;
}

static __always_inline bool split_is_diverted(enum canary_explain_source source)
{
	return source == CANARY_EXPLAIN_LEASE || source == CANARY_EXPLAIN_BREAKER || source == CANARY_EXPLAIN_CAPACITY;
}

/*
 * Chooses version and backend, and says by what. A canary that has no backends, or is not to get flows, loses its own
 * to the baseline.
 */
static __always_inline enum canary_explain_source split_choose(const struct canary_flow_key *key,
							       const struct canary_service *service,
							       const struct canary_split_view *view, __u64 now_ns,
							       struct canary_flow *flow)
{
	struct canary_cohort *cohort = split_cohort(service->id, key);
	enum canary_explain_source source = CANARY_EXPLAIN_HASH;
	__u64 hash = decide_hash(key, service);

	flow->service = service->id;
	flow->mode = service->mode;
	flow->source = service->source_first;
	flow->generation = cohort_generation(cohort, view);
	flow->epoch = view->epoch;
	flow->version = decide_version(view, cohort_threshold(cohort, view), decide_position(hash));
	if (flow->version == view->canary)
		source = split_canary_is_open(service->id, view, now_ns);
	if (split_is_diverted(source))
		flow->version = view->baseline;
	flow->backend = split_backend_of(flow->version, hash);
	if (flow->backend == CANARY_NONE && flow->version == view->canary) {
		flow->version = view->baseline;
		flow->backend = split_backend_of(flow->version, hash);
	}
	if (service->rescue && flow->version == view->canary)
		flow->fallback = split_backend_of(view->baseline, hash) + 1; /* CANARY_NONE is the last one: 0 */
	return flow->backend == CANARY_NONE ? CANARY_EXPLAIN_NO_BACKEND : source;
}

/* The flow a packet belongs to, and what becomes of it. */
struct split_found {
	struct canary_flow *in_table; /* NULL: not there, or not looked for */
	bool opens;                   /* no packet of this connection came before */
	bool inserted;                /* and it is in the table already */
	bool guarded;                 /* by the flood guard: opens on probation */
	bool held;                    /* it is on probation: `opened` says where it goes, and it opens nothing */
	__u16 chosen_by;              /* enum canary_explain_source: what says where it opens */
	__u64 now_ns;                 /* where no flow was found: when that was */
	struct canary_flow opened;    /* where it opens: the flow as it is then */
	__u8 source_count;            /* and how many sources its service has */
	bool moved;                   /* the flow in the table was the canary's, and the baseline's opens with this packet */
};

static __always_inline __u32 split_mode(const struct split_found *found)
{
	if (found->opens)
		return found->opened.mode;
	return found->in_table ? found->in_table->mode : CANARY_MODE_DNAT;
}

#endif

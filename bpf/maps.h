/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The maps, shared by all programs through their pins: the daemon gives every map of every object the pin path
 * PIN_DIR/NAME before loading, so the object loaded second gets the maps of the first. Sizes marked "set before
 * loading" come from the configuration.
 */
#ifndef CANARYD_BPF_MAPS_H
#define CANARYD_BPF_MAPS_H

#include <linux/bpf.h>
#include <canaryd/abi.h>
#include <bpf/bpf_helpers.h>
#include "fragment.h"
#include "icmp.h"
#include "icmp_tunnel.h"
#include "rescue.h"
#include "trace.h"

#define MAPS_SERVICES 64
#define MAPS_VERSIONS 32  /* set before loading */
#define MAPS_BACKENDS 64  /* set before loading */
#define MAPS_FLOWS 262144 /* set before loading */
#define MAPS_FRAGMENTS 16384
#define MAPS_TUNNEL_PATHS 1024
#define MAPS_HALF_OPEN (MAPS_FLOWS / 4) /* set before loading */
#define MAPS_TRACES 16384 /* set before loading */
#define MAPS_SYNS 16384   /* connections that wait for a canary's answer */

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, struct canary_ports);
} ports SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAPS_SERVICES);
	__type(key, struct canary_endpoint);
	__type(value, struct canary_service);
} services SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, MAPS_SERVICES);
	__type(key, __u32);
	__type(value, struct canary_split);
} splits SEC(".maps");

struct cohort_trie {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(struct canary_prefix));
	__uint(value_size, sizeof(struct canary_cohort));
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, MAPS_SERVICES);
	__type(key, __u32);
	__array(values, struct cohort_trie);
} cohorts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MAPS_VERSIONS);
	__type(key, __u32);
	__type(value, struct canary_version);
} versions SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MAPS_BACKENDS);
	__type(key, __u32);
	__type(value, struct canary_backend);
} backends SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAPS_BACKENDS);
	__type(key, struct canary_endpoint);
	__type(value, struct canary_backend_address);
} backend_addresses SEC(".maps");

struct maglev_table {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, canary_maglev);
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, MAPS_VERSIONS);
	__type(key, __u32);
	__array(values, struct maglev_table);
} maglev SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, MAPS_FLOWS);
	__type(key, struct canary_flow_key);
	__type(value, struct canary_flow);
} flows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, CANARY_SOURCES);
	__type(key, __u32);
	__type(value, struct canary_source);
} sources SEC(".maps");

/* Nothing is evicted from it, and where no service is in fullnat mode it holds nothing: it takes memory as it needs it. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, MAPS_FLOWS);
	__type(key, struct canary_reply_key);
	__type(value, struct canary_reply);
} replies SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MAPS_SERVICES);
	__type(key, __u32);
	__type(value, struct canary_shadow_rule);
} shadow_rules SEC(".maps");

/* As `replies`: where no service has a shadow it holds nothing. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, MAPS_HALF_OPEN); /* set before loading */
	__type(key, struct canary_flow_key);
	__type(value, struct canary_flow);
} shadows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, MAPS_FRAGMENTS);
	__type(key, struct canary_fragment_key);
	__type(value, struct canary_fragment);
} fragments SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, MAPS_TUNNEL_PATHS);
	__type(key, struct canary_source);
	__type(value, struct canary_tunnel_path);
} tunnel_paths SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, MAPS_HALF_OPEN);
	__type(key, struct canary_flow_key);
	__type(value, struct canary_flow);
} half_open SEC(".maps");

/* As `replies`, of flows in `half_open`. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, MAPS_HALF_OPEN);
	__type(key, struct canary_reply_key);
	__type(value, struct canary_flow_key);
} half_open_replies SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, MAPS_SERVICES);
	__type(key, __u32);
	__type(value, struct canary_flood);
} floods SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct canary_flow_table);
} flow_table SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, MAPS_VERSIONS);
	__type(key, __u32);
	__type(value, struct canary_capacity);
} capacities SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, MAPS_VERSIONS * CANARY_STATS_SLOTS);
	__type(key, __u32);
	__type(value, struct canary_counters);
} version_stats SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, MAPS_BACKENDS);
	__type(key, __u32);
	__type(value, struct canary_counters);
} backend_stats SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, MAPS_VERSIONS * CANARY_STATS_SLOTS * CANARY_LATENCIES);
	__type(key, __u32);
	__type(value, struct canary_histogram);
} latency SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, MAPS_BACKENDS * CANARY_LATENCIES);
	__type(key, __u32);
	__type(value, struct canary_histogram);
} backend_latency SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MAPS_BACKENDS);
	__type(key, __u32);
	__type(value, struct canary_active_flows);
} active_flows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct canary_reasons);
} reasons SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct canary_control);
} control SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, MAPS_SERVICES);
	__type(key, __u32);
	__type(value, struct canary_breaker);
} breakers SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, MAPS_SYNS);
	__type(key, struct canary_flow_key);
	__type(value, struct canary_syn);
} syns SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MAPS_BACKENDS);
	__type(key, __u32);
	__type(value, struct rescue_silence);
} silences SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct rescue_work);
} rescue_scratch SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 256 * 1024);
} events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, MAPS_SERVICES * CANARY_EVENT_BUDGETS);
	__type(key, __u32);
	__type(value, struct canary_event_budget);
} event_budget SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, MAPS_TRACES);
	__type(key, struct canary_flow_key);
	__type(value, struct trace);
} traces SEC(".maps");

/* What is off the way of most packets has its working data here: the stack is for theirs. */
struct maps_shadow {
	struct canary_flow_key key;
	struct canary_flow opened;
};

struct maps_scratch {
	struct icmp_work icmp;
	struct icmp_tunnel_error tunnel;
	struct fragment_work fragment;
	struct maps_shadow shadow;
	struct trace trace;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct maps_scratch);
} scratch SEC(".maps");

static __always_inline struct maps_scratch *maps_scratch(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&scratch, &zero);
}

#endif

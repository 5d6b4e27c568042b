/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Where a new flow is kept: in the table, or while the flood guard is on, on probation. */
#ifndef CANARYD_BPF_SPLIT_FLOOD_H
#define CANARYD_BPF_SPLIT_FLOOD_H

#include "account.h"
#include "flood.h"
#include "maps.h"

/* Does the flood guard put what opens now on probation? In fullnat mode it does not: a source port is taken anyway. */
static __always_inline bool split_is_guarded(const struct canary_flow *flow, __u64 now_ns)
{
	__u32 service = flow->service;
	struct canary_split *split = bpf_map_lookup_elem(&splits, &service);
	struct canary_control *settings;
	struct canary_flood *state;

	if (!split || !split->flood_limit || flow->mode == CANARY_MODE_FULLNAT)
		return false;
	state = bpf_map_lookup_elem(&floods, &service);
	settings = account_control();
	if (!state || !settings || !flood_is_on(state, split->flood_limit, settings->table_full, now_ns))
		return false;
	*(volatile __u64 *)&settings->flood_ns = now_ns; /* CPUs may overwrite each other: it is not zero, that is all */
	return true;
}

/* Opens a flow, on probation or not. False: there is one of that key in the table, or it takes none. */
static __always_inline bool split_insert(const struct canary_flow_key *key, const struct canary_flow *flow,
					 bool guarded, __u64 flags)
{
	if (guarded) {
		if (bpf_map_update_elem(&half_open, key, flow, flags))
			return false;
		ACCOUNT_TABLE(probation);
		return true;
	}
	if (bpf_map_update_elem(&flows, key, flow, flags))
		return false;
	ACCOUNT_TABLE(inserted);
	return true;
}

/*
 * The flow on probation that a packet belongs to. Where the packet proves it, it moves to the table; what the reply's
 * CPU writes of it meanwhile is lost, at worst the timing of one response.
 */
static __noinline struct canary_flow *split_probation(const struct canary_flow_key *key, const struct packet *p)
{
	struct canary_flow *flow = account_half_open(key);

	if (!flow || !flood_is_proven(flow, p) || !split_insert(key, flow, false, BPF_NOEXIST))
		return flow;
	ACCOUNT_TABLE(promoted);
	bpf_map_delete_elem(&half_open, key);
	return bpf_map_lookup_elem(&flows, key);
}

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Where a new flow is kept: in the table, or while the flood guard is on, on probation. What deals with probation is
 * verified by itself: key and flow are in the forward_job of the CPU.
 */
#ifndef CANARYD_BPF_SPLIT_FLOOD_H
#define CANARYD_BPF_SPLIT_FLOOD_H

#include "account.h"
#include "flood.h"
#include "forward.h"
#include "maps.h"
#include "split_choose.h"

enum split_probation {
	SPLIT_NOT_ON_PROBATION = 0,
	SPLIT_PROMOTED = 1, /* it is in the table now */
	SPLIT_HELD = 2,     /* job->flow is a copy of it */
	SPLIT_OPENED = 3,   /* on probation */
};

/* Whether what the service opens now goes on probation. Remembers that something does: CPUs may overwrite each other. */
__attribute__((noinline)) int split_flood_is_on(__u32 service, __u64 now_ns)
{
	struct canary_split *split = bpf_map_lookup_elem(&splits, &service);
	struct canary_flood *state = bpf_map_lookup_elem(&floods, &service);
	struct canary_control *settings = account_control();

	if (!split || !state || !settings || !flood_is_on(state, split->flood_limit, settings->table_full, now_ns))
		return 0;
	*(volatile __u64 *)&settings->flood_ns = now_ns;
	return 1;
}

/* Guarded is dnat: in fullnat a source port is taken anyway, and in dsr no answer is seen that could be proven. */
static __always_inline bool split_is_guarded(const struct canary_flow *flow, __u64 now_ns)
{
	__u32 service = flow->service;
	struct canary_split *split = bpf_map_lookup_elem(&splits, &service);

	if (!split || !split->flood_limit || flow->mode != CANARY_MODE_DNAT)
		return false;
	return split_flood_is_on(service, now_ns);
}

/* Puts the flow of the job on probation, unless there it is already: SPLIT_OPENED or SPLIT_HELD. */
__attribute__((noinline)) int split_hold(__u32 seq)
{
	struct packet p = { .protocol = IPPROTO_TCP, .tcp_flags = TCP_SYN, .seq = seq };
	struct forward_job *job = forward_job();
	struct canary_flow *there;

	if (!job)
		return SPLIT_NOT_ON_PROBATION;
	there = bpf_map_lookup_elem(&half_open, &job->key);
	if (there && (job->flow.origin != CANARY_ORIGIN_SYN || !flow_reopens(there, &p))) {
		job->flow = *there;
		return SPLIT_HELD;
	}
	if (bpf_map_update_elem(&half_open, &job->key, &job->flow, BPF_ANY))
		return SPLIT_NOT_ON_PROBATION;
	ACCOUNT_TABLE(probation);
	return SPLIT_OPENED;
}

/*
 * The flow on probation that a packet belongs to. Where the packet proves it, it moves to the table; what the reply's
 * CPU writes of it meanwhile is lost, at worst the timing of one response.
 */
__attribute__((noinline)) int split_look_up_held(__u32 protocol, __u32 tcp_flags, __u32 ack)
{
	struct packet p = { .protocol = protocol, .tcp_flags = tcp_flags, .ack = ack };
	struct forward_job *job = forward_job();
	struct canary_flow *flow;

	if (!job)
		return SPLIT_NOT_ON_PROBATION;
	flow = bpf_map_lookup_elem(&half_open, &job->key);
	if (!flow)
		return SPLIT_NOT_ON_PROBATION;
	if (!flood_is_proven(flow, &p) || bpf_map_update_elem(&flows, &job->key, flow, BPF_NOEXIST)) {
		job->flow = *flow;
		return SPLIT_HELD;
	}
	ACCOUNT_TABLE(inserted);
	ACCOUNT_TABLE(promoted);
	bpf_map_delete_elem(&half_open, &job->key);
	return SPLIT_PROMOTED;
}

/* A packet of a flow on probation goes where that went, and is not accounted. */
static __always_inline bool split_is_held(const struct canary_flow_key *key, const struct packet *p,
					  struct split_found *found)
{
	struct canary_control *settings = account_control();
	struct forward_job *job;
	int r;

	if (!settings || !*(volatile __u64 *)&settings->flood_ns)
		return false;
	job = forward_job();
	if (!job)
		return false;
	job->key = *key;
	r = split_look_up_held(p->protocol, p->tcp_flags, p->ack);
	if (r == SPLIT_PROMOTED)
		found->in_table = bpf_map_lookup_elem(&flows, key);
	if (r == SPLIT_HELD) {
		found->opened = job->flow;
		found->opens = true;
		found->held = true;
	}
	return found->in_table || found->held;
}

/* Opens the flow on probation. False: it takes none. */
static __always_inline bool split_open_held(const struct canary_flow_key *key, __u32 seq, struct split_found *found)
{
	struct forward_job *job = forward_job();
	int r;

	if (!job)
		return false;
	job->key = *key;
	job->flow = found->opened;
	r = split_hold(seq);
	found->inserted = r == SPLIT_OPENED;
	found->held = r == SPLIT_HELD;
	if (found->held)
		found->opened.backend = job->flow.backend;
	return r;
}

#endif

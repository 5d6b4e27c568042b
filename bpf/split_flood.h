/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Where a new flow is kept: in the table, or while the flood guard is on, on probation. What deals with probation is
 * verified by itself: key and flow are in the forward_job of the CPU.
 */
#ifndef CANARYD_BPF_SPLIT_FLOOD_H
#define CANARYD_BPF_SPLIT_FLOOD_H

#include "account.h"
#include "flood.h"
#include "maps.h"
#include "nat_table.h"
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

static __always_inline bool split_is_guarded(const struct canary_flow *flow, bool syn, __u64 now_ns)
{
	__u32 service = flow->service;
	struct canary_split *split = bpf_map_lookup_elem(&splits, &service);

	if (!split || !split->flood_limit || !flood_may_hold(flow, syn))
		return false;
	return split_flood_is_on(service, now_ns);
}

/* Puts the flow of the job on probation. Returns 0, or negative: it takes none. */
static __always_inline int split_hold(const struct forward_job *job)
{
	if (bpf_map_update_elem(&half_open, &job->key, &job->flow, BPF_ANY))
		return -1;
	ACCOUNT_TABLE(probation);
	return 0;
}

/*
 * In mode fullnat: has the job's flow its source still? One that has proven itself gets it for good, also from another
 * on probation, which looks for one again with its client's next SYN.
 */
static __always_inline bool split_has_source(struct forward_job *job, const struct canary_flow *flow, bool proven)
{
	const struct canary_flow_key *holder;

	if (!nat_aim_at(job, flow))
		return false;
	if (!proven) {
		holder = nat_holder(&job->reply_key);
		return holder && nat_same_flow(holder, &job->key);
	}
	__builtin_memset(&job->reply, 0, sizeof(job->reply));
	job->reply.flow = job->key;
	if (nat_take(job) != NAT_TAKEN)
		return false;
	bpf_map_delete_elem(&half_open_replies, &job->reply_key);
	return true;
}

/*
 * The flow on probation that a packet belongs to; one whose source is another's by now is none. Where the packet proves
 * it, it moves to the table; what the reply's CPU writes of it meanwhile is lost, at worst the timing of one response.
 */
__attribute__((noinline)) int split_look_up_held(__u32 protocol, __u32 tcp_flags, __u32 ack, __u32 seq)
{
	struct packet p = { .protocol = protocol, .tcp_flags = tcp_flags, .ack = ack, .seq = seq };
	struct forward_job *job = forward_job();
	struct canary_flow *flow;
	bool proven;

	if (!job)
		return SPLIT_NOT_ON_PROBATION;
	flow = bpf_map_lookup_elem(&half_open, &job->key);
	if (!flow)
		return SPLIT_NOT_ON_PROBATION;
	proven = flood_is_proven(flow, &p);
	if (flow->mode == CANARY_MODE_FULLNAT && !split_has_source(job, flow, proven))
		return SPLIT_NOT_ON_PROBATION;
	if (!proven || bpf_map_update_elem(&flows, &job->key, flow, BPF_NOEXIST)) {
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
	struct forward_job *job = account_in_flood() ? forward_job() : NULL;
	int r;

	if (!job)
		return false;
	job->key = *key;
	r = split_look_up_held(p->protocol, p->tcp_flags, p->ack, p->seq);
	if (r == SPLIT_PROMOTED)
		found->in_table = bpf_map_lookup_elem(&flows, key);
	if (r == SPLIT_HELD) {
		found->opened = job->flow;
		found->opens = true;
		found->held = true;
	}
	return found->in_table || found->held;
}

/* Does what opens go on probation? One that is in the table already has proven itself. */
static __always_inline bool split_opens_held(const struct split_found *found)
{
	return found->guarded && !found->in_table;
}

/*
 * Opens the flow of the job on probation, unless it is there already: a SYN that came again. In mode fullnat it needs a
 * source first, and split_open_fullnat() puts it there.
 */
__attribute__((noinline)) int split_hold_job(__u32 seq)
{
	struct packet p = { .protocol = IPPROTO_TCP, .tcp_flags = TCP_SYN, .seq = seq };
	struct forward_job *job = forward_job();
	struct canary_flow *there;
	bool syn, fullnat;

	if (!job)
		return SPLIT_NOT_ON_PROBATION;
	syn = job->flow.origin == CANARY_ORIGIN_SYN;
	fullnat = job->flow.mode == CANARY_MODE_FULLNAT;
	there = syn ? bpf_map_lookup_elem(&half_open, &job->key) : NULL;
	if (there && !flow_reopens(there, &p) && (!fullnat || split_has_source(job, there, false))) {
		job->flow = *there;
		return SPLIT_HELD;
	}
	return (syn && fullnat) || split_hold(job) ? SPLIT_NOT_ON_PROBATION : SPLIT_OPENED;
}

static __always_inline void split_open_held(const struct canary_flow_key *key, __u32 seq, struct split_found *found)
{
	struct forward_job *job = forward_job();
	int r;

	if (!job)
		return;
	job->key = *key;
	job->flow = found->opened;
	r = split_hold_job(seq);
	found->inserted = r == SPLIT_OPENED;
	found->held = r == SPLIT_HELD;
	found->opened = job->flow;
}

#endif

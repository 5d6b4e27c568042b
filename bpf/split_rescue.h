/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A canary that does not answer, seen from the client's side: its SYN comes again, and goes to the baseline. */
#ifndef CANARYD_BPF_SPLIT_RESCUE_H
#define CANARYD_BPF_SPLIT_RESCUE_H

#include "nat_table.h"
#include "rescue.h"
#include "split_forward.h"

/* In mode dsr no answer is seen: is there none to anybody? */
static __always_inline bool split_is_silent(const struct canary_flow *flow, __u64 now_ns)
{
	__u32 backend = flow->backend;
	struct rescue_silence *silence = bpf_map_lookup_elem(&silences, &backend);

	return silence && rescue_is_silent(silence, now_ns);
}

/* The SYN came again, and nobody has answered the first. */
static __always_inline bool split_is_unanswered(const struct canary_flow *flow, __u64 now_ns)
{
	return flow->fallback && flow->origin == CANARY_ORIGIN_SYN && !flow_closed(flow) && flow_state(flow) == FLOW_SYN &&
	       now_ns - flow->opened_ns > RESCUE_COPY_NS &&
	       (flow->mode != CANARY_MODE_DSR || split_is_silent(flow, now_ns));
}

/* The job's flow is this one, opened anew at the baseline; in fullnat mode it needs a source there. False: not possible. */
static __always_inline bool split_reopen(struct forward_job *job, const struct canary_flow *flow, __u64 now_ns)
{
	struct canary_backend *backend = account_fallback(flow);
	struct canary_service *service = split_service(&job->key);

	if (!backend || !service)
		return false;
	job->flow = *flow;
	job->flow.source = service->source_first;
	job->source_count = service->source_count;
	rescue_reopen(&job->flow, backend->version, now_ns);
	return true;
}

static __always_inline void split_account_unanswered(const struct canary_flow_key *key, const struct canary_flow *flow,
						     __u64 now_ns)
{
	struct tally tally;
	__u32 slot;

	if (!account_tally(flow, &tally, &slot))
		return;
	TALLY(&tally, rescued);
	if (telemetry_syn_has_failed(flow))
		return;
	TALLY(&tally, syn_timeout);
	account_outcome(flow, key, CANARY_COUNTER_syn_timeout, telemetry_since(flow->opened_ns, now_ns), now_ns);
}

/* Whatever comes to that source is nobody's from now on. */
static __always_inline void split_give_back_source(struct forward_job *job, const struct canary_flow *flow)
{
	if (nat_aim_at(job, flow))
		bpf_map_delete_elem(&replies, &job->reply_key);
}

/* Does the canary leave it unanswered, and can it go elsewhere? Then the job's flow is what it becomes: 1. */
__attribute__((noinline)) int split_unanswered(__u64 now_ns)
{
	struct forward_job *job = forward_job();
	struct canary_flow *flow;

	if (!job)
		return 0;
	flow = bpf_map_lookup_elem(&flows, &job->key);
	return flow && split_is_unanswered(flow, now_ns) && split_reopen(job, flow, now_ns);
}

/* The job's flow takes the place of the one that was left unanswered. An answer that is late is nobody's. */
__attribute__((noinline)) int split_move(__u64 now_ns)
{
	struct forward_job *job = forward_job();
	struct canary_flow *flow;

	if (!job)
		return 0;
	flow = bpf_map_lookup_elem(&flows, &job->key);
	if (!flow)
		return 0;
	split_account_unanswered(&job->key, flow, now_ns);
	if (flow->mode == CANARY_MODE_FULLNAT)
		split_give_back_source(job, flow);
	*flow = job->flow;
	account_reopened(&job->flow);
	return 1;
}

/* The SYN of a connection that is in the table, with a fallback, came again: is it the baseline's from now on? */
static __always_inline bool split_rescue(const struct canary_flow_key *key, __u8 mode, __u64 now_ns)
{
	struct forward_job *job = forward_job();

	if (!job)
		return false;
	job->key = *key;
	if (!split_unanswered(now_ns) || (mode == CANARY_MODE_FULLNAT && split_open_fullnat(false, false)))
		return false;
	return split_move(now_ns);
}

#endif

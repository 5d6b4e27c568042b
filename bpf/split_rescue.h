/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A canary that does not answer, seen from the client's side: its SYN is kept for the case of a refusal, and when it comes
 * again unanswered, it goes to the baseline.
 */
#ifndef CANARYD_BPF_SPLIT_RESCUE_H
#define CANARYD_BPF_SPLIT_RESCUE_H

#include "forward.h"
#include "rescue.h"
#include "split_choose.h"

/* The SYN came again, and nobody has answered the first. */
static __always_inline bool split_is_unanswered(const struct canary_flow *flow, __u64 now_ns)
{
	return flow->fallback && flow->origin == CANARY_ORIGIN_SYN && !flow_closed(flow) && flow_state(flow) == FLOW_SYN &&
	       now_ns - flow->opened_ns > RESCUE_COPY_NS;
}

/* The backend that answers in its place; false: there is none. Where flows go elsewhere by now, that is the one. */
static __always_inline bool split_fall_back(struct canary_flow *opened, const struct canary_flow *unanswered)
{
	struct canary_backend *backend;

	if (opened->version != unanswered->version)
		return true;
	backend = opened->fallback ? split_backend(opened->fallback - 1) : NULL;
	if (!backend)
		return false;
	opened->backend = opened->fallback - 1;
	opened->version = backend->version;
	opened->fallback = 0;
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
	account_failure(flow, key, CANARY_COUNTER_syn_timeout, telemetry_since(flow->opened_ns, now_ns), now_ns);
}

/*
 * The job's flow is where the connection would open now. Where the canary leaves it unanswered, it opens at the
 * baseline, anew: 1, and the job's flow is in the table. An answer that is late is nobody's. Verified by itself.
 */
__attribute__((noinline)) int split_open_again(__u64 now_ns)
{
	struct forward_job *job = forward_job();
	struct canary_flow *flow;

	if (!job)
		return 0;
	flow = bpf_map_lookup_elem(&flows, &job->key);
	if (!flow || !split_is_unanswered(flow, now_ns) || !split_fall_back(&job->flow, flow))
		return 0;
	split_account_unanswered(&job->key, flow, now_ns);
	*flow = job->flow;
	return 1;
}

/* The SYN of a connection that is in the table came again. */
static __always_inline void split_rescue(const struct canary_flow_key *key, struct split_found *found)
{
	struct forward_job *job = found->in_table->fallback ? forward_job() : NULL;

	if (!job)
		return;
	job->key = *key;
	job->flow = found->opened;
	if (!split_open_again(found->now_ns))
		return;
	found->opened = job->flow;
	found->opens = true;
	found->inserted = true;
}

/* Keeps the SYN that has opened the job's flow. Verified by itself. */
__attribute__((noinline)) int split_keep_syn(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *data_end = (void *)(long)ctx->data_end;
	struct forward_job *job = forward_job();
	__u32 zero = 0;
	struct rescue_work *work = bpf_map_lookup_elem(&rescue_scratch, &zero);
	struct packet p;

	if (!job || !work || parse_packet(data, data_end, parse_distance(data, data_end), &p) || p.protocol != IPPROTO_TCP)
		return -1;
	if (!rescue_keep(&work->syn, &p, data_end))
		return -1;
	return bpf_map_update_elem(&syns, &job->key, &work->syn, BPF_ANY);
}

/* What opened was inserted: where somebody can fall back on the baseline, its SYN is kept. */
static __always_inline void split_keep(struct xdp_md *ctx, const struct canary_flow_key *key,
				       const struct split_found *found)
{
	struct forward_job *job = found->opened.fallback ? forward_job() : NULL;

	if (!job)
		return;
	job->key = *key;
	split_keep_syn(ctx);
}

#endif

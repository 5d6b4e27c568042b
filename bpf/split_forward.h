/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Modes fullnat and dsr at XDP: gives a flow its source, and makes of what is known of a packet the job that forward()
 * or forward_tunnel() does. What is verified by itself works on the job alone.
 */
#ifndef CANARYD_BPF_SPLIT_FORWARD_H
#define CANARYD_BPF_SPLIT_FORWARD_H

#include "nat_table.h"
#include "split_choose.h"
#include "split_flood.h"
#include "split_keep.h"

/* For want of a source at the backend that was chosen: so many others of its version, at last one of the baseline. */
#define SPLIT_OTHER_BACKENDS 3

static __always_inline __u16 split_candidate(const struct forward_job *job, __u32 i)
{
	struct canary_split_view *view;
	__u64 hash;

	if (i == 0)
		return job->flow.backend;
	hash = nat_hash(&job->key);
	if (i <= SPLIT_OTHER_BACKENDS)
		return split_backend_of(job->flow.version, hash + i);
	view = split_view(job->flow.service);
	return view ? split_backend_of(view->baseline, hash) : CANARY_NONE;
}

/* A source at one of the candidates. Returns as nat_find_source(). */
static __always_inline int split_find_source(struct forward_job *job)
{
	int r = -1;

	job->source_first = job->flow.source;
	for (__u32 i = 0; r < 0 && i <= SPLIT_OTHER_BACKENDS + 1; i++) {
		__u16 index = split_candidate(job, i);
		struct canary_backend *backend = index == CANARY_NONE ? NULL : split_backend(index);

		if (!backend)
			continue;
		nat_reply_key_to(&job->reply_key, &backend->endpoint);
		job->flow.backend = index;
		if (job->flow.version != backend->version)
			job->flow.fallback = 0;
		job->flow.version = backend->version;
		r = nat_find_source();
	}
	return r;
}

static __always_inline void split_count_reused(const struct canary_flow *flow)
{
	struct tally tally;

	if (account_tally_in(flow, CANARY_STATS_SLOT(flow->version, true), &tally))
		TALLY(&tally, source_reused);
}

static __always_inline int split_insert(const struct forward_job *job)
{
	if (job->on_probation)
		return split_hold(job);
	return bpf_map_update_elem(&flows, &job->key, &job->flow, BPF_ANY) ? -1 : 0;
}

/*
 * Gives the flow of the job a source, on probation or for good, and where `insert` says so, its place in the table.
 * Returns 0 or a reason; -1 where the table took no entry. Verified by itself.
 */
__attribute__((noinline)) int split_open_fullnat(__u32 insert, __u32 on_probation)
{
	struct forward_job *job = forward_job();
	int r;

	if (!job)
		return CANARY_REASON_rewrite;
	__builtin_memset(&job->reply, 0, sizeof(job->reply));
	job->reply.flow = job->key;
	job->on_probation = on_probation;
	r = split_find_source(job);
	if (r < 0)
		return CANARY_REASON_source_exhausted;
	if (r > 0 && !on_probation)
		split_count_reused(&job->flow);
	return insert ? split_insert(job) : 0;
}

/* Returns 0 or a reason. */
static __always_inline int split_take_source(struct forward_job *job, const struct canary_flow_key *key, bool syn,
					     struct split_found *found)
{
	int r;

	job->key = *key;
	job->flow = found->opened;
	job->source_count = found->source_count;
	r = split_open_fullnat(syn, split_opens_held(found));
	if (r > 0)
		return r;
	found->inserted = syn && !r;
	found->opened.version = job->flow.version;
	found->opened.backend = job->flow.backend;
	found->opened.source = job->flow.source;
	found->opened.source_port = job->flow.source_port;
	found->opened.fallback = job->flow.fallback;
	return 0;
}

/* Where it goes, and as whose. */
struct split_way {
	__u16 backend;
	__u8 source;
	__be16 source_port;
};

static __always_inline struct split_way split_way(const struct canary_flow *flow)
{
	struct split_way way = {
		.backend = flow->backend, .source = flow->source, .source_port = flow->source_port,
	};

	return way;
}

/* Says what the packet of the job shall become. Returns 0 or a reason. */
static __always_inline int split_job(struct forward_job *job, struct split_way way)
{
	struct canary_backend *backend = split_backend(way.backend);
	__u32 index = way.source;
	struct canary_source *source = bpf_map_lookup_elem(&sources, &index);

	if (!backend || !source)
		return CANARY_REASON_no_backend;
	flow_endpoint(&job->source, source->addr, way.source_port, job->packet.protocol);
	job->destination = backend->endpoint;
	return 0;
}

/* What split_is_dsr() asks. Without a branch: the verifier would follow what comes behind once for each. */
static __always_inline void split_note(struct forward_job *job, const struct canary_flow_key *key,
				       const struct packet *p, const struct split_found *found)
{
	job->key = *key;
	job->packet.payload_start = p->payload_start;
	job->mode = split_mode(found);
	job->opens = found->opens | found->moved;
}

/* Makes the job of a packet that is to be sent from here. Returns 0 or a reason. */
static __always_inline int split_prepare(struct xdp_md *ctx, const struct canary_flow_key *key, const struct packet *p,
					 struct split_found *found)
{
	struct forward_job *job = forward_job();
	int reason;

	if (!job)
		return CANARY_REASON_rewrite;
	reason = forward_parse(ctx);
	if (reason)
		return reason;
	split_note(job, key, p, found);
	if (!found->opens)
		return found->in_table ? split_job(job, split_way(found->in_table)) : CANARY_REASON_no_backend;
	if (found->opened.mode == CANARY_MODE_FULLNAT && !found->held) {
		reason = split_take_source(job, key, flow_is_syn(p), found);
		if (reason)
			return reason;
		if (!split_opens_held(found))
			split_keep(ctx, key, found);
	}
	return split_job(job, split_way(&found->opened));
}

#endif

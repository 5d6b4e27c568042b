/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The SYN of a connection that the baseline gets should the canary not answer: it is kept, for the case of a refusal. */
#ifndef CANARYD_BPF_SPLIT_KEEP_H
#define CANARYD_BPF_SPLIT_KEEP_H

#include "forward.h"
#include "rescue.h"
#include "split_choose.h"

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

/* What opened was inserted: where the baseline gets it should a refusal be seen, its SYN is kept. */
static __always_inline void split_keep(struct xdp_md *ctx, const struct canary_flow_key *key,
				       const struct split_found *found)
{
	bool kept = found->opened.fallback && found->opened.mode != CANARY_MODE_DSR;
	struct forward_job *job = kept ? forward_job() : NULL;

	if (!job)
		return;
	job->key = *key;
	split_keep_syn(ctx);
}

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Replies to the sources that fullnat gave out, at XDP. One that refuses a canary's connection does not get to the client:
 * it becomes the client's own SYN for the baseline, in place.
 */
#ifndef CANARYD_BPF_SPLIT_REPLY_H
#define CANARYD_BPF_SPLIT_REPLY_H

#include "nat_table.h"
#include "rescue.h"
#include "split_choose.h"
#include "split_forward.h"
#include "split_fragment.h"
#include "split_rescue.h"

static __always_inline struct rescue_work *split_rescue_work(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&rescue_scratch, &zero);
}

/* Only a reset as bare as stacks send them is turned. */
static __always_inline bool split_is_refusal(const struct forward_job *job, const struct canary_flow *flow)
{
	__u32 header = job->packet.ipv6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr);

	return nat_owns(flow, &job->reply_key) && rescue_is_refusal(flow, job->packet.tcp_flags) &&
	       job->transport - job->network == header && job->payload - job->transport == sizeof(struct tcphdr) &&
	       !job->packet.payload_len;
}

/*
 * Is the packet of the job a refusal that can be turned? Then the job's flow is the one to open. Returns 0, or -1 where it
 * goes on to the client. Verified by itself.
 */
__attribute__((noinline)) int split_refused(void)
{
	struct forward_job *job = forward_job();
	struct rescue_work *work = split_rescue_work();
	struct canary_flow *flow;
	struct canary_syn *syn;

	if (!job || !work)
		return -1;
	flow = bpf_map_lookup_elem(&flows, &job->key);
	syn = bpf_map_lookup_elem(&syns, &job->key);
	if (!flow || !syn || !split_is_refusal(job, flow) || syn->seq != flow->client_isn)
		return -1;
	work->key = job->key;
	work->syn = *syn;
	work->refused = *flow;
	work->refused_at = job->reply_key;
	return split_reopen(job, flow, bpf_ktime_get_ns()) ? 0 : -1;
}

/*
 * Makes the packet as long as the SYN is: in front, where XDP has room for sure, and the Ethernet header with up to two
 * tags goes along. What it is too long by is padding.
 */
static __always_inline bool split_make_room(struct xdp_md *ctx, const struct forward_job *job, struct rescue_work *work)
{
	__u32 length = parse_distance((void *)(long)ctx->data, (void *)(long)ctx->data_end);
	__u32 needed = job->transport + work->syn.tcp_len;
	void *front = forward_at(ctx, 0, sizeof(work->front));

	if (!front)
		return false;
	__builtin_memcpy(work->front, front, sizeof(work->front));
	if (needed > length && bpf_xdp_adjust_head(ctx, -(int)(needed - length)))
		return false;
	front = forward_at(ctx, 0, sizeof(work->front));
	if (!front)
		return false;
	__builtin_memcpy(front, work->front, sizeof(work->front));
	return true;
}

static __always_inline bool split_store_ip(const struct xdp_md *ctx, const struct forward_job *job,
					   const struct rescue_headers *headers)
{
	void *ip6 = forward_at(ctx, job->network, sizeof(struct ipv6hdr));
	void *ip = forward_at(ctx, job->network, sizeof(struct iphdr));

	if (job->packet.ipv6 && ip6)
		__builtin_memcpy(ip6, headers->ip_words, sizeof(struct ipv6hdr));
	else if (!job->packet.ipv6 && ip)
		__builtin_memcpy(ip, headers->ip_words, sizeof(struct iphdr));
	else
		return false;
	return true;
}

static __always_inline bool split_store_tcp(const struct xdp_md *ctx, const struct forward_job *job,
					    const struct rescue_work *work)
{
	for (__u32 i = 0; i < RESCUE_TCP_WORDS && i < work->syn.tcp_len / 4; i++) {
		__be32 *word = forward_at(ctx, job->transport + i * 4, sizeof(*word));

		if (!word)
			return false;
		*word = work->headers.tcp[i];
	}
	return true;
}

/* The refusal goes on to the client, and the flow stays the canary's. */
static __always_inline int split_let_go(struct forward_job *job)
{
	split_give_back_source(job, &job->flow);
	nat_reply_addresses(job);
	return -1;
}

/* The job's flow takes the place of the one that was refused. */
static __always_inline void split_move_refused(struct canary_flow *flow, const struct forward_job *job,
					       struct rescue_work *work)
{
	struct tally tally;
	__u32 slot;

	*flow = job->flow;
	bpf_map_delete_elem(&replies, &work->refused_at);
	if (account_tally(&work->refused, &tally, &slot))
		TALLY(&tally, rescued);
	account_reopened(&job->flow);
}

/*
 * Makes the refusal the client's SYN to the VIP, and the job what becomes of that. What can fail comes before anything
 * is changed. Verified by itself.
 */
__attribute__((noinline)) int split_make_syn(struct xdp_md *ctx)
{
	struct forward_job *job = forward_job();
	struct rescue_work *work = split_rescue_work();
	struct canary_flow *flow;

	if (!job || !work)
		return -1;
	flow = bpf_map_lookup_elem(&flows, &job->key);
	if (!flow || split_job(job, split_way(&job->flow)) || !split_make_room(ctx, job, work))
		return split_let_go(job);
	split_move_refused(flow, job, work);
	flow_endpoint(&work->backend, work->key.vip, work->key.vip_port, work->key.protocol);
	rescue_headers(&work->headers, &work->syn, &work->key, &work->backend, job->packet.ipv6);
	rescue_checksum(&work->headers, &work->syn, &work->key, &work->backend);
	return split_store_ip(ctx, job, &work->headers) && split_store_tcp(ctx, job, work) ? 0 : -1;
}

/* Where the baseline has no source left, or the packet no room, the client is refused after all. */
static __always_inline void split_turn_back(struct xdp_md *ctx)
{
	if (!split_refused() && !split_open_fullnat(false, false))
		split_make_syn(ctx);
}

/* A packet for no service: the reply to a source that fullnat gave out? */
static __always_inline int split_reply(struct xdp_md *ctx, bool first_fragment)
{
	struct forward_job *job = forward_job();

	if (!job || forward_parse(ctx) || nat_reply(ctx))
		return -CANARY_REASON_not_service;
	if (first_fragment)
		split_first_reply(ctx);
	if (job->packet.tcp_flags & TCP_RST)
		split_turn_back(ctx);
	return forward(ctx);
}

#endif

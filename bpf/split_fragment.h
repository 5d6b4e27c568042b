/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Fragments at XDP: those of a datagram follow the first one to its backend, and in mode fullnat its answer's to the
 * client. What is global is verified by itself.
 */
#ifndef CANARYD_BPF_SPLIT_FRAGMENT_H
#define CANARYD_BPF_SPLIT_FRAGMENT_H

#include "account.h"
#include "forward_tunnel.h"
#include "fragment.h"
#include "maps.h"
#include "rewrite.h"

/* What is left to do about a fragment, where that is no reason to let it pass untouched. */
enum split_fragment_next {
	SPLIT_FRAGMENT_PASS = 0, /* changed */
	SPLIT_FRAGMENT_FORWARD = -1,
	SPLIT_FRAGMENT_TUNNEL = -2,
};

/* Before a first fragment is rewritten: notes where it goes. Returns 0 or a reason. */
__noinline int split_first_fragment(struct xdp_md *ctx, __u32 backend, __u32 stats_slot)
{
	struct canary_backend *to = bpf_map_lookup_elem(&backends, &backend);
	struct maps_scratch *room = maps_scratch();
	struct packet p;
	int reason;

	if (!room || !to)
		return CANARY_REASON_no_backend;
	reason = fragment_parse((void *)(long)ctx->data, (void *)(long)ctx->data_end, false, &p, &room->fragment.key);
	if (reason)
		return reason;
	fragment_first(&room->fragment.first, to->endpoint.addr, backend, stats_slot, bpf_ktime_get_ns());
	reason = bpf_map_update_elem(&fragments, &room->fragment.key, &room->fragment.first, BPF_ANY);
	return reason ? CANARY_REASON_fragment : 0;
}

/* Before the first fragment in the job of the CPU is sent on: notes where it goes, and as whose. */
static __always_inline int split_note_way(struct xdp_md *ctx, const struct forward_job *job, __u32 backend,
					  __u32 stats_slot, __u32 mode, bool reply)
{
	struct maps_scratch *room = maps_scratch();
	struct packet p;
	int reason;

	if (!room)
		return CANARY_REASON_fragment;
	reason = fragment_parse((void *)(long)ctx->data, (void *)(long)ctx->data_end, false, &p, &room->fragment.key);
	if (reason)
		return reason;
	fragment_first(&room->fragment.first, job->destination.addr, backend, stats_slot, bpf_ktime_get_ns());
	__builtin_memcpy(room->fragment.first.from, job->source.addr, sizeof(job->source.addr));
	room->fragment.first.mode = mode;
	room->fragment.first.reply = reply;
	return bpf_map_update_elem(&fragments, &room->fragment.key, &room->fragment.first, BPF_ANY) ?
		       CANARY_REASON_fragment : 0;
}

/* A request in a mode other than dnat. Returns 0 or a reason. */
__noinline int split_first_forwarded(struct xdp_md *ctx, __u32 backend, __u32 stats_slot, __u32 mode)
{
	struct forward_job *job = forward_job();

	return job ? split_note_way(ctx, job, backend, stats_slot, mode, false) : CANARY_REASON_fragment;
}

/* A reply in mode fullnat; without its flow it is in no counter. Returns 0 or a reason. */
__noinline int split_first_reply(struct xdp_md *ctx)
{
	struct forward_job *job = forward_job();
	__u32 stats_slot = ~0U, backend = CANARY_NONE;
	struct canary_flow *flow;

	if (!job)
		return CANARY_REASON_fragment;
	flow = bpf_map_lookup_elem(&flows, &job->key);
	if (flow) {
		stats_slot = account_slot(flow);
		backend = flow->backend;
	}
	return split_note_way(ctx, job, backend, stats_slot, CANARY_MODE_FULLNAT, true);
}

static __always_inline void split_fragment_account(const struct canary_fragment *first)
{
	struct tally tally;

	if (!account_tally_at(first->stats_slot, first->backend, &tally))
		return;
	if (first->reply)
		TALLY(&tally, response_packets);
	else
		TALLY(&tally, request_packets);
}

/* Makes the job of sending a fragment the way of its first one. */
static __always_inline int split_fragment_job(const struct canary_fragment *first, const struct packet *p, void *data)
{
	struct forward_job *job = forward_job();

	if (!job)
		return CANARY_REASON_rewrite;
	job->kind = FORWARD_FRAGMENT;
	job->network = parse_distance(data, p->network);
	job->label = 0;
	job->packet.ipv6 = p->ipv6;
	job->packet.protocol = IPPROTO_UDP;
	__builtin_memcpy(job->source.addr, first->from, sizeof(first->from));
	__builtin_memcpy(job->destination.addr, first->to, sizeof(first->to));
	return first->mode == CANARY_MODE_FULLNAT ? SPLIT_FRAGMENT_FORWARD : SPLIT_FRAGMENT_TUNNEL;
}

/* A later fragment. Returns enum split_fragment_next, or the reason why it passes untouched. */
__noinline int split_fragment(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *data_end = (void *)(long)ctx->data_end;
	struct maps_scratch *room = maps_scratch();
	struct canary_fragment *first;
	struct packet p;
	int reason;

	if (!room)
		return CANARY_REASON_fragment;
	reason = fragment_parse(data, data_end, false, &p, &room->fragment.key);
	if (reason)
		return reason;
	first = bpf_map_lookup_elem(&fragments, &room->fragment.key);
	if (!first || !fragment_is_fresh(first, bpf_ktime_get_ns()))
		return CANARY_REASON_fragment;
	if (first->mode == CANARY_MODE_DNAT && !rewrite_network_destination(&p, data_end, first->to))
		return CANARY_REASON_rewrite;
	split_fragment_account(first);
	return first->mode == CANARY_MODE_DNAT ? SPLIT_FRAGMENT_PASS : split_fragment_job(first, &p, data);
}

/* Returns a verdict, or a negative reason why the packet passes untouched. */
static __always_inline int split_fragment_packet(struct xdp_md *ctx)
{
	int next = split_fragment(ctx);

	if (next == SPLIT_FRAGMENT_FORWARD)
		return forward(ctx);
	return next == SPLIT_FRAGMENT_TUNNEL ? forward_tunnel(ctx) : -next;
}

#endif

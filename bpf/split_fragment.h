/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Fragments at XDP: those of a datagram follow the first one to its backend. Both functions are global, so that the
 * verifier looks at them once.
 */
#ifndef CANARYD_BPF_SPLIT_FRAGMENT_H
#define CANARYD_BPF_SPLIT_FRAGMENT_H

#include "account.h"
#include "fragment.h"
#include "maps.h"
#include "rewrite.h"

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

/* A later fragment. Returns 0, or the reason why it passes untouched. */
__noinline int split_fragment(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *data_end = (void *)(long)ctx->data_end;
	struct maps_scratch *room = maps_scratch();
	struct canary_fragment *first;
	struct tally tally;
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
	if (!rewrite_network_destination(&p, data_end, first->to))
		return CANARY_REASON_rewrite;
	if (account_tally_at(first->stats_slot, first->backend, &tally))
		TALLY(&tally, request_packets);
	return 0;
}

#endif

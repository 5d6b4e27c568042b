/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Fragments at tc egress: those of a datagram get the VIP as their source as the first one did. Both functions are
 * global, so that the verifier looks at them once.
 */
#ifndef CANARYD_BPF_REPLY_FRAGMENT_H
#define CANARYD_BPF_REPLY_FRAGMENT_H

#include "account.h"
#include "fragment.h"
#include "maps.h"
#include "reply_network.h"

/* Before a first fragment is rewritten: notes what becomes of its source. Returns 0 or a reason. */
__noinline int reply_first_fragment(struct __sk_buff *skb, __u32 backend, __u32 stats_slot)
{
	struct canary_backend *from = bpf_map_lookup_elem(&backends, &backend);
	struct maps_scratch *room = maps_scratch();
	struct canary_backend_address *address;
	struct packet p;
	int reason;

	address = from ? bpf_map_lookup_elem(&backend_addresses, &from->endpoint) : NULL;
	if (!room || !address)
		return CANARY_REASON_no_backend;
	reason = fragment_parse((void *)(long)skb->data, (void *)(long)skb->data_end, true, &p, &room->fragment.key);
	if (reason)
		return reason;
	fragment_first(&room->fragment.first, address->vip.addr, backend, stats_slot, bpf_ktime_get_ns());
	reason = bpf_map_update_elem(&fragments, &room->fragment.key, &room->fragment.first, BPF_ANY);
	return reason ? CANARY_REASON_fragment : 0;
}

/* A later fragment. Returns 0, also where it is none of ours, or a reason. */
__noinline int reply_fragment(struct __sk_buff *skb)
{
	void *data = (void *)(long)skb->data;
	struct maps_scratch *room = maps_scratch();
	struct canary_fragment *first;
	struct tally tally;
	struct packet p;

	if (!room || fragment_parse(data, (void *)(long)skb->data_end, true, &p, &room->fragment.key))
		return 0;
	first = bpf_map_lookup_elem(&fragments, &room->fragment.key);
	if (!first || !fragment_is_fresh(first, bpf_ktime_get_ns()))
		return 0;
	if (first->backend == CANARY_NONE)
		return CANARY_REASON_shadow;
	if (reply_network(skb, parse_distance(data, p.network), &p, first->to))
		return CANARY_REASON_rewrite;
	if (account_tally_at(first->stats_slot, first->backend, &tally))
		TALLY(&tally, response_packets);
	return 0;
}

#endif

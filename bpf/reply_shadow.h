/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * At tc egress: what a shadow version answers to a copy is measured, and goes no further. Whatever else its backends
 * send is none of ours.
 */
#ifndef CANARYD_BPF_REPLY_SHADOW_H
#define CANARYD_BPF_REPLY_SHADOW_H

#include "account.h"
#include "fragment.h"
#include "maps.h"

/* The flow of copies to that backend; NULL: there is none. */
static __always_inline struct canary_flow *reply_shadow_flow(const struct canary_flow_key *key, __u32 backend)
{
	struct canary_flow *flow = bpf_map_lookup_elem(&shadows, key);

	return flow && flow->backend == backend ? flow : NULL;
}

/* The fragments behind a first one are known by what it leaves: no backend. */
__noinline int reply_shadow_fragment(struct __sk_buff *skb)
{
	struct maps_scratch *room = maps_scratch();
	const __be32 nowhere[4] = {};
	struct packet p;

	if (!room ||
	    fragment_parse((void *)(long)skb->data, (void *)(long)skb->data_end, true, &p, &room->fragment.key))
		return 0;
	fragment_first(&room->fragment.first, nowhere, CANARY_NONE, 0, bpf_ktime_get_ns());
	bpf_map_update_elem(&fragments, &room->fragment.key, &room->fragment.first, BPF_ANY);
	return 0;
}

/* The flow of the copies that the datagram answers, and its key; NULL: it answers none. */
static __always_inline struct canary_flow *reply_shadow_find(const struct packet *p, struct canary_flow_key *key)
{
	struct canary_backend_address *backend;
	struct canary_endpoint endpoint;

	flow_endpoint(&endpoint, p->source, p->source_port, p->protocol);
	backend = bpf_map_lookup_elem(&backend_addresses, &endpoint);
	if (!backend)
		return NULL;
	flow_key_from_reply(key, p, &backend->vip);
	return reply_shadow_flow(key, backend->backend);
}

/*
 * A datagram from a backend that is not its flow's. Returns 0 where it is no answer to a copy either, else a reason.
 * Global, so that the verifier looks at it once.
 */
__noinline int reply_shadow(struct __sk_buff *skb)
{
	struct maps_scratch *room = maps_scratch();
	struct canary_flow *flow;
	struct packet p;

	if (!room || parse_packet((void *)(long)skb->data, (void *)(long)skb->data_end, skb->len, &p) ||
	    p.protocol != IPPROTO_UDP)
		return 0;
	flow = reply_shadow_find(&p, &room->shadow.key);
	if (!flow)
		return 0;
	p.segments = skb->gso_segs ?: 1;
	account_reply(&room->shadow.key, flow, &p, 0);
	if (p.first_fragment)
		reply_shadow_fragment(skb);
	return CANARY_REASON_shadow;
}

#endif

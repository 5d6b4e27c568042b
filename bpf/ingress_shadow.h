/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * At tc ingress, behind XDP: a datagram that was steered to its backend is copied to one of a shadow version, by chance, in
 * the share that is configured. The copy has a flow of its own in `shadows`, by which its answer is known again.
 */
#ifndef CANARYD_BPF_INGRESS_SHADOW_H
#define CANARYD_BPF_INGRESS_SHADOW_H

#include "account.h"
#include "maps.h"
#include "parse.h"
#include "rewrite.h"
#include "split_choose.h"

#define INGRESS_UDP_CHECK 6
#define INGRESS_UDP_PORT 2 /* the destination's */

/* Whose backend the datagram is for. NULL: nobody's. */
static __always_inline struct canary_backend_address *ingress_backend(const struct packet *p)
{
	__u32 port = bpf_ntohs(p->destination_port), element = port / 64;
	struct canary_ports *bits = bpf_map_lookup_elem(&ports, &element);
	struct canary_endpoint endpoint;

	if (p->protocol != IPPROTO_UDP || !bits || !(bits->backend_udp >> (port & 63) & 1))
		return NULL;
	flow_endpoint(&endpoint, p->destination, p->destination_port, p->protocol);
	return bpf_map_lookup_elem(&backend_addresses, &endpoint);
}

/* Gives the datagram another destination. Returns 0 or negative; the first step alone can fail. */
static __always_inline int ingress_rewrite(struct __sk_buff *skb, const struct packet *p,
					   const struct canary_endpoint *from, const struct canary_endpoint *to)
{
	__u32 network = parse_distance(p->start, p->network), transport = parse_distance(p->start, p->transport);
	__u32 difference = rewrite_difference32(from->addr, to->addr);

	if (bpf_l4_csum_replace(skb, transport + INGRESS_UDP_CHECK, 0, difference, BPF_F_PSEUDO_HDR | BPF_F_MARK_MANGLED_0))
		return -1;
	bpf_l4_csum_replace(skb, transport + INGRESS_UDP_CHECK, from->port, to->port, sizeof(to->port) | BPF_F_MARK_MANGLED_0);
	bpf_skb_store_bytes(skb, transport + INGRESS_UDP_PORT, &to->port, sizeof(to->port), 0);
	if (p->ipv6)
		return bpf_skb_store_bytes(skb, network + offsetof(struct ipv6hdr, daddr), to->addr, sizeof(to->addr), 0);
	bpf_l3_csum_replace(skb, network + offsetof(struct iphdr, check), 0, difference, 0);
	return bpf_skb_store_bytes(skb, network + offsetof(struct iphdr, daddr), &to->addr[3], sizeof(to->addr[3]), 0);
}

/* The flow of the copies, which opens with the first of them. NULL: there is no backend, or no room. */
static __always_inline struct canary_flow *ingress_flow(struct maps_shadow *work, const struct canary_service *service,
							__u16 version, const struct packet *p, __u64 now_ns)
{
	struct canary_flow *flow = bpf_map_lookup_elem(&shadows, &work->key), *opened = &work->opened;
	struct tally tally;

	if (flow && flow->version == version && split_backend(flow->backend))
		return flow;
	__builtin_memset(opened, 0, sizeof(*opened));
	opened->service = service->id;
	opened->version = version;
	opened->backend = split_backend_of(version, decide_hash(&work->key, service));
	opened->generation = CANARY_GENERATION_UNJUDGED;
	if (opened->backend == CANARY_NONE)
		return NULL;
	telemetry_open(opened, p, now_ns);
	if (bpf_map_update_elem(&shadows, &work->key, opened, BPF_ANY)) {
		account_reason(CANARY_REASON_shadow_full);
		return NULL;
	}
	if (account_tally_in(opened, CANARY_STATS_SLOT(version, false), &tally))
		telemetry_opened(opened, &tally);
	return bpf_map_lookup_elem(&shadows, &work->key);
}

/* Sends a copy, which comes in anew, past XDP, and leaves the datagram as it was. */
static __always_inline void ingress_copy(struct __sk_buff *skb, const struct packet *p, __u32 backend)
{
	struct canary_backend *shadow = split_backend(backend);
	struct canary_endpoint from;

	flow_endpoint(&from, p->destination, p->destination_port, p->protocol);
	if (!shadow || ingress_rewrite(skb, p, &from, &shadow->endpoint))
		return;
	bpf_clone_redirect(skb, skb->ifindex, BPF_F_INGRESS);
	ingress_rewrite(skb, p, &shadow->endpoint, &from);
}

/* What becomes of a datagram whose flow is in the table: copied or not, it goes on. */
static __always_inline void ingress_copy_of(struct __sk_buff *skb, const struct packet *p, struct maps_shadow *work,
					    const struct canary_backend_address *backend)
{
	struct canary_service *service = bpf_map_lookup_elem(&services, &backend->vip);
	struct canary_shadow_rule *rule;
	struct canary_flow *flow;
	struct tally tally;
	__u64 now_ns;
	__u32 id;

	if (!service)
		return;
	id = service->id;
	rule = bpf_map_lookup_elem(&shadow_rules, &id);
	if (!rule || rule->version == backend->version || bpf_get_prandom_u32() >= rule->threshold)
		return;
	flow = bpf_map_lookup_elem(&flows, &work->key);
	if (!flow || flow->backend != backend->backend)
		return;
	now_ns = bpf_ktime_get_ns();
	flow = ingress_flow(work, service, rule->version, p, now_ns);
	if (!flow || !account_tally_in(flow, CANARY_STATS_SLOT(flow->version, false), &tally))
		return;
	telemetry_request(flow, p, now_ns, &tally);
	ingress_copy(skb, p, flow->backend);
}

/* Fragments are not copied: without all of them a copy is none. */
static __always_inline void ingress_shadow(struct __sk_buff *skb)
{
	struct maps_scratch *room = maps_scratch();
	struct canary_backend_address *backend;
	struct packet p;

	if (!room || skb->gso_segs > 1 ||
	    parse_packet((void *)(long)skb->data, (void *)(long)skb->data_end, skb->len, &p) || p.first_fragment)
		return;
	backend = ingress_backend(&p);
	if (!backend)
		return;
	flow_key_from_request(&room->shadow.key, &p);
	__builtin_memcpy(room->shadow.key.vip, backend->vip.addr, sizeof(room->shadow.key.vip));
	room->shadow.key.vip_port = backend->vip.port;
	ingress_copy_of(skb, &p, &room->shadow, backend);
}

#endif

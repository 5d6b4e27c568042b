/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * ICMP errors at tc egress: a backend, or somebody on the way to it, complains to the client about a request. The client
 * knows of no backend: it gets the error about the packet as it sent it, to the VIP. Where that says that the packet did
 * not arrive, the client has been refused.
 */
#ifndef CANARYD_BPF_REPLY_ICMP_H
#define CANARYD_BPF_REPLY_ICMP_H

#include "account.h"
#include "icmp.h"
#include "maps.h"
#include "reply_shadow.h"

#define REPLY_ICMP_HEADERS 192 /* made readable where the stack left them outside the linear part */

static __always_inline int reply_icmp_parse(struct __sk_buff *skb, struct icmp_error *e)
{
	int reason = icmp_parse((void *)(long)skb->data, (void *)(long)skb->data_end, e);

	if (reason != CANARY_REASON_truncated || skb->data_end - skb->data >= REPLY_ICMP_HEADERS)
		return reason;
	if (bpf_skb_pull_data(skb, skb->len < REPLY_ICMP_HEADERS ? skb->len : REPLY_ICMP_HEADERS))
		return reason;
	return icmp_parse((void *)(long)skb->data, (void *)(long)skb->data_end, e);
}

/* Whom the quoted packet was for; NULL where the error is not for its sender, or that was no backend. */
static __always_inline struct canary_backend_address *reply_icmp_backend(struct icmp_work *work)
{
	const struct icmp_error *e = &work->error;
	__u32 port = bpf_ntohs(e->destination_port), element = port / 64;
	struct canary_ports *bits = bpf_map_lookup_elem(&ports, &element);

	if (!bits || !icmp_same(e->outer.destination, e->inner.source))
		return NULL;
	if (!((e->protocol == IPPROTO_TCP ? bits->backend_tcp : bits->backend_udp) >> (port & 63) & 1))
		return NULL;
	flow_endpoint(&work->endpoint, e->inner.destination, e->destination_port, e->protocol);
	return bpf_map_lookup_elem(&backend_addresses, &work->endpoint);
}

/* What lies together in an IPv4 header, and in an IPv6 header. */
struct reply_icmp_ipv4 {
	__u16 check;
	__be32 saddr;
	__be32 daddr;
} __attribute__((packed));
#define REPLY_ICMP_IPV6 32

static __always_inline int reply_icmp_store_header(struct __sk_buff *skb, const struct icmp_header *header, bool ipv6)
{
	struct reply_icmp_ipv4 ip = {
		.check = header->ip_check, .saddr = header->source[3], .daddr = header->destination[3],
	};

	if (ipv6)
		return bpf_skb_store_bytes(skb, header->place + offsetof(struct ipv6hdr, saddr), header,
					   REPLY_ICMP_IPV6, 0);
	return bpf_skb_store_bytes(skb, header->place + offsetof(struct iphdr, check), &ip, sizeof(ip), 0);
}

/* Returns 0 or negative. Only the first step can fail, since all of them change bytes that were read. */
static __always_inline int reply_icmp_store(struct __sk_buff *skb, const struct icmp_error *e)
{
	__be16 port[2] = { e->source_port, e->destination_port };

	if (reply_icmp_store_header(skb, &e->outer, e->ipv6) || reply_icmp_store_header(skb, &e->inner, e->ipv6))
		return -1;
	if (bpf_skb_store_bytes(skb, e->place + offsetof(struct icmp_start, checksum), &e->check, sizeof(e->check), 0))
		return -1;
	if (e->transport_check &&
	    bpf_skb_store_bytes(skb, e->transport_check, &e->transport_checksum, sizeof(e->transport_checksum), 0))
		return -1;
	return bpf_skb_store_bytes(skb, e->transport, port, sizeof(port), 0);
}

/* An error about a copy is the shadow's own. */
static __always_inline int reply_icmp_shadow(struct icmp_work *work, __u32 backend)
{
	struct canary_flow *flow = reply_shadow_flow(&work->key, backend);

	if (!flow)
		return 0;
	account_icmp(&work->key, flow, &work->error);
	return CANARY_REASON_shadow;
}

/*
 * Returns 0, also where it is none of ours; a reason; or -1 where the client is not to hear of it. Global, so that the
 * verifier looks at it once.
 */
__noinline int reply_icmp(struct __sk_buff *skb)
{
	struct maps_scratch *room = maps_scratch();
	struct icmp_work *work = room ? &room->icmp : NULL;
	struct canary_backend_address *backend;
	struct canary_flow *flow;

	if (!work || reply_icmp_parse(skb, &work->error))
		return 0;
	backend = reply_icmp_backend(work);
	if (!backend)
		return 0;
	icmp_key_of_request(work, &backend->vip);
	flow = bpf_map_lookup_elem(&flows, &work->key);
	if (!flow || flow->backend != backend->backend)
		return reply_icmp_shadow(work, backend->backend);
	icmp_change_receiver(&work->error, &backend->vip);
	if (reply_icmp_store(skb, &work->error))
		return CANARY_REASON_rewrite;
	account_icmp(&work->key, flow, &work->error);
	return account_withholds(flow, &work->error) ? -1 : 0;
}

#endif

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The reply path, at tc egress: packets of a service's flows from a backend get the VIP back as their source. A packet
 * from a backend that belongs to no flow of a service (a client that talks to it directly) passes untouched; but what
 * answers a shadow's copy ends here.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include "account.h"
#include "maps.h"
#include "parse.h"
#include "reply_fragment.h"
#include "reply_icmp.h"
#include "reply_network.h"
#include "reply_shadow.h"
#include "reply_rescue.h"
#include "rewrite.h"

#ifndef TCX_NEXT
#define TCX_NEXT (-1) /* linux ≥ 6.6; the same number as TC_ACT_UNSPEC, which clsact takes for "go on" */
#endif

#define REPLY_HEADERS 128 /* made readable where the stack left them outside the linear part */
#define REPLY_TCP_CHECK 16
#define REPLY_UDP_CHECK 6

static __always_inline struct canary_backend_address *reply_backend(const struct packet *p)
{
	__u32 port = bpf_ntohs(p->source_port), element = port / 64;
	struct canary_ports *bits = bpf_map_lookup_elem(&ports, &element);
	struct canary_endpoint endpoint;

	if (!bits || !((p->protocol == IPPROTO_TCP ? bits->backend_tcp : bits->backend_udp) >> (port & 63) & 1))
		return NULL;
	flow_endpoint(&endpoint, p->source, p->source_port, p->protocol);
	return bpf_map_lookup_elem(&backend_addresses, &endpoint);
}

static __always_inline int reply_parse(struct __sk_buff *skb, struct packet *p)
{
	int reason = parse_packet((void *)(long)skb->data, (void *)(long)skb->data_end, skb->len, p);

	if (reason != CANARY_REASON_truncated || skb->data_end - skb->data >= REPLY_HEADERS)
		return reason;
	if (bpf_skb_pull_data(skb, skb->len < REPLY_HEADERS ? skb->len : REPLY_HEADERS))
		return reason;
	return parse_packet((void *)(long)skb->data, (void *)(long)skb->data_end, skb->len, p);
}

/* The status of the response that begins here; after a "100 Continue" that travels with it, the one behind. */
static __always_inline __u32 reply_status(struct __sk_buff *skb, const struct packet *p, const struct canary_flow *flow)
{
	__u32 offset = parse_distance(p->start, p->payload) + telemetry_response_offset(flow, p);
	__u8 line[HTTP_STATUS_LINE];
	__u32 status;

	if (p->protocol != IPPROTO_TCP || bpf_skb_load_bytes(skb, offset, line, sizeof(line)))
		return 0;
	status = http_status(line);
	if (status == 100 && !bpf_skb_load_bytes(skb, offset + HTTP_CONTINUE_LEN, line, sizeof(line)))
		return http_status(line) ?: status;
	return status;
}

/* The helper knows whether the checksum is still to be completed by the device. Returns 0 or negative. */
static __always_inline int reply_transport_checksum(struct __sk_buff *skb, __u32 transport, const struct packet *p,
						    const struct canary_endpoint *vip)
{
	__u32 check = transport + (p->protocol == IPPROTO_TCP ? REPLY_TCP_CHECK : REPLY_UDP_CHECK);
	__u64 udp = p->protocol == IPPROTO_UDP ? BPF_F_MARK_MANGLED_0 : 0;

	if (bpf_l4_csum_replace(skb, check, 0, rewrite_difference32(p->source, vip->addr), BPF_F_PSEUDO_HDR | udp))
		return -1;
	return bpf_l4_csum_replace(skb, check, p->source_port, vip->port, sizeof(vip->port) | udp);
}

/* Returns 0 or a reason. Only the first step can fail, since all of them change the same headers. */
static __always_inline int reply_rewrite(struct __sk_buff *skb, const struct packet *p,
					 const struct canary_endpoint *vip)
{
	__u32 network = parse_distance(p->start, p->network);
	__u32 transport = parse_distance(p->start, p->transport);

	if (reply_transport_checksum(skb, transport, p, vip))
		return CANARY_REASON_rewrite;
	if (bpf_skb_store_bytes(skb, transport, &vip->port, sizeof(vip->port), 0)) /* the source port comes first */
		return CANARY_REASON_rewrite;
	return reply_network(skb, network, p, vip->addr) ? CANARY_REASON_rewrite : 0;
}

/*
 * parse → flow → rewrite → account: what telemetry needs is in struct packet by then, and with no pointer into the
 * packet alive the verifier follows it once instead of once for every way to parse. Returns 0, also where it is no
 * reply of ours, or a reason; negative where it is no reply any more.
 */
static __always_inline int reply_packet(struct __sk_buff *skb)
{
	struct canary_backend_address *backend;
	struct canary_flow_key key;
	struct canary_flow *flow;
	struct packet p;
	__u32 status = 0;
	int reason;

	reason = reply_parse(skb, &p);
	if (reason)
		return reason;
	backend = reply_backend(&p);
	if (!backend)
		return 0;
	flow_key_from_reply(&key, &p, &backend->vip);
	flow = bpf_map_lookup_elem(&flows, &key);
	if (!flow)
		flow = account_half_open(&key);
	if (!flow || flow->backend != backend->backend)
		return p.protocol == IPPROTO_UDP ? reply_shadow(skb) : 0;
	p.segments = skb->gso_segs ?: 1;
	if (p.first_fragment)
		reply_first_fragment(skb, flow->backend, account_slot(flow));
	if (telemetry_begins_response(flow, &p))
		status = reply_status(skb, &p, flow);
	reason = reply_rewrite(skb, &p, &backend->vip);
	account_reply(&key, flow, &p, status);
	if (!reason && rescue_is_refusal(flow, p.tcp_flags) && !reply_turn_back(skb, &key, &p))
		return -1;
	return reason;
}

SEC("tc")
int canary_reply(struct __sk_buff *skb)
{
	int reason = reply_packet(skb);

	if (reason < 0)
		return bpf_redirect(skb->ifindex, BPF_F_INGRESS);
	if (reason == CANARY_REASON_fragment)
		reason = reply_fragment(skb);
	else if (reason == CANARY_REASON_other_protocol)
		reason = reply_icmp(skb);
	if (reason < 0)
		return TC_ACT_SHOT;
	if (reason == CANARY_REASON_shadow) {
		account_reason(reason);
		return TC_ACT_SHOT;
	}
	if (reason == CANARY_REASON_rewrite) /* the others say that the host sent something else */
		account_reason(reason);
	return TCX_NEXT;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";

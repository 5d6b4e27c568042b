/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A refusal of the canary that is on its way to the client becomes the client's own SYN for the baseline, in place, and
 * comes in again by the interface it was to leave by.
 */
#ifndef CANARYD_BPF_REPLY_RESCUE_H
#define CANARYD_BPF_REPLY_RESCUE_H

#include "account.h"
#include "maps.h"
#include "rescue.h"

#define REPLY_RESCUE_CHECK 16 /* of the TCP checksum in its header */

/* The helper knows whether the checksum is still to be completed. Leaves the right one in the headers. Returns 0 or negative. */
static __always_inline int reply_rescue_checksum(struct __sk_buff *skb, struct rescue_work *work)
{
	__u32 check = work->transport + REPLY_RESCUE_CHECK;
	__u32 pseudo = rescue_pseudo_difference(&work->key, &work->syn, &work->backend);
	__be32 reset[sizeof(struct tcphdr) / 4];
	__u16 sum;

	if (bpf_skb_load_bytes(skb, work->transport, reset, sizeof(reset)))
		return -1;
	if (bpf_l4_csum_replace(skb, check, 0, pseudo, BPF_F_PSEUDO_HDR))
		return -1;
	if (bpf_l4_csum_replace(skb, check, 0, rescue_tcp_difference(reset, &work->headers), 0))
		return -1;
	if (bpf_skb_load_bytes(skb, check, &sum, sizeof(sum)))
		return -1;
	work->headers.tcp[RESCUE_TCP_CHECK] |= bpf_htonl((__u32)bpf_ntohs(sum) << 16);
	return 0;
}

static __always_inline int reply_rescue_store(struct __sk_buff *skb, const struct rescue_work *work)
{
	const struct rescue_headers *headers = &work->headers;
	int r = work->ipv6 ? bpf_skb_store_bytes(skb, work->network, headers->ip_words, sizeof(struct ipv6hdr), 0) :
			     bpf_skb_store_bytes(skb, work->network, headers->ip_words, sizeof(struct iphdr), 0);

	for (__u32 i = 0; !r && i < RESCUE_TCP_WORDS && i < work->syn.tcp_len / 4; i++)
		r = bpf_skb_store_bytes(skb, work->transport + i * 4, &headers->tcp[i], sizeof(headers->tcp[i]), 0);
	return r;
}

/* It left for the client's side, and comes in from there. */
static __always_inline int reply_rescue_turn(struct __sk_buff *skb)
{
	__u8 from[ETH_ALEN], to[ETH_ALEN];

	if (bpf_skb_load_bytes(skb, 0, from, sizeof(from)) || bpf_skb_load_bytes(skb, ETH_ALEN, to, sizeof(to)))
		return -1;
	if (bpf_skb_store_bytes(skb, 0, to, sizeof(to), 0))
		return -1;
	return bpf_skb_store_bytes(skb, ETH_ALEN, from, sizeof(from), 0);
}

/* Makes the reset the SYN. Only the first step can fail for want of memory, and changes nothing then. */
static __always_inline int reply_rescue_make(struct __sk_buff *skb, struct rescue_work *work)
{
	if (bpf_skb_change_tail(skb, work->transport + work->syn.tcp_len, 0))
		return -1;
	rescue_headers(&work->headers, &work->syn, &work->key, &work->backend, work->ipv6);
	if (reply_rescue_checksum(skb, work))
		return -1;
	if (reply_rescue_store(skb, work))
		return -1;
	return reply_rescue_turn(skb);
}

static __always_inline void reply_rescue_move(struct canary_flow *flow, const struct canary_backend *backend)
{
	struct tally tally;
	__u32 slot;

	if (account_tally(flow, &tally, &slot))
		TALLY(&tally, rescued);
	rescue_reopen(flow, backend->version, bpf_ktime_get_ns());
	account_reopened(flow);
}

/*
 * The reset of the scratch, as it goes to the client. Returns 0 where it is a SYN now, to be redirected. Global, so that the
 * verifier looks at it once.
 */
__noinline int reply_rescue(struct __sk_buff *skb)
{
	__u32 zero = 0;
	struct rescue_work *work = bpf_map_lookup_elem(&rescue_scratch, &zero);
	struct canary_backend *backend;
	struct canary_flow *flow;
	struct canary_syn *syn;

	if (!work)
		return -1;
	flow = bpf_map_lookup_elem(&flows, &work->key);
	syn = bpf_map_lookup_elem(&syns, &work->key);
	if (!flow || !flow->fallback || !syn || syn->seq != flow->client_isn)
		return -1;
	backend = account_fallback(flow);
	if (!backend)
		return -1;
	work->syn = *syn;
	work->backend = backend->endpoint;
	if (reply_rescue_make(skb, work))
		return -1;
	reply_rescue_move(flow, backend);
	return 0;
}

/* Returns as reply_rescue(). Only a reset as bare as the stack sends them is turned. */
static __always_inline int reply_turn_back(struct __sk_buff *skb, const struct canary_flow_key *key,
					   const struct packet *p)
{
	__u32 zero = 0;
	struct rescue_work *work = bpf_map_lookup_elem(&rescue_scratch, &zero);

	if (!work || p->payload_len || parse_distance(p->transport, p->payload) != sizeof(struct tcphdr))
		return -1;
	work->key = *key;
	work->ipv6 = p->ipv6;
	work->network = parse_distance(p->start, p->network);
	work->transport = parse_distance(p->start, p->transport);
	if (work->transport - work->network != (p->ipv6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr)))
		return -1;
	return reply_rescue(skb);
}

#endif

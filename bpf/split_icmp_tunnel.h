/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Mode dsr: a router on the way to a backend says that a tunnel's packet is too large. What it says of the way is
 * remembered; and where it quotes enough of the client's packet, the client gets the error about that.
 */
#ifndef CANARYD_BPF_SPLIT_ICMP_TUNNEL_H
#define CANARYD_BPF_SPLIT_ICMP_TUNNEL_H

#include "forward_too_big.h"
#include "forward_tunnel.h"
#include "icmp_tunnel.h"
#include "maps.h"
#include "split_choose.h"

/* Parses the client's packet in the quote, as much of it as the client needs, into key and job. */
static __always_inline bool split_quoted_request(struct forward_job *job, const struct icmp_tunnel_error *e, void *data,
						 void *data_end)
{
	struct packet p = { .ipv6 = e->ipv6 };
	__u16 *ports;

	p.network = icmp_at(data, data_end, e->inner, e->ipv6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr));
	if (!p.network || icmp_parse_quote(&p, data_end))
		return false;
	ports = p.transport;
	if (p.transport + ICMP_QUOTED_TRANSPORT > data_end ||
	    p.network + (e->ipv6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr)) + TOO_BIG_QUOTED > data_end)
		return false;
	p.source_port = ports[0];
	p.destination_port = ports[1];
	flow_key_from_request(&job->key, &p);
	job->transport = sizeof(struct ethhdr) + parse_distance(p.network, p.transport);
	job->packet.ipv6 = e->ipv6;
	return true;
}

/* Is the flow of the job one that goes to where the tunnel ends? Then it is accounted. */
static __always_inline bool split_is_tunnels_flow(const struct forward_job *job, const struct icmp_tunnel_error *e)
{
	struct canary_flow *flow = bpf_map_lookup_elem(&flows, &job->key);
	struct canary_backend *backend = flow ? split_backend(flow->backend) : NULL;
	struct tally tally;
	__u32 slot;

	if (!backend || flow->mode != CANARY_MODE_DSR || !icmp_same(backend->endpoint.addr, e->destination))
		return false;
	if (account_tally(flow, &tally, &slot))
		TALLY(&tally, icmp_errors);
	return true;
}

/* Leaves of the error what it quotes of the client's packet, and the job of telling the client. */
static __always_inline int split_uncover(struct xdp_md *ctx, struct forward_job *job, const struct icmp_tunnel_error *e)
{
	struct ethhdr *there = forward_at(ctx, 0, sizeof(*there)), eth;

	if (!there || there->h_proto != bpf_htons(e->ipv6 ? ETH_P_IPV6 : ETH_P_IP)) /* or with tags of a VLAN */
		return -1;
	eth = *there;
	if (bpf_xdp_adjust_head(ctx, e->inner - sizeof(eth)))
		return -1;
	there = forward_at(ctx, 0, sizeof(*there));
	if (!there)
		return -1;
	*there = eth;
	job->kind = FORWARD_PACKET;
	job->network = sizeof(eth);
	job->overhead = tunnel_overhead(e->ipv6);
	job->fib.tot_len = e->mtu;
	return 0;
}

/*
 * Of the error that is in the CPU's scratch: makes of it the packet that forward_too_big() finds too large. Returns 0 or a
 * reason. Verified by itself.
 */
__attribute__((noinline)) int split_icmp_uncover(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *data_end = (void *)(long)ctx->data_end;
	struct maps_scratch *room = maps_scratch();
	struct forward_job *job = forward_job();

	if (!room || !job || !room->tunnel.mtu || !icmp_same(room->tunnel.receiver, room->tunnel.source) ||
	    !tunnel_path_tell(&room->tunnel))
		return CANARY_REASON_tunnel_error;
	if (!split_quoted_request(job, &room->tunnel, data, data_end) || !split_is_tunnels_flow(job, &room->tunnel))
		return CANARY_REASON_tunnel_error;
	return split_uncover(ctx, job, &room->tunnel) ? CANARY_REASON_tunnel_error : 0;
}

/* The job of sending what forward_too_big() has made to the client, as from the VIP. */
static __always_inline void split_answer_job(struct forward_job *job)
{
	job->kind = FORWARD_READY;
	job->packet.protocol = job->packet.ipv6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
	flow_endpoint(&job->source, job->key.vip, 0, job->packet.protocol);
	flow_endpoint(&job->destination, job->key.client, 0, job->packet.protocol);
}

/* Returns a verdict, or a negative reason why the error passes untouched. */
static __always_inline int split_icmp_tunnel(struct xdp_md *ctx)
{
	int reason = split_icmp_uncover(ctx);
	struct forward_job *job = forward_job();

	if (reason || !job)
		return -reason;
	if (forward_too_big(ctx) != XDP_TX)
		return -CANARY_REASON_tunnel_error;
	split_answer_job(job);
	return forward(ctx);
}

#endif

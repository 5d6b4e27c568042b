/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Tells a packet's sender that it is larger than the way takes (RFC 792 with RFC 1191, RFC 4443 §3.2): the packet
 * becomes the ICMP error about itself and goes back where it came from. The quote is the IP header and as
 * much behind it as a sender needs: a fragment header of IPv6, and 8 bytes of the transport.
 */
#ifndef CANARYD_BPF_FORWARD_TOO_BIG_H
#define CANARYD_BPF_FORWARD_TOO_BIG_H

#include "forward.h"

#define TOO_BIG_QUOTED 16 /* bytes behind the IP header */
#define TOO_BIG_FRAGMENT_HEADER 8 /* of IPv6 */
#define TOO_BIG_TTL 64
#define TOO_BIG_TYPE4 3 /* destination unreachable */
#define TOO_BIG_CODE4 4 /* fragmentation needed */
#define TOO_BIG_TYPE6 2
#define TOO_BIG_LEAST_MTU 1280

/* The ICMP header of both families' errors. */
struct too_big_icmp {
	__u8 type;
	__u8 code;
	__be16 check;
	__be32 mtu; /* in IPv4 its upper half is unused */
};

/* What follows the Ethernet header. */
struct too_big_ipv4 {
	struct iphdr ip;
	struct too_big_icmp icmp;
	struct iphdr quoted;
	__u8 transport[TOO_BIG_QUOTED];
};

struct too_big_ipv6 {
	struct ipv6hdr ip;
	struct too_big_icmp icmp;
	struct ipv6hdr quoted;
	__u8 transport[TOO_BIG_QUOTED];
};

/*
 * What the kernel's tables say, less what the packet grows by; before linux 5.13 they say only that it is too much. No
 * IPv6 sender takes less than the least for an answer.
 */
static __always_inline __u32 too_big_mtu(const struct forward_job *job, __u32 length)
{
	__u32 mtu = job->fib.tot_len < length + job->overhead ? job->fib.tot_len : TOO_BIG_LEAST_MTU;

	mtu -= job->overhead;
	return job->packet.ipv6 && mtu < TOO_BIG_LEAST_MTU ? TOO_BIG_LEAST_MTU : mtu;
}

static __always_inline void too_big_swap(struct ethhdr *to, const struct ethhdr *from)
{
	__builtin_memcpy(to->h_source, from->h_dest, ETH_ALEN);
	__builtin_memcpy(to->h_dest, from->h_source, ETH_ALEN);
	to->h_proto = from->h_proto;
}

/* Cuts the packet to Ethernet and quote, and makes room in front of the quote. */
static __always_inline bool too_big_make_room(struct xdp_md *ctx, __u32 headers, __u32 quote)
{
	long length = ctx->data_end - ctx->data;

	return !bpf_xdp_adjust_tail(ctx, (long)(sizeof(struct ethhdr) + quote) - length) &&
	       !bpf_xdp_adjust_head(ctx, -(int)headers);
}

static __always_inline int too_big_send_ipv4(struct xdp_md *ctx, const struct ethhdr *eth, __u32 mtu)
{
	struct too_big_ipv4 *packet;
	struct ethhdr *to;

	if (!too_big_make_room(ctx, sizeof(struct iphdr) + sizeof(struct too_big_icmp),
			       sizeof(struct iphdr) + TOO_BIG_QUOTED))
		return XDP_PASS;
	to = (void *)(long)ctx->data;
	packet = (void *)(to + 1);
	if ((void *)(packet + 1) > (void *)(long)ctx->data_end)
		return XDP_PASS;
	too_big_swap(to, eth);
	__builtin_memset(&packet->ip, 0, sizeof(packet->ip) + sizeof(packet->icmp));
	packet->ip.version = 4;
	packet->ip.ihl = sizeof(packet->ip) / 4;
	packet->ip.tot_len = bpf_htons(sizeof(*packet));
	packet->ip.ttl = TOO_BIG_TTL;
	packet->ip.protocol = IPPROTO_ICMP;
	packet->ip.saddr = packet->quoted.daddr;
	packet->ip.daddr = packet->quoted.saddr;
	packet->ip.check = ~rewrite_fold(bpf_csum_diff(NULL, 0, (__be32 *)&packet->ip, sizeof(packet->ip), 0));
	packet->icmp.type = TOO_BIG_TYPE4;
	packet->icmp.code = TOO_BIG_CODE4;
	packet->icmp.mtu = bpf_htonl(mtu);
	packet->icmp.check = ~rewrite_fold(bpf_csum_diff(NULL, 0, (__be32 *)&packet->icmp,
							 sizeof(*packet) - sizeof(packet->ip), 0));
	return XDP_TX;
}

static __always_inline int too_big_send_ipv6(struct xdp_md *ctx, const struct ethhdr *eth, __u32 mtu)
{
	const __u32 length = sizeof(struct too_big_ipv6) - sizeof(struct ipv6hdr);
	struct too_big_ipv6 *packet;
	struct ethhdr *to;
	__s64 sum;

	if (!too_big_make_room(ctx, sizeof(struct ipv6hdr) + sizeof(struct too_big_icmp),
			       sizeof(struct ipv6hdr) + TOO_BIG_QUOTED))
		return XDP_PASS;
	to = (void *)(long)ctx->data;
	packet = (void *)(to + 1);
	if ((void *)(packet + 1) > (void *)(long)ctx->data_end)
		return XDP_PASS;
	too_big_swap(to, eth);
	__builtin_memset(&packet->ip, 0, sizeof(packet->ip) + sizeof(packet->icmp));
	packet->ip.version = 6;
	packet->ip.payload_len = bpf_htons(length);
	packet->ip.nexthdr = IPPROTO_ICMPV6;
	packet->ip.hop_limit = TOO_BIG_TTL;
	packet->ip.saddr = packet->quoted.daddr;
	packet->ip.daddr = packet->quoted.saddr;
	packet->icmp.type = TOO_BIG_TYPE6;
	packet->icmp.mtu = bpf_htonl(mtu);
	sum = bpf_csum_diff(NULL, 0, (__be32 *)&packet->ip.saddr, 2 * sizeof(packet->ip.saddr), 0);
	sum = bpf_csum_diff(NULL, 0, (__be32 *)&packet->icmp, length, sum);
	packet->icmp.check = ~rewrite_fold((__u32)sum + (__u64)bpf_htons(length) + bpf_htons(IPPROTO_ICMPV6));
	return XDP_TX;
}

/*
 * Can it be told? Not where it is an error itself, where it has no ports, or where other headers lie between those that
 * are quoted. In IPv4 it is told also where a router would cut the packet into fragments, which XDP cannot.
 */
static __always_inline bool too_big_can_tell(const struct forward_job *job)
{
	__u32 behind = job->transport - job->network;

	if (job->kind != FORWARD_PACKET || job->network != sizeof(struct ethhdr))
		return false;
	if (!job->packet.ipv6)
		return behind == sizeof(struct iphdr);
	return behind == sizeof(struct ipv6hdr) || behind == sizeof(struct ipv6hdr) + TOO_BIG_FRAGMENT_HEADER;
}

/*
 * Of the packet that forward() found too big. Returns an XDP verdict; where its sender cannot be told, the packet passes
 * as it is. Verified by itself.
 */
__attribute__((noinline)) int forward_too_big(struct xdp_md *ctx)
{
	struct forward_job *job = forward_job();
	struct ethhdr *there = forward_at(ctx, 0, sizeof(*there)), eth;
	__u32 mtu;

	if (!job || !there || !too_big_can_tell(job))
		return XDP_PASS;
	eth = *there;
	mtu = too_big_mtu(job, forward_length(ctx, job));
	return job->packet.ipv6 ? too_big_send_ipv6(ctx, &eth, mtu) : too_big_send_ipv4(ctx, &eth, mtu);
}

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The header that a packet gets in front of its own for the way to its backend: IPv4 in IPv4 (RFC 2003) or IPv6 in IPv6
 * (RFC 2473). It is never cut into fragments, so that IPv4 needs no identification; class of service and congestion marks
 * are the packet's own (RFC 6040). Pure.
 */
#ifndef CANARYD_BPF_TUNNEL_H
#define CANARYD_BPF_TUNNEL_H

#include "rewrite.h"

#define TUNNEL_HOPS 64
#define TUNNEL_DONT_FRAGMENT 0x4000
#define TUNNEL_LABEL 0x000fffff /* of a flow, in the first word of IPv6 */
#define TUNNEL_CLASS 0x0ff00000

/* How much longer the packet becomes. */
static __always_inline __u32 tunnel_overhead(bool ipv6)
{
	return ipv6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr);
}

static __always_inline void tunnel_ipv4(struct iphdr *outer, const struct iphdr *inner, __be32 source, __be32 destination)
{
	__u64 sum = 0;

	__builtin_memset(outer, 0, sizeof(*outer));
	outer->version = 4;
	outer->ihl = sizeof(*outer) / 4;
	outer->tos = inner->tos;
	outer->tot_len = bpf_htons(bpf_ntohs(inner->tot_len) + sizeof(*outer));
	outer->frag_off = bpf_htons(TUNNEL_DONT_FRAGMENT);
	outer->ttl = TUNNEL_HOPS;
	outer->protocol = IPPROTO_IPIP;
	outer->saddr = source;
	outer->daddr = destination;
#pragma unroll
	for (int i = 0; i < (int)(sizeof(*outer) / 4); i++)
		sum += ((const __be32 *)outer)[i];
	outer->check = ~rewrite_fold(sum);
}

/* `label` is the same for all packets of a flow, and another for others: routers keep those apart by it (RFC 6438). */
static __always_inline void tunnel_ipv6(struct ipv6hdr *outer, const struct ipv6hdr *inner, const __be32 source[4],
					const __be32 destination[4], __u32 label)
{
	__u32 class = bpf_ntohl(*(const __be32 *)inner) & TUNNEL_CLASS;

	*(__be32 *)outer = bpf_htonl(6U << 28 | class | (label & TUNNEL_LABEL));
	outer->payload_len = bpf_htons(bpf_ntohs(inner->payload_len) + sizeof(*inner));
	outer->nexthdr = IPPROTO_IPV6;
	outer->hop_limit = TUNNEL_HOPS;
	__builtin_memcpy(&outer->saddr, source, sizeof(outer->saddr));
	__builtin_memcpy(&outer->daddr, destination, sizeof(outer->daddr));
}

#endif

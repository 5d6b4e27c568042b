/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * ICMP errors about a packet that was sent in a tunnel: what its outer header says, which all routers quote, and where in
 * the quote the packet in the tunnel begins, of which they may quote nothing (RFC 792, RFC 2003 §4). Pure.
 */
#ifndef CANARYD_BPF_ICMP_TUNNEL_H
#define CANARYD_BPF_ICMP_TUNNEL_H

#include "icmp.h"

#define ICMP6_TOO_BIG 2

/* No router's way takes less: RFC 8200 §5, and what Linux believes of IPv4. */
#define ICMP_TUNNEL_MTU_MIN4 552
#define ICMP_TUNNEL_MTU_MIN6 1280
#define ICMP_TUNNEL_MTU_MAX 0xffff /* nor does a packet need more */

struct icmp_tunnel_error {
	__be32 receiver[4];    /* of the error */
	__be32 source[4];      /* of the packet it is about */
	__be32 destination[4];
	__u32 mtu;             /* what the way takes; 0: it does not say so */
	__u32 inner;           /* place of the packet in the tunnel */
	bool ipv6;
};

static __always_inline __u32 icmp_tunnel_mtu(bool ipv6, const struct icmp_start *icmp)
{
	__u32 least = ipv6 ? ICMP_TUNNEL_MTU_MIN6 : ICMP_TUNNEL_MTU_MIN4, mtu = bpf_ntohl(icmp->rest);

	if (ipv6 ? icmp->type != ICMP6_TOO_BIG : icmp->type != ICMP4_UNREACHABLE || icmp->code != ICMP4_TOO_BIG)
		return 0;
	if (!ipv6)
		mtu &= 0xffff;
	if (mtu > ICMP_TUNNEL_MTU_MAX)
		return 0;
	return mtu && mtu < least ? least : mtu;
}

/* The header of the tunnel, as it is quoted. */
static __always_inline bool icmp_tunnel_quote(struct icmp_tunnel_error *e, void *data, void *data_end, void *quote)
{
	struct ipv6hdr *ip6 = quote;
	struct iphdr *ip = quote;

	if (e->ipv6) {
		if ((void *)(ip6 + 1) > data_end || ip6->version != 6 || ip6->nexthdr != IPPROTO_IPV6)
			return false;
		parse_copy_ipv6(e->source, &ip6->saddr);
		parse_copy_ipv6(e->destination, &ip6->daddr);
		e->inner = parse_distance(data, ip6 + 1);
		return true;
	}
	if ((void *)(ip + 1) > data_end || ip->version != 4 || ip->ihl != 5 || ip->protocol != IPPROTO_IPIP)
		return false;
	parse_map_ipv4(e->source, ip->saddr);
	parse_map_ipv4(e->destination, ip->daddr);
	e->inner = parse_distance(data, ip + 1);
	return true;
}

/* Parses the packet in [data, data_end). Returns whether it is an error about a tunnel's. */
static __always_inline bool icmp_tunnel_parse(void *data, void *data_end, struct icmp_tunnel_error *e)
{
	struct icmp_start *icmp;
	struct packet p;
	__be16 protocol;

	if (parse_ethernet(data, data_end, &p.network, &protocol) ||
	    icmp_parse_outer(&p, data_end, protocol, (void **)&icmp) || (void *)(icmp + 1) > data_end ||
	    !icmp_is_error(p.ipv6, icmp->type))
		return false;
	e->ipv6 = p.ipv6;
	e->mtu = icmp_tunnel_mtu(p.ipv6, icmp);
	__builtin_memcpy(e->receiver, p.destination, sizeof(e->receiver));
	return icmp_tunnel_quote(e, data, data_end, icmp + 1);
}

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Changes the destination of a packet in place, checksums included (RFC 1624, eqn. 3: HC' = ~(~HC + ~m + m')). Pure.
 * A sender on veth leaves TCP checksums partial; XDP cannot tell, and the stack behind XDP_PASS never looks.
 */
#ifndef CANARYD_BPF_REWRITE_H
#define CANARYD_BPF_REWRITE_H

#include "parse.h"

static __always_inline __u16 rewrite_fold(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* A checksum field after words whose one's complement difference sums to `difference` have changed. */
static __always_inline __u16 rewrite_checksum(__u16 check, __u64 difference)
{
	return ~rewrite_fold((__u16)~check + difference);
}

/* The same in UDP, where 0 says that the sender computed none. */
static __always_inline __u16 rewrite_udp_checksum(__u16 check, __u64 difference)
{
	return check ? rewrite_checksum(check, difference) ?: 0xffff : 0;
}

static __always_inline __u64 rewrite_difference(const __be32 from[4], const __be32 to[4])
{
	__u64 sum = 0;

#pragma unroll
	for (int i = 0; i < 4; i++)
		sum += (__u64)(__u32)~from[i] + to[i];
	return sum;
}

/* The same in 32 bits, as the checksum helpers of tc take it. */
static __always_inline __u32 rewrite_difference32(const __be32 from[4], const __be32 to[4])
{
	__u64 sum = rewrite_difference(from, to);

	sum = (sum & 0xffffffff) + (sum >> 32);
	return (sum & 0xffffffff) + (sum >> 32);
}

static __always_inline bool rewrite_network_destination(struct packet *p, void *data_end, const __be32 to[4])
{
	struct ipv6hdr *ip6 = p->network;
	struct iphdr *ip = p->network;

	if (p->ipv6) {
		if ((void *)(ip6 + 1) > data_end)
			return false;
		__builtin_memcpy(&ip6->daddr, to, sizeof(ip6->daddr));
		return true;
	}
	if ((void *)(ip + 1) > data_end)
		return false;
	ip->check = rewrite_checksum(ip->check, (__u64)(__u32)~ip->daddr + to[3]);
	ip->daddr = to[3];
	return true;
}

/* Sends the packet to `to`. Returns false, with nothing changed, where the packet is too short to hold its headers. */
static __always_inline bool rewrite_destination(struct packet *p, void *data_end, const struct canary_endpoint *to)
{
	__u64 difference = rewrite_difference(p->destination, to->addr) + (__u16)~p->destination_port + to->port;
	struct tcphdr *tcp = p->transport;
	struct udphdr *udp = p->transport;

	if (p->protocol == IPPROTO_TCP) {
		if ((void *)(tcp + 1) > data_end || !rewrite_network_destination(p, data_end, to->addr))
			return false;
		tcp->dest = to->port;
		tcp->check = rewrite_checksum(tcp->check, difference);
		return true;
	}
	if ((void *)(udp + 1) > data_end || !rewrite_network_destination(p, data_end, to->addr))
		return false;
	udp->dest = to->port;
	udp->check = rewrite_udp_checksum(udp->check, difference);
	return true;
}

#endif

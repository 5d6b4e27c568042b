/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * From bytes to struct packet: Ethernet, up to two VLAN tags, IPv4 with options or IPv6 with a bounded number of
 * extension headers, TCP or UDP. Pure: reads [data, data_end) and nothing else, so it compiles natively for tests.
 */
#ifndef CANARYD_BPF_PARSE_H
#define CANARYD_BPF_PARSE_H

#include <canaryd/abi.h>
#include <stdbool.h>
#include <stddef.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>

#undef __always_inline /* <linux/stddef.h> only asks for it */
#define __always_inline inline __attribute__((always_inline))

#define PARSE_VLAN_TAGS 2
#define PARSE_EXTENSION_HEADERS 6

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_ACK 0x10

struct vlan_tag {
	__be16 tci;
	__be16 protocol;
};

/* The first eight bytes of every extension header that is looked at; the fragment header is no longer than that. */
struct extension_header {
	__u8 next;
	__u8 length;            /* in units of 8 bytes beyond the first; reserved in the fragment header */
	__be16 fragment_offset; /* 13 bits of offset, 2 reserved, more-fragments */
	__be32 rest;
};

/* What the programs know of a packet. Addresses as in abi.h, numbers in host order, ports in network order. */
struct packet {
	__be32 source[4];
	__be32 destination[4];
	__be16 source_port;
	__be16 destination_port;
	__u8 protocol;
	bool ipv6;
	__u8 first_fragment; /* 0 or 1: of a datagram, whose length it tells */
	__u8 tcp_flags;
	__u16 ip_check; /* of the IPv4 header, as on the wire */
	__u16 window;
	__u32 seq; /* with flags, window and ack: 0 in UDP */
	__u32 ack;
	__u32 payload_len;
	__u32 payload_start; /* the first four payload bytes, as on the wire, where a program asked for them */
	__u32 segments;      /* packets on the wire: more than one where the stack hands over a super-packet */
	void *start;
	void *network;       /* IP header */
	void *transport;     /* TCP or UDP header */
	void *payload;
};

/* Bytes between two places of a packet; 64 bits wide, or the verifier sees 32-bit arithmetic on pointers. */
static __always_inline __u32 parse_distance(const void *from, const void *to)
{
	__u64 distance = to - from;

	asm volatile("" : "+r"(distance));
	return distance;
}

static __always_inline void parse_map_ipv4(__be32 to[4], __be32 from)
{
	to[0] = 0;
	to[1] = 0;
	to[2] = bpf_htonl(0xffff);
	to[3] = from;
}

static __always_inline void parse_copy_ipv6(__be32 to[4], const struct in6_addr *from)
{
	const __be32 *words = (const __be32 *)from;

	to[0] = words[0];
	to[1] = words[1];
	to[2] = words[2];
	to[3] = words[3];
}

/* The IP header's place and kind. Returns 0 or a reason. */
static __always_inline int parse_ethernet(void *data, void *data_end, void **ret_network, __be16 *ret_protocol)
{
	struct ethhdr *eth = data;
	struct vlan_tag *tag = (void *)(eth + 1);
	__be16 protocol;

	if ((void *)(eth + 1) > data_end)
		return CANARY_REASON_truncated;
	protocol = eth->h_proto;
#pragma unroll
	for (int i = 0; i < PARSE_VLAN_TAGS; i++) {
		if (protocol != bpf_htons(ETH_P_8021Q) && protocol != bpf_htons(ETH_P_8021AD))
			break;
		if ((void *)(tag + 1) > data_end)
			return CANARY_REASON_truncated;
		protocol = tag->protocol;
		tag++;
	}
	*ret_network = tag;
	*ret_protocol = protocol;
	return 0;
}

/* `available` counts the bytes from the IP header to the packet's end, also those not in [data, data_end). */
static __always_inline int parse_ipv4(struct packet *p, void *data_end, __u32 available, __u32 *ret_transport_len)
{
	struct iphdr *ip = p->network;
	__u32 header_len, total_len;

	if ((void *)(ip + 1) > data_end)
		return CANARY_REASON_truncated;
	header_len = ip->ihl * 4;
	total_len = bpf_ntohs(ip->tot_len);
	if (total_len == 0) /* a super-packet past 64 KiB */
		total_len = available;
	if (ip->version != 4 || header_len < sizeof(*ip) || total_len < header_len)
		return CANARY_REASON_malformed;
	if (total_len > available)
		return CANARY_REASON_truncated;
	parse_map_ipv4(p->source, ip->saddr);
	parse_map_ipv4(p->destination, ip->daddr);
	p->protocol = ip->protocol;
	p->ip_check = ip->check;
	p->ipv6 = false;
	if (ip->frag_off & bpf_htons(0x3fff)) {
		if (ip->frag_off & bpf_htons(0x1fff) || ip->protocol != IPPROTO_UDP)
			return CANARY_REASON_fragment;
		p->first_fragment = 1;
	}
	p->transport = p->network + header_len;
	*ret_transport_len = total_len - header_len;
	return 0;
}

#define PARSE_EXTENSIONS                                                                                            \
	(1ULL << IPPROTO_HOPOPTS | 1ULL << IPPROTO_ROUTING | 1ULL << IPPROTO_DSTOPTS | 1ULL << IPPROTO_FRAGMENT)

/*
 * Steps over extension headers to the transport. `at` is the first header after the fixed one. Which kind of header
 * it is goes into masks, not into branches: or the verifier would follow every sequence of kinds. Nor into products,
 * whose bounds it loses in Linux 6.1.
 */
static __always_inline int parse_extension_headers(struct packet *p, void *at, void *data_end, __u8 next)
{
#pragma unroll
	for (int i = 0; i <= PARSE_EXTENSION_HEADERS; i++) {
		struct extension_header *header = at;
		__u64 fragment_mask;

		if (next == IPPROTO_TCP || next == IPPROTO_UDP) {
			if (p->first_fragment && next != IPPROTO_UDP)
				return CANARY_REASON_fragment;
			p->protocol = next;
			p->transport = at;
			return 0;
		}
		if (next > 63 || !(PARSE_EXTENSIONS >> next & 1))
			return CANARY_REASON_other_protocol;
		if (i == PARSE_EXTENSION_HEADERS)
			break;
		if ((void *)(header + 1) > data_end)
			return CANARY_REASON_truncated;
		fragment_mask = -(((__u64)(next ^ IPPROTO_FRAGMENT) - 1) >> 63);
		asm volatile("" : "+r"(fragment_mask));
		if (header->fragment_offset & bpf_htons(0xfff8) & fragment_mask)
			return CANARY_REASON_fragment;
		p->first_fragment |= bpf_ntohs(header->fragment_offset) & 1 & fragment_mask;
		next = header->next;
		at += ((header->length & ~fragment_mask) + 1) * 8;
	}
	return CANARY_REASON_extension_headers;
}

static __always_inline int parse_ipv6(struct packet *p, void *data_end, __u32 available, __u32 *ret_transport_len)
{
	struct ipv6hdr *ip = p->network;
	__u32 total_len, header_len;
	int reason;

	if ((void *)(ip + 1) > data_end)
		return CANARY_REASON_truncated;
	if (ip->version != 6)
		return CANARY_REASON_malformed;
	total_len = bpf_ntohs(ip->payload_len) + sizeof(*ip);
	if (total_len == sizeof(*ip)) /* a super-packet past 64 KiB, or nothing to steer */
		total_len = available;
	if (total_len > available)
		return CANARY_REASON_truncated;
	parse_copy_ipv6(p->source, &ip->saddr);
	parse_copy_ipv6(p->destination, &ip->daddr);
	p->ipv6 = true;
	reason = parse_extension_headers(p, ip + 1, data_end, ip->nexthdr);
	if (reason)
		return reason;
	header_len = parse_distance(p->network, p->transport);
	if (header_len > total_len)
		return CANARY_REASON_malformed;
	*ret_transport_len = total_len - header_len;
	return 0;
}

static __always_inline int parse_tcp(struct packet *p, void *data_end, __u32 transport_len)
{
	struct tcphdr *tcp = p->transport;
	__u32 header_len;

	if ((void *)(tcp + 1) > data_end)
		return CANARY_REASON_truncated;
	header_len = tcp->doff * 4;
	if (header_len < sizeof(*tcp) || header_len > transport_len)
		return CANARY_REASON_malformed;
	p->source_port = tcp->source;
	p->destination_port = tcp->dest;
	p->tcp_flags = ((__u8 *)tcp)[13];
	p->window = bpf_ntohs(tcp->window);
	p->seq = bpf_ntohl(tcp->seq);
	p->ack = bpf_ntohl(tcp->ack_seq);
	p->payload = p->transport + header_len;
	p->payload_len = transport_len - header_len;
	return 0;
}

static __always_inline int parse_udp(struct packet *p, void *data_end, __u32 transport_len)
{
	struct udphdr *udp = p->transport;
	__u32 len;

	if ((void *)(udp + 1) > data_end)
		return CANARY_REASON_truncated;
	len = bpf_ntohs(udp->len);
	if (len < sizeof(*udp) || transport_len < sizeof(*udp) || (len > transport_len && !p->first_fragment))
		return CANARY_REASON_malformed;
	p->source_port = udp->source;
	p->destination_port = udp->dest;
	p->payload = udp + 1;
	p->payload_len = len - sizeof(*udp);
	return 0;
}

/*
 * Parses the packet in [data, data_end), `packet_len` bytes long where not all of it is in there. Returns 0, or the
 * reason (enum canary_reason) why it can't be steered; nothing of *p is to be used then.
 */
static __always_inline int parse_packet(void *data, void *data_end, __u32 packet_len, struct packet *p)
{
	__u32 available, transport_len;
	__be16 protocol;
	int reason;

	p->start = data;
	p->segments = 1;
	p->first_fragment = 0;
	p->tcp_flags = 0;
	p->ip_check = 0;
	p->window = 0;
	p->seq = 0;
	p->ack = 0;
	p->payload_start = 0;
	reason = parse_ethernet(data, data_end, &p->network, &protocol);
	if (reason)
		return reason;
	available = packet_len - parse_distance(data, p->network);
	if (protocol == bpf_htons(ETH_P_IP))
		reason = parse_ipv4(p, data_end, available, &transport_len);
	else if (protocol == bpf_htons(ETH_P_IPV6))
		reason = parse_ipv6(p, data_end, available, &transport_len);
	else
		reason = CANARY_REASON_not_ip;
	if (reason)
		return reason;
	if (p->protocol == IPPROTO_TCP)
		return parse_tcp(p, data_end, transport_len);
	if (p->protocol == IPPROTO_UDP)
		return parse_udp(p, data_end, transport_len);
	return CANARY_REASON_other_protocol;
}

#endif

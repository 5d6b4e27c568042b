/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * ICMP and ICMPv6 errors: what they say about which packet, and how that packet's addresses are changed in the quote.
 * Eight quoted bytes of the transport header suffice (RFC 792); what is quoted beyond them is looked at for the TCP
 * checksum only. Pure.
 */
#ifndef CANARYD_BPF_ICMP_H
#define CANARYD_BPF_ICMP_H

#include "flow.h"
#include "rewrite.h"

/* Types and codes (RFC 792, RFC 4443); <linux/icmp.h> does not compile for BPF. */
#define ICMP4_UNREACHABLE 3
#define ICMP4_TOO_BIG 4 /* a code of it */
#define ICMP4_TIME_EXCEEDED 11
#define ICMP4_PARAMETER_PROBLEM 12
#define ICMP6_UNREACHABLE 1
#define ICMP6_PARAMETER_PROBLEM 4 /* 2: too big, 3: time exceeded */

struct icmp_start {
	__u8 type;
	__u8 code;
	__u16 checksum;
	__be32 rest;
};

#define ICMP_QUOTED_TRANSPORT 8
#define ICMP_TCP_CHECK 16
#define ICMP_UDP_CHECK 6
#define ICMP_ANY_LEN 0x1ffff /* of the packet quoted: how much of it is here says nothing about it */
#define ICMP_PLACE_MAX 512   /* no header that is changed begins later */

/* One of the two IP headers. The addresses lie as in an IPv6 header. */
struct icmp_header {
	__be32 source[4];
	__be32 destination[4];
	__u32 place;    /* its offset in the packet */
	__u16 ip_check; /* IPv4's checksum, as on the wire */
	__u16 zero;
};

/* An error. Places are offsets in the packet, checksums as on the wire. */
struct icmp_error {
	struct icmp_header outer; /* its own IP header */
	struct icmp_header inner; /* that of the packet it is about */
	__be16 source_port;       /* of that packet */
	__be16 destination_port;
	__u32 seq;              /* 0 in UDP */
	__u32 place;            /* of the ICMP header */
	__u32 transport;        /* place of the quoted TCP or UDP header */
	__u32 transport_check;  /* place of its checksum; 0: there is none, or it is not in the quote */
	__u16 transport_checksum;
	__u16 check; /* ICMP's */
	__u8 protocol;
	__u8 type;
	__u8 code;
	bool ipv6;
};

/* What translating one takes beside the packet: too much for the stack. */
struct icmp_work {
	struct icmp_error error;
	struct canary_flow_key key; /* of the flow that the quoted packet belongs to */
	struct canary_endpoint endpoint;
};

/* The bytes at a place, or NULL where they are not all there. */
static __always_inline void *icmp_at(void *data, void *data_end, __u32 place, __u32 len)
{
	__u64 offset = place;

	asm volatile("" : "+r"(offset));
	if (offset > ICMP_PLACE_MAX || data + offset + len > data_end)
		return NULL;
	return data + offset;
}

static __always_inline bool icmp_is_error(bool ipv6, __u8 type)
{
	if (ipv6)
		return type >= ICMP6_UNREACHABLE && type <= ICMP6_PARAMETER_PROBLEM;
	return type == ICMP4_UNREACHABLE || type == ICMP4_TIME_EXCEEDED || type == ICMP4_PARAMETER_PROBLEM;
}

/* Did the packet not arrive, whoever might have taken it? All but "too big", after which it is sent again. */
static __always_inline bool icmp_is_unreachable(const struct icmp_error *e)
{
	if (e->ipv6)
		return e->type == ICMP6_UNREACHABLE;
	return e->type == ICMP4_UNREACHABLE && e->code != ICMP4_TOO_BIG;
}

/* The error's own IP header, without extension headers, and where ICMP begins. Returns 0 or a reason. */
static __always_inline int icmp_parse_outer(struct packet *p, void *data_end, __be16 protocol, void **ret_icmp)
{
	struct ipv6hdr *ip6 = p->network;
	struct iphdr *ip = p->network;

	p->ipv6 = protocol == bpf_htons(ETH_P_IPV6);
	if (p->ipv6) {
		if ((void *)(ip6 + 1) > data_end)
			return CANARY_REASON_truncated;
		if (ip6->version != 6 || ip6->nexthdr != IPPROTO_ICMPV6)
			return CANARY_REASON_other_protocol;
		parse_copy_ipv6(p->source, &ip6->saddr);
		parse_copy_ipv6(p->destination, &ip6->daddr);
		p->ip_check = 0;
		*ret_icmp = ip6 + 1;
		return 0;
	}
	if ((void *)(ip + 1) > data_end)
		return CANARY_REASON_truncated;
	if (ip->version != 4 || ip->ihl < 5 || ip->protocol != IPPROTO_ICMP || ip->frag_off & bpf_htons(0x3fff))
		return CANARY_REASON_other_protocol;
	parse_map_ipv4(p->source, ip->saddr);
	parse_map_ipv4(p->destination, ip->daddr);
	p->ip_check = ip->check;
	*ret_icmp = p->network + ip->ihl * 4;
	return 0;
}

/* The packet quoted, as far as it is there. */
static __always_inline int icmp_parse_quote(struct packet *p, void *data_end)
{
	__u32 transport_len;
	int reason;

	p->first_fragment = 0;
	if (p->ipv6)
		reason = parse_ipv6(p, data_end, ICMP_ANY_LEN, &transport_len);
	else
		reason = parse_ipv4(p, data_end, ICMP_ANY_LEN, &transport_len);
	if (reason)
		return reason;
	if (p->protocol != IPPROTO_TCP && p->protocol != IPPROTO_UDP)
		return CANARY_REASON_other_protocol;
	return p->transport + ICMP_QUOTED_TRANSPORT > data_end ? CANARY_REASON_truncated : 0;
}

static __always_inline void icmp_keep_header(struct icmp_header *to, void *data, const struct packet *p)
{
	__builtin_memcpy(to->source, p->source, sizeof(to->source));
	__builtin_memcpy(to->destination, p->destination, sizeof(to->destination));
	to->place = parse_distance(data, p->network);
	to->ip_check = p->ip_check;
	to->zero = 0;
}

static __always_inline void icmp_keep_transport(struct icmp_error *e, void *data, void *data_end, const struct packet *p)
{
	struct udphdr *udp = p->transport;
	struct tcphdr *tcp = p->transport;
	__u32 check = p->protocol == IPPROTO_TCP ? ICMP_TCP_CHECK : ICMP_UDP_CHECK;

	e->protocol = p->protocol;
	e->transport = parse_distance(data, p->transport);
	e->transport_check = 0;
	e->transport_checksum = 0;
	e->seq = 0;
	if ((void *)udp + ICMP_QUOTED_TRANSPORT > data_end)
		return;
	e->source_port = udp->source;
	e->destination_port = udp->dest;
	if (p->protocol == IPPROTO_TCP)
		e->seq = bpf_ntohl(tcp->seq);
	if (p->transport + check + 2 > data_end)
		return;
	e->transport_checksum = *(__u16 *)(p->transport + check);
	if (p->protocol == IPPROTO_TCP || e->transport_checksum)
		e->transport_check = e->transport + check;
}

/* Parses the packet in [data, data_end). Returns 0, or the reason why it is no error about a TCP or UDP packet. */
static __always_inline int icmp_parse(void *data, void *data_end, struct icmp_error *e)
{
	struct icmp_start *icmp;
	struct packet p;
	__be16 protocol;
	int reason;

	reason = parse_ethernet(data, data_end, &p.network, &protocol);
	if (reason)
		return reason;
	reason = icmp_parse_outer(&p, data_end, protocol, (void **)&icmp);
	if (reason)
		return reason;
	if ((void *)(icmp + 1) > data_end)
		return CANARY_REASON_truncated;
	if (!icmp_is_error(p.ipv6, icmp->type))
		return CANARY_REASON_other_protocol;
	e->type = icmp->type;
	e->code = icmp->code;
	e->check = icmp->checksum;
	e->ipv6 = p.ipv6;
	e->place = parse_distance(data, icmp);
	icmp_keep_header(&e->outer, data, &p);
	p.network = icmp + 1;
	reason = icmp_parse_quote(&p, data_end);
	if (reason)
		return reason;
	icmp_keep_header(&e->inner, data, &p);
	icmp_keep_transport(e, data, data_end, &p);
	return e->transport + sizeof(struct tcphdr) > ICMP_PLACE_MAX ? CANARY_REASON_extension_headers : 0;
}

/* The quoted packet was a reply, from the VIP to the client. */
static __always_inline void icmp_key_of_reply(struct icmp_work *work)
{
	const struct icmp_error *e = &work->error;

	__builtin_memset(&work->key, 0, sizeof(work->key));
	__builtin_memcpy(work->key.client, e->inner.destination, sizeof(work->key.client));
	__builtin_memcpy(work->key.vip, e->inner.source, sizeof(work->key.vip));
	work->key.client_port = e->destination_port;
	work->key.vip_port = e->source_port;
	work->key.protocol = e->protocol;
}

/* The quoted packet was a request, from the client to a backend of this VIP. */
static __always_inline void icmp_key_of_request(struct icmp_work *work, const struct canary_endpoint *vip)
{
	const struct icmp_error *e = &work->error;

	__builtin_memset(&work->key, 0, sizeof(work->key));
	__builtin_memcpy(work->key.client, e->inner.source, sizeof(work->key.client));
	__builtin_memcpy(work->key.vip, vip->addr, sizeof(work->key.vip));
	work->key.client_port = e->source_port;
	work->key.vip_port = vip->port;
	work->key.protocol = e->protocol;
}

/* ---- change -------------------------------------------------------------------------------------------------- */

static __always_inline bool icmp_same(const __be32 a[4], const __be32 b[4])
{
	return !((a[0] ^ b[0]) | (a[1] ^ b[1]) | (a[2] ^ b[2]) | (a[3] ^ b[3]));
}

/* The quoted checksums follow the address and port; returns by how much the quote's bytes changed without those. */
static __always_inline __u64 icmp_change_checksums(struct icmp_error *e, __u64 address, __u64 port)
{
	__u16 before = e->inner.ip_check;
	__u64 changed = 0;

	if (!e->ipv6) {
		e->inner.ip_check = rewrite_checksum(before, address);
		changed += (__u16)~before + (__u64)e->inner.ip_check;
	}
	if (e->transport_check) {
		before = e->transport_checksum;
		e->transport_checksum = e->protocol == IPPROTO_UDP ? rewrite_udp_checksum(before, address + port) :
								     rewrite_checksum(before, address + port);
		changed += (__u16)~before + (__u64)e->transport_checksum;
	}
	return changed;
}

/* One of the addresses of the error itself. */
static __always_inline void icmp_change_outer(struct icmp_error *e, __be32 outer[4], const __be32 to[4])
{
	__u64 changed = rewrite_difference(outer, to);

	if (e->ipv6) /* the pseudo-header */
		e->check = rewrite_checksum(e->check, changed);
	else
		e->outer.ip_check = rewrite_checksum(e->outer.ip_check, changed);
	__builtin_memcpy(outer, to, sizeof(e->outer.source));
}

/*
 * Puts `to` in the place of a quoted address and its port, and in that of an address of the error itself where that is
 * the same. `e` is then what icmp_write() writes.
 */
static __always_inline void icmp_change(struct icmp_error *e, __be32 quoted[4], __be16 *port, __be32 outer[4],
					const struct canary_endpoint *to)
{
	__u64 of_address = rewrite_difference(quoted, to->addr), of_port = (__u16)~*port + to->port;
	__u64 changed = of_address + of_port + icmp_change_checksums(e, of_address, of_port);

	if (icmp_same(outer, quoted))
		icmp_change_outer(e, outer, to->addr);
	e->check = rewrite_checksum(e->check, changed);
	__builtin_memcpy(quoted, to->addr, sizeof(to->addr));
	*port = to->port;
}

/* The quoted packet was sent by `to`: the error goes there. */
static __always_inline void icmp_change_sender(struct icmp_error *e, const struct canary_endpoint *to)
{
	icmp_change(e, e->inner.source, &e->source_port, e->outer.destination, to);
}

/* The quoted packet was sent to `to`: where its receiver itself complains, it is `to` that does. */
static __always_inline void icmp_change_receiver(struct icmp_error *e, const struct canary_endpoint *to)
{
	icmp_change(e, e->inner.destination, &e->destination_port, e->outer.source, to);
}

/*
 * The quoted packet was sent by `sender` to `receiver`, and neither network knows an address of the other: whoever
 * complains, it is `receiver` that does.
 */
static __always_inline void icmp_change_both(struct icmp_error *e, const struct canary_endpoint *sender,
					     const struct canary_endpoint *receiver)
{
	icmp_change_sender(e, sender);
	icmp_change_receiver(e, receiver);
	icmp_change_outer(e, e->outer.source, receiver->addr);
}

/* ---- write --------------------------------------------------------------------------------------------------- */

static __always_inline bool icmp_write_header(const struct icmp_header *header, bool ipv6, void *data, void *data_end)
{
	struct ipv6hdr *ip6 = icmp_at(data, data_end, header->place, sizeof(*ip6));
	struct iphdr *ip = icmp_at(data, data_end, header->place, sizeof(*ip));

	if (ipv6 && ip6) {
		__builtin_memcpy(&ip6->saddr, header->source, sizeof(ip6->saddr));
		__builtin_memcpy(&ip6->daddr, header->destination, sizeof(ip6->daddr));
		return true;
	}
	if (ipv6 || !ip)
		return false;
	ip->check = header->ip_check;
	ip->saddr = header->source[3];
	ip->daddr = header->destination[3];
	return true;
}

/* Writes a changed error over the packet it was parsed from. Returns false where that is not as long as it was. */
static __always_inline bool icmp_write(const struct icmp_error *e, void *data, void *data_end)
{
	struct icmp_start *icmp = icmp_at(data, data_end, e->place, sizeof(*icmp));
	struct udphdr *transport = icmp_at(data, data_end, e->transport, sizeof(*transport));
	__u16 *check = icmp_at(data, data_end, e->transport_check ?: e->transport, sizeof(*check));

	if (!icmp || !transport || !check || !icmp_write_header(&e->outer, e->ipv6, data, data_end) ||
	    !icmp_write_header(&e->inner, e->ipv6, data, data_end))
		return false;
	icmp->checksum = e->check;
	if (e->transport_check)
		*check = e->transport_checksum;
	transport->source = e->source_port;
	transport->dest = e->destination_port;
	return true;
}

#endif

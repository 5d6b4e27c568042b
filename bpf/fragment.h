/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Fragments of a datagram: which belong together, and for how long. Two senders behind one VIP may choose the same
 * identification for the same client; then its datagrams are mixed up, and their checksums say so. Pure.
 */
#ifndef CANARYD_BPF_FRAGMENT_H
#define CANARYD_BPF_FRAGMENT_H

#include "parse.h"

#define FRAGMENT_LIFE_NS 30000000000ULL /* as long as Linux waits for the others (ip_frag_time) */

/* Too much for the stack. */
struct fragment_work {
	struct canary_fragment_key key;
	struct canary_fragment first;
};

/* Behind the fixed header of IPv6: the identification. Returns 0 or a reason. */
static __always_inline int fragment_id_ipv6(void *at, void *data_end, __u8 next, __be32 *ret_id)
{
#pragma unroll
	for (int i = 0; i < PARSE_EXTENSION_HEADERS; i++) {
		struct extension_header *header = at;

		if ((void *)(header + 1) > data_end)
			return CANARY_REASON_truncated;
		if (next == IPPROTO_FRAGMENT) {
			*ret_id = header->rest;
			return 0;
		}
		if (next > 63 || !(PARSE_EXTENSIONS >> next & 1))
			return CANARY_REASON_fragment;
		next = header->next;
		at += (header->length + 1) * 8;
	}
	return CANARY_REASON_extension_headers;
}

static __always_inline int fragment_parse_ipv6(struct packet *p, void *data_end, struct canary_fragment_key *key)
{
	struct ipv6hdr *ip = p->network;

	if ((void *)(ip + 1) > data_end)
		return CANARY_REASON_truncated;
	p->ipv6 = true;
	p->ip_check = 0;
	parse_copy_ipv6(p->source, &ip->saddr);
	parse_copy_ipv6(p->destination, &ip->daddr);
	key->protocol = IPPROTO_FRAGMENT;
	return fragment_id_ipv6(ip + 1, data_end, ip->nexthdr, &key->id);
}

static __always_inline int fragment_parse_ipv4(struct packet *p, void *data_end, struct canary_fragment_key *key)
{
	struct iphdr *ip = p->network;

	if ((void *)(ip + 1) > data_end)
		return CANARY_REASON_truncated;
	p->ipv6 = false;
	p->ip_check = ip->check;
	parse_map_ipv4(p->source, ip->saddr);
	parse_map_ipv4(p->destination, ip->daddr);
	key->protocol = ip->protocol;
	__builtin_memcpy(&key->id, &ip->id, sizeof(ip->id));
	return ip->protocol == IPPROTO_UDP ? 0 : CANARY_REASON_fragment;
}

/*
 * The key of a fragment, wherever it is in its datagram, and of *p: network, ipv6, ip_check and the addresses. Returns 0,
 * or the reason why it can't follow another.
 */
static __always_inline int fragment_parse(void *data, void *data_end, bool reply, struct packet *p,
					  struct canary_fragment_key *key)
{
	__be16 protocol;
	int reason;

	__builtin_memset(key, 0, sizeof(*key));
	reason = parse_ethernet(data, data_end, &p->network, &protocol);
	if (reason)
		return reason;
	if (protocol == bpf_htons(ETH_P_IPV6))
		reason = fragment_parse_ipv6(p, data_end, key);
	else
		reason = fragment_parse_ipv4(p, data_end, key);
	if (reason)
		return reason;
	__builtin_memcpy(key->source, p->source, sizeof(key->source));
	__builtin_memcpy(key->destination, p->destination, sizeof(key->destination));
	key->reply = reply;
	return 0;
}

/* What the first one leaves for the others. */
static __always_inline void fragment_first(struct canary_fragment *first, const __be32 to[4], __u32 backend,
					   __u32 stats_slot, __u64 now_ns)
{
	first->first_ns = now_ns;
	__builtin_memcpy(first->to, to, sizeof(first->to));
	first->stats_slot = stats_slot;
	first->backend = backend;
	__builtin_memset(first->from, 0, sizeof(first->from));
	first->mode = CANARY_MODE_DNAT;
	first->reply = 0;
}

/* Can this be of the same datagram, or has the identification come round? */
static __always_inline bool fragment_is_fresh(const struct canary_fragment *first, __u64 now_ns)
{
	return now_ns < first->first_ns + FRAGMENT_LIFE_NS;
}

#endif

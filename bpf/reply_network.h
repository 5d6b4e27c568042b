/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* At tc egress: gives an IP header the VIP as its source. */
#ifndef CANARYD_BPF_REPLY_NETWORK_H
#define CANARYD_BPF_REPLY_NETWORK_H

#include <linux/bpf.h>
#include "rewrite.h"
#include <bpf/bpf_helpers.h>

/* What lies together in the IPv4 header. */
struct reply_ipv4 {
	__u16 check;
	__be32 saddr;
} __attribute__((packed));

/* `network` is the place of the header, `p` what was parsed of it. Returns 0 or negative. */
static __always_inline int reply_network(struct __sk_buff *skb, __u32 network, const struct packet *p,
					 const __be32 vip[4])
{
	struct reply_ipv4 header = {
		.check = rewrite_checksum(p->ip_check, (__u64)(__u32)~p->source[3] + vip[3]),
		.saddr = vip[3],
	};

	if (p->ipv6)
		return bpf_skb_store_bytes(skb, network + offsetof(struct ipv6hdr, saddr), vip, sizeof(p->source), 0);
	return bpf_skb_store_bytes(skb, network + offsetof(struct iphdr, check), &header, sizeof(header), 0);
}

#endif

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The lab's machines at XDP: a veth hands on what its peer sends by XDP_TX only where it has a program itself.
 *   ip link set dev eth0 xdp obj build/bpf/lab.bpf.o program lab_pass
 */
#include <linux/bpf.h>
#include <asm/byteorder.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int lab_pass(struct xdp_md *ctx)
{
	return XDP_PASS;
}

/* Bytes of the header of a tunnel, 0 where the packet is in none. */
static __always_inline int lab_tunnel_header(void *data, void *data_end)
{
	struct ethhdr *eth = data;
	struct ipv6hdr *ip6 = (void *)(eth + 1);
	struct iphdr *ip = (void *)(eth + 1);

	if ((void *)(ip + 1) > data_end)
		return 0;
	if (eth->h_proto == __constant_htons(ETH_P_IP))
		return ip->protocol == IPPROTO_IPIP && ip->ihl == 5 ? sizeof(*ip) : 0;
	if (eth->h_proto != __constant_htons(ETH_P_IPV6) || (void *)(ip6 + 1) > data_end)
		return 0;
	return ip6->nexthdr == IPPROTO_IPV6 ? sizeof(*ip6) : 0;
}

/* A backend of mode dsr without the kernel's ipip and ip6tnl modules: takes what comes in a tunnel out of it. */
SEC("xdp")
int lab_decapsulate(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *data_end = (void *)(long)ctx->data_end;
	int length = lab_tunnel_header(data, data_end);
	struct ethhdr *to, eth;

	if (!length || data + sizeof(eth) > data_end)
		return XDP_PASS;
	eth = *(struct ethhdr *)data;
	if (bpf_xdp_adjust_head(ctx, length))
		return XDP_DROP;
	to = (void *)(long)ctx->data;
	if ((void *)(to + 1) > (void *)(long)ctx->data_end)
		return XDP_DROP;
	*to = eth;
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The lab's machines at XDP. A veth hands on what its peer sends by XDP_TX only where it has a program itself; and a
 * backend of mode dsr takes the client's packet out of the tunnel, as Katran's users have it done.
 *   ip link set dev eth0 xdp obj build/bpf/lab.bpf.o program lab_pass
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int lab_pass(struct xdp_md *ctx)
{
	return XDP_PASS;
}

/* Bytes of the IP header around another of its family, or 0. */
static __always_inline int tunnel_header(const struct ethhdr *eth, void *data_end)
{
	const struct iphdr *ip = (void *)(eth + 1);
	const struct ipv6hdr *ip6 = (void *)(eth + 1);

	if (eth->h_proto == bpf_htons(ETH_P_IP) && (void *)(ip + 1) <= data_end && ip->protocol == IPPROTO_IPIP)
		return sizeof(*ip);
	if (eth->h_proto == bpf_htons(ETH_P_IPV6) && (void *)(ip6 + 1) <= data_end && ip6->nexthdr == IPPROTO_IPV6)
		return sizeof(*ip6);
	return 0;
}

SEC("xdp")
int lab_decapsulate(struct xdp_md *ctx)
{
	struct ethhdr *eth = (void *)(long)ctx->data, copy;
	int length;

	if ((void *)(eth + 1) > (void *)(long)ctx->data_end)
		return XDP_PASS;
	length = tunnel_header(eth, (void *)(long)ctx->data_end);
	copy = *eth;
	if (!length || bpf_xdp_adjust_head(ctx, length))
		return XDP_PASS;
	eth = (void *)(long)ctx->data;
	if ((void *)(eth + 1) > (void *)(long)ctx->data_end)
		return XDP_DROP;
	*eth = copy;
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";

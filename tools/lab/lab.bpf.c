// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The lab's machines at XDP: a veth hands on what its peer sends by XDP_TX only where it has a program itself.
 *   ip link set dev eth0 xdp obj build/bpf/lab.bpf.o program lab_pass
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int lab_pass(struct xdp_md *ctx)
{
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";

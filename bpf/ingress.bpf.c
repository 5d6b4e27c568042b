// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Behind XDP, at tc ingress: sends on what XDP has made ready but could not send itself, because the neighbour was not
 * known yet or the interface takes nothing from XDP. The stack would take a packet with its own source for a martian. And
 * copies datagrams to shadow versions, which XDP can't.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include "forward.h"
#include "ingress_shadow.h"

#ifndef TCX_NEXT
#define TCX_NEXT (-1) /* linux ≥ 6.6; the same number as TC_ACT_UNSPEC, which clsact takes for "go on" */
#endif

SEC("tc")
int canary_ingress(struct __sk_buff *skb)
{
	struct forward_meta *meta = (void *)(long)skb->data_meta;

	if ((void *)(meta + 1) > (void *)(long)skb->data || meta->magic != FORWARD_META) {
		ingress_shadow(skb);
		return TCX_NEXT;
	}
	return bpf_redirect_neigh(meta->ifindex, NULL, 0, 0);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";

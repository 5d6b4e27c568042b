/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * ICMP errors at XDP: somebody on the way to the client, or the client itself, complains to the VIP about a reply. The
 * backend that sent it gets the error, about the packet as it sent it; so path-MTU discovery works towards clients.
 */
#ifndef CANARYD_BPF_SPLIT_ICMP_H
#define CANARYD_BPF_SPLIT_ICMP_H

#include "account.h"
#include "icmp.h"
#include "maps.h"

/* Is it sent to whom the quoted packet came from, and can that have been a VIP? */
static __always_inline bool split_icmp_is_ours(const struct icmp_error *e)
{
	__u32 port = bpf_ntohs(e->source_port), element = port / 64;
	struct canary_ports *bits = bpf_map_lookup_elem(&ports, &element);

	if (!bits || !icmp_same(e->outer.destination, e->inner.source))
		return false;
	return (e->protocol == IPPROTO_TCP ? bits->vip_tcp : bits->vip_udp) >> (port & 63) & 1;
}

static __always_inline struct canary_backend *split_icmp_backend(const struct canary_flow *flow)
{
	__u32 index = flow->backend;
	struct canary_backend *backend = bpf_map_lookup_elem(&backends, &index);

	return backend && backend->in_use ? backend : NULL;
}

/* Returns 0, or the reason why the packet passes untouched. Global, so that the verifier looks at it once. */
__noinline int split_icmp(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *data_end = (void *)(long)ctx->data_end;
	struct maps_scratch *room = maps_scratch();
	struct icmp_work *work = room ? &room->icmp : NULL;
	struct canary_backend *backend;
	struct canary_flow *flow;
	struct tally tally;
	int reason;
	__u32 slot;

	if (!work)
		return CANARY_REASON_other_protocol;
	reason = icmp_parse(data, data_end, &work->error);
	if (reason)
		return reason;
	if (!split_icmp_is_ours(&work->error))
		return CANARY_REASON_not_service;
	icmp_key_of_reply(work);
	flow = bpf_map_lookup_elem(&flows, &work->key);
	if (!flow || flow->mode != CANARY_MODE_DNAT)
		return CANARY_REASON_icmp_no_flow;
	backend = split_icmp_backend(flow);
	if (!backend)
		return CANARY_REASON_no_backend;
	icmp_change_sender(&work->error, &backend->endpoint);
	if (!icmp_write(&work->error, data, data_end))
		return CANARY_REASON_rewrite;
	if (account_tally(flow, &tally, &slot))
		TALLY(&tally, icmp_errors);
	return 0;
}

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * ICMP errors at XDP: somebody on the way to the client, or the client itself, complains to the VIP about a reply. The
 * backend that sent it gets the error, about the packet as it sent it; so path-MTU discovery works towards clients. In
 * mode fullnat complaints about requests come here, too; in mode dsr the backend gets those about replies in its tunnel.
 */
#ifndef CANARYD_BPF_SPLIT_ICMP_H
#define CANARYD_BPF_SPLIT_ICMP_H

#include "account.h"
#include "forward_tunnel.h"
#include "icmp.h"
#include "maps.h"
#include "split_icmp_forward.h"
#include "split_icmp_tunnel.h"

/* What is left to do about an error, where that is no reason to let it pass untouched. */
enum split_icmp_next {
	SPLIT_ICMP_PASS = 0, /* changed */
	SPLIT_ICMP_TO_BACKEND = -1,
	SPLIT_ICMP_TO_CLIENT = -2,
	SPLIT_ICMP_ABOUT_TUNNEL = -3,
};

/* Is it about a reply of a service? The flow is looked up by the quote. Returns a reason where it is not. */
static __always_inline int split_icmp_about_reply(struct icmp_work *work, void *data, void *data_end)
{
	struct canary_backend *backend;
	struct canary_flow *flow;
	struct tally tally;
	__u32 slot;

	icmp_key_of_reply(work);
	flow = bpf_map_lookup_elem(&flows, &work->key);
	if (!flow)
		return CANARY_REASON_icmp_no_flow;
	if (flow->mode != CANARY_MODE_DNAT)
		return SPLIT_ICMP_TO_BACKEND;
	backend = split_backend(flow->backend);
	if (!backend)
		return CANARY_REASON_no_backend;
	icmp_change_sender(&work->error, &backend->endpoint);
	if (!icmp_write(&work->error, data, data_end))
		return CANARY_REASON_rewrite;
	if (account_tally(flow, &tally, &slot))
		TALLY(&tally, icmp_errors);
	return SPLIT_ICMP_PASS;
}

/* Returns enum split_icmp_next, or the reason why the packet passes untouched. Global: verified by itself. */
__noinline int split_icmp(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *data_end = (void *)(long)ctx->data_end;
	struct maps_scratch *room = maps_scratch();
	struct icmp_work *work = room ? &room->icmp : NULL;
	__u32 whose;
	int reason;

	if (!work)
		return CANARY_REASON_other_protocol;
	reason = icmp_parse(data, data_end, &work->error);
	if (reason == CANARY_REASON_other_protocol && icmp_tunnel_parse(data, data_end, &room->tunnel))
		return SPLIT_ICMP_ABOUT_TUNNEL;
	if (reason)
		return reason;
	if (!icmp_same(work->error.outer.destination, work->error.inner.source)) /* somebody else's error */
		return CANARY_REASON_not_service;
	whose = split_port_of(work->error.source_port, work->error.protocol);
	reason = whose & SPLIT_PORT_VIP ? split_icmp_about_reply(work, data, data_end) : CANARY_REASON_not_service;
	if (whose & SPLIT_PORT_SOURCE && (reason == CANARY_REASON_not_service || reason == CANARY_REASON_icmp_no_flow))
		return SPLIT_ICMP_TO_CLIENT;
	return reason;
}

/* Returns a verdict, or a negative reason why the packet passes untouched. */
static __always_inline int split_icmp_packet(struct xdp_md *ctx)
{
	int next = split_icmp(ctx);

	if (next == SPLIT_ICMP_ABOUT_TUNNEL)
		return split_icmp_tunnel(ctx);
	if (next == SPLIT_ICMP_TO_BACKEND)
		next = split_icmp_to_backend();
	else if (next == SPLIT_ICMP_TO_CLIENT)
		next = split_icmp_to_client();
	else
		return -next;
	if (next == SPLIT_ICMP_IS_IN_TUNNEL)
		return forward_tunnel(ctx);
	return next ? -next : forward(ctx);
}

#endif

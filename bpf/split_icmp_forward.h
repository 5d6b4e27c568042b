/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * ICMP errors in mode fullnat: those about requests quote what the backend got and go to the client, those about replies
 * quote what the client got and go to the backend. Neither side learns an address of the other's network: the error
 * comes from the VIP or from the flow's source. Both functions are verified by themselves; the error is in the scratch.
 */
#ifndef CANARYD_BPF_SPLIT_ICMP_FORWARD_H
#define CANARYD_BPF_SPLIT_ICMP_FORWARD_H

#include "split_forward.h"

/* The job of sending on the error, changed to be about a packet from the job's destination to its source. */
static __always_inline void split_icmp_job(struct forward_job *job, struct icmp_error *e)
{
	job->kind = FORWARD_ICMP;
	job->network = e->outer.place;
	job->packet.ipv6 = e->ipv6;
	job->packet.protocol = e->ipv6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
	icmp_change_both(e, &job->destination, &job->source);
}

#define SPLIT_ICMP_IS_IN_TUNNEL (-3) /* forward_tunnel() is to do the rest */

/* The job of sending it to a backend that itself has the VIP: as it is, in a tunnel. */
static __always_inline int split_icmp_tunnel_job(struct forward_job *job, const struct icmp_error *e)
{
	job->kind = FORWARD_ICMP;
	job->network = e->outer.place;
	job->label = 0;
	job->packet.ipv6 = e->ipv6;
	job->packet.protocol = e->ipv6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
	return SPLIT_ICMP_IS_IN_TUNNEL;
}

/* About a reply; its flow is known to be in the table. Returns 0: forward() is to do the rest, or as above, or a reason. */
__noinline int split_icmp_to_backend(void)
{
	struct maps_scratch *room = maps_scratch();
	struct forward_job *job = forward_job();
	struct canary_flow *flow;
	struct tally tally;
	int reason;
	__u32 slot;

	if (!room || !job)
		return CANARY_REASON_icmp_no_flow;
	flow = bpf_map_lookup_elem(&flows, &room->icmp.key);
	if (!flow)
		return CANARY_REASON_icmp_no_flow;
	job->packet.protocol = room->icmp.error.protocol;
	reason = split_job(job, split_way(flow));
	if (reason)
		return reason;
	if (account_tally(flow, &tally, &slot))
		TALLY(&tally, icmp_errors);
	if (flow->mode == CANARY_MODE_DSR)
		return split_icmp_tunnel_job(job, &room->icmp.error);
	split_icmp_job(job, &room->icmp.error);
	return 0;
}

/*
 * About a request, by its source. Where its flow was evicted the client is told all the same. Returns as the above, or
 * a negative verdict.
 */
__noinline int split_icmp_to_client(void)
{
	struct maps_scratch *room = maps_scratch();
	struct forward_job *job = forward_job();
	const struct canary_flow_key *holder;
	struct canary_flow *flow;

	if (!room || !job)
		return CANARY_REASON_not_service;
	nat_reply_key_of_error(&job->reply_key, &room->icmp.error);
	holder = nat_holder(&job->reply_key);
	if (!holder)
		return CANARY_REASON_not_service;
	job->key = *holder;
	nat_reply_addresses(job);
	split_icmp_job(job, &room->icmp.error);
	flow = bpf_map_lookup_elem(&flows, &job->key);
	if (!flow || !nat_owns(flow, &job->reply_key))
		return 0;
	account_icmp(&job->key, flow, &room->icmp.error);
	return account_withholds(flow, &room->icmp.error) ? -XDP_DROP : 0;
}

#endif

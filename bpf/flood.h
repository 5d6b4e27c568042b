/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The flood guard: when new flows are put on probation, a table of their own, and when one has proven that there is a
 * client behind it. So a flood of forged sources evicts nothing but its own. Pure.
 */
#ifndef CANARYD_BPF_FLOOD_H
#define CANARYD_BPF_FLOOD_H

#include "flow.h"

#define FLOOD_SECOND_NS 1000000000ULL
#define FLOOD_HOLD_NS (2 * FLOOD_SECOND_NS) /* the guard stays on for so long after the last second that was too much */

/* Counts a packet without a flow on this CPU, and says whether what it opens goes on probation. `limit` 0: never. */
static __always_inline bool flood_is_on(struct canary_flood *state, __u32 limit, bool table_full, __u64 now_ns)
{
	if (!limit)
		return false;
	if (now_ns - state->second_began_ns >= FLOOD_SECOND_NS) {
		state->second_began_ns = now_ns;
		state->opened = 0;
	}
	if (++state->opened > limit)
		state->until_ns = now_ns + FLOOD_HOLD_NS;
	return table_full || now_ns < state->until_ns;
}

/*
 * May a flow go on probation? In mode dsr the server is not heard, so that of datagrams, and of a stream whose beginning
 * was not seen, nothing would ever be proven.
 */
static __always_inline bool flood_may_hold(const struct canary_flow *flow, bool syn)
{
	return syn || flow->mode != CANARY_MODE_DSR;
}

/*
 * Does this packet show that its sender has read what the server sent? A connection's acknowledges its SYN-ACK, within
 * 64 KiB, which who forges a source would have to guess; in mode dsr, where that is not seen, it has to go on from its
 * own SYN. A client of datagrams sends again after an answer.
 */
static __always_inline bool flood_is_proven(const struct canary_flow *flow, const struct packet *p)
{
	if (p->protocol == IPPROTO_UDP)
		return flow->server_next != 0;
	if (!(p->tcp_flags & TCP_ACK) || p->tcp_flags & TCP_RST)
		return false;
	if (flow->mode == CANARY_MODE_DSR)
		return p->seq - flow->client_isn - 1 <= FLOW_RST_WINDOW;
	return flow->server_next != 0 && flow->server_next - p->ack <= FLOW_RST_WINDOW;
}

#endif

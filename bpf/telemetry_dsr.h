/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Mode dsr, where no reply is seen: what the client acknowledges says what the server has done. Resets of the server stay
 * unseen, and what they end is found by the sweep. Pure.
 *
 * An acknowledgement of one more is a single byte or the server's FIN, which takes a sequence number of its own. Which of
 * them is told by what follows: more of it, another request, or the client's FIN.
 */
#ifndef CANARYD_BPF_TELEMETRY_DSR_H
#define CANARYD_BPF_TELEMETRY_DSR_H

#include "telemetry.h"

/* Does the packet need the clock? */
static __always_inline bool telemetry_dsr_is_timed(const struct canary_flow *flow, const struct packet *p)
{
	return telemetry_request_is_timed(flow, p) || p->tcp_flags & TCP_FIN;
}

/* The client's first acknowledgement: the server took the connection. Where track was lost, it says where the server is. */
static __always_inline void telemetry_dsr_began(struct canary_flow *flow, const struct packet *p, struct tally *tally)
{
	if (flow->origin == CANARY_ORIGIN_SYN) {
		if (p->seq - flow->client_isn - 1 > FLOW_RST_WINDOW)
			return;
		flow->server_flags |= CANARY_SERVER_SYNACK;
		TALLY(tally, established);
	}
	flow->server_next = p->ack;
}

static __always_inline bool telemetry_dsr_is_waiting(const struct canary_flow *flow)
{
	return flow_state(flow) == FLOW_REQUEST && telemetry_has_turns(flow);
}

static __always_inline void telemetry_dsr_answered(struct canary_flow *flow, struct tally *tally)
{
	flow->server_flags &= ~CANARY_SERVER_SAID_ONE;
	flow->response_turn = flow->request_turn;
	if (flow->timeout_turn == flow->request_turn)
		TALLY(tally, late_response);
	else
		TALLY(tally, answered);
}

/* The server has closed. A request that is outstanding fails; it is the client's where that has closed before. */
static __always_inline void telemetry_dsr_server_closed(struct canary_flow *flow, __u64 now_ns, struct tally *tally,
							struct observation *seen)
{
	bool failed = telemetry_dsr_is_waiting(flow) && flow->timeout_turn != flow->request_turn;

	flow->server_flags |= CANARY_SERVER_FIN;
	if (!failed)
		return;
	if (flow->client_flags & CANARY_CLIENT_FIN) {
		TALLY(tally, abort_waiting);
		return;
	}
	TALLY(tally, empty_close);
	telemetry_failed(seen, CANARY_COUNTER_empty_close, flow->request_ns, now_ns);
}

/* The packet acknowledges so much more of what the server sent. */
static __always_inline void telemetry_dsr_acknowledged(struct canary_flow *flow, __u32 more, __u64 now_ns,
						       struct tally *tally, struct observation *seen)
{
	bool one = more == 1 && !(flow->server_flags & CANARY_SERVER_SAID_ONE);

	flow->server_next += more;
	if (one && flow->client_flags & CANARY_CLIENT_FIN)
		telemetry_dsr_server_closed(flow, now_ns, tally, seen);
	else if (one)
		flow->server_flags |= CANARY_SERVER_SAID_ONE;
	else if (telemetry_dsr_is_waiting(flow))
		telemetry_dsr_answered(flow, tally);
	else if (more > 1)
		flow->server_flags &= ~CANARY_SERVER_SAID_ONE;
}

/* The client goes on after an acknowledgement of one: asks again, or closes. */
static __always_inline void telemetry_dsr_goes_on(struct canary_flow *flow, const struct packet *p, __u64 now_ns,
						  struct tally *tally, struct observation *seen)
{
	if (!(flow->server_flags & CANARY_SERVER_SAID_ONE))
		return;
	if (telemetry_payload_is_new(p, flow->client_next) && telemetry_dsr_is_waiting(flow))
		telemetry_dsr_answered(flow, tally);
	else if (p->tcp_flags & TCP_FIN && !(flow->client_flags & CANARY_CLIENT_FIN))
		telemetry_dsr_server_closed(flow, now_ns, tally, seen);
}

static __always_inline void telemetry_dsr_infer(struct canary_flow *flow, const struct packet *p, __u64 now_ns,
						struct tally *tally, struct observation *seen)
{
	if (!(p->tcp_flags & TCP_ACK) || p->tcp_flags & (TCP_SYN | TCP_RST))
		return;
	if (!(flow->server_flags & CANARY_SERVER_SYNACK) && !flow->server_next)
		telemetry_dsr_began(flow, p, tally);
	else if (seq_after(p->ack, flow->server_next))
		telemetry_dsr_acknowledged(flow, p->ack - flow->server_next, now_ns, tally, seen);
	telemetry_dsr_goes_on(flow, p, now_ns, tally, seen);
}

/* Accounts a packet from the client. `now_ns` is read only where telemetry_dsr_is_timed() says so. */
static __always_inline void telemetry_dsr(struct canary_flow *flow, const struct packet *p, __u64 now_ns,
					  struct tally *tally, struct observation *seen)
{
	if (p->protocol == IPPROTO_TCP)
		telemetry_dsr_infer(flow, p, now_ns, tally, seen);
	else
		flow->request_ns = now_ns;
	telemetry_request(flow, p, now_ns, tally);
}

#endif

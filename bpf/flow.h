/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a flow is: its key seen from either direction, its state, when it has ended. Pure.
 *
 * The state is derived from three turn counters that have one writer each, so that two CPUs need no lock:
 *   SYN → ESTABLISHED → REQUEST → RESPONSE → IDLE → REQUEST …
 */
#ifndef CANARYD_BPF_FLOW_H
#define CANARYD_BPF_FLOW_H

#include "parse.h"

enum canary_flow_state {
	FLOW_SYN = 0,         /* the server has not answered the SYN */
	FLOW_ESTABLISHED = 1, /* no request yet */
	FLOW_IDLE = 2,        /* the last response is complete: acknowledged, and quiet for a sweep */
	FLOW_REQUEST = 3,     /* a request is outstanding */
	FLOW_RESPONSE = 4,    /* the server has begun to answer */
};

/* Sequence numbers wrap: a is after b when it lies in the half circle beyond it. */
static __always_inline bool seq_after(__u32 a, __u32 b)
{
	return (__s32)(a - b) > 0;
}

/* A reset is believed when its sequence number lies within 64 KiB of where its sender is known to be. */
#define FLOW_RST_WINDOW 65535
static __always_inline bool flow_rst_in_window(__u32 seq, __u32 next)
{
	return seq - next + FLOW_RST_WINDOW <= 2 * FLOW_RST_WINDOW;
}

static __always_inline enum canary_flow_state flow_state(const struct canary_flow *flow)
{
	if (flow->request_turn != flow->response_turn)
		return FLOW_REQUEST;
	if (flow->request_turn == 0)
		return flow->server_flags & CANARY_SERVER_SYNACK ? FLOW_ESTABLISHED : FLOW_SYN;
	return flow->idle_turn == flow->response_turn && flow->swept_server_next == flow->server_next ? FLOW_IDLE :
													FLOW_RESPONSE;
}

static __always_inline bool flow_closed(const struct canary_flow *flow)
{
	if (flow->client_flags & CANARY_CLIENT_RST || flow->server_flags & CANARY_SERVER_RST)
		return true;
	return flow->client_flags & CANARY_CLIENT_FIN && flow->server_flags & CANARY_SERVER_FIN;
}

/* Does a client begin a connection with this packet? */
static __always_inline bool flow_is_syn(const struct packet *p)
{
	return p->protocol == IPPROTO_TCP && (p->tcp_flags & (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN)) == TCP_SYN;
}

/*
 * A SYN opens a connection anew where the one before has ended, or was never answered and this is not its retry. On an
 * established flow it does not: whoever forges one must not move the flow.
 */
static __always_inline bool flow_reopens(const struct canary_flow *flow, const struct packet *p)
{
	if (!flow_is_syn(p))
		return false;
	if (flow_closed(flow))
		return true;
	if (flow->origin == CANARY_ORIGIN_LOST_TRACK)
		return true;
	if (flow->mode == CANARY_MODE_DSR && flow->client_flags & CANARY_CLIENT_FIN) /* its end is not seen for sure */
		return p->seq != flow->client_isn;
	return flow_state(flow) == FLOW_SYN && p->seq != flow->client_isn;
}

static __always_inline void flow_key_from_request(struct canary_flow_key *key, const struct packet *p)
{
	__builtin_memset(key, 0, sizeof(*key));
	__builtin_memcpy(key->client, p->source, sizeof(key->client));
	__builtin_memcpy(key->vip, p->destination, sizeof(key->vip));
	key->client_port = p->source_port;
	key->vip_port = p->destination_port;
	key->protocol = p->protocol;
}

static __always_inline void flow_key_from_reply(struct canary_flow_key *key, const struct packet *p,
						const struct canary_endpoint *vip)
{
	__builtin_memset(key, 0, sizeof(*key));
	__builtin_memcpy(key->client, p->destination, sizeof(key->client));
	__builtin_memcpy(key->vip, vip->addr, sizeof(key->vip));
	key->client_port = p->destination_port;
	key->vip_port = vip->port;
	key->protocol = p->protocol;
}

static __always_inline void flow_endpoint(struct canary_endpoint *endpoint, const __be32 addr[4], __be16 port,
					  __u8 protocol)
{
	__builtin_memcpy(endpoint->addr, addr, sizeof(endpoint->addr));
	endpoint->port = port;
	endpoint->protocol = protocol;
	endpoint->zero = 0;
}

#endif

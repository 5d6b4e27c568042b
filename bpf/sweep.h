/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a flow that nobody hears of any more has come to: the sweep's part of telemetry. Pure. */
#ifndef CANARYD_BPF_SWEEP_H
#define CANARYD_BPF_SWEEP_H

#include "telemetry.h"

struct sweep_limits {
	__u64 syn_timeout_ns;
	__u64 response_timeout_ns;
	__u64 udp_idle_ns;
};

enum sweep_action {
	SWEEP_KEEP = 0,
	SWEEP_SYN_TIMEOUT = 1,
	SWEEP_RESPONSE_TIMEOUT = 2,
	SWEEP_REMOVE = 3, /* ended, and nothing more is expected of it */
};

static __always_inline bool sweep_is_past(__u64 then_ns, __u64 limit_ns, __u64 now_ns)
{
	return now_ns > then_ns && now_ns - then_ns > limit_ns;
}

#define SWEEP_CLOSING_S 10 /* dsr: the client closed, and so long nothing came of the server */
#define SWEEP_DEAD_S 900   /* dsr: the same after a time-out, whose reset by the server would not be seen */

/* dsr: how long the server has been silent, as far as it is known; at most 18 hours. */
static __always_inline __u32 sweep_quiet_s(struct canary_flow *flow, __u64 now_ns)
{
	__u16 now_s = now_ns / 1000000000ULL;

	if (!(flow->sweep_flags & CANARY_SWEEP_QUIET) || flow->swept_server_next != flow->server_next) {
		flow->sweep_flags |= CANARY_SWEEP_QUIET;
		flow->quiet_since_s = now_s;
	}
	return (__u16)(now_s - flow->quiet_since_s);
}

/* dsr: has the client closed, and is waiting for nothing? Nearly always the server has, too. */
static __always_inline bool sweep_is_closing(const struct canary_flow *flow)
{
	return flow->mode == CANARY_MODE_DSR && flow->client_flags & CANARY_CLIENT_FIN && flow_state(flow) != FLOW_REQUEST;
}

/* dsr: is there nothing to be expected, though its end was not seen? */
static __always_inline bool sweep_fell_silent(struct canary_flow *flow, __u64 now_ns)
{
	bool timed_out = flow_state(flow) == FLOW_REQUEST && flow->timeout_turn == flow->request_turn;
	__u32 quiet_s;

	if (flow->mode != CANARY_MODE_DSR)
		return false;
	quiet_s = sweep_quiet_s(flow, now_ns);
	return (timed_out && quiet_s > SWEEP_DEAD_S) || (sweep_is_closing(flow) && quiet_s > SWEEP_CLOSING_S);
}

#define SWEEP_SYN_ABANDONED_NS 130000000000ULL /* the last of Linux' six retries is over after 127 s */

/* The server answered, and gave up waiting for the client's acknowledgement: a forged source, or one that went away. */
static __always_inline bool sweep_never_acknowledged(const struct canary_flow *flow, __u64 now_ns)
{
	bool acknowledged = flow->client_acked || !flow->server_next; /* where the server began at 0 there is no telling */

	return flow->origin == CANARY_ORIGIN_SYN && flow_state(flow) == FLOW_ESTABLISHED && !acknowledged &&
	       sweep_is_past(flow->opened_ns, SWEEP_SYN_ABANDONED_NS, now_ns);
}

/* Has the flow ended, or is nothing to be expected of it? */
static __always_inline bool sweep_ended(struct canary_flow *flow, const struct sweep_limits *limits, __u64 now_ns)
{
	if (flow->origin == CANARY_ORIGIN_UDP)
		return sweep_is_past(flow->request_ns, limits->udp_idle_ns, now_ns);
	if (flow_state(flow) == FLOW_SYN && flow->server_flags & CANARY_SERVER_UNREACHABLE)
		return flow_closed(flow) || sweep_is_past(flow->opened_ns, limits->syn_timeout_ns, now_ns);
	if (flow_state(flow) == FLOW_SYN && flow->sweep_flags & CANARY_SWEEP_SYN_TIMEOUT)
		return flow_closed(flow) || sweep_is_past(flow->opened_ns, SWEEP_SYN_ABANDONED_NS, now_ns);
	return flow_closed(flow) || sweep_never_acknowledged(flow, now_ns) || sweep_fell_silent(flow, now_ns);
}

/* A response is over where all of it is acknowledged and nothing came since the sweep before. Only then: it may go on. */
static __always_inline void sweep_idle(struct canary_flow *flow)
{
	bool quiet = flow->swept_server_next == flow->server_next && !seq_after(flow->server_next, flow->client_acked);

	flow->idle_turn = quiet ? flow->response_turn : flow->response_turn - 1;
	flow->swept_server_next = flow->server_next;
}

static __always_inline bool sweep_syn_timed_out(const struct canary_flow *flow, const struct sweep_limits *limits,
						__u64 now_ns)
{
	return telemetry_gave_up_connecting(flow) && sweep_is_past(flow->opened_ns, limits->syn_timeout_ns, now_ns);
}

/* A request that the server told to go on with is the client's to finish; in dsr one byte may have been the response. */
static __always_inline bool sweep_response_timed_out(const struct canary_flow *flow, const struct sweep_limits *limits,
						     __u64 now_ns)
{
	return flow_state(flow) == FLOW_REQUEST && telemetry_has_turns(flow) &&
	       flow->timeout_turn != flow->request_turn && flow->continue_next != flow->client_next &&
	       !(flow->server_flags & CANARY_SERVER_SAID_ONE) &&
	       sweep_is_past(flow->request_ns, limits->response_timeout_ns, now_ns);
}

/*
 * Looks at a flow once a sweep: finds what never happened, tells RESPONSE from IDLE, and says what is over. An ended
 * flow stays for a whole turn of the sweep, so that its last acknowledgements still find it.
 */
static __always_inline enum sweep_action sweep_flow(struct canary_flow *flow, const struct sweep_limits *limits,
						    __u64 now_ns)
{
	if (sweep_ended(flow, limits, now_ns)) {
		if (flow->sweep_flags & CANARY_SWEEP_CLOSED)
			return SWEEP_REMOVE;
		flow->sweep_flags |= CANARY_SWEEP_CLOSED;
		return SWEEP_KEEP;
	}
	flow->sweep_flags &= ~CANARY_SWEEP_CLOSED;
	if (sweep_syn_timed_out(flow, limits, now_ns)) {
		flow->sweep_flags |= CANARY_SWEEP_SYN_TIMEOUT;
		return SWEEP_SYN_TIMEOUT;
	}
	if (sweep_response_timed_out(flow, limits, now_ns)) {
		flow->timeout_turn = flow->request_turn;
		return SWEEP_RESPONSE_TIMEOUT;
	}
	sweep_idle(flow);
	return SWEEP_KEEP;
}

#define SWEEP_TIME_WAIT_NS 60000000000ULL /* Linux' */

/*
 * Looks at a source once a sweep; `flow` is its flow, NULL where there is none. Returns whether to give it back: two
 * turns after its flow was last there, since a flow is put into its table after its source was taken; where the server
 * closed first, when that has left TIME_WAIT.
 */
static __always_inline bool sweep_reply(struct canary_reply *reply, const struct canary_flow *flow, __u64 now_ns)
{
	if (flow) {
		reply->server_closed_first = !!(flow->server_flags & CANARY_SERVER_CLOSED_FIRST);
		reply->gone_ns = 0;
		return false;
	}
	if (!reply->gone_ns) {
		reply->gone_ns = now_ns;
		return false;
	}
	return !reply->server_closed_first || sweep_is_past(reply->gone_ns, SWEEP_TIME_WAIT_NS, now_ns);
}

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a packet says about its flow: moves the flow's turns and counts indicators. Each direction writes its own
 * fields of the flow only. Pure: counters, flow and time are arguments.
 *
 * Only payload beyond the highest sequence number seen moves a turn; everything else is a retransmission.
 */
#ifndef CANARYD_BPF_TELEMETRY_H
#define CANARYD_BPF_TELEMETRY_H

#include "flow.h"
#include "http.h"

/* Where to count: the version's slot and the backend. */
struct tally {
	struct canary_counters *version;
	struct canary_counters *backend;
};

#define TALLY_ADD(tally, name, n)                                                                                   \
	do {                                                                                                        \
		(tally)->version->name += (n);                                                                      \
		(tally)->backend->name += (n);                                                                      \
	} while (0)
#define TALLY(tally, name) TALLY_ADD(tally, name, 1)

#define TELEMETRY_NO_OUTCOME CANARY_COUNTER_COUNT

/* What one packet brought to light. Durations in ns, 0 where there is none. */
struct observation {
	__u64 connect_ns;
	__u64 ttfb_ns;
	__u64 waited_ns; /* of the outcome */
	__u16 outcome;   /* a failure's enum canary_counter, CANARY_EVENT_SLOW_*, or TELEMETRY_NO_OUTCOME */
};

#define TELEMETRY_TLS_HANDSHAKE_TURNS 2 /* ClientHello; in TLS 1.3 Finished and the first request, biased by tickets */

/* Where `next` of the sender is after this packet. In UDP it counts the bytes. */
static __always_inline __u32 telemetry_end(const struct packet *p, __u32 next)
{
	return (p->protocol == IPPROTO_UDP ? next : p->seq) + p->payload_len;
}

static __always_inline bool telemetry_payload_is_new(const struct packet *p, __u32 next)
{
	if (p->protocol == IPPROTO_UDP)
		return true;
	if (p->tcp_flags & TCP_SYN) /* Fast Open: a request in the SYN is none, unless the client has to send it again */
		return false;
	return p->payload_len && seq_after(telemetry_end(p, next), next);
}

/* Payload bytes not counted before. */
static __always_inline __u32 telemetry_unique(const struct packet *p, __u32 next)
{
	__u32 beyond = telemetry_end(p, next) - next;

	return beyond > p->payload_len ? p->payload_len : beyond;
}

/* Does the request direction need the clock for this packet? Reading it costs as much as looking up a flow. */
static __always_inline bool telemetry_request_is_timed(const struct canary_flow *flow, const struct packet *p)
{
	return telemetry_payload_is_new(p, flow->client_next);
}

/* ---- request direction ------------------------------------------------------------------------------------- */

/* "\x16\x03": a TLS handshake record. "PRI ": the preface of HTTP/2, whose requests share the connection. */
static __always_inline void telemetry_first_payload(struct canary_flow *flow, const struct packet *p, struct tally *tally)
{
	__u32 start = bpf_ntohl(p->payload_start);

	if (start >> 16 == 0x1603) {
		flow->client_flags |= CANARY_CLIENT_TLS;
	} else if (start == 0x50524920) {
		flow->client_flags |= CANARY_CLIENT_MULTIPLEXED;
		TALLY(tally, multiplexed);
	}
}

/*
 * Are there requests and responses to be told? Not once the server has closed or either side has reset: whatever was
 * outstanding got its outcome then, and what is still under way will not be answered.
 */
static __always_inline bool telemetry_has_turns(const struct canary_flow *flow)
{
	return !flow_closed(flow) && flow->origin != CANARY_ORIGIN_LOST_TRACK &&
	       !(flow->client_flags & CANARY_CLIENT_MULTIPLEXED) &&
	       !(flow->server_flags & (CANARY_SERVER_UPGRADED | CANARY_SERVER_FIN));
}

static __always_inline void telemetry_request_payload(struct canary_flow *flow, const struct packet *p, __u64 now_ns,
						      struct tally *tally)
{
	enum canary_flow_state state = flow_state(flow);

	if (!telemetry_has_turns(flow))
		return;
	if (flow->request_turn == 0)
		telemetry_first_payload(flow, p, tally);
	if (flow->client_flags & CANARY_CLIENT_MULTIPLEXED)
		return;
	if (state == FLOW_RESPONSE && p->protocol == IPPROTO_TCP && seq_after(flow->server_next, p->ack)) {
		flow->client_flags |= CANARY_CLIENT_MULTIPLEXED;
		TALLY(tally, multiplexed);
		return;
	}
	flow->request_ns = now_ns;
	if (state != FLOW_REQUEST) {
		flow->request_turn++;
		TALLY(tally, requests);
	}
}

/* Has the client closed its side while it was not waiting for a response? Then it expects nothing any more. */
static __always_inline bool telemetry_client_is_done(const struct canary_flow *flow)
{
	return flow->client_flags & CANARY_CLIENT_FIN && flow->client_fin_state != FLOW_REQUEST;
}

/*
 * Does its reset break a response off? After its own FIN it does where it had not taken all that the server sent; in
 * TLS that may be the server's goodbye.
 */
static __always_inline bool telemetry_client_breaks_off(const struct canary_flow *flow)
{
	if (!(flow->client_flags & CANARY_CLIENT_FIN) || flow->client_fin_state == FLOW_REQUEST)
		return true;
	return flow->client_fin_state == FLOW_RESPONSE && !(flow->client_flags & CANARY_CLIENT_TLS) &&
	       seq_after(flow->server_next, flow->client_acked);
}

/* Is the SYN counted as timed out or refused, though it may still be answered? */
static __always_inline bool telemetry_syn_has_failed(const struct canary_flow *flow)
{
	return flow->sweep_flags & CANARY_SWEEP_SYN_TIMEOUT || flow->server_flags & CANARY_SERVER_UNREACHABLE;
}

/* Is a SYN unanswered, and not yet counted as failed? */
static __always_inline bool telemetry_gave_up_connecting(const struct canary_flow *flow)
{
	return flow->origin == CANARY_ORIGIN_SYN && !flow_closed(flow) && flow_state(flow) == FLOW_SYN &&
	       !telemetry_syn_has_failed(flow);
}

/* The client broke off. Where the server has closed, or the client itself when all was said, that breaks off nothing. */
static __always_inline void telemetry_client_reset(struct canary_flow *flow, const struct packet *p, struct tally *tally)
{
	enum canary_flow_state state = flow_state(flow);
	bool tracked = flow->origin != CANARY_ORIGIN_LOST_TRACK;

	if (tracked && !flow_rst_in_window(p->seq, flow->client_next)) {
		TALLY(tally, rst_invalid);
		return;
	}
	if (tracked && !flow_closed(flow) && !(flow->server_flags & CANARY_SERVER_FIN)) {
		if (telemetry_gave_up_connecting(flow))
			TALLY(tally, abort_connect);
		else if (state == FLOW_REQUEST && flow->timeout_turn != flow->request_turn)
			TALLY(tally, abort_waiting);
		else if (state == FLOW_RESPONSE && telemetry_client_breaks_off(flow))
			TALLY(tally, abort_data);
	}
	flow->client_flags |= CANARY_CLIENT_RST;
}

/* A TCP packet without new payload. */
static __always_inline void telemetry_request_control(struct canary_flow *flow, const struct packet *p,
						      struct tally *tally)
{
	bool syn_again = p->tcp_flags & TCP_SYN && flow->origin == CANARY_ORIGIN_SYN;
	bool fin_again = p->tcp_flags & TCP_FIN && flow->client_flags & CANARY_CLIENT_FIN;

	if (p->payload_len || syn_again || fin_again)
		TALLY(tally, request_retransmits);
}

/* The server's numbers are not known before the first acknowledgement: up to the first request it is taken as it is. */
static __always_inline void telemetry_acknowledged(struct canary_flow *flow, const struct packet *p)
{
	if (p->tcp_flags & TCP_ACK && (flow->request_turn == 0 || seq_after(p->ack, flow->client_acked)))
		flow->client_acked = p->ack;
}

/* Accounts a packet from the client. `now_ns` is read only where telemetry_request_is_timed() says so. */
static __always_inline void telemetry_request(struct canary_flow *flow, const struct packet *p, __u64 now_ns,
					      struct tally *tally)
{
	TALLY(tally, request_packets);
	if (p->tcp_flags & TCP_RST) {
		telemetry_client_reset(flow, p, tally);
		return;
	}
	telemetry_acknowledged(flow, p);
	if (telemetry_payload_is_new(p, flow->client_next)) {
		TALLY_ADD(tally, request_bytes, telemetry_unique(p, flow->client_next));
		telemetry_request_payload(flow, p, now_ns, tally);
		flow->client_next = telemetry_end(p, flow->client_next);
	} else {
		telemetry_request_control(flow, p, tally);
	}
	if (p->tcp_flags & TCP_FIN && !(flow->client_flags & CANARY_CLIENT_FIN)) {
		flow->client_fin_state = flow_state(flow);
		flow->client_flags |= CANARY_CLIENT_FIN;
	}
}

/* A packet that belongs to no connection and opens none: it gets where its flow would be, and leaves no trace. */
static __always_inline bool telemetry_is_stray(const struct packet *p)
{
	return p->protocol == IPPROTO_TCP && p->tcp_flags & (TCP_FIN | TCP_RST);
}

/* Fills a flow that this packet opens. */
static __always_inline void telemetry_open(struct canary_flow *flow, const struct packet *p, __u64 now_ns)
{
	bool syn = flow_is_syn(p);

	flow->opened_ns = now_ns;
	flow->client_isn = p->seq;
	flow->client_next = syn ? p->seq + 1 : p->seq;
	flow->origin = p->protocol == IPPROTO_UDP ? CANARY_ORIGIN_UDP :
		       syn                        ? CANARY_ORIGIN_SYN :
						    CANARY_ORIGIN_LOST_TRACK;
	if (flow->mode == CANARY_MODE_DSR && flow->origin == CANARY_ORIGIN_UDP) {
		flow->client_flags = CANARY_CLIENT_MULTIPLEXED; /* nothing acknowledges an answer: no turns are told */
		flow->request_ns = now_ns;
	}
}

/* Accounts a flow that was opened. Its first packet: where it is a SYN, by request_packets, else as any other. */
static __always_inline void telemetry_opened(const struct canary_flow *flow, struct tally *tally)
{
	if (flow->origin == CANARY_ORIGIN_LOST_TRACK)
		TALLY(tally, lost_track);
	else
		TALLY(tally, connections);
}

/* ---- reply direction --------------------------------------------------------------------------------------- */

/* Does this packet acknowledge the SYN? With Fast Open some of the payload that came with it, too. */
static __always_inline bool telemetry_answers_syn(const struct canary_flow *flow, const struct packet *p)
{
	return p->tcp_flags & TCP_ACK && p->ack - flow->client_isn - 1 <= FLOW_RST_WINDOW;
}

static __always_inline bool telemetry_is_synack(const struct canary_flow *flow, const struct packet *p)
{
	return p->tcp_flags & TCP_SYN && flow->origin == CANARY_ORIGIN_SYN &&
	       !(flow->server_flags & CANARY_SERVER_SYNACK) && telemetry_answers_syn(flow, p);
}

/* Where the server is: at this packet, where its SYN-ACK was not seen. */
static __always_inline __u32 telemetry_server_next(const struct canary_flow *flow, const struct packet *p)
{
	return flow->server_flags & CANARY_SERVER_SYNACK || flow->server_next ? flow->server_next : p->seq;
}

/* Does this packet begin the response to an outstanding request? Then its status line is looked at. */
static __always_inline bool telemetry_begins_response(const struct canary_flow *flow, const struct packet *p)
{
	return telemetry_has_turns(flow) && flow_state(flow) == FLOW_REQUEST &&
	       telemetry_payload_is_new(p, telemetry_server_next(flow, p));
}

static __always_inline bool telemetry_reply_is_timed(const struct canary_flow *flow, const struct packet *p)
{
	return telemetry_is_synack(flow, p) || p->tcp_flags & TCP_RST || telemetry_begins_response(flow, p) ||
	       (p->tcp_flags & TCP_FIN && flow_state(flow) == FLOW_REQUEST);
}

static __always_inline __u64 telemetry_since(__u64 then_ns, __u64 now_ns)
{
	return now_ns > then_ns ? now_ns - then_ns : 1; /* the clocks of two CPUs, a packet apart */
}

static __always_inline void telemetry_failed(struct observation *seen, enum canary_counter kind, __u64 since_ns,
					     __u64 now_ns)
{
	seen->outcome = kind;
	seen->waited_ns = telemetry_since(since_ns, now_ns);
}

/* A response or a connection that took as long as the split says is an outcome, as a failure is. */
static __always_inline void telemetry_slow(const struct canary_split *split, struct observation *seen)
{
	if (split->slow_response_ns && seen->ttfb_ns >= split->slow_response_ns) {
		seen->outcome = CANARY_EVENT_SLOW_RESPONSE;
		seen->waited_ns = seen->ttfb_ns;
	} else if (split->slow_connect_ns && seen->connect_ns >= split->slow_connect_ns) {
		seen->outcome = CANARY_EVENT_SLOW_CONNECT;
		seen->waited_ns = seen->connect_ns;
	}
}

static __always_inline void telemetry_count_class(__u32 status, struct tally *tally)
{
	if (status >= 500)
		TALLY(tally, http_5xx);
	else if (status >= 400)
		TALLY(tally, http_4xx);
	else if (status >= 300)
		TALLY(tally, http_3xx);
	else if (status >= 200)
		TALLY(tally, http_2xx);
	else if (status == 101)
		TALLY(tally, http_upgrade);
	else
		TALLY(tally, unparsed);
}

/* Where in the payload the response begins: what comes before was sent already. */
static __always_inline __u32 telemetry_response_offset(const struct canary_flow *flow, const struct packet *p)
{
	return p->payload_len - telemetry_unique(p, telemetry_server_next(flow, p));
}

/* `status` is 0 where the payload is not HTTP/1. */
static __always_inline void telemetry_response(struct canary_flow *flow, __u32 status, __u64 now_ns,
					       struct tally *tally, struct observation *seen)
{
	__u32 turn = flow->request_turn;

	if (status >= 100 && status < 200 && status != 101) {
		TALLY(tally, http_1xx);
		if (status == 100)
			flow->continue_next = flow->client_next;
		return;
	}
	flow->response_turn = turn;
	if (status == 101)
		flow->server_flags |= CANARY_SERVER_UPGRADED;
	if (flow->timeout_turn == turn) {
		TALLY(tally, late_response);
		return;
	}
	telemetry_count_class(status, tally);
	if (status >= 500)
		telemetry_failed(seen, CANARY_COUNTER_http_5xx, flow->request_ns, now_ns);
	if (!(flow->client_flags & CANARY_CLIENT_TLS) || turn > TELEMETRY_TLS_HANDSHAKE_TURNS)
		seen->ttfb_ns = telemetry_since(flow->request_ns, now_ns);
}

static __always_inline void telemetry_server_reset(struct canary_flow *flow, const struct packet *p, __u64 now_ns,
						   struct tally *tally, struct observation *seen)
{
	enum canary_flow_state state = flow_state(flow);
	bool tracked = flow->origin != CANARY_ORIGIN_LOST_TRACK;
	bool ended = flow_closed(flow) || flow->server_flags & CANARY_SERVER_FIN;
	bool valid = state == FLOW_SYN ? telemetry_answers_syn(flow, p) : flow_rst_in_window(p->seq, flow->server_next);

	if (tracked && !valid) {
		TALLY(tally, rst_invalid);
		return;
	}
	flow->server_flags |= CANARY_SERVER_RST;
	if (!tracked || ended)
		return;
	if (state == FLOW_SYN && !telemetry_syn_has_failed(flow)) {
		TALLY(tally, refused);
		telemetry_failed(seen, CANARY_COUNTER_refused, flow->opened_ns, now_ns);
	} else if (state == FLOW_REQUEST && flow->timeout_turn != flow->request_turn) {
		TALLY(tally, reset_before_response);
		telemetry_failed(seen, CANARY_COUNTER_reset_before_response, flow->request_ns, now_ns);
	} else if (state == FLOW_RESPONSE && !telemetry_client_is_done(flow)) {
		TALLY(tally, reset_mid_response);
		telemetry_failed(seen, CANARY_COUNTER_reset_mid_response, flow->request_ns, now_ns);
	}
}

/*
 * An ICMP error said that what the client sent did not arrive; `seq` is that of the packet it quotes. The client takes it
 * for a refusal: of the connection where its SYN is quoted, in UDP of the request, which gets no answer any more. Linux
 * sends a SYN again where the error came at a bad moment: the flow stays as it is.
 */
static __always_inline void telemetry_unreachable(struct canary_flow *flow, __u32 seq, __u64 now_ns, struct tally *tally,
						  struct observation *seen)
{
	bool datagram = flow->origin == CANARY_ORIGIN_UDP && flow_state(flow) == FLOW_REQUEST;
	bool timed_out = flow->timeout_turn == flow->request_turn;

	if (telemetry_gave_up_connecting(flow) && seq == flow->client_isn) {
		flow->server_flags |= CANARY_SERVER_UNREACHABLE;
		TALLY(tally, refused);
		telemetry_failed(seen, CANARY_COUNTER_refused, flow->opened_ns, now_ns);
	} else if (datagram) {
		flow->response_turn = flow->request_turn;
		if (timed_out)
			return;
		TALLY(tally, refused);
		telemetry_failed(seen, CANARY_COUNTER_refused, flow->request_ns, now_ns);
	}
}

/* Whoever closes first is left in TIME_WAIT; both, where neither FIN acknowledges the other. */
static __always_inline bool telemetry_server_closes_first(const struct canary_flow *flow, const struct packet *p)
{
	return !(flow->client_flags & CANARY_CLIENT_FIN) || !seq_after(p->ack, flow->client_next);
}

/* A FIN while a request is outstanding: the client's abort where it closed first, else a response that never came. */
static __always_inline void telemetry_server_fin(struct canary_flow *flow, const struct packet *p, __u64 now_ns,
						 struct tally *tally, struct observation *seen)
{
	bool outstanding = flow_state(flow) == FLOW_REQUEST && telemetry_has_turns(flow) &&
			   flow->timeout_turn != flow->request_turn;

	if (!(flow->server_flags & CANARY_SERVER_FIN) && telemetry_server_closes_first(flow, p))
		flow->server_flags |= CANARY_SERVER_CLOSED_FIRST;
	flow->server_flags |= CANARY_SERVER_FIN;
	if (!outstanding)
		return;
	if (flow->client_flags & CANARY_CLIENT_FIN) {
		TALLY(tally, abort_waiting);
		return;
	}
	TALLY(tally, empty_close);
	telemetry_failed(seen, CANARY_COUNTER_empty_close, flow->request_ns, now_ns);
}

static __always_inline void telemetry_synack(struct canary_flow *flow, const struct packet *p, __u64 now_ns,
					     struct tally *tally, struct observation *seen)
{
	flow->server_next = p->seq + 1;
	flow->server_flags |= CANARY_SERVER_SYNACK;
	TALLY(tally, established);
	seen->connect_ns = telemetry_since(flow->opened_ns, now_ns);
}

static __always_inline void telemetry_reply_payload(struct canary_flow *flow, const struct packet *p, __u32 status,
						    __u64 now_ns, struct tally *tally, struct observation *seen)
{
	bool begins = telemetry_begins_response(flow, p);
	__u32 next = telemetry_server_next(flow, p);

	if (!telemetry_payload_is_new(p, next)) {
		bool syn_again = p->tcp_flags & TCP_SYN && flow->server_flags & CANARY_SERVER_SYNACK;
		bool fin_again = p->tcp_flags & TCP_FIN && flow->server_flags & CANARY_SERVER_FIN;

		if (p->payload_len || syn_again || fin_again)
			TALLY_ADD(tally, response_retransmits, p->segments);
		return;
	}
	TALLY_ADD(tally, response_bytes, telemetry_unique(p, next));
	flow->server_next = telemetry_end(p, next);
	if (begins)
		telemetry_response(flow, status, now_ns, tally, seen);
}

/* Accounts a packet from the server. `status` as telemetry_response() has it; `now_ns` as telemetry_reply_is_timed(). */
static __always_inline void telemetry_reply(struct canary_flow *flow, const struct packet *p, __u32 status,
					    __u64 now_ns, struct tally *tally, struct observation *seen)
{
	TALLY_ADD(tally, response_packets, p->segments);
	if (p->tcp_flags & TCP_RST) {
		telemetry_server_reset(flow, p, now_ns, tally, seen);
		return;
	}
	if (p->protocol == IPPROTO_TCP && p->window == 0)
		TALLY(tally, zero_windows);
	if (telemetry_is_synack(flow, p)) {
		telemetry_synack(flow, p, now_ns, tally, seen);
		return;
	}
	telemetry_reply_payload(flow, p, status, now_ns, tally, seen);
	if (p->tcp_flags & TCP_FIN)
		telemetry_server_fin(flow, p, now_ns, tally, seen);
}

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the kernel programs tell the daemon of at once: a part of abi.h. */
#ifndef CANARYD_EVENTS_H
#define CANARYD_EVENTS_H

#include <linux/types.h>

#include <canaryd/addresses.h>
#include <canaryd/counters.h>

/* `events`, a ring buffer: samples of failed and slow flows, and trips of breakers. A failure's kind is its counter's index. */
enum canary_counter {
#define X(name, help) CANARY_COUNTER_##name,
	CANARY_COUNTERS(X)
#undef X
	CANARY_COUNTER_COUNT,
};

/* In place of a kind: the breaker of the version has tripped by the failure of this flow. Never left out. */
#define CANARY_EVENT_TRIPPED 0xffff
/* The same: no failure, but as late as struct canary_split says. */
#define CANARY_EVENT_SLOW_RESPONSE 0xfffe
#define CANARY_EVENT_SLOW_CONNECT 0xfffd

#define CANARY_TRACEPARENT 55 /* bytes of W3C Trace Context's header, version 00 */

struct canary_event {
	__u64 ns;
	struct canary_flow_key key;
	__u16 service;
	__u16 version;
	__u16 backend;
	__u16 kind;         /* enum canary_counter, or CANARY_EVENT_* */
	__u64 waited_ns;    /* since the SYN or the request */
	__u64 age_ns;       /* since the flow was opened */
	__u32 suppressed;   /* events of the same budget that this CPU left out since the one before */
	__u32 request_turn; /* which request of the connection; 0: while connecting */
	char traceparent[CANARY_TRACEPARENT + 1]; /* the request's, as the client sent it; "": it has none */
};

/*
 * `event_budget`, per CPU: how many events it has written in the present second. What fails and what is slow, canary and
 * others, and services do not take each other's room.
 */
#define CANARY_EVENT_BUDGETS 4 /* of a service */
#define CANARY_EVENT_BUDGET(service, slow, baseline)                                                                \
	((service) * CANARY_EVENT_BUDGETS + ((slow) ? 2 : 0) + ((baseline) ? 0 : 1))
struct canary_event_budget {
	__u64 second_began_ns;
	__u32 written;
	__u32 suppressed; /* since the last one written */
};

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Runs packets and says what they cost: the least ns of several rounds of BPF_PROG_TEST_RUN, less those of a twin that
 * does all but what is measured. What else the machine does makes a round longer, and none shorter.
 */
#ifndef CANARYD_TOOLS_BENCH_RUN_H
#define CANARYD_TOOLS_BENCH_RUN_H

#include "tools/bench/bench.h"

#define ONE 0 /* log2 of the number of flows */
#define MANY BENCH_FLOW_BITS
#define EVERY 32 /* packet is of another flow */

#define SYN 0x02
#define ACK 0x10

/* What is sent. */
struct shot {
	enum bench_service service;
	bool reply;
	const char *address; /* of the VIP or the backend; NULL: the service's own */
	__u16 port;          /* 0: the service's own */
	__u8 flags;
	bool payload;
	__u32 seq;
	unsigned flow_bits;
	const char *text; /* the payload; NULL: some bytes that are no request */
};

struct result {
	double ns;
	double units; /* by the unit measured in the same rounds */
};

/* Opens 2^bits flows of both services and lets both sides speak once. */
void bench_establish(const struct bench *b, unsigned bits);

/* Opens the flows of the first `count` clients in mode dnat, TCP. */
void bench_open_clients(const struct bench *b, __u64 count);

struct result bench_measure_empty(const struct bench *b);
struct result bench_measure_unit(const struct bench *b, unsigned bits);

/* Packets of the same flows again and again. Their payload goes on from round to round, so that all of it is new. */
struct result bench_measure_steady(const struct bench *b, const struct shot *shot);

/* Each round every flow asks and is answered once: what begins a turn, in one direction or the other. */
void bench_measure_turns(const struct bench *b, struct result *ret_request, struct result *ret_reply);

/*
 * After bench_establish() of 2^bits flows: the first packet of a request that says `text`, of at most 1,024 bytes. Every
 * flow asks and is answered once a round.
 */
struct result bench_measure_requests(const struct bench *b, const char *text, unsigned bits);

/* Every packet opens the flow of a client never seen, in the table of `own`; units are those of `b`, whose flows are there. */
struct result bench_measure_new(struct bench *own, const struct bench *b, enum bench_service service);

/* The same, and what the flows' insertion takes with nothing else done. In mode dnat, TCP. */
struct result bench_measure_new_and_bare(struct bench *own, const struct bench *b, struct result *ret_bare);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The programs and maps a bench runs on: services over TCP and UDP, of both families, a backend each. */
#ifndef CANARYD_TOOLS_BENCH_H
#define CANARYD_TOOLS_BENCH_H

#include "tools/bench/bench_packet.h"

#include <stdbool.h>

#include <canaryd/abi.h>

#define BENCH_VIP "192.0.2.1"
#define BENCH_VIP6 "2001:db8::1"
#define BENCH_BACKEND "10.0.0.1"
#define BENCH_BACKEND6 "fd00::1"
#define BENCH_CLIENTS6 "2001:db8:1::"
#define BENCH_SOURCES 4 /* of a family, for fullnat */
#define BENCH_SOURCES6 "fd00:9::"

enum bench_service { TCP = 0, UDP = 1 };

struct bench {
	struct bench_bpf *split;
	struct bench_reply_bpf *reply;
	enum canary_mode mode; /* of what is sent to */
	bool ipv6;
	int rounds;         /* how often what many flows cost is measured */
	__u64 next_client;  /* the number of the first client that never was seen */
};

/* What the breaker and rescue add. */
struct bench_defence {
	bool canary; /* gets all new flows; else half of them */
	bool breaker;
	bool rescue;
	bool traces; /* and what keeping them adds */
};

/* Loads both paths, on one flow table of so many entries, with services in mode dnat. Ends the program on failure. */
struct bench bench_open(__u32 flows);
void bench_close(struct bench *b);

/* What is sent from now on. No flow is in the table any more. */
void bench_set_mode(struct bench *b, enum canary_mode mode, bool ipv6);
void bench_set_defence(const struct bench *b, struct bench_defence defence);

/* How many packets passed as they were, for whatever reason. */
__u64 bench_passed(const struct bench *b);

struct canary_endpoint bench_endpoint(const char *address, __u16 port, enum bench_service service);

/* After the first packets of 2^bits flows: notes what fullnat made of them, for their replies. */
void bench_note_sources(const struct bench *b, enum bench_service service, unsigned bits);

/*
 * Enters a network namespace of its own: clients behind the interface c0, backends behind b0, neighbours known. It ends
 * with the program.
 */
void bench_enter_network(void);

/* Ends the program with 2 where r is not 0: a negative errno, or errno. */
void bench_must(int r, const char *what);

#endif

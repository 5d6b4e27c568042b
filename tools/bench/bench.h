/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The programs and maps a bench runs on: one service over TCP, one over UDP, a backend each. */
#ifndef CANARYD_TOOLS_BENCH_H
#define CANARYD_TOOLS_BENCH_H

#include "tools/bench/bench_packet.h"


#define BENCH_VIP "192.0.2.1"
#define BENCH_BACKEND "10.0.0.1"

enum bench_service { TCP = 0, UDP = 1 };

struct bench {
	struct bench_bpf *split;
	struct bench_reply_bpf *reply;
};

/* Loads both paths, on one flow table of so many entries, and configures the services. Ends the program on failure. */
struct bench bench_open(__u32 flows);
void bench_close(struct bench *b);

/* Ends the program with 2 where r is not 0: a negative errno, or errno. */
void bench_must(int r, const char *what);

#endif

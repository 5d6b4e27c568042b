/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tables the bench prints. Functions that measure what has a bound return whether it is kept. */
#ifndef CANARYD_TOOLS_BENCH_PRINT_H
#define CANARYD_TOOLS_BENCH_PRINT_H

#include "tools/bench/bench_run.h"

/* In units. */
#define BOUND_PACKET 3
#define BOUND_NEW_FLOW 15

/* The modes beside each other, one table a family. */
bool bench_print_modes(struct bench *b);

/* What the breaker and rescue add to the packets of a canary's flows. */
bool bench_print_defence(struct bench *b);

/* What a request costs whose service keeps traces. */
void bench_print_traces(struct bench *b);

/* A new flow where its service has 100,000 networks in cohorts, and how long canaryd takes to load those. */
bool bench_print_cohorts(struct bench *b);

/* The end of a line that says whether a bound is kept; 0: there is none. */
bool bench_print_bound(double value, double bound);

#endif

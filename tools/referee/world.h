/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The traffic of one rollout of a cell, tick by tick. */
#ifndef CANARYD_REFEREE_WORLD_H
#define CANARYD_REFEREE_WORLD_H

#include <stdint.h>

#include "tools/referee/cells.h"
#include "tools/referee/rng.h"
#include "user/record.h"

#define WORLD_BACKENDS 4 /* of the baseline at most; the canary has one */
#define WORLD_QUANTILES 4096
#define WORLD_SHIFTS 8

struct world_backend {
	double burst_until_s;
	double stall_until_s;
	double failing; /* its share of failures in that of all */
	double slower;
};

/* The bucket of each of the latencies, where all are so many times as long. */
struct world_shift {
	double slower; /* 0: not in use */
	double tail_slower;
	uint16_t bucket[WORLD_QUANTILES];
};

struct world {
	const struct cell *cell;
	struct cell_burst burst;
	unsigned n_backends; /* of the baseline */
	struct rng rng;
	double now_s; /* since the canary's first traffic, of the end of the last tick */
	double shared_burst_until_s;
	struct world_backend backend[WORLD_BACKENDS + 1]; /* the last is the canary's */
	char address[WORLD_BACKENDS + 1][SAMPLE_ADDRESS];
	double latency[WORLD_QUANTILES]; /* the baseline's, in buckets of the histogram */
	struct world_shift shift[WORLD_SHIFTS]; /* the last ones asked for */
	unsigned next_shift;
};

void world_init(struct world *w, const struct cell *cell, uint64_t seed);

/* The next tick: without a canary before 0 s. The record is written as a whole. */
void world_tick(struct world *w, struct record *ret);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the referee tries: a cell is a kind of traffic, a kind of regression (or none) and what the judge owes there. */
#ifndef CANARYD_REFEREE_CELLS_H
#define CANARYD_REFEREE_CELLS_H

#include <stdbool.h>

enum cell_noise {
	CELL_IID = 0,    /* pure chance */
	CELL_BURST_BOTH, /* now and then everything fails more and is slower, both versions alike */
	CELL_BURST_ONE,  /* now and then one backend does, whichever version it is of */
	CELL_CLUSTERED,  /* failures come several at a time, and backends stall for a second */
	CELL_UNEQUAL,    /* the backends are not alike; the canary's is like one of the baseline's */
	CELL_RAMP,       /* rate and failures rise and fall over the day, here 1000 s long */
	CELL_COLD,       /* the canary fails more and is slower in its first 40 s */
};

enum cell_lasts {
	CELL_FIXED = 0,   /* every burst is as long as the other */
	CELL_EXPONENTIAL, /* on and off by a Markov chain */
	CELL_PARETO,      /* most are short and a few are very long */
};

/* What a burst is like; zero: 5 % more failures for 20 s every 300 s. */
struct cell_burst {
	double every_s; /* of one backend, or of all together */
	double lasts_s; /* the mean */
	double fails;   /* so much more */
	enum cell_lasts lasts;
};

struct cell {
	const char *name;
	enum cell_noise noise;
	struct cell_burst burst;
	bool lone;          /* the baseline has one backend, as the canary has */
	double tick_s;
	double p_baseline;  /* share of failures */
	double p_canary;    /* … from the onset on; the baseline's before */
	double slower;      /* the canary's latency in the baseline's, from the onset on */
	double sigma;       /* of the logarithm of the latency */
	bool tail_only;     /* slower are only those above the p90 */
	double onset_s;     /* since the canary's first traffic */
	double warmup_s;
	double history_s;   /* before the canary's first traffic */
	double rollout_s;   /* watched for so long */
	double median_s;    /* the median delay may be so long; 0: no bound */
};

#define CELL_RATE 1000.0 /* requests per second of the whole service */
#define CELL_SHARE 0.05  /* of the canary */

/* A name of NULL ends it. In a null cell the canary is like the baseline. */
extern const struct cell cells[];

bool cell_is_null(const struct cell *cell);

#endif

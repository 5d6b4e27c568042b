/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The error budget during a rollout: burn = share of failures / (1 − SLO), over several windows, and the failures the
 * canary has had beyond what the baseline would have had. Plain data.
 *
 * The pairs of windows and their factors are those of "The Site Reliability Workbook", chapter 5.
 */
#ifndef CANARYD_BURN_H
#define CANARYD_BURN_H

#include <stdbool.h>
#include <stdint.h>

#include "user/sequential.h"

#define BURN_SLOTS 73

/* The last (slots − 1) whole slots and the one being filled. */
struct burn_ring {
	struct sequential_counts slot[BURN_SLOTS];
	uint64_t age_ns; /* of the slot being filled */
	uint32_t current;
	uint32_t zero;
};

struct burn {
	struct burn_ring minutes;      /* slots of 1 min */
	struct burn_ring five_minutes; /* slots of 5 min */
	double excess_failures;
};

struct burn_terms {
	double slo;
	double ratio;    /* the gate closes where the canary burns this many times the baseline's */
	double failures; /* … and has failed this often in the last 5 min */
};

struct burn_state {
	double baseline; /* burn of the last 5 min; NAN without traffic */
	double canary;
	bool blocks; /* the gate is closed */
	bool pages;  /* 14.4 over 1 h and 5 min, or 6 over 6 h and 30 min */
};

/* Adds a tick; p_b is the baseline's recent share of failures, 0 while there is none. */
void burn_add(struct burn *burn, const struct sequential_counts *c, double p_b, uint64_t elapsed_ns);

struct burn_state burn_read(const struct burn *burn, const struct burn_terms *terms);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How much noisier than pure chance the versions are, learnt from the baseline alone: backends have bursts of their
 * own, and failures cluster. φ is the variance between the baseline's own backends in units of binomial variance;
 * the judge divides evidence by it. This is a heuristic (quasi-likelihood), not a theorem.
 *
 * The same idea run as a test, one half of the baseline's backends against the other (A/A), says whether the judge can
 * be trusted at all just now. All state is plain data.
 */
#ifndef CANARYD_NOISE_H
#define CANARYD_NOISE_H

#include <stdbool.h>
#include <stdint.h>

#include "user/roster.h"
#include "user/sample.h"
#include "user/sequential.h"

#define NOISE_LENGTHS 4        /* blocks of 1, 10, 60 and 300 s; */
#define NOISE_SERIES_LENGTHS 3 /* in time not the last: a version is not the same as itself much earlier */

struct noise_cell {
	uint64_t n;
	uint64_t y;
};

struct noise_sums {
	double excess;   /* ΣΣ (y_i − e_i)² */
	double expected; /* ΣΣ e_i·(1 − n_i/N) */
	double freedom;  /* degrees of freedom behind the two */
};

/* The blocks of one length, backend beside backend. */
struct noise_blocks {
	uint64_t age_ns; /* of the block that is being filled */
	struct noise_cell backend[ROSTER_SLOTS];
	struct noise_cell before[2]; /* the two blocks before, where there is but one backend */
	uint32_t n_before;
	uint32_t zero;
	struct noise_sums sums;
};

/*
 * The slow requests of one version alone, each block beside its neighbours in time. It takes what both versions suffer
 * from for noise too and errs towards caution; a steady rise or fall is no noise. Zero to begin.
 */
struct noise_series {
	struct noise_series_blocks {
		uint64_t age_ns;
		struct noise_cell cell;
		struct noise_cell before[2];
		uint32_t n_before;
		uint32_t tau; /* bucket above which a request is slow; the same for blocks that are compared */
		struct noise_sums sums;
	} blocks[NOISE_SERIES_LENGTHS];
};

struct noise {
	struct roster roster;
	double watched_s; /* how long the baseline's backends were watched, each beside the others or, alone, by itself; */
	double seen_s;    /* … without those that were alone */
	struct noise_blocks blocks[NOISE_LENGTHS];
};

/*
 * Adds a tick of the baseline. forget_s: what is older than about this many seconds fades; 0: nothing fades.
 */
void noise_add(struct noise *noise, const struct sample_version *baseline, uint64_t elapsed_ns, double forget_s);

/* φ ≥ 1 from the ticks so far. */
double noise_phi(const struct noise *noise);

/* The same for a decision that cannot wait until φ is known: while nothing is known yet, `unknown`. */
double noise_phi_cautious(const struct noise *noise, double unknown);

/*
 * 0 when backends were watched for so long that most bursts they have would have been seen; 1 until half of that time,
 * and less and less in the other half.
 */
double noise_unseen(const struct noise *noise);

/* ≥ 1: what is slower must last so many times longer than where nothing but chance is to be expected. */
double noise_patience(const struct noise *noise);

/*
 * What excuse a canary has for failing more for half a minute: the shape κ of regression.h. Small while bursts may be
 * there that no backend has shown yet.
 */
double noise_kappa(const struct noise *noise);

/* The same for a series of latencies, where a request is slow above the bucket `tau` as things are now. */
void noise_series_add(struct noise_series *series, const struct histogram_tail *h, unsigned tau, uint64_t elapsed_ns,
		      double forget_s);

/* A series of plain counts. */
void noise_series_add_counts(struct noise_series *series, uint64_t n, uint64_t y, uint64_t elapsed_ns);

/* What comes next is not to be compared with what was before: the traffic is divided anew. */
void noise_series_cut(struct noise_series *series);

double noise_series_phi(const struct noise_series *series);

/* The same, and 1 where it is not known yet. */
double noise_series_phi_seen(const struct noise_series *series);

/* Whether that comes from what was seen. */
bool noise_series_is_known(const struct noise_series *series);

/* Baseline against baseline. */
struct noise_aa {
	struct sequential more[2]; /* one half fails more often than the other, and the reverse; with restarts */
	uint64_t block_age_ns;
	uint64_t age_ns;           /* since they began */
	uint64_t alarm_ns;         /* the alarm stands for this long still */
};

void noise_aa_init(struct noise_aa *aa);

/* Adds a tick of the baseline; `noise` tells the halves apart and must have seen this very sample before. */
void noise_aa_add(struct noise_aa *aa, const struct noise *noise, const struct sample_version *baseline,
		  double margin, double phi, uint64_t elapsed_ns, double ln_bound);

/* The alarm stands: within the last ten minutes the halves differed as a canary to be taken back does. */
bool noise_aa_alarm(const struct noise_aa *aa);

#endif

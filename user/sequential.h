/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * e-processes: evidence that may be looked at as often as one likes. Were the null hypothesis true, the evidence E
 * would exceed 1/α at any time at all with a probability of at most α (Ville's inequality), because each tick
 * multiplies it by something whose expectation is at most 1. Pure arithmetic on ln E.
 *
 * Sources: Howard, Ramdas, McAuliffe, Sekhon, "Time-uniform, nonparametric, nonasymptotic confidence sequences"
 * (2021); Lindon, Sanden, Shirikian, "Rapid Regression Detection in Software Deployments through Sequential Testing"
 * (KDD 2022).
 */
#ifndef CANARYD_SEQUENTIAL_H
#define CANARYD_SEQUENTIAL_H

#include <stdbool.h>
#include <stdint.h>

#define SEQUENTIAL_ALTERNATIVES 28

/* Which way the alternatives lie from the null boundary: 2^(k/4) or 2^(-k/4) times it, k = 1 … 28. */
enum sequential_side {
	SEQUENTIAL_WORSE = 1,
	SEQUENTIAL_BETTER = -1,
};

/* 2^(k/4) */
double sequential_alternative(int k);

/* Completed events of a tick (n) and the bad ones among them (y), y ≤ n. */
struct sequential_counts {
	uint64_t canary_n;
	uint64_t canary_y;
	uint64_t baseline_n;
	uint64_t baseline_y;
};

/* sum += c */
void sequential_counts_add(struct sequential_counts *sum, const struct sequential_counts *c);

/* Plain data, to be saved as it is. */
struct sequential {
	double ln_s[SEQUENTIAL_ALTERNATIVES];
	double prior_used; /* Σw of the restarts so far; 1: there are none */
	uint32_t restarts;
	uint32_t zero;
};

/* Evidence of 1 that starts now, once. */
void sequential_init(struct sequential *s);

/* Evidence of 1 whose mass is spread over restarts, for what may begin late; sequential_restart() begins each. */
void sequential_init_late(struct sequential *s);

/* A block begins: restart j gets the prior weight 1/2 (j = 0) or 1/(2j(j+1)). When may not depend on what follows. Returns ln w. */
double sequential_restart(struct sequential *s);

/*
 * A tick of two counts, against p_C ≤ margin·p_B (WORSE) or p_C ≥ margin·p_B (BETTER), valid at any event rates and
 * weights. phi ≥ 1 discounts it for noise. A tick in which either side has no events carries no comparison: skipped.
 */
void sequential_ratio(struct sequential *s, enum sequential_side side, double margin, double phi,
		      const struct sequential_counts *c);

/* The same with other alternatives: e^ln_ratio[k] times the boundary, each on the side that is meant. */
void sequential_ratio_against(struct sequential *s, const double ln_ratio[SEQUENTIAL_ALTERNATIVES], double margin, double phi,
			      const struct sequential_counts *c);

/* A tick of one count, against p ≤ p0 (WORSE) or p ≥ p0 (BETTER). */
void sequential_single(struct sequential *s, enum sequential_side side, double p0, double phi, uint64_t y, uint64_t n);

/* ln E */
double sequential_ln_e(const struct sequential *s);

/* ln(e^a + e^b) and ln Σ e^x, without overflow; -INFINITY is the logarithm of 0. */
double sequential_log_add(double a, double b);
double sequential_log_sum(const double *x, unsigned n);

/*
 * Where traffic is thin a tick often has events of one side alone. They wait here for the other side, at most
 * `patience_ns`, so that they are not lost. Whether they wait depends on the numbers of events only, never on how many
 * were bad, so the evidence stays valid. Plain data, zero to begin.
 */
struct sequential_pool {
	struct sequential_counts waiting;
	uint64_t age_ns;
};

/* Adds a tick. True when both sides have events: *ret is what to judge, and the pool is empty again. */
bool sequential_pool_add(struct sequential_pool *pool, const struct sequential_counts *c, uint64_t elapsed_ns,
			 uint64_t patience_ns, struct sequential_counts *ret);

/* ---- shown, never decided on ----------------------------------------------------------------------------- */

#define SEQUENTIAL_RATIOS 41 /* canary ÷ baseline = 2^(k/4), k = -12 … 28 */

/* The log-likelihood of each ratio. Zero it to begin. Plain data. */
struct sequential_interval {
	double ln_l[SEQUENTIAL_RATIOS];
	uint64_t events; /* bad ones seen: without any, nothing is known */
};

void sequential_interval_add(struct sequential_interval *v, double phi, const struct sequential_counts *c);

/* The 95 % confidence sequence. False, and nothing written, while there is nothing to go by. */
bool sequential_interval_get(const struct sequential_interval *v, double *ret_low, double *ret_high);

/*
 * Nats of evidence a unit of time brings against the boundary margin·p_B when the true ratio is rho, at n_c and n_b
 * events in that unit. Serves both sides. 0 without traffic.
 */
double sequential_ratio_drift(double p_b, double rho, double margin, double n_c, double n_b);

/* The same against a fixed p0 when the true share is p. */
double sequential_single_drift(double p, double p0, double n);

/* Units of time until E = e^ln_bound, from ln_e now, at `drift` nats a unit. NAN when it never gets there. */
double sequential_time_to(double ln_bound, double ln_e, double drift);

#endif

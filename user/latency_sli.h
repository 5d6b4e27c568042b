/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The SLI "latency": the share of requests that are slow, at four marks. τ is the baseline's own quantile in its
 * recent past; a baseline request is slow above τ, a canary's above (1 + δ)·τ. Evidence for a rollback is the average
 * of the four: the p99 sees a shift of the tail in a quarter of the time the p95 alone takes, and the p80 a shift of
 * everything, where latencies are spread wide, in two thirds of it. Plain data.
 */
#ifndef CANARYD_LATENCY_SLI_H
#define CANARYD_LATENCY_SLI_H

#include <stdbool.h>
#include <stdint.h>

#include "user/finding.h"
#include "user/noise.h"
#include "user/past.h"
#include "user/recent.h"
#include "user/regression.h"
#include "user/sequential.h"

enum {
	LATENCY_P50 = 0,
	LATENCY_P95,
	LATENCY_P99,
	LATENCY_P80,
	LATENCY_MARKS,
};

#define LATENCY_PROMOTION_MARKS 2 /* a promotion asks for the p50 and the p95 */

struct latency_sli {
	struct regression worse[LATENCY_MARKS]; /* with restarts */
	struct regression_lately lately[LATENCY_MARKS];
	struct noise_series own[LATENCY_MARKS]; /* how the canary's slow requests cluster in time */
	struct sequential better[LATENCY_PROMOTION_MARKS]; /* since the step began */
	struct sequential_pool worse_pool[LATENCY_MARKS];
	struct sequential_pool better_pool[LATENCY_PROMOTION_MARKS];
	struct sequential_counts better_total[LATENCY_PROMOTION_MARKS]; /* since the step began */
	struct sequential_interval interval; /* of the shares above the p95's τ, without δ */
	struct recent recent[LATENCY_MARKS];
	struct past canary; /* for showing */
};

/*
 * How the baseline's slow requests cluster, at each mark: a stall hits all that are under way. Backends are not told
 * apart in latency, so this is learnt in time (noise_series). Plain data, zero to begin.
 */
struct latency_noise {
	struct noise_series mark[LATENCY_MARKS];
};

/* A tick of the baseline, and the buckets above which a request is slow as things were before it. */
struct latency_baseline {
	struct histogram_tail tail;
	bool known[LATENCY_MARKS];
	unsigned tau[LATENCY_MARKS];
};

struct latency_terms {
	double delta;
	double delta_promotion;
	double phi[LATENCY_MARKS];
	bool own;        /* the canary's own noise counts as well */
	double patience; /* ≥ 1: what is slower must last so many times longer */
	double history_s;
	uint64_t patience_ns;
};

/* late: look out for what begins late, with latency_restart() at the beginning of each block. */
void latency_init(struct latency_sli *l, bool late);

/* A block for late onset begins. */
void latency_restart(struct latency_sli *l);

/* A step begins. */
void latency_step(struct latency_sli *l);

/* `past` is the baseline's before this tick. */
void latency_baseline(const struct past *past, const struct sample_version *baseline, struct latency_baseline *ret);

/*
 * Adds a tick. judged: false while canary backends in warm-up have a part in the tick (a version's histogram does not
 * tell them apart): it is then measured only.
 */
void latency_add(struct latency_sli *l, const struct latency_terms *terms, const struct latency_baseline *baseline,
		 const struct sample_version *canary, bool judged, uint64_t elapsed_ns);

/* Adds a tick of the baseline. forget_s as in noise_add(). */
void latency_noise_add(struct latency_noise *noise, const struct latency_baseline *baseline, uint64_t elapsed_ns,
		       double forget_s);

/* The baseline gets another share of the traffic from now on: its latency before and after are not to be compared. */
void latency_noise_cut(struct latency_noise *noise);

double latency_ln_worse(const struct latency_sli *l);
double latency_ln_worse_p99(const struct latency_sli *l);
double latency_ln_better(const struct latency_sli *l);

/* Fills in what is measured, at the mark that speaks loudest. The SLI's evidence and bounds must be there already. */
void latency_measure(const struct latency_sli *l, const struct past *past, struct finding_sli *sli);

#endif

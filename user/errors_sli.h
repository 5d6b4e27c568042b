/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The SLI "errors": the share of completed events that failed, the canary's against the baseline's and against an
 * absolute floor. Plain data.
 */
#ifndef CANARYD_ERRORS_SLI_H
#define CANARYD_ERRORS_SLI_H

#include <stdbool.h>
#include <stdint.h>

#include "user/finding.h"
#include "user/noise.h"
#include "user/recent.h"
#include "user/regression.h"
#include "user/sequential.h"
#include "user/warmup.h"

struct errors_sli {
	struct regression worse_relative; /* against p_C ≤ m·p_B, with restarts */
	struct regression worse_absolute; /* against p_C ≤ p0_rollback, with restarts */
	struct regression_lately lately;
	struct noise_series own; /* how the canary's failures cluster in time */
	uint64_t age_ns; /* since the canary's first event, warm-up included */
	struct sequential better_relative; /* against p_C ≥ m·p_B, since the step began */
	struct sequential better_absolute; /* against p_C ≥ p0, since the step began */
	struct sequential guard_relative; /* backends in warm-up */
	struct sequential guard_absolute;
	struct sequential_pool pool;
	struct sequential_pool guard_pool;
	struct sequential_counts guard_total;
	struct sequential_interval interval;
	struct recent recent;
};

struct errors_terms {
	double margin;
	double margin_promotion;
	double p0;          /* floor for a promotion, and where there is no baseline */
	double p0_rollback; /* floor for a rollback */
	double phi;
	double phi_sudden;  /* the same for what is decided in seconds */
	double unseen;      /* 1 … 0, see noise_unseen() */
	double kappa;       /* what is excused, see regression.h; */
	double kappa_young; /* … at least, while it is young */
	double guard_margin;
	double guard_phi;
	bool alone;         /* the baseline has no traffic: the canary is compared with the baseline's past */
	double past_high;   /* bounds of the baseline's past share of failures; NAN without a past */
	double past_low;
	uint64_t patience_ns;
};

/* late: look out for what begins late, with errors_restart() at the beginning of each block. */
void errors_init(struct errors_sli *e, bool late);

/* A block for late onset begins. */
void errors_restart(struct errors_sli *e);

/* A step begins. */
void errors_step(struct errors_sli *e);

/* Adds a tick: the canary's events, split by warm-up, beside the baseline's. */
void errors_add(struct errors_sli *e, const struct errors_terms *terms, const struct warmup_split *canary,
		uint64_t baseline_n, uint64_t baseline_y, uint64_t elapsed_ns);

double errors_ln_worse(const struct errors_sli *e);
double errors_ln_better(const struct errors_sli *e);
double errors_ln_guard(const struct errors_sli *e);

/*
 * Fills in what is measured: counts, values, interval, time to a verdict. The SLI's evidence and its bounds must be
 * there already. p_b: the baseline's recent share of failures, NAN when not known.
 */
void errors_measure(const struct errors_sli *e, const struct errors_terms *terms, double p_b, struct finding_sli *sli);

#endif

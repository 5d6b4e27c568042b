/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The judge's constants, as a configuration may set them. Plain data. */
#ifndef CANARYD_JUDGE_CONFIG_H
#define CANARYD_JUDGE_CONFIG_H

#include <stdbool.h>

#include "user/finding.h"

struct judge_config {
	double alpha;             /* bound on the probability of a false rollback over the whole rollout */
	double alpha_promotion;   /* the same of a wrong promotion, per step */
	double margin;            /* m: the canary may fail this many times as often */
	double margin_promotion;  /* promotion wants evidence that it does not fail this many times as often */
	double delta;             /* the canary may be slower by this fraction */
	double delta_promotion;   /* promotion wants evidence that it is not slower by this fraction */
	double block_s;           /* late onset: the evidence starts again this often; 0 = never */
	double p0;                /* absolute floor: a share of failures surely below it is good enough to promote */
	double p0_rollback;       /* … and one up to this is no regression, however perfect the baseline */
	double hold_evidence;     /* E at which nothing moves up any more */
	double warmup_s;          /* of each canary backend: measured, not judged */
	double guard_margin;      /* the warm-up's guard: this many times as many failures, */
	double guard_evidence;    /* at this evidence, */
	double guard_failures;    /* from at least this many failures */
	double no_data_s;         /* without canary traffic for this long: no data */
	bool noise;               /* φ: discount evidence by the baseline's own noise */
	bool aa;                  /* watch baseline against baseline */
	double noise_history_s;   /* before a rollout noise older than about this is forgotten */
	double history_s;         /* time constant of the baseline's recent latency and failures */
	double slo;               /* the share of requests that shall succeed */
	double burn_ratio;        /* the burn gate closes where the canary burns this many times the baseline's */
	double burn_failures;     /* … and has failed at least this often */
	double budget_failures;   /* excess failures at which to roll back; 0 = no budget */
	double weight_errors;     /* shares of α; they add up to 1 */
	double weight_latency;
	bool critical_errors;
	bool critical_latency;
};

/* The constants of the design: α 1 %, m 1.25, δ 10 %, blocks of 30 s, p0 0.5 %, warm-up 60 s, … */
struct judge_config judge_config_default(void);

/* 0, or -EINVAL with what is wrong and the mend in `reason`. */
int judge_config_check(const struct judge_config *config, char reason[FINDING_REASON]);

#endif

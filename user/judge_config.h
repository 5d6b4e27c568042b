/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The judge's constants, as a configuration may set them. Plain data. */
#ifndef CANARYD_JUDGE_CONFIG_H
#define CANARYD_JUDGE_CONFIG_H

#include <stdbool.h>

#include "user/finding.h"

enum judge_external_kind {
	JUDGE_COUNT = 0, /* bad events of all, through the e-process */
	JUDGE_GAUGE,     /* a value against bounds */
	JUDGE_SKEW,      /* the canary's share of the requests against its weight; not looked up, reckoned */
};

/* An indicator that is measured outside the packets. */
struct judge_external {
	char name[FINDING_NAME];
	enum judge_external_kind kind;
	enum finding_unit unit;
	bool critical;    /* of a gauge: roll back, not hold; of a count: brings the score to 0; its weight is larger besides */
	bool dry_run;     /* measured and judged, without a say */
	bool proof;       /* of a count: promotion waits for its evidence */
	bool noise;       /* of a count: φ discounts its evidence */
	bool in_warmup;   /* judged during the warm-up as well */
	double weight;    /* of a count: its share of α; 0 in a dry run, and of a gauge */
	double margin;    /* of a count: m */
	double p0;        /* of a count: a share that is never a reason to roll back */
	double max;       /* of a gauge: bounds on the canary's value, NAN where there is none: absolute, */
	double min;
	double max_ratio; /* and in terms of the baseline's */
	double min_ratio;
	double for_s;     /* a bound counts when it was crossed for so long */
};

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
	double weight_errors;     /* shares of α; with those of the counts in `external` they add up to 1 */
	double weight_latency;
	bool critical_errors;
	bool critical_latency;
	bool dry_run_errors; /* measured and judged, without a say; its weight is 0 then */
	bool dry_run_latency;
	bool unavailable_errors; /* they cannot be measured of the service: a dry run, too, and it is said */
	bool unavailable_latency;
	unsigned n_externals;
	struct judge_external external[FINDING_EXTERNALS];
};

/* The constants of the design: α 1 %, m 1.25, δ 10 %, blocks of 30 s, p0 0.5 %, warm-up 60 s, … */
struct judge_config judge_config_default(void);

/* Is there anything to be judged? Not where what would be cannot be measured, and nothing else has a say. */
bool judge_config_has_say(const struct judge_config *config);

/* 0, or -EINVAL with what is wrong and the mend in `reason`. */
int judge_config_check(const struct judge_config *config, char reason[FINDING_REASON]);

#endif

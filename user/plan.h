/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A rollout's plan: from what the configuration says, and what it can tell apart at a service's traffic. Pure. */
#ifndef CANARYD_PLAN_H
#define CANARYD_PLAN_H

#include <stdbool.h>

#include "user/config.h"
#include "user/histogram.h"
#include "user/latency_sli.h"
#include "user/policy.h"

/* The steps of a service's rollouts; of the judge its margin and floor are asked, for adaptive steps. */
void plan_from_config(const struct config_rollout *config, const struct judge_config *judge, struct policy_plan *ret);

/* What a service has to offer a judge. */
struct plan_traffic {
	double rate;        /* completed requests per second, of all versions */
	double error_share; /* of the baseline */
	double phi;         /* the noise of its failures, and of its latency at the judge's marks; 1: pure chance */
	double phi_latency[LATENCY_MARKS];
	double samples; /* behind `ttfb`, at least 1; 0: its latency is not known, and nothing is said of it */
	double ttfb[CANARY_HISTOGRAM_BUCKETS]; /* the share of its requests in each bucket; they add up to 1 */
};

/* Pure chance, without failures and latency. */
struct plan_traffic plan_traffic(double rate);

/* Gives it a log-normal latency. p50_s < p95_s. */
void plan_traffic_log_normal(struct plan_traffic *t, double p50_s, double p95_s);

/* Gives it the latency of what was. */
void plan_traffic_past(struct plan_traffic *t, const struct past *past);

/* For showing; NAN without latency. */
double plan_traffic_quantile_s(const struct plan_traffic *t, double q);

/*
 * What a step can tell, by the mean of the evidence a second brings (the median of the delays is near it). Times are
 * seconds, NAN: never.
 */
struct plan_forecast {
	double pass_s;       /* until a canary like the baseline has the evidence to pass; 0: none is asked for */
	bool by_latency;     /* it is latency that takes so long */
	bool decides;        /* within the step's limit; without one, ever */
	double needed_share; /* the smallest share at which it would be; NAN: none up to a half */
	double smallest_share;  /* of failures that is found within the limit, or a day; NAN: none */
	double smallest_slower; /* the same for a factor of latency */
};

struct plan_forecast plan_forecast(const struct judge_config *judge, const struct policy_step *step,
				   const struct plan_traffic *traffic);

/* Until a canary is rolled back that fails with this share, or whose latency is so many times the baseline's. */
double plan_seconds_to_find(const struct judge_config *judge, double weight, const struct plan_traffic *traffic,
			    double share);
double plan_seconds_to_find_slower(const struct judge_config *judge, double weight, const struct plan_traffic *traffic,
				   double factor);

/*
 * The first step that cannot decide, n_steps where there is none. What is never promoted ends by its time: the last
 * step of such a plan has nothing to decide.
 */
unsigned plan_undecided(const struct policy_plan *plan, const struct judge_config *judge,
			const struct plan_traffic *traffic);

/* The sentence for such a step, and the share or the time that could. */
struct plan_refusal {
	char what[FINDING_REASON];
	char mend[FINDING_REASON];
};

/* The same for a judge who has nothing to judge by (judge_config_has_say() says no). */
struct plan_refusal plan_refuse_blind(void);

struct plan_refusal plan_refuse(const struct policy_plan *plan, const struct judge_config *judge,
				const struct plan_traffic *traffic, unsigned step);

#endif

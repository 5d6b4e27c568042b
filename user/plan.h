/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A rollout's plan: from what the configuration says, and what it can tell apart at a service's traffic. Pure. */
#ifndef CANARYD_PLAN_H
#define CANARYD_PLAN_H

#include <stdbool.h>

#include "user/config.h"
#include "user/policy.h"

/* The steps of a service's rollouts; of the judge its margin and floor are asked, for adaptive steps. */
void plan_from_config(const struct config_rollout *config, const struct judge_config *judge, struct policy_plan *ret);

/* What a service has to offer a judge. */
struct plan_traffic {
	double rate;        /* completed requests per second, of all versions */
	double error_share; /* of the baseline */
	double p50_s;       /* of the baseline's latency; NAN: not known, then nothing is said of latency */
	double p95_s;
	double phi;         /* the baseline's noise; 1: pure chance */
};

/*
 * What a step can tell, by the mean of the evidence a second brings (the median of the delays is near it). Times are
 * seconds, NAN: never. Latency is taken for log-normal.
 */
struct plan_forecast {
	double pass_s;       /* until a canary like the baseline has the evidence to pass */
	bool by_latency;     /* it is latency that takes so long */
	bool decides;        /* within the step's limit */
	double needed_share; /* the smallest share at which it would be; NAN: none up to a half */
	double smallest_share;  /* of failures that is found within the limit, NAN: none */
	double smallest_slower; /* the same for a factor of latency */
};

struct plan_forecast plan_forecast(const struct judge_config *judge, const struct policy_step *step,
				   const struct plan_traffic *traffic);

/* Until a canary is rolled back that fails with this share, or whose latency is so many times the baseline's. */
double plan_seconds_to_find(const struct judge_config *judge, double weight, const struct plan_traffic *traffic,
			    double share);
double plan_seconds_to_find_slower(const struct judge_config *judge, double weight, const struct plan_traffic *traffic,
				   double factor);

#endif

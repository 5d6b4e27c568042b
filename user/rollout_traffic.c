/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the service's traffic is, and whether the plan of a start could decide with it. */
#include "user/rollout_internal.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#define KNOWN_S 5.0 /* so long the traffic should have been seen before it is judged by */

void rollout_watch_traffic(struct rollout *rollout, const struct sample *sample)
{
	if (!sample->suspect)
		pace_add(&rollout->pace, sample->baseline.attempts + sample->canary.attempts, sample->elapsed_ns);
}

bool rollout_traffic(const struct rollout *rollout, struct plan_traffic *ret, double *ret_watched_s)
{
	struct judge_baseline baseline = judge_baseline(rollout->judge);
	double share = past_share(baseline.past), rate = pace_rate(&rollout->pace, ret_watched_s);

	if (*ret_watched_s < KNOWN_S || isnan(share))
		return false;
	*ret = plan_traffic(rate);
	ret->error_share = share;
	ret->phi = baseline.phi;
	memcpy(ret->phi_latency, baseline.phi_latency, sizeof(ret->phi_latency));
	plan_traffic_past(ret, baseline.past);
	return true;
}

int rollout_check_plan(const struct rollout *rollout, struct plan_refusal *ret)
{
	struct judge_config judge = config_judge(rollout->config, rollout->service);
	struct plan_traffic traffic;
	struct policy_plan plan;
	double watched_s;
	unsigned step;

	if (!rollout_traffic(rollout, &traffic, &watched_s))
		return 1;
	plan_from_config(&rollout->service->rollout, &judge, &plan);
	step = plan_undecided(&plan, &judge, &traffic);
	if (step == plan.n_steps)
		return 0;
	*ret = plan_refuse(&plan, &judge, &traffic, step);
	return -EDOM;
}

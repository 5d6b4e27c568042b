/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the service's traffic is, and whether the plan of a start could decide with it. */
#include "user/rollout_internal.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define LATELY_S 60.0
#define KNOWN_S 5.0 /* so long the traffic should have been seen before it is judged by */

void rollout_watch_traffic(struct rollout *rollout, const struct sample *sample)
{
	if (sample->suspect)
		return;
	pace_add(&rollout->pace, sample->baseline.attempts + sample->canary.attempts, sample->elapsed_ns);
	rollout->measured_s += (double)sample->elapsed_ns / 1e9;
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

void rollout_print_unknown(const struct rollout *rollout, char *buf, size_t size)
{
	double watched_s;

	pace_rate(&rollout->pace, &watched_s);
	if (watched_s > 0 && watched_s < KNOWN_S)
		snprintf(buf, size, "canaryd has measured the service's traffic for %.0f s only (it takes %.0f s of it)",
			 watched_s, KNOWN_S);
	else if (rollout->measured_s < LATELY_S)
		snprintf(buf, size, "canaryd has been measuring for %.0f s, and the service had no request meanwhile",
			 rollout->measured_s);
	else
		snprintf(buf, size, "the service had no request in the last minute");
}

int rollout_check_plan(const struct rollout *rollout, struct plan_refusal *ret)
{
	struct judge_config judge = config_judge(rollout->config, rollout->service);
	struct plan_traffic traffic;
	struct policy_plan plan;
	double watched_s;
	unsigned step;

	if (!judge_config_has_say(&judge)) {
		*ret = plan_refuse_blind();
		return -EDOM;
	}
	if (!rollout_traffic(rollout, &traffic, &watched_s))
		return 1;
	plan_from_config(&rollout->service->rollout, &judge, &plan);
	step = plan_undecided(&plan, &judge, &traffic);
	if (step == plan.n_steps)
		return 0;
	*ret = plan_refuse(&plan, &judge, &traffic, step);
	return -EDOM;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Why a plan is refused, and what could decide. */
#include "user/plan.h"

#include <math.h>
#include <stdio.h>

#define SAY(buf, ...) snprintf(buf, sizeof(buf), __VA_ARGS__)

/* Two digits, not below: what is recommended has to be enough. */
static double rounded_up(double value)
{
	double unit = pow(10, floor(log10(value)) - 1);

	return ceil(value / unit - 1e-9) * unit;
}

static void say_what(const struct policy_plan *plan, const struct plan_traffic *t, unsigned i,
		     const struct plan_forecast *f, char what[FINDING_REASON])
{
	const struct policy_step *step = &plan->step[i];
	char share[32], failed[32], pass[32], limit[32], takes[80] = "has no end";

	finding_print_share(share, sizeof(share), step->weight);
	finding_print_share(failed, sizeof(failed), t->error_share);
	if (!isnan(f->pass_s))
		SAY(takes, "takes about %s, and its max_s is %s", finding_print_duration(pass, sizeof(pass), f->pass_s),
		    finding_print_duration(limit, sizeof(limit), step->max_s));
	snprintf(what, FINDING_REASON, "step %u of %u, %s, cannot decide: at %.*f requests/s, %s of them failed, a verdict on %s %s",
		 i + 1, plan->n_steps, share, t->rate < 10 ? 1 : 0, t->rate, failed, f->by_latency ? "latency" : "failures", takes);
}

static void say_mend(const struct plan_forecast *f, char mend[FINDING_REASON])
{
	double percent = rounded_up(100 * f->needed_share), max_s = rounded_up(f->pass_s);

	if (isnan(f->pass_s) && isnan(f->needed_share) && f->by_latency)
		snprintf(mend, FINDING_REASON, "no share and no time could: raise judge.delta_promotion, or let the SLI latency run dry");
	else if (isnan(f->pass_s) && isnan(f->needed_share))
		snprintf(mend, FINDING_REASON, "no share and no time could: it wants more traffic");
	else if (isnan(f->needed_share))
		snprintf(mend, FINDING_REASON, "raise its max_s to %.15g", max_s);
	else if (isnan(f->pass_s))
		snprintf(mend, FINDING_REASON, "raise its weight to %.3g %%", percent);
	else
		snprintf(mend, FINDING_REASON, "raise its weight to %.3g %%, or its max_s to %.15g", percent, max_s);
}

struct plan_refusal plan_refuse_blind(void)
{
	struct plan_refusal refusal;

	SAY(refusal.what, "no step can decide: in this mode replies do not come by here, so that latency is unavailable, and "
	    "nothing else has a say");
	SAY(refusal.mend, "in TCP give the SLI errors a say, else add one to slis that is measured elsewhere: promql, exec, http");
	return refusal;
}

struct plan_refusal plan_refuse(const struct policy_plan *plan, const struct judge_config *judge,
				const struct plan_traffic *traffic, unsigned step)
{
	struct plan_forecast f = plan_forecast(judge, &plan->step[step], traffic);
	struct plan_refusal refusal;

	say_what(plan, traffic, step, &f, refusal.what);
	say_mend(&f, refusal.mend);
	return refusal;
}

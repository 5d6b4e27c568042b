/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "user/policy_adaptive.h"

#include <math.h>
#include <stdio.h>

#include "user/sequential.h"

#define LOOK_S 1.0       /* until a failure is counted and looked at */
#define HOUR_S 3600.0    /* of a step without a limit */
#define CANDIDATES 24    /* weights that are tried between the present one and the largest */
#define SAME_WEIGHT 1e-9 /* a share of flows nobody can tell from another */

/* Of the baseline, half a failure more than were seen: where none was, nothing is known to be impossible. */
static double baseline_share(const struct policy_adaptive *adaptive, const struct finding *f)
{
	const struct finding_counts *c = &f->sli[FINDING_ERRORS].counts;

	return fmax(adaptive->floor, ((double)c->baseline_failed + 0.5) / ((double)c->baseline_attempts + 1));
}

/* Nats a second. Without traffic of the baseline its past, which is known well, is the comparison. */
static double drift(const struct policy_adaptive *a, const struct finding *f, double p, double ratio, double weight)
{
	double n = f->attempts_per_s;

	if (weight >= 1 - SAME_WEIGHT)
		return sequential_single_drift(fmin(1, ratio * p), fmin(1, a->margin * p), n);
	return sequential_ratio_drift(p, ratio, a->margin, weight * n, (1 - weight) * n);
}

struct policy_adaptive_cost policy_adaptive_cost(const struct policy_adaptive *adaptive, const struct finding *finding,
						 double weight)
{
	double p = baseline_share(adaptive, finding), ratio = fmin(adaptive->ratio, 1 / p);
	double bound = fmax(finding->ln_bound, finding->sli[FINDING_ERRORS].rollback.ln_bound);
	double nats = (bound + log(SEQUENTIAL_ALTERNATIVES)) * fmax(1, finding->noise);
	double d = finding->attempts_per_s > 0 ? drift(adaptive, finding, p, ratio, weight) : 0;
	struct policy_adaptive_cost cost = { INFINITY, INFINITY };

	if (d > 0 && ratio > adaptive->margin) {
		cost.find_s = nats / d + LOOK_S;
		cost.failures = (ratio - 1) * p * weight * finding->attempts_per_s * cost.find_s;
	}
	return cost;
}

bool policy_adaptive_at_step(const struct policy_plan *plan, const struct policy_state *state)
{
	return state->weight >= plan->step[state->step].weight - SAME_WEIGHT;
}

/* The largest weight that may come next, whatever the budget. */
static double ceiling_of(const struct policy_plan *plan, const struct policy_state *state)
{
	double last = plan->step[plan->n_steps - 1].weight;

	for (unsigned i = state->step; i < plan->n_steps; i++)
		if (plan->step[i].manual && plan->step[i].weight > state->weight + SAME_WEIGHT) {
			last = plan->step[i].weight;
			break;
		}
	return fmin(last, state->weight * plan->adaptive.growth);
}

static unsigned step_of(const struct policy_plan *plan, const struct policy_state *state, double weight)
{
	unsigned i = state->step;

	while (i + 1 < plan->n_steps && plan->step[i].weight < weight - SAME_WEIGHT)
		i++;
	return i;
}

/* The plan's own next weight above the present one. */
static struct policy_adaptive_next by_plan(const struct policy_plan *plan, const struct policy_state *state)
{
	unsigned i = state->step;

	while (i + 1 < plan->n_steps && plan->step[i].weight <= state->weight + SAME_WEIGHT)
		i++;
	return (struct policy_adaptive_next){ .by = POLICY_ADAPTIVE_BY_PLAN, .weight = plan->step[i].weight, .step = i };
}

/* At the present weight the stated regression would not be found within the step. */
static bool lacks_traffic(const struct policy_plan *plan, const struct policy_state *state, const struct finding *f)
{
	double max_s = plan->step[state->step].max_s;

	return policy_adaptive_cost(&plan->adaptive, f, state->weight).find_s > (max_s > 0 ? max_s : HOUR_S);
}

struct policy_adaptive_next policy_adaptive_next(const struct policy_plan *plan, const struct policy_state *state,
						 const struct finding *finding)
{
	double top = ceiling_of(plan, state), left = finding->budget_failures - fmax(0, finding->excess_failures);
	struct policy_adaptive_next next = { .left = fmax(0, left) };

	if (finding->budget_failures <= 0 || lacks_traffic(plan, state, finding))
		return by_plan(plan, state);
	for (int i = CANDIDATES; i > 0; i--) {
		next.weight = i == CANDIDATES ? top : state->weight * pow(top / state->weight, (double)i / CANDIDATES);
		next.cost = policy_adaptive_cost(&plan->adaptive, finding, next.weight);
		if (next.cost.failures <= next.left) {
			next.step = step_of(plan, state, next.weight);
			return next;
		}
	}
	next.by = POLICY_ADAPTIVE_SPENT;
	next.weight = state->weight;
	next.step = state->step;
	return next;
}

const char *policy_adaptive_say(const struct policy_plan *plan, const struct finding *finding,
				const struct policy_adaptive_next *next, char *buf, size_t size)
{
	char share[32], found[32];

	finding_print_share(share, sizeof(share), next->weight);
	finding_print_duration(found, sizeof(found), next->cost.find_s);
	if (next->by == POLICY_ADAPTIVE_BY_PLAN)
		snprintf(buf, size, "%s next, by the plan: too little traffic to reckon with the budget", share);
	else if (next->by == POLICY_ADAPTIVE_BY_BUDGET)
		snprintf(buf, size, "%s next: a regression of %.3g times would cost %.2g failures in %s there, %.3g of "
			 "%.3g are left", share, plan->adaptive.ratio, next->cost.failures, found, next->left,
			 finding->budget_failures);
	else if (isinf(next->cost.failures))
		snprintf(buf, size, "error budget: above %s a regression of %.3g times would not be found", share,
			 plan->adaptive.ratio);
	else
		snprintf(buf, size, "error budget: above %s a regression of %.3g times would cost %.2g failures in %s, "
			 "%.3g of %.3g are left", share, plan->adaptive.ratio, next->cost.failures, found, next->left,
			 finding->budget_failures);
	return buf;
}

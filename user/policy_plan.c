/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Plans: the default one, and what is wrong with one. */
#include "user/policy.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>

#define SAY(buf, ...) snprintf(buf, FINDING_REASON, __VA_ARGS__)

struct policy_plan policy_default_plan(void)
{
	static const double weight[] = { 0.01, 0.05, 0.25, 0.50, 1.00 };
	struct policy_plan plan = {
		.n_steps = sizeof(weight) / sizeof(weight[0]),
		.bake_s = 300,
		.undo_window_s = 3600,
		.expire_s = 86400,
	};

	for (unsigned i = 0; i < plan.n_steps; i++)
		plan.step[i] = (struct policy_step){ .weight = weight[i], .min_s = 60, .max_s = 3600 };
	return plan;
}

/* A number of seconds, 0 or more. */
static bool is_time(double s)
{
	return s >= 0 && !isinf(s);
}

static int check_step(const struct policy_plan *plan, unsigned i, char reason[FINDING_REASON])
{
	const struct policy_step *s = &plan->step[i];

	if (!(s->weight > 0 && s->weight <= 1))
		SAY(reason, "step %u: weight %g must be above 0 and at most 1 (100 %%)", i + 1, s->weight);
	else if (i > 0 && s->weight < plan->step[i - 1].weight)
		SAY(reason, "step %u: weight %g is below the step before: sort the steps", i + 1, s->weight);
	else if (!is_time(s->min_s))
		SAY(reason, "step %u: the minimum time of %g s must be 0 or more", i + 1, s->min_s);
	else if (!is_time(s->max_s) || (s->max_s > 0 && s->max_s < s->min_s))
		SAY(reason, "step %u: the maximum time of %g s must be 0 (no limit) or at least the minimum of %g s",
		    i + 1, s->max_s, s->min_s);
	else
		return 0;
	return -EINVAL;
}

static int check_adaptive(const struct policy_adaptive *a, char reason[FINDING_REASON])
{
	if (!a->on)
		return 0;
	if (!(a->ratio > a->margin && a->margin >= 1) || isinf(a->ratio))
		SAY(reason, "adaptive: a regression of %g times cannot be found against a margin of %g: raise it",
		    a->ratio, a->margin);
	else if (!(a->growth > 1) || isinf(a->growth))
		SAY(reason, "adaptive: a growth of %g times must be above 1", a->growth);
	else
		return 0;
	return -EINVAL;
}

int policy_plan_check(const struct policy_plan *plan, char reason[FINDING_REASON])
{
	if (plan->n_steps == 0 || plan->n_steps > POLICY_STEPS) {
		SAY(reason, "a plan has 1 to %d steps, this one has %u", POLICY_STEPS, plan->n_steps);
		return -EINVAL;
	}
	if (!is_time(plan->bake_s) || !is_time(plan->undo_window_s) || !is_time(plan->expire_s)) {
		SAY(reason, "the bake of %g s, the undo window of %g s and the expiry of %g s must be 0 or more",
		    plan->bake_s, plan->undo_window_s, plan->expire_s);
		return -EINVAL;
	}
	if (plan->promote_never && plan->step[plan->n_steps - 1].max_s == 0 && plan->expire_s == 0) {
		SAY(reason, "nothing would ever end it: give the last step a maximum time");
		return -EINVAL;
	}
	for (unsigned i = 0; i < plan->n_steps; i++)
		if (check_step(plan, i, reason) < 0)
			return -EINVAL;
	return check_adaptive(&plan->adaptive, reason);
}

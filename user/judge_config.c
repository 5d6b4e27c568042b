/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The constants of the design and what they may be.
 */
#include "user/judge_config.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>

struct judge_config judge_config_default(void)
{
	return (struct judge_config){
		.alpha = 0.01,
		.alpha_promotion = 0.05,
		.margin = 1.25,
		.margin_promotion = 2,
		.delta = 0.10,
		.delta_promotion = 0.25,
		.block_s = 30,
		.p0 = 0.005,
		.p0_rollback = 0.001,
		.hold_evidence = 5,
		.warmup_s = 60,
		.guard_margin = 10,
		.guard_evidence = 1000,
		.guard_failures = 5,
		.no_data_s = 10,
		.noise = true,
		.aa = true,
		.noise_history_s = 1200,
		.history_s = 300,
		.slo = 0.999,
		.burn_ratio = 2,
		.burn_failures = 3,
		.budget_failures = 0,
		.weight_errors = 0.6,
		.weight_latency = 0.4,
		.critical_errors = true,
		.critical_latency = false,
	};
}

/* What a constant may be: low ≤ or < value < or ≤ high; NaN is nothing. */
struct range {
	const char *name;
	double value;
	double low;
	double high;
	bool low_excluded;
	bool high_excluded;
};

static bool inside(const struct range *r)
{
	return (r->low_excluded ? r->value > r->low : r->value >= r->low) &&
	       (r->high_excluded ? r->value < r->high : r->value <= r->high);
}

/* Where no SLI has a say there is nothing to add up. */
static int check_weights(const struct judge_config *c, char reason[FINDING_REASON])
{
	double sum = c->weight_errors + c->weight_latency;

	for (unsigned i = 0; i < c->n_externals; i++)
		sum += c->external[i].weight;
	if (fabs(sum - 1) <= 1e-9 || (sum == 0 && (c->dry_run_errors || c->dry_run_latency)))
		return 0;
	if (c->n_externals > 0)
		snprintf(reason, FINDING_REASON, "the weights of all SLIs must add up to 1, not %g", sum);
	else
		snprintf(reason, FINDING_REASON, "weight_errors %g and weight_latency %g must add up to 1",
			 c->weight_errors, c->weight_latency);
	return -EINVAL;
}

bool judge_config_has_say(const struct judge_config *c)
{
	if (!c->unavailable_latency || (!c->dry_run_errors && c->weight_errors > 0))
		return true;
	for (unsigned i = 0; i < c->n_externals; i++)
		if (!c->external[i].dry_run)
			return true;
	return false;
}

int judge_config_check(const struct judge_config *c, char reason[FINDING_REASON])
{
	const struct range ranges[] = {
		{ "alpha", c->alpha, 0, 0.5, true, false },
		{ "alpha_promotion", c->alpha_promotion, 0, 0.5, true, false },
		{ "margin", c->margin, 1, 100, false, false },
		{ "margin_promotion", c->margin_promotion, 1, 100, true, false },
		{ "delta", c->delta, 0, 10, false, false },
		{ "delta_promotion", c->delta_promotion, 0, 10, false, false },
		{ "block_s", c->block_s, 0, 86400, false, false },
		{ "p0", c->p0, 0, 1, true, true },
		{ "p0_rollback", c->p0_rollback, 0, 1, true, true },
		{ "hold_evidence", c->hold_evidence, 1, 1 / c->alpha, true, false },
		{ "warmup_s", c->warmup_s, 0, 86400, false, false },
		{ "guard_margin", c->guard_margin, 1, 1000, false, false },
		{ "guard_evidence", c->guard_evidence, 1, 1e12, true, false },
		{ "guard_failures", c->guard_failures, 1, 1e9, false, false },
		{ "no_data_s", c->no_data_s, 0, 86400, true, false },
		{ "noise_history_s", c->noise_history_s, 0, 604800, true, false },
		{ "history_s", c->history_s, 0, 604800, true, false },
		{ "slo", c->slo, 0, 1, true, true },
		{ "burn_ratio", c->burn_ratio, 1, 1000, false, false },
		{ "burn_failures", c->burn_failures, 1, 1e9, false, false },
		{ "budget_failures", c->budget_failures, 0, 1e12, false, false },
		{ "weight_errors", c->weight_errors, 0, 1, false, false },
		{ "weight_latency", c->weight_latency, 0, 1, false, false },
	};

	for (unsigned i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		const struct range *r = &ranges[i];

		if (inside(r))
			continue;
		snprintf(reason, FINDING_REASON, "%s is %g: it must be %s %g and %s %g", r->name, r->value,
			 r->low_excluded ? "above" : "at least", r->low, r->high_excluded ? "below" : "at most",
			 r->high);
		return -EINVAL;
	}
	return check_weights(c, reason);
}

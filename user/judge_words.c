/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sentences. What decides comes before what is merely so.
 */
#include "user/judge_words.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static double share(uint64_t part, uint64_t whole)
{
	return whole ? (double)part / (double)whole : NAN;
}

static void say_guard(const struct judge_config *config, struct finding *f)
{
	const struct finding_counts *c = &f->guard_counts;
	char canary[32], baseline[32], evidence[32];

	snprintf(f->reason, sizeof(f->reason),
		 "warm-up guard: canary fails %s (%llu of %llu) against baseline %s (%llu of %llu): evidence %s ≥ %g",
		 finding_print_share(canary, sizeof(canary), share(c->canary_failed, c->canary_attempts)),
		 (unsigned long long)c->canary_failed, (unsigned long long)c->canary_attempts,
		 finding_print_share(baseline, sizeof(baseline), share(c->baseline_failed, c->baseline_attempts)),
		 (unsigned long long)c->baseline_failed, (unsigned long long)c->baseline_attempts,
		 finding_print_evidence(evidence, sizeof(evidence), f->ln_e_guard), config->guard_evidence);
}

static void say_warmup(const struct judge_config *config, struct finding *f)
{
	const struct finding_counts *c = &f->guard_counts;
	char canary[32], baseline[32];

	snprintf(f->reason, sizeof(f->reason),
		 "warming up, judged from %.0f s of traffic on: canary fails %s (%llu of %llu) against baseline %s",
		 config->warmup_s,
		 finding_print_share(canary, sizeof(canary), share(c->canary_failed, c->canary_attempts)),
		 (unsigned long long)c->canary_failed, (unsigned long long)c->canary_attempts,
		 finding_print_share(baseline, sizeof(baseline), share(c->baseline_failed, c->baseline_attempts)));
}

static void say_budget(struct finding *f)
{
	snprintf(f->reason, sizeof(f->reason),
		 "error budget: %.0f failures more than the baseline would have had, the rollout may cost %.0f",
		 f->excess_failures, f->budget_failures);
}

static void say_evidence(const struct judge_config *config, struct finding *f)
{
	bool worse = f->ln_e_rollback >= f->ln_bound;
	char measured[FINDING_REASON - 64], evidence[32];

	finding_print_measured(measured, sizeof(measured), &f->sli[f->loudest]);
	finding_print_evidence(evidence, sizeof(evidence), f->ln_e_rollback);
	snprintf(f->reason, sizeof(f->reason), "%s: evidence %s %s %.4g", measured, evidence,
		 worse || f->holds ? "≥" : "of", worse || !f->holds ? 1 / config->alpha : config->hold_evidence);
}

void judge_words(const struct judge_config *config, const char *suspect_why, struct finding *f, double silent_s)
{
	if (f->data == FINDING_DATA_ERROR)
		snprintf(f->reason, sizeof(f->reason), "the sample is suspect: %s, nothing was learnt from it",
			 *suspect_why ? suspect_why : "counters went backwards or could not be read");
	else if (f->ln_e_rollback >= f->ln_bound)
		say_evidence(config, f);
	else if (f->guard_fired)
		say_guard(config, f);
	else if (f->budget_spent)
		say_budget(f);
	else if (f->says == FINDING_SAYS_FAIL)
		finding_print_said(f->reason, sizeof(f->reason), f);
	else if (f->data == FINDING_DATA_NO_DATA)
		snprintf(f->reason, sizeof(f->reason), "no canary traffic for %.0f s", silent_s);
	else if (f->data == FINDING_DATA_WARMUP)
		say_warmup(config, f);
	else if (f->says == FINDING_SAYS_HOLD && !f->holds)
		finding_print_said(f->reason, sizeof(f->reason), f);
	else
		say_evidence(config, f);
}

void judge_words_unavailable(struct finding_sli *sli, bool unavailable)
{
	if (!unavailable)
		return;
	sli->state = FINDING_STATE_UNAVAILABLE;
	sli->baseline = sli->canary = NAN;
	strcpy(sli->said, "replies do not come by here: it cannot be measured in this mode");
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The sentence of a finding: what speaks loudest, its value, its bound, its counts.
 */
#ifndef CANARYD_JUDGE_WORDS_H
#define CANARYD_JUDGE_WORDS_H

#include "user/finding.h"
#include "user/judge.h"

/*
 * Writes f->reason from the rest of *f. suspect_why: what is wrong with the sample, "" where that is not known;
 * silent_s: how long the canary has had no traffic.
 */
void judge_words(const struct judge_config *config, const char *suspect_why, struct finding *f, double silent_s);

/* Where the SLI is unavailable: it has no value, and says why. What cannot be measured is neither good nor bad. */
void judge_words_unavailable(struct finding_sli *sli, bool unavailable);

#endif

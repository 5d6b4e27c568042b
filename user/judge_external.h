/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The judge's share of the indicators measured outside the packets: counts go through the same e-processes as failures
 * do, gauges are held against their bounds, the skew is reckoned here. Pure. Private to judge*.c.
 *
 * All functions take the whole array of states, one for each of config->external.
 */
#ifndef CANARYD_JUDGE_EXTERNAL_H
#define CANARYD_JUDGE_EXTERNAL_H

#include "user/errors_sli.h"
#include "user/finding.h"
#include "user/gauge_sli.h"
#include "user/judge_config.h"
#include "user/sample.h"

/* Requests of the last minute or so, weighed by age. */
struct judge_skew {
	double requests;
	double canary;   /* of them to the canary */
	double expected; /* by the weights they came under */
	double variance; /* of `canary`, were the weights kept */
};

/* Plain data, to be saved as it is. */
struct judge_external_state {
	char name[FINDING_NAME];
	uint32_t kind; /* enum judge_external_kind */
	uint32_t bad_looks;
	struct errors_sli count;
	struct gauge_sli gauge;
	struct judge_skew skew;
};

/* A rollout begins. */
void judge_external_begin(struct judge_external_state *states, const struct judge_config *config);

/* A block for late onset begins; a step begins. */
void judge_external_restart(struct judge_external_state *states, const struct judge_config *config);
void judge_external_step(struct judge_external_state *states, const struct judge_config *config);

/* Makes a saved array fit the configuration: known ones go where they belong now, new ones begin. */
void judge_external_fit(struct judge_external_state *states, const struct judge_config *config);

/* Adds a tick. `terms` are those of failures; `warm`: the canary's warm-up is over. */
void judge_external_learn(struct judge_external_state *states, const struct judge_config *config,
			  const struct errors_terms *terms, const struct sample *sample, bool warm);

/* Appends an SLI for each to the finding. */
void judge_external_find(const struct judge_external_state *states, const struct judge_config *config,
			 const struct errors_terms *terms, const struct sample *sample, struct finding *f);

/* When all evidence has been combined: verdicts, and which SLI says the most beside it. */
void judge_external_say(const struct judge_config *config, struct finding *f);

#endif

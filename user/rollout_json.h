/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A rollout's plan, policy state and counts as JSON: for the journal, and for the API. */
#ifndef CANARYD_ROLLOUT_JSON_H
#define CANARYD_ROLLOUT_JSON_H

#include <jansson.h>

#include "user/policy.h"

/* New references, or NULL when memory is short. */
json_t *rollout_json_plan(const struct policy_plan *plan);
json_t *rollout_json_steps(const struct policy_plan *plan);
json_t *rollout_json_policy(const struct policy_state *state);
json_t *rollout_json_counts(const struct finding_counts *counts);

/* 0 or -EINVAL; *ret is written on success only. */
int rollout_json_plan_parse(const char *text, struct policy_plan *ret);
int rollout_json_policy_parse(const char *text, struct policy_state *ret);

/* json_null() for what is not finite: a missing measurement is null, never 0. */
json_t *rollout_json_number(double value);

#endif

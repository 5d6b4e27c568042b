/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The policy's plan from what the configuration says. Pure. */
#ifndef CANARYD_PLAN_H
#define CANARYD_PLAN_H

#include "user/config.h"
#include "user/policy.h"

/* The steps of a service's rollouts; of the judge its margin and floor are asked, for adaptive steps. */
void plan_from_config(const struct config_rollout *config, const struct judge_config *judge, struct policy_plan *ret);

#endif

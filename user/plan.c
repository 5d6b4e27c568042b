/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "user/plan.h"

void plan_from_config(const struct config_rollout *config, const struct judge_config *judge, struct policy_plan *ret)
{
	*ret = (struct policy_plan){
		.bake_s = config->bake_s,
		.on_fail = config->on_fail == CONFIG_ON_FAIL_HOLD ? POLICY_FAIL_HOLD : POLICY_FAIL_ROLL_BACK,
		.promote_never = config->promote == CONFIG_PROMOTE_NEVER,
		.undo_window_s = config->undo_window_s,
		.expire_s = config->expire_s,
		.adaptive = { config->adaptive, config->adaptive_ratio, config->adaptive_growth, judge->margin, judge->p0_rollback },
	};
	for (uint32_t i = 0; i < config->steps_count && i < POLICY_STEPS; i++)
		ret->step[ret->n_steps++] = (struct policy_step){
			.weight = config->steps[i].weight_ppm / 1e6, .min_s = config->steps[i].min_s,
			.max_s = config->steps[i].max_s, .manual = config->steps[i].manual,
		};
}

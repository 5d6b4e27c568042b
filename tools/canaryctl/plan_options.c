/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "plan_options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "canaryd/api.h"
#include "command.h"
#include "ctl.h"
#include "judge_options.h"
#include "user/plan.h"

/* ---- --config -------------------------------------------------------------------------------------------- */

static int take_config(struct ctl *ctl, const struct config *config, const char *name, const char *service,
		       struct replay_options *options)
{
	const struct config_service *found = service ? config_find_service(config, service) : NULL;

	options->judge = config->judge;
	if (!service)
		return API_EXIT_OK;
	if (!found)
		return ctl_error(ctl, API_EXIT_FAILED, NULL, "%s has no service %s", name, service);
	options->judge = config_judge(config, found);
	plan_from_config(&found->rollout, &options->judge, &options->plan);
	return API_EXIT_OK;
}

static int take_file(struct ctl *ctl, const char *path, const char *service, struct replay_options *options)
{
	struct config *config = NULL;
	char *error = NULL;
	int code;

	if (config_load(path, &config, &error) < 0) {
		ctl_error(ctl, API_EXIT_CONFIG, NULL, "%s", error ? error : "out of memory");
		free(error);
		return API_EXIT_CONFIG;
	}
	code = take_config(ctl, config, path, service, options);
	config_free(config);
	return code;
}

/* ---- --step, --bake -------------------------------------------------------------------------------------- */

/* "5%", "0.05" → 0.05 */
static int parse_share(const char *text, double *ret)
{
	char *end;
	double value = strtod(text, &end);

	if (end == text)
		return -EINVAL;
	if (*end == '%') {
		value /= 100;
		end++;
	}
	if (*end || !(value > 0 && value <= 1))
		return -EINVAL;
	*ret = value;
	return 0;
}

/* "90", "90s", "15m", "2h" → seconds */
static int parse_time(const char *text, double *ret)
{
	char *end;
	double value = strtod(text, &end);

	if (end == text || !(value >= 0 && value < 1e9))
		return -EINVAL;
	if (*end && (end[1] || !strchr("smh", *end)))
		return -EINVAL;
	*ret = value * (*end == 'm' ? 60 : *end == 'h' ? 3600 : 1);
	return 0;
}

static int parse_step(const char *text, struct policy_step *ret)
{
	char copy[96], *rest = copy, *weight, *min, *max;

	*ret = (struct policy_step){ .min_s = 60, .max_s = 3600 };
	if (snprintf(copy, sizeof(copy), "%s", text) >= (int)sizeof(copy))
		return -EINVAL;
	weight = strsep(&rest, ":");
	min = strsep(&rest, ":");
	max = strsep(&rest, ":");
	if (rest || parse_share(weight, &ret->weight) || (min && parse_time(min, &ret->min_s)) ||
	    (max && parse_time(max, &ret->max_s)))
		return -EINVAL;
	return 0;
}

static int take_steps(struct ctl *ctl, const struct call *call, struct policy_plan *plan)
{
	unsigned position = 0;
	const char *text = call_next(call, "step", &position);

	if (text)
		plan->n_steps = 0;
	for (; text; text = call_next(call, "step", &position)) {
		if (plan->n_steps == POLICY_STEPS)
			return ctl_error(ctl, API_EXIT_USAGE, NULL, "more than %d steps", POLICY_STEPS);
		if (parse_step(text, &plan->step[plan->n_steps++]))
			return ctl_error(ctl, API_EXIT_USAGE, "WEIGHT[:MIN[:MAX]], for example 5%:60:1h", "--step '%s' is no step",
					 text);
	}
	return API_EXIT_OK;
}

static int take_bake(struct ctl *ctl, const struct call *call, struct policy_plan *plan)
{
	const char *text = call_value(call, "bake", NULL);

	if (text && plan->n_steps == 0)
		*plan = policy_default_plan();
	if (text && parse_time(text, &plan->bake_s))
		return ctl_error(ctl, API_EXIT_USAGE, "give a time: 90, 90s, 15m, 2h", "--bake '%s' is not a time", text);
	return API_EXIT_OK;
}

int plan_options_read(struct ctl *ctl, const struct call *call, const struct config *running, const char *service,
		      struct replay_options *ret)
{
	struct replay_options options = { .judge = judge_config_default() };
	const char *path = call_value(call, "config", NULL);
	char reason[FINDING_REASON];
	int code = API_EXIT_OK;

	if (path)
		code = take_file(ctl, path, service, &options);
	else if (running)
		code = take_config(ctl, running, "canaryd", service, &options);
	if (!code)
		code = judge_options_read(ctl, call, &options.judge);
	if (!code)
		code = take_steps(ctl, call, &options.plan);
	if (!code)
		code = take_bake(ctl, call, &options.plan);
	if (code)
		return code;
	if (options.plan.n_steps > 0 && policy_plan_check(&options.plan, reason) < 0)
		return ctl_error(ctl, API_EXIT_USAGE, NULL, "%s", reason);
	*ret = options;
	return API_EXIT_OK;
}

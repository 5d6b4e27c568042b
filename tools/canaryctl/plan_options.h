/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What judge and plan a call names: --config, --step, --bake, and the judge's own options. */
#ifndef CANARYCTL_PLAN_OPTIONS_H
#define CANARYCTL_PLAN_OPTIONS_H

#include "user/config.h"
#include "user/replay.h"

struct call;
struct ctl;

/*
 * Where --config is not given, `running` stands for it; NULL: the default constants and no plan. `service` is the one
 * whose judge and plan are wanted; NULL: the constants of all services, and no plan. Returns one of enum api_exit,
 * after a complaint unless 0; *ret is written on 0.
 */
int plan_options_read(struct ctl *ctl, const struct call *call, const struct config *running, const char *service,
		      struct replay_options *ret);

#endif

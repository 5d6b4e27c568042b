/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Judge, plan and traffic of `canaryctl plan`: of canaryd, of a file, of the options. */
#ifndef CANARYCTL_PLAN_TRAFFIC_H
#define CANARYCTL_PLAN_TRAFFIC_H

#include "user/plan.h"
#include "user/replay.h"

struct call;
struct ctl;

/* Returns one of enum api_exit, after a complaint unless 0; both are written on 0. */
int plan_traffic_read(struct ctl *ctl, const struct call *call, struct replay_options *ret_options,
		      struct plan_traffic *ret_traffic);

#endif

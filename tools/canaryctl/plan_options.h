/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What judge and plan a call names: --config and --service, --step, --bake, and the judge's own options. */
#ifndef CANARYCTL_REPLAY_PLAN_H
#define CANARYCTL_REPLAY_PLAN_H

#include "user/replay.h"

struct call;
struct ctl;

/*
 * Without any of them: the default constants and no plan. Returns one of enum api_exit, after a complaint unless 0;
 * *ret is written on 0.
 */
int replay_plan_read(struct ctl *ctl, const struct call *call, struct replay_options *ret);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* canaryctl plan, for those who did not ask. */
#ifndef CANARYCTL_PLAN_H
#define CANARYCTL_PLAN_H

struct ctl;

/* Warns where the first step of the service's plan cannot reach a verdict within its limit at the traffic of now. */
void plan_warn(struct ctl *ctl, const char *service);

#endif

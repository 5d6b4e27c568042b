/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The subcommands themselves, as the table in commands.c names them. Each returns one of enum api_exit. */
#ifndef CANARYCTL_RUN_H
#define CANARYCTL_RUN_H

struct call;
struct ctl;

int run_status(struct ctl *ctl, const struct call *call);
int run_top(struct ctl *ctl, const struct call *call);
int run_rollout_start(struct ctl *ctl, const struct call *call);
int run_rollout_status(struct ctl *ctl, const struct call *call);
/* pause, resume, promote, abort, undo: the verb is the command's last word. */
int run_rollout_verb(struct ctl *ctl, const struct call *call);
int run_breaker_reset(struct ctl *ctl, const struct call *call);
int run_rollout_wait(struct ctl *ctl, const struct call *call);
int run_rollout_history(struct ctl *ctl, const struct call *call);
int run_rollout_why(struct ctl *ctl, const struct call *call);
int run_alert_raise(struct ctl *ctl, const struct call *call);
int run_alert_resolve(struct ctl *ctl, const struct call *call);
/* mute, unmute: the verb is the command's last word. */
int run_sli_verb(struct ctl *ctl, const struct call *call);
int run_config_init(struct ctl *ctl, const struct call *call);
int run_config_check(struct ctl *ctl, const struct call *call);
int run_config_show(struct ctl *ctl, const struct call *call);
int run_cohort_list(struct ctl *ctl, const struct call *call);
int run_cohort_set(struct ctl *ctl, const struct call *call);
int run_cohort_remove(struct ctl *ctl, const struct call *call);
int run_cohort_reset(struct ctl *ctl, const struct call *call);
int run_backend_list(struct ctl *ctl, const struct call *call);
/* drain, undrain: the verb is the command's last word. */
int run_backend_verb(struct ctl *ctl, const struct call *call);
int run_flow(struct ctl *ctl, const struct call *call);
int run_flows(struct ctl *ctl, const struct call *call);
int run_detach(struct ctl *ctl, const struct call *call);
int run_drill(struct ctl *ctl, const struct call *call);
int run_doctor(struct ctl *ctl, const struct call *call);
int run_plan(struct ctl *ctl, const struct call *call);
int run_replay(struct ctl *ctl, const struct call *call);
int run_version(struct ctl *ctl, const struct call *call);

#endif

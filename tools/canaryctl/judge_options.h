/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An option for every constant of the judge, made from the table of configuration keys: the key without its unit, with
 * '-' for '_' ("warmup_s" is --warmup).
 */
#ifndef CANARYCTL_JUDGE_OPTIONS_H
#define CANARYCTL_JUDGE_OPTIONS_H

#include "command.h"
#include "user/judge_config.h"

struct ctl;

#define JUDGE_OPTIONS_MAX 64

/* Appends the options to a table that has room for JUDGE_OPTIONS_MAX more. Does nothing the second time. */
void judge_options_add(struct command_option *options);

/* Whether it is one of these. */
bool judge_options_has(const struct command_option *option);

/* Sets in *judge what the call gives and checks the whole. An exit code, after a complaint unless 0. */
int judge_options_read(struct ctl *ctl, const struct call *call, struct judge_config *judge);

#endif

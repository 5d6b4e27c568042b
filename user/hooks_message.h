/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a hook is sent: JSON on stdin or as the body of a POST, and a few words of it in the environment. */
#ifndef CANARYD_HOOKS_MESSAGE_H
#define CANARYD_HOOKS_MESSAGE_H

#include <stdint.h>

#include "user/config.h"
#include "user/policy.h"

/* The move in question, or the decision that was made. */
struct hooks_message {
	int64_t rollout; /* 0: there is none yet */
	const char *service;
	const char *canary;
	const char *baseline;
	const char *state; /* a word of api.h: after the decision, or before the move */
	const char *phase;
	unsigned steps;
	const struct policy_decision *decision;
};

/*
 * {event, hook, service, rollout|null, canary, baseline, state, phase, step, steps, weight_from, weight_to, reason,
 *  evidence: {sli, value, bound}|null, counts: {baseline: {attempts, failed}, canary: {…}}, t}
 * weights are 0 … 1; step is the one it leads to, from 0. The caller frees it; NULL without memory.
 */
char *hooks_message_json(const struct hooks_message *message, const struct config_hook *hook, double unix_s);

#define HOOKS_MESSAGE_VARIABLES 6
#define HOOKS_MESSAGE_VARIABLE_MAX 96

/* CANARYD_EVENT, _HOOK, _SERVICE, _CANARY, _BASELINE and _WEIGHT (in percent, that it leads to). */
void hooks_message_environment(const struct hooks_message *message, const struct config_hook *hook,
			       char variables[HOOKS_MESSAGE_VARIABLES][HOOKS_MESSAGE_VARIABLE_MAX]);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Calls a hook once: its command or its URL, JSON in, a yes or a no with its reason out. Private to hooks*.c. */
#ifndef CANARYD_HOOKS_CALL_H
#define CANARYD_HOOKS_CALL_H

#include <stdbool.h>
#include <stddef.h>

#include "user/command.h"
#include "user/config.h"
#include "user/fetch.h"

struct hooks_call;

/* Called once, never from within hooks_call_start(). `why` is for people, and valid while it runs. */
typedef void (*hooks_call_answer)(bool agrees, const char *why, void *context);

/*
 * A yes is exit status 0, or an HTTP status of 2xx without a page of HTML; anything else, an end by signal, silence, a
 * redirect or garbage, is a no. The command also finds `environment`, "NAME=value" strings with a NULL at the end, in its
 * environment. *ret is valid until the answer. Errors as command_start() and fetch_start().
 */
int hooks_call_start(struct fetch *fetch, struct command_runner *commands, const struct config_hook *hook,
		     const char *body, const char *const *environment, hooks_call_answer answer, void *context,
		     struct hooks_call **ret);

/* Gives it up: no answer comes. NULL is fine. Returns NULL. */
struct hooks_call *hooks_call_cancel(struct hooks_call *call);

#endif

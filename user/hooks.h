/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The hooks of a service: commands and URLs that are asked before its rollout moves up, or told when it has moved. What
 * their answers mean is consent.h's; here they are called, inside the event loop.
 *
 * A rollback never waits for a hook, and a hook that is not told is a note among the rollout's decisions, no more.
 */
#ifndef CANARYD_HOOKS_H
#define CANARYD_HOOKS_H

#include <stdbool.h>

#include "user/command.h"
#include "user/config.h"
#include "user/consent.h"
#include "user/fetch.h"
#include "user/hooks_message.h"

#define HOOKS_QUEUE 64 /* to be told, of a service; beyond it the oldest is dropped, with a note */
#define HOOKS_NAME 64  /* bytes of what a hook is called in a reason: "tickets", "migrate (before_step)" */

struct hooks;

struct hooks_environment {
	struct fetch *fetch;
	struct command_runner *commands;
	void (*note)(int64_t rollout, const char *sentence, void *context); /* what went wrong with telling */
	void *context;
	bool silent; /* nobody is asked or told */
};

/* `service` must outlive the hooks, or be replaced by hooks_set_config() with one of the same hooks. */
int hooks_new(const struct hooks_environment *environment, const struct config_service *service, struct hooks **ret);
void hooks_set_config(struct hooks *hooks, const struct config_service *service);

/* Gives up what is under way; no callback comes. */
struct hooks *hooks_free(struct hooks *hooks);

/*
 * Whether the move may be made: its gates agree, and where the weight goes up, its before_step hooks have succeeded.
 * Asks them when the question is new; it stands as long as it is asked for every turn. `gate` and `why` as in struct
 * finding, written unless all agree.
 */
enum consent_verdict hooks_ask(struct hooks *hooks, const struct hooks_message *move, char gate[HOOKS_NAME],
			       char why[CONSENT_WHY]);

/* Once a tick, after hooks_ask() where that was called: drops a question that stands no longer, tries again, tells on. */
void hooks_turn(struct hooks *hooks);

/* A decision was made: questions about others are over, and those who are to be told of it are told. */
void hooks_decided(struct hooks *hooks, const struct hooks_message *decision);

/* The answer to a start: `sentence` says who does not agree and why; "" when all do. */
typedef void (*hooks_start_answer)(bool agree, const char *sentence, void *context);

/*
 * Asks the before_start and before_step hooks whether the rollout may start. 1: there are none, all agree; 0: `answer` is
 * called later, once; -EBUSY: a start is being asked for already.
 */
int hooks_ask_start(struct hooks *hooks, const struct hooks_message *start, hooks_start_answer answer, void *context);

/* Gives up the start that is being asked for: no answer comes. Nothing where there is none. */
void hooks_cancel_start(struct hooks *hooks);

/* Who is being asked whether a start may begin, and what of it, as hooks_ask() says it; false: no start waits. */
bool hooks_starting(const struct hooks *hooks, char gate[HOOKS_NAME], char why[CONSENT_WHY]);

#endif

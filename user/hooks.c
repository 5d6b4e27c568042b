/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "user/hooks.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "user/hooks_call.h"
#include "user/text.h"

#define TELL_AGAIN_S 1.0 /* doubled with every try, five times */
#define SENTENCE_MAX 256

/* A question, to the hooks[] in this order. */
struct asker {
	struct hooks *hooks;
	struct consent consent;
	unsigned hook[CONSENT_MAX]; /* index into the service's */
	char *body[CONSENT_MAX];
	char environment[CONSENT_MAX][HOOKS_MESSAGE_VARIABLES][HOOKS_MESSAGE_VARIABLE_MAX];
	struct hooks_call *call; /* NULL: nobody is being asked */
	bool stands;
	bool asked_this_turn;
	/* What the question is: the same move again is the same question. */
	int64_t rollout;
	enum policy_kind kind;
	unsigned step;
};

struct told {
	unsigned hook;
	int64_t rollout;
	char *body;
	char environment[HOOKS_MESSAGE_VARIABLES][HOOKS_MESSAGE_VARIABLE_MAX];
};

struct hooks {
	struct hooks_environment environment;
	const struct config_service *service;
	struct asker move;
	struct asker start;
	hooks_start_answer start_answer;
	void *start_context;
	struct told queue[HOOKS_QUEUE]; /* a ring: `first`, and count of them */
	unsigned first, count;
	struct hooks_call *telling; /* of the first; NULL: not now */
	unsigned tries;
	double next_s;
};

static double now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

static double unix_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

static int call(struct hooks *hooks, unsigned hook, const char *body,
		char variables[HOOKS_MESSAGE_VARIABLES][HOOKS_MESSAGE_VARIABLE_MAX], hooks_call_answer answer,
		void *context, struct hooks_call **ret)
{
	const char *environment[HOOKS_MESSAGE_VARIABLES + 1] = {};

	for (unsigned i = 0; i < HOOKS_MESSAGE_VARIABLES; i++)
		environment[i] = variables[i];
	return hooks_call_start(hooks->environment.fetch, hooks->environment.commands, &hooks->service->hooks[hook], body,
				environment, answer, context, ret);
}

static const char *print_name(char buf[HOOKS_NAME], const struct config_hook *hook)
{
	if (hook->on == CONFIG_HOOK_GATE)
		snprintf(buf, HOOKS_NAME, "%s", hook->name);
	else
		snprintf(buf, HOOKS_NAME, "%s (%s)", hook->name, config_hook_on_name(hook->on));
	return buf;
}

/* ---- asking ---------------------------------------------------------------------------------------------- */

static void asker_go_on(struct asker *asker);
static void start_go_on(struct hooks *hooks);

static void on_answer(bool agrees, const char *why, void *context)
{
	struct asker *asker = context;

	asker->call = NULL;
	consent_answer(&asker->consent, agrees, why, now_s());
	asker_go_on(asker);
	if (asker == &asker->hooks->start)
		start_go_on(asker->hooks);
}

/* Asks whose turn it is. One that cannot even be called has said no. */
static void asker_go_on(struct asker *asker)
{
	unsigned who;

	while (asker->stands && !asker->call && consent_next(&asker->consent, now_s(), &who)) {
		int r;

		consent_asked(&asker->consent, now_s());
		r = call(asker->hooks, asker->hook[who], asker->body[who], asker->environment[who], on_answer, asker,
			 &asker->call);
		if (r)
			consent_answer(&asker->consent, false, strerror(-r), now_s());
	}
}

static void asker_clear(struct asker *asker)
{
	asker->call = hooks_call_cancel(asker->call);
	for (unsigned i = 0; i < asker->consent.count; i++)
		free(asker->body[i]);
	asker->consent = (struct consent){};
	asker->stands = false;
}

static bool concerns(enum config_hook_on on, const struct policy_decision *move)
{
	if (move->kind == POLICY_START)
		return on == CONFIG_HOOK_BEFORE_START || on == CONFIG_HOOK_BEFORE_STEP;
	if (on == CONFIG_HOOK_BEFORE_STEP)
		return move->weight_to > move->weight_from;
	return on == CONFIG_HOOK_GATE;
}

static int asker_word(struct asker *asker, unsigned i, const struct hooks_message *move)
{
	const struct config_hook *config = &asker->hooks->service->hooks[asker->hook[i]];
	char *body = hooks_message_json(move, config, unix_s());

	if (!body)
		return -ENOMEM;
	free(asker->body[i]);
	asker->body[i] = body;
	hooks_message_environment(move, config, asker->environment[i]);
	return 0;
}

static int asker_add(struct asker *asker, unsigned hook, const struct hooks_message *move)
{
	const struct config_hook *config = &asker->hooks->service->hooks[hook];
	struct consent *consent = &asker->consent;
	unsigned i = consent->count++;

	asker->hook[i] = hook;
	asker->body[i] = NULL;
	consent->who[i].once = config->on != CONFIG_HOOK_GATE;
	consent->who[i].retries = config->retries;
	return asker_word(asker, i, move);
}

static unsigned count_hooks(const struct hooks *hooks)
{
	return hooks->environment.silent ? 0 : hooks->service->hooks_count;
}

/* Those that only say yes or no come first, those that do something after them. */
static int asker_begin(struct asker *asker, const struct hooks_message *move)
{
	const struct config_service *service = asker->hooks->service;
	int r = 0;

	asker_clear(asker);
	for (int on = CONFIG_HOOK_BEFORE_START; on <= CONFIG_HOOK_BEFORE_STEP; on++)
		for (unsigned i = 0; !r && i < count_hooks(asker->hooks) && asker->consent.count < CONSENT_MAX; i++)
			if ((int)service->hooks[i].on == on && concerns(on, move->decision))
				r = asker_add(asker, i, move);
	asker->rollout = move->rollout;
	asker->kind = move->decision->kind;
	asker->step = move->decision->step;
	asker->stands = !r;
	return r;
}

static bool is_same(const struct asker *asker, const struct hooks_message *move)
{
	return asker->stands && asker->rollout == move->rollout && asker->kind == move->decision->kind &&
	       asker->step == move->decision->step;
}

static void say_whom(const struct asker *asker, unsigned who, char gate[HOOKS_NAME])
{
	print_name(gate, &asker->hooks->service->hooks[asker->hook[who]]);
}

enum consent_verdict hooks_ask(struct hooks *hooks, const struct hooks_message *move, char gate[HOOKS_NAME],
			       char why[CONSENT_WHY])
{
	struct asker *asker = &hooks->move;
	enum consent_verdict verdict;
	unsigned who;

	asker->asked_this_turn = true;
	if (!is_same(asker, move) && asker_begin(asker, move)) {
		snprintf(gate, HOOKS_NAME, "hooks");
		snprintf(why, CONSENT_WHY, "cannot be asked: out of memory");
		return CONSENT_REFUSED;
	}
	/* Who is asked again hears what is so by now. */
	for (unsigned i = 0; !asker->call && i < asker->consent.count; i++)
		asker_word(asker, i, move);
	asker_go_on(asker);
	verdict = consent_verdict(&asker->consent, now_s(), &who, why);
	if (verdict != CONSENT_AGREED)
		say_whom(asker, who, gate);
	return verdict;
}

/* ---- starting -------------------------------------------------------------------------------------------- */

/* A start is asked for once: a no of anyone, retries included, is final. */
static void start_go_on(struct hooks *hooks)
{
	char gate[HOOKS_NAME], why[CONSENT_WHY], sentence[SENTENCE_MAX] = "";
	enum consent_verdict verdict;
	unsigned who;

	if (!hooks->start.stands)
		return;
	verdict = consent_verdict(&hooks->start.consent, now_s(), &who, why);
	if (verdict == CONSENT_ASKING)
		return;
	if (verdict != CONSENT_AGREED) {
		say_whom(&hooks->start, who, gate);
		snprintf(sentence, sizeof(sentence), "hook %s %s", gate, why);
	}
	asker_clear(&hooks->start);
	hooks->start_answer(verdict == CONSENT_AGREED, sentence, hooks->start_context);
}

int hooks_ask_start(struct hooks *hooks, const struct hooks_message *start, hooks_start_answer answer, void *context)
{
	int r;

	if (hooks->start.stands)
		return -EBUSY;
	r = asker_begin(&hooks->start, start);
	if (r || !hooks->start.consent.count) {
		asker_clear(&hooks->start);
		return r ? r : 1;
	}
	hooks->start_answer = answer;
	hooks->start_context = context;
	asker_go_on(&hooks->start);
	return 0;
}

void hooks_cancel_start(struct hooks *hooks)
{
	asker_clear(&hooks->start);
}

bool hooks_starting(const struct hooks *hooks, char gate[HOOKS_NAME], char why[CONSENT_WHY])
{
	unsigned who;

	if (!hooks->start.stands || consent_verdict(&hooks->start.consent, now_s(), &who, why) == CONSENT_AGREED)
		return false;
	say_whom(&hooks->start, who, gate);
	return true;
}

/* ---- telling --------------------------------------------------------------------------------------------- */

static void tell_on(struct hooks *hooks);

static void told_remove(struct hooks *hooks)
{
	free(hooks->queue[hooks->first].body);
	hooks->first = (hooks->first + 1) % HOOKS_QUEUE;
	hooks->count--;
	hooks->tries = 0;
	hooks->next_s = 0;
}

static void note_in_vain(struct hooks *hooks, const char *why)
{
	const struct told *told = &hooks->queue[hooks->first];
	char sentence[SENTENCE_MAX], name[HOOKS_NAME];

	print_name(name, &hooks->service->hooks[told->hook]);
	text_print(sentence, sizeof(sentence), "hook %s was told in vain: %.160s", name, why);
	hooks->environment.note(told->rollout, sentence, hooks->environment.context);
}

static void failed_to_tell(struct hooks *hooks, const char *why)
{
	const struct config_hook *hook = &hooks->service->hooks[hooks->queue[hooks->first].hook];

	if (hooks->tries <= hook->retries) {
		hooks->next_s = now_s() + TELL_AGAIN_S * (1 << (hooks->tries - 1 < 5 ? hooks->tries - 1 : 5));
		return;
	}
	note_in_vain(hooks, why);
	told_remove(hooks);
}

static void on_told(bool agrees, const char *why, void *context)
{
	struct hooks *hooks = context;

	hooks->telling = NULL;
	if (agrees)
		told_remove(hooks);
	else
		failed_to_tell(hooks, why);
	tell_on(hooks);
}

/* One after the other, so that they hear of things in the order in which those happened. */
static void tell_on(struct hooks *hooks)
{
	while (hooks->count && !hooks->telling && now_s() >= hooks->next_s) {
		struct told *told = &hooks->queue[hooks->first];
		int r;

		hooks->tries++;
		r = call(hooks, told->hook, told->body, told->environment, on_told, hooks, &hooks->telling);
		if (r)
			failed_to_tell(hooks, strerror(-r));
	}
}

static void tell(struct hooks *hooks, unsigned hook, const struct hooks_message *message)
{
	const struct config_hook *config = &hooks->service->hooks[hook];
	struct told *told;
	char *body = hooks_message_json(message, config, unix_s());

	if (!body)
		return;
	if (hooks->count == HOOKS_QUEUE) {
		hooks->telling = hooks_call_cancel(hooks->telling);
		note_in_vain(hooks, "too much is waiting to be told");
		told_remove(hooks);
	}
	told = &hooks->queue[(hooks->first + hooks->count++) % HOOKS_QUEUE];
	*told = (struct told){ .hook = hook, .rollout = message->rollout, .body = body };
	hooks_message_environment(message, config, told->environment);
}

/* What a decision is to those who are told; CONFIG_HOOK_EVENTS: nothing. */
static enum config_hook_on event_of(enum policy_kind kind)
{
	switch (kind) {
	case POLICY_START:
	case POLICY_ADVANCE: return CONFIG_HOOK_AFTER_STEP;
	case POLICY_PROMOTE: return CONFIG_HOOK_PROMOTED;
	case POLICY_ROLL_BACK:
	case POLICY_UNDO:
	case POLICY_ABORT: return CONFIG_HOOK_ROLLED_BACK;
	default: return CONFIG_HOOK_EVENTS;
	}
}

void hooks_decided(struct hooks *hooks, const struct hooks_message *message)
{
	enum policy_kind kind = message->decision->kind;
	enum config_hook_on event = event_of(kind);

	/* An operator resumes what a hook's failure has held: then all of it is asked anew. */
	if (event != CONFIG_HOOK_EVENTS || hooks->move.consent.failed)
		asker_clear(&hooks->move);
	for (unsigned i = 0; event != CONFIG_HOOK_EVENTS && i < count_hooks(hooks); i++)
		if (hooks->service->hooks[i].on == event)
			tell(hooks, i, message);
	tell_on(hooks);
}

/* ---- life ------------------------------------------------------------------------------------------------ */

void hooks_turn(struct hooks *hooks)
{
	struct asker *move = &hooks->move;

	if (move->stands && !move->asked_this_turn && consent_drop(&move->consent))
		move->call = hooks_call_cancel(move->call);
	move->asked_this_turn = false;
	asker_go_on(&hooks->start);
	start_go_on(hooks);
	tell_on(hooks);
}

int hooks_new(const struct hooks_environment *environment, const struct config_service *service, struct hooks **ret)
{
	struct hooks *hooks = calloc(1, sizeof(*hooks));

	if (!hooks)
		return -ENOMEM;
	hooks->environment = *environment;
	hooks->service = service;
	hooks->move.hooks = hooks->start.hooks = hooks;
	*ret = hooks;
	return 0;
}

void hooks_set_config(struct hooks *hooks, const struct config_service *service)
{
	hooks->service = service;
}

struct hooks *hooks_free(struct hooks *hooks)
{
	if (!hooks)
		return NULL;
	asker_clear(&hooks->move);
	asker_clear(&hooks->start);
	hooks_call_cancel(hooks->telling);
	while (hooks->count)
		told_remove(hooks);
	free(hooks);
	return NULL;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where the rollouts of the daemon's services meet their hooks. */
#include "user/daemon_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/error.h"
#include "user/log.h"

static struct hooks_message message_of(const struct daemon_service *service, const struct rollout_view *view,
				       const struct policy_decision *decision)
{
	return (struct hooks_message){
		.rollout = view->id,
		.service = service->config->name,
		.canary = view->last_canary ?: "",
		.baseline = view->last_baseline ?: "",
		.state = policy_status_name(view->policy->status),
		.phase = policy_phase_name(view->policy->phase),
		.steps = view->plan->n_steps,
		.decision = decision,
	};
}

static enum consent_verdict ask_hooks(const struct rollout_view *view, const struct policy_decision *move, char gate[64],
				      char why[CONSENT_WHY], void *context)
{
	struct daemon_service *service = context;
	struct hooks_message message = message_of(service, view, move);

	return hooks_ask(service->hooks, &message, gate, why);
}

static void on_decided(const struct rollout_view *view, const struct policy_decision *decision, void *context)
{
	struct daemon_service *service = context;
	struct hooks_message message = message_of(service, view, decision);

	service->decisions[decision->kind]++;
	if (!service->in_tick)
		daemon_record_decided(service, view->id, decision->kind, decision->reason);
	hooks_decided(service->hooks, &message);
	if (decision->kind == POLICY_START)
		daemon_note_mutes(service);
}

static void on_noted(int64_t rollout, const char *sentence, void *context)
{
	daemon_record_decided(context, rollout, POLICY_NOTE, sentence);
}

/* The hook's failure is news of the rollout it was to be told about, if that is still the last one. */
static void on_note(int64_t rollout, const char *sentence, void *context)
{
	struct daemon_service *service = context;
	char *error = NULL;

	log_warning("service %s: %s", service->config->name, sentence);
	if (!service->rollout || rollout_view(service->rollout).id != rollout)
		return;
	if (rollout_note(service->rollout, sentence, daemon_unix_s(), &error))
		log_warning("service %s: this is not in the journal: %s", service->config->name, error ?: "out of memory");
	free(error);
}

int daemon_open_hooks(struct daemon *daemon, struct daemon_service *service, struct rollout_gates *ret)
{
	const struct hooks_environment environment = { daemon->fetch, daemon->commands, on_note, service, daemon->shadow };
	int r = hooks_new(&environment, service->config, &service->hooks);

	if (!r)
		*ret = (struct rollout_gates){ ask_hooks, on_decided, on_noted, service };
	return r;
}

/* ---- starts ---------------------------------------------------------------------------------------------- */

/* Whoever forced it has to be found in the journal; a journal that is full now does not take the start back. */
static void note_force(struct daemon_service *service, double now_s)
{
	char *error = NULL;

	if (service->forcing && *service->warning && rollout_note(service->rollout, service->warning, now_s, &error))
		log_warning("service %s: this is not in the journal: %s", service->config->name, error ?: "out of memory");
	free(error);
}

static int begin(struct daemon_service *service, const char *canary, bool replace, char **ret_error)
{
	double now_s = daemon_unix_s();
	int r = daemon_refuse_reported(service, canary, ret_error) ?: daemon_refuse_unwell(service, canary, ret_error);

	if (!r && replace)
		r = rollout_supersede(service->rollout, canary, now_s, ret_error);
	if (!r)
		r = rollout_start(service->rollout, canary, now_s, ret_error);
	if (!r && *service->warning)
		log_warning("service %s: %s", service->config->name, service->warning);
	if (!r)
		note_force(service, now_s);
	return r;
}

int daemon_check_plan(struct daemon_service *service, bool force, char **ret_error)
{
	struct plan_refusal refusal;
	char why[128];
	int r = rollout_check_plan(service->rollout, &refusal);

	*service->warning = 0;
	service->forcing = r < 0;
	if (r > 0) {
		rollout_print_unknown(service->rollout, why, sizeof(why));
		snprintf(service->warning, sizeof(service->warning), "whether this plan can decide is not known: %s", why);
	}
	if (r < 0 && force)
		snprintf(service->warning, sizeof(service->warning), "started by force: %s (%s)", refusal.what, refusal.mend);
	if (r >= 0 || force)
		return 0;
	return error_set(ret_error, r, "%s (%s; --force starts it all the same)", refusal.what, refusal.mend);
}

/* `error` is the callee's. */
static void end_start(struct daemon_service *service, int r, char *error)
{
	service->starting[0] = '\0';
	log_notice("service %s: %s", service->config->name, r ? error ?: strerror(-r) : rollout_view(service->rollout).reason);
	service->started(service, r, error, service->started_context);
}

static void on_start_answer(bool agree, const char *sentence, void *context)
{
	struct daemon_service *service = context;
	char *error = NULL;
	int r;

	if (agree)
		r = begin(service, service->starting, service->replacing, &error);
	else
		r = error_set(&error, -EBUSY, "the rollout of %s is not started: %s (see to it and start again)",
			      service->starting, sentence);
	end_start(service, r, error);
}

bool daemon_abort_start(struct daemon_service *service)
{
	char *error = NULL;
	int r;

	if (!*service->starting)
		return false;
	hooks_cancel_start(service->hooks);
	r = error_set(&error, -EBUSY, "the rollout of %s is not started: aborted by an operator while hooks were being asked",
		      service->starting);
	end_start(service, r, error);
	return true;
}

static struct hooks_message start_message(const struct daemon_service *service, const char *canary, unsigned steps,
					  const struct policy_decision *decision)
{
	return (struct hooks_message){
		.service = service->config->name,
		.canary = canary,
		.baseline = rollout_view(service->rollout).baseline,
		.state = policy_status_name(POLICY_RUNNING),
		.phase = policy_phase_name(POLICY_WARMUP),
		.steps = steps,
		.decision = decision,
	};
}

int daemon_start_rollout(struct daemon_service *service, const struct daemon_start *start, daemon_started started,
			 void *context, char **ret_error)
{
	struct policy_decision decision;
	struct hooks_message message;
	unsigned steps;
	int r;

	if (*service->starting)
		return error_set(ret_error, -EBUSY, "hooks of service %s are being asked whether %s may start (wait for them, "
				 "or `canaryctl rollout abort %s`)", service->config->name, service->starting,
				 service->config->name);
	r = rollout_propose(service->rollout, start->canary, start->replace, daemon_unix_s(), &decision, &steps, ret_error);
	if (!r)
		r = daemon_refuse_reported(service, start->canary, ret_error) ?:
		    daemon_refuse_unwell(service, start->canary, ret_error);
	if (!r)
		r = daemon_check_plan(service, start->force, ret_error);
	if (r)
		return r;
	message = start_message(service, start->canary, steps, &decision);
	service->started = started;
	service->started_context = context;
	r = hooks_ask_start(service->hooks, &message, on_start_answer, service);
	if (r < 0)
		return error_set(ret_error, r, "the hooks of service %s cannot be asked: %s", service->config->name, strerror(-r));
	if (r > 0)
		return begin(service, start->canary, start->replace, ret_error);
	snprintf(service->starting, sizeof(service->starting), "%s", start->canary);
	service->replacing = start->replace;
	return 1;
}

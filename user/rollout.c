/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "user/rollout.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/error.h"
#include "user/plan.h"
#include "user/rollout_internal.h"
#include "user/text.h"
#include "user/weights.h"

#define CHECKPOINT_S 10.0
#define CLOCK_STEP_S 2.0 /* less is a clock being disciplined, or a slow tick */

static const char *or_null(const char *text)
{
	return *text ? text : NULL;
}

/* ---- kernel ------------------------------------------------------------------------------------------------- */

static uint16_t version_index(const struct rollout *rollout, const char *name)
{
	const struct inventory_version *version = inventory_find_version(rollout->inventory, name);

	return version ? version->index : CANARY_NONE;
}

void rollout_publish(struct rollout *rollout)
{
	struct canary_split_view view = {
		.generation = rollout->generation,
		.baseline = version_index(rollout, rollout->baseline),
		.canary = *rollout->canary ? version_index(rollout, rollout->canary) : CANARY_NONE,
		.canary_threshold = *rollout->canary ? weights_threshold(rollout->policy.weight) : 0,
	};
	const struct canary_split_view *active = weights_active(rollout->environment.split);

	if (rollout->environment.shadow) {
		view.baseline = version_index(rollout, rollout->shadow_baseline);
		view.canary = CANARY_NONE;
		view.canary_threshold = 0;
	}
	if (active->epoch && active->generation == view.generation && active->baseline == view.baseline &&
	    active->canary == view.canary && active->canary_threshold == view.canary_threshold)
		return;
	weights_publish(rollout->environment.split, &view, &rollout->published_ns);
}

void rollout_publish_limits(struct rollout *rollout)
{
	struct canary_split *split = rollout->environment.split;

	split->syn_timeout_ns = rollout->service->syn_timeout_s * 1e9;
	split->response_timeout_ns = rollout->service->response_timeout_s * 1e9;
	split->udp_idle_ns = rollout->service->udp_idle_s * 1e9;
	split->flood_limit = rollout->service->flood_limit;
	breaker_configure(rollout->environment.breaker, &rollout->service->breaker);
}

/* ---- decisions ---------------------------------------------------------------------------------------------- */

static bool ends(enum policy_kind kind)
{
	return kind == POLICY_ROLL_BACK || kind == POLICY_PROMOTE || kind == POLICY_ABORT || kind == POLICY_UNDO ||
	       kind == POLICY_COMPLETE;
}

/* Only the way back may pass a journal that is full: clients would pay for the disk. */
static bool must_happen(enum policy_kind kind)
{
	return kind == POLICY_ROLL_BACK || kind == POLICY_ABORT || kind == POLICY_UNDO;
}

static void end(struct rollout *to, const struct policy_decision *decision, double unix_s)
{
	if (decision->kind == POLICY_PROMOTE)
		memcpy(to->baseline, to->canary, sizeof(to->baseline));
	to->canary[0] = 0;
	to->active = false;
	to->ended = unix_s;
	to->since_end_s = 0;
}

int rollout_commit(struct rollout *rollout, struct rollout *to, const struct policy_decision *decision, double unix_s,
		   char **ret_error)
{
	bool at_once = must_happen(decision->kind);
	int r;

	if (ends(decision->kind))
		end(to, decision, unix_s);
	if (at_once)
		rollout_publish(to); /* the disk may hang */
	r = rollout_write(to, decision, unix_s, at_once ? NULL : ret_error);
	if (r && !at_once)
		return r;
	to->unwritten = r;
	to->last_decision = *decision;
	to->last_decision_s = unix_s;
	*rollout = *to;
	rollout_publish(rollout);
	rollout->since_checkpoint_s = 0;
	rollout->kept = !r;
	rollout_tell(rollout, decision);
	return 0;
}

static void write_late(struct rollout *rollout)
{
	if (rollout->unwritten)
		rollout->unwritten = rollout_write(rollout, &rollout->last_decision, rollout->last_decision_s, NULL);
}

int rollout_propose(const struct rollout *rollout, const char *canary, bool replace, double unix_s,
		    struct policy_decision *ret, unsigned *ret_steps, char **ret_error)
{
	bool busy = rollout->active && (!replace || !strcmp(canary, rollout->canary));
	struct policy_state state;
	struct policy_plan plan;
	int r = busy ? rollout_refuse_busy(rollout, canary, ret_error) :
		       rollout_check_canary(rollout, canary, unix_s, ret_error);

	if (r)
		return r;
	plan_from_config(&rollout->service->rollout, &rollout->config->judge, &plan);
	r = policy_start(&plan, &state, ret);
	if (r)
		return error_set(ret_error, r, "the steps of service %s are no plan", rollout->service->name);
	*ret_steps = plan.n_steps;
	return 0;
}

int rollout_start(struct rollout *rollout, const char *canary, double unix_s, char **ret_error)
{
	struct rollout to = *rollout;
	struct policy_decision decision;
	int r = rollout->active ? rollout_refuse_busy(rollout, canary, ret_error) :
				  rollout_check_canary(rollout, canary, unix_s, ret_error);

	if (r)
		return r;
	write_late(rollout);
	to.unwritten = rollout->unwritten;
	if (to.unwritten)
		return rollout_journal_failed(rollout, to.unwritten, ret_error);
	plan_from_config(&rollout->service->rollout, &rollout->config->judge, &to.plan);
	r = policy_start(&to.plan, &to.policy, &decision);
	if (r)
		return error_set(ret_error, r, "%s", to.policy.reason);
	snprintf(to.canary, sizeof(to.canary), "%s", canary);
	memcpy(to.last_canary, to.canary, sizeof(to.last_canary));
	memcpy(to.last_baseline, to.baseline, sizeof(to.last_baseline));
	to.generation++;
	to.active = true;
	to.started = unix_s;
	to.ended = 0;
	memset(&to.finding, 0, sizeof(to.finding));
	judge_rollout_begin(rollout->judge);
	return rollout_commit(rollout, &to, &decision, unix_s, ret_error);
}

/* What an operator has to resolve first: the next tick would undo it. */
static bool is_against_alert(const struct rollout *rollout, enum rollout_verb verb)
{
	if (rollout->alert == FINDING_SAYS_NOTHING)
		return false;
	return verb == ROLLOUT_PROMOTE || (verb == ROLLOUT_RESUME && rollout->policy.held == POLICY_HELD_ALERT);
}

int rollout_operate(struct rollout *rollout, enum rollout_verb verb, double unix_s, char **ret_error)
{
	static int (*const verbs[])(const struct policy_plan *, struct policy_state *, struct policy_decision *) = {
		[ROLLOUT_PAUSE] = policy_pause,
		[ROLLOUT_RESUME] = policy_resume,
		[ROLLOUT_PROMOTE] = policy_promote,
		[ROLLOUT_ABORT] = policy_abort,
	};
	static const char *const words[] = { "paused", "resumed", "promoted", "aborted" };
	struct rollout to = *rollout;
	struct policy_decision decision;

	if (!rollout->active)
		return error_set(ret_error, -EINVAL, "service %s has no rollout under way (`canaryctl rollout start %s`)",
				 rollout->service->name, rollout->service->name);
	if (verb == ROLLOUT_PROMOTE && rollout_blackout(rollout, unix_s))
		return rollout_refuse_blackout(rollout, unix_s, ret_error);
	if (verb == ROLLOUT_PROMOTE && rollout->backends != FINDING_SAYS_NOTHING)
		return error_set(ret_error, -EBUSY, "%s is not to be promoted: %s", rollout->canary, rollout->backends_why);
	if (is_against_alert(rollout, verb))
		return error_set(ret_error, -EBUSY, "%s is not to be %s: %s (`canaryctl alert resolve %s` when that is over)",
				 rollout->canary, words[verb], rollout->alert_why, rollout->service->name);
	if (verbs[verb](&to.plan, &to.policy, &decision))
		return error_set(ret_error, -EINVAL, "a rollout that is %s cannot be %s",
				 policy_status_name(rollout->policy.status), words[verb]);
	return rollout_commit(rollout, &to, &decision, unix_s, ret_error);
}

/* By how much the time of day went further than the time that passed, awake or asleep; 0: it did not. */
static double clock_step_s(struct rollout *rollout, const struct sample *sample, double unix_s)
{
	double step_s = unix_s - rollout->last_unix_s - sample->elapsed_ns / 1e9 - sample->asleep_ns / 1e9;
	bool known = rollout->last_unix_s > 0 && sample->elapsed_ns;

	rollout->last_unix_s = unix_s;
	return known && fabs(step_s) >= CLOCK_STEP_S ? step_s : 0;
}

/* What time has to say: whether the clock was set, the host asleep, and whether this lies in a blackout. */
static void look_at_clock(struct rollout *rollout, const struct sample *sample, double step_s, double unix_s)
{
	const struct config_blackout *blackout = rollout_blackout(rollout, unix_s);
	struct finding *finding = &rollout->finding;
	double asleep_s = sample->asleep_ns / 1e9;

	finding->clock_step_s = step_s;
	finding->asleep_s = asleep_s >= CLOCK_STEP_S ? asleep_s : 0;
	finding->blackout = blackout;
	if (blackout)
		snprintf(finding->blackout_until, sizeof(finding->blackout_until), "%s", blackout->to);
}

/* The kernel has decided, and acted: what is left is to say so, and to end the rollout as its plan has it. */
static void look_at_breaker(struct rollout *rollout)
{
	struct finding *finding = &rollout->finding;
	struct breaker_trip trip;

	finding->tripped = breaker_tripped(rollout->environment.breaker, rollout->generation, &trip);
	if (!finding->tripped)
		return;
	breaker_print(&trip, finding->tripped_why, sizeof(finding->tripped_why));
	finding->tripped_attempts = trip.attempts;
	finding->tripped_failed = trip.failures;
}

static void look_at_others(struct rollout *rollout)
{
	struct finding *finding = &rollout->finding;

	finding->alert = rollout->alert;
	memcpy(finding->alert_why, rollout->alert_why, sizeof(finding->alert_why));
	finding->backends = rollout->backends;
	memcpy(finding->backends_why, rollout->backends_why, sizeof(finding->backends_why));
}

int rollout_tick(struct rollout *rollout, const struct sample *sample, double unix_s, char **ret_error)
{
	struct rollout to;
	struct policy_decision decision;
	double step_s = clock_step_s(rollout, sample, unix_s);
	int r;

	write_late(rollout);
	rollout_watch_traffic(rollout, sample);
	if (!rollout->active) {
		rollout->since_end_s += sample->elapsed_ns / 1e9;
		judge_history(rollout->judge, sample);
		return 0;
	}
	rollout->kept = false;
	judge_tick(rollout->judge, sample, &rollout->finding);
	look_at_clock(rollout, sample, step_s, unix_s);
	look_at_others(rollout);
	look_at_breaker(rollout);
	rollout_decide(rollout, &to, sample->elapsed_ns / 1e9, &decision);
	if (decision.kind == POLICY_NONE) {
		rollout->policy = to.policy;
		rollout->since_checkpoint_s += sample->elapsed_ns / 1e9;
		if (rollout->since_checkpoint_s >= CHECKPOINT_S)
			rollout_checkpoint(rollout);
		return 0;
	}
	r = rollout_commit(rollout, &to, &decision, unix_s, ret_error);
	return r ? r : 1;
}

/* ---- closing, and what others set and see ------------------------------------------------------------------ */

struct rollout *rollout_close(struct rollout *rollout)
{
	if (!rollout)
		return NULL;
	if (rollout->active)
		rollout_checkpoint(rollout);
	write_late(rollout);
	judge_free(rollout->judge);
	free(rollout->judge_state);
	free(rollout->judge_before);
	free(rollout);
	return NULL;
}

void rollout_set_inventory(struct rollout *rollout, const struct config *config, const struct config_service *service,
			   const struct inventory_service *inventory)
{
	rollout->config = config;
	rollout->service = service;
	rollout->inventory = inventory;
	rollout_publish_limits(rollout);
	rollout_publish(rollout);
}

void rollout_set_alert(struct rollout *rollout, enum finding_say says, const char *why)
{
	rollout->alert = says;
	text_print(rollout->alert_why, sizeof(rollout->alert_why), "%s", why);
}

void rollout_set_backends(struct rollout *rollout, enum finding_say says, const char *why)
{
	rollout->backends = says;
	text_print(rollout->backends_why, sizeof(rollout->backends_why), "%s", why);
}

bool rollout_is_active(const struct rollout *rollout)
{
	return rollout->active;
}

struct rollout_view rollout_view(const struct rollout *rollout)
{
	const struct canary_split_view *applied = weights_active(rollout->environment.split);
	struct breaker_trip trip = {};
	bool tripped = breaker_tripped(rollout->environment.breaker, rollout->generation, &trip);

	return (struct rollout_view){
		.id = rollout->id,
		.baseline = rollout->baseline,
		.canary = or_null(rollout->canary),
		.last_canary = or_null(rollout->last_canary),
		.last_baseline = or_null(rollout->last_baseline),
		.weight_wanted = rollout->active ? rollout->policy.weight : 0,
		.weight_applied = applied->canary == CANARY_NONE ? 0 : weights_share(applied->canary_threshold),
		.epoch = applied->epoch,
		.generation = rollout->generation,
		.started = rollout->started,
		.ended = rollout->ended,
		.plan = &rollout->plan,
		.policy = &rollout->policy,
		.finding = &rollout->finding,
		.reason = rollout->policy.reason,
		.tripped = tripped,
		.trip = trip,
		.kept = rollout->kept,
		.forgot = rollout->forgot,
		.unwritten = rollout->unwritten,
	};
}

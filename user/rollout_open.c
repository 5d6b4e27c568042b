/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Takes a rollout up where the daemon before left it: what the journal says, held against what the kernel does. */
#include "user/rollout.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/error.h"
#include "user/log.h"
#include "user/plan.h"
#include "user/rollout_internal.h"
#include "user/rollout_json.h"
#include "user/weights.h"

/* The version that the kernel sends flows to; NULL where that is none of the present ones, or nothing was ever published. */
static const char *kernels_baseline(const struct rollout *rollout)
{
	const struct canary_split_view *active = weights_active(rollout->environment.split);

	for (size_t v = 0; active->epoch && v < rollout->inventory->n_versions; v++)
		if (rollout->inventory->versions[v].index == active->baseline)
			return rollout->inventory->versions[v].name;
	return NULL;
}

/*
 * A promotion outlives the file that began it: the baseline is the journal's, where that version still exists. It outlives
 * the journal, too: the kernel, where there have been releases, has served it until now.
 */
static void choose_baseline(struct rollout *rollout, const struct journal_service *row)
{
	const char *baseline = row ? row->baseline : rollout->generation ? kernels_baseline(rollout) : NULL;

	if (!baseline || !inventory_find_version(rollout->inventory, baseline))
		baseline = rollout->service->baseline;
	snprintf(rollout->baseline, sizeof(rollout->baseline), "%s", baseline);
	if (!row && strcmp(baseline, rollout->service->baseline))
		log_warning("service %s: the journal has nothing of its releases: %s, which has its flows, stays the baseline, "
			    "and not %s of the configuration (`canaryctl rollout start` releases another)",
			    rollout->service->name, baseline, rollout->service->baseline);
}

/* Baseline and generation; `ret_written` is the journal's generation, or the kernel's where it has none. */
static int load_service(struct rollout *rollout, uint32_t *ret_written, char **ret_error)
{
	struct journal_service *row = NULL;
	int r = journal_service_load(rollout->environment.journal, rollout->service->name, &row);

	*ret_written = rollout->generation = weights_active(rollout->environment.split)->generation;
	if (r && r != -ENOENT)
		return rollout_journal_failed(rollout, r, ret_error);
	choose_baseline(rollout, row);
	if (!row)
		return 0;
	*ret_written = row->generation;
	if (row->generation > rollout->generation)
		rollout->generation = row->generation;
	journal_service_free(row);
	return 0;
}

static void take_row(struct rollout *rollout, const struct journal_rollout *row)
{
	rollout->id = row->id;
	rollout->started = row->started;
	rollout->ended = row->ended;
	snprintf(rollout->last_canary, sizeof(rollout->last_canary), "%s", row->canary);
	snprintf(rollout->last_baseline, sizeof(rollout->last_baseline), "%s", row->baseline);
}

/* Did the daemon before take the canary back, and could not write it down? The kernel then knows more than the journal. */
static bool was_taken_back(const struct rollout *rollout)
{
	const struct canary_split_view *active = weights_active(rollout->environment.split);

	if (rollout->environment.shadow)
		return false; /* there is none in the kernel ever */
	return active->epoch && active->generation == rollout->generation && active->canary == CANARY_NONE;
}

/* The file says so, and the version it was held against is gone: held against itself, it would pass. */
static void end_as_baseline(struct rollout *to, struct policy_decision *ret)
{
	policy_abort(&to->plan, &to->policy, ret);
	snprintf(ret->reason, sizeof(ret->reason), "by the configuration %s is the baseline now: there is nothing to hold it against",
		 to->baseline);
	memcpy(to->policy.reason, ret->reason, sizeof(to->policy.reason));
}

/* Goes on where the journal has it; held where the host was restarted, or its state cannot be read. */
static int resume(struct rollout *rollout, const struct journal_rollout *row, double unix_s, char **ret_error)
{
	struct policy_decision decision = { .kind = POLICY_NONE };
	struct rollout to = *rollout;
	bool readable = row->plan && row->policy && !rollout_json_plan_parse(row->plan, &to.plan) &&
			!rollout_json_policy_parse(row->policy, &to.policy);

	to.active = true;
	snprintf(to.canary, sizeof(to.canary), "%s", row->canary);
	if (!readable) {
		plan_from_config(&rollout->service->rollout, &rollout->config->judge, &to.plan);
		policy_start(&to.plan, &to.policy, &decision);
		policy_roll_back(&to.plan, &to.policy, "the journal's state of this rollout cannot be read", &decision);
	} else if (was_taken_back(rollout)) {
		policy_roll_back(&to.plan, &to.policy, "the daemon before took this canary back, and could not write down why",
				 &decision);
	} else if (!strcmp(to.canary, to.baseline)) {
		end_as_baseline(&to, &decision);
	} else if (!inventory_find_version(to.inventory, to.canary)) {
		policy_roll_back(&to.plan, &to.policy, "the canary is no longer in the configuration", &decision);
	} else if (!row->judge || judge_restore(to.judge, row->judge, row->judge_size)) {
		to.forgot = true;
		judge_rollout_begin(to.judge);
		policy_hold(&to.plan, &to.policy, "the evidence before the daemon's upgrade cannot be read: resume, and it is "
			    "gathered anew", &decision);
	} else if (strcmp(row->boot_id ?: "", to.environment.boot_id)) {
		policy_hold(&to.plan, &to.policy, "the host was restarted: resume when it is well", &decision);
	}
	if (decision.kind == POLICY_NONE) {
		*rollout = to;
		return 0;
	}
	return rollout_commit(rollout, &to, &decision, unix_s, ret_error);
}

/* What the kernel has, where it has one: a shadow's own promotion is none. */
static void keep_baseline(struct rollout *rollout)
{
	snprintf(rollout->shadow_baseline, sizeof(rollout->shadow_baseline), "%s", kernels_baseline(rollout) ?: rollout->baseline);
}

static int load_rollout(struct rollout *rollout, uint32_t written, double unix_s, char **ret_error)
{
	struct journal_rollouts rows = {};
	int r = journal_rollouts_list(rollout->environment.journal, rollout->service->name, 1, &rows);

	if (r)
		return rollout_journal_failed(rollout, r, ret_error);
	if (rows.count) {
		take_row(rollout, &rows.items[0]);
		if (rows.items[0].plan)
			rollout_json_plan_parse(rows.items[0].plan, &rollout->plan);
		if (rows.items[0].policy)
			rollout_json_policy_parse(rows.items[0].policy, &rollout->policy);
		r = rows.items[0].ended ? rollout_finish_undo(rollout, written, unix_s, ret_error) :
					  resume(rollout, &rows.items[0], unix_s, ret_error);
	}
	journal_rollouts_clear(&rows);
	return r;
}

int rollout_open(const struct rollout_environment *environment, const struct config *config,
		 const struct config_service *service, const struct inventory_service *inventory, double unix_s,
		 struct rollout **ret, char **ret_error)
{
	struct rollout *rollout = calloc(1, sizeof(*rollout));
	struct judge_config judge;
	uint32_t written;
	int r;

	if (!rollout)
		return error_set(ret_error, -ENOMEM, "out of memory");
	rollout->environment = *environment;
	rollout->config = config;
	rollout->service = service;
	rollout->inventory = inventory;
	judge = config_judge(config, service);
	rollout->judge = judge_new(&judge);
	rollout->judge_state = malloc(judge_state_size());
	rollout->judge_before = malloc(judge_state_size());
	r = rollout->judge && rollout->judge_state && rollout->judge_before ? 0 : error_set(ret_error, -ENOMEM, "out of memory");
	if (!r)
		r = load_service(rollout, &written, ret_error);
	if (!r)
		keep_baseline(rollout);
	if (!r)
		r = load_rollout(rollout, written, unix_s, ret_error);
	if (r) {
		rollout->active = false;
		rollout_close(rollout);
		return r;
	}
	rollout_publish_limits(rollout);
	rollout_publish(rollout);
	*ret = rollout;
	return 0;
}

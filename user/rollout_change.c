/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From one version to another: what a release is refused for, replacing a canary, undoing a promotion. */
#include "user/rollout_internal.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "user/error.h"
#include "user/weights.h"

/* ---- what a release is refused for -------------------------------------------------------------------------- */

const struct config_blackout *rollout_blackout(const struct rollout *rollout, double unix_s)
{
	time_t now = (time_t)floor(unix_s);
	struct tm local;

	return localtime_r(&now, &local) ? config_blackout_active(rollout->config, rollout->service, &local) : NULL;
}

int rollout_refuse_blackout(const struct rollout *rollout, double unix_s, char **ret_error)
{
	const struct config_blackout *blackout = rollout_blackout(rollout, unix_s);

	return error_set(ret_error, -EBUSY, "a blackout window of service %s is open until %s: nothing moves up (wait for "
			 "its end, or change `blackouts`)", rollout->service->name, blackout ? blackout->to : "now");
}

int rollout_refuse_busy(const struct rollout *rollout, const char *canary, char **ret_error)
{
	const char *name = rollout->service->name;

	if (!strcmp(canary, rollout->canary))
		return error_set(ret_error, -EBUSY, "service %s has a rollout of %s under way (`canaryctl rollout wait %s` "
				 "follows it, `canaryctl rollout abort %s` ends it)", name, canary, name, name);
	return error_set(ret_error, -EBUSY, "service %s has a rollout of %s under way (`canaryctl rollout start %s --canary "
			 "%s --replace` ends it; or `canaryctl rollout abort %s` or `promote` first)", name,
			 rollout->canary, name, canary, name);
}

int rollout_check_canary(const struct rollout *rollout, const char *canary, double unix_s, char **ret_error)
{
	const struct inventory_version *version = inventory_find_version(rollout->inventory, canary);

	if (!version)
		return error_set(ret_error, -ENOENT, "service %s has no version %s (add it with --backend ADDR:PORT, or to "
				 "`versions` in the configuration)", rollout->service->name, canary);
	if (!strcmp(canary, rollout->baseline))
		return error_set(ret_error, -EINVAL, "%s is the baseline of service %s already", canary,
				 rollout->service->name);
	if (!version->n_backends)
		return error_set(ret_error, -EINVAL, "version %s of service %s has no backends", canary,
				 rollout->service->name);
	return rollout_blackout(rollout, unix_s) ? rollout_refuse_blackout(rollout, unix_s, ret_error) : 0;
}

/* ---- in the place of another -------------------------------------------------------------------------------- */

int rollout_supersede(struct rollout *rollout, const char *canary, double unix_s, char **ret_error)
{
	struct rollout to = *rollout;
	struct policy_decision decision;
	int r;

	if (!rollout->active)
		return 0;
	if (!strcmp(canary, rollout->canary))
		return rollout_refuse_busy(rollout, canary, ret_error);
	r = rollout_check_canary(rollout, canary, unix_s, ret_error);
	if (r)
		return r;
	r = rollout_checkpoint(rollout); /* an abort would happen all the same, and the start would not */
	if (r)
		return rollout_journal_failed(rollout, r, ret_error);
	policy_supersede(&to.plan, &to.policy, canary, &decision);
	return rollout_commit(rollout, &to, &decision, unix_s, ret_error);
}

/* ---- undo --------------------------------------------------------------------------------------------------- */

static int refuse_undo(const struct rollout *rollout, int error, double since_s, char **ret_error)
{
	const char *name = rollout->service->name, *before = rollout->last_baseline;
	char since[32], window[32];

	if (!rollout->id)
		return error_set(ret_error, -EINVAL, "service %s has had no rollout: there is nothing to undo", name);
	if (error != -ETIME)
		return error_set(ret_error, -EINVAL, "the last rollout of service %s is %s, not promoted: there is nothing to "
				 "undo", name, policy_status_name(rollout->policy.status));
	finding_print_duration(since, sizeof(since), since_s);
	finding_print_duration(window, sizeof(window), rollout->plan.undo_window_s);
	return error_set(ret_error, -EINVAL, "%s was promoted %s ago, and undo_window_s is %s (`canaryctl rollout start %s "
			 "--canary %s` releases the version before step by step)", rollout->last_canary, since, window, name,
			 before);
}

static int check_undo(const struct rollout *rollout, char **ret_error)
{
	const struct inventory_version *before = inventory_find_version(rollout->inventory, rollout->last_baseline);
	const char *name = rollout->service->name;

	if (rollout->active)
		return error_set(ret_error, -EBUSY, "service %s has a rollout of %s under way, after the promotion (`canaryctl "
				 "rollout abort %s` takes that one back)", name, rollout->canary, name);
	if (rollout->policy.status == POLICY_PROMOTED && (!before || !before->n_backends))
		return error_set(ret_error, -ENOENT, "version %s of service %s is not in the configuration any more: no "
				 "backends to go back to (add it to `versions`, start canaryd again, and undo then)",
				 rollout->last_baseline, name);
	return 0;
}

int rollout_undo(struct rollout *rollout, double unix_s, char **ret_error)
{
	double since_s = fmax(unix_s - rollout->ended, rollout->since_end_s);
	struct rollout to = *rollout;
	struct policy_decision decision;
	int r = check_undo(rollout, ret_error);

	if (r)
		return r;
	r = policy_undo(&to.plan, &to.policy, since_s, &decision);
	if (r)
		return refuse_undo(rollout, r, since_s, ret_error);
	memcpy(to.baseline, to.last_baseline, sizeof(to.baseline));
	to.generation++;
	return rollout_commit(rollout, &to, &decision, unix_s, ret_error);
}

static bool was_undone(const struct rollout *rollout, uint32_t written)
{
	const struct inventory_version *before = inventory_find_version(rollout->inventory, rollout->last_baseline);
	const struct canary_split_view *active = weights_active(rollout->environment.split);

	if (rollout->environment.shadow || !before || rollout->policy.status != POLICY_PROMOTED)
		return false;
	return active->epoch && active->generation > written && active->baseline == before->index;
}

int rollout_finish_undo(struct rollout *rollout, uint32_t written, double unix_s, char **ret_error)
{
	struct rollout to = *rollout;
	struct policy_decision decision;

	if (!was_undone(rollout, written) || policy_undo(&to.plan, &to.policy, 0, &decision))
		return 0;
	snprintf(decision.reason, sizeof(decision.reason),
		 "an operator undid this promotion, and the daemon before could not write it down");
	memcpy(to.policy.reason, decision.reason, sizeof(to.policy.reason));
	memcpy(to.baseline, to.last_baseline, sizeof(to.baseline));
	return rollout_commit(rollout, &to, &decision, unix_s, ret_error);
}

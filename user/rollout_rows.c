/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A rollout as rows of the journal. */
#include "user/rollout_internal.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/error.h"
#include "user/rollout_json.h"
#include "user/weights.h"

struct rows {
	struct journal_service service;
	struct journal_rollout rollout;
	struct journal_decision decision;
	char *plan;
	char *policy;
	char *counts;
	char *would; /* in shadow mode: the reason */
};

static char *print_json(json_t *json)
{
	char *text = json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(17));

	json_decref(json);
	return text;
}

static uint32_t ppm(double share)
{
	return lround(share * 1e6);
}

static const char *or_null(const char *text)
{
	return *text ? text : NULL;
}

static void rows_deinit(struct rows *rows)
{
	free(rows->plan);
	free(rows->policy);
	free(rows->counts);
	free(rows->would);
}

/* `to` is the rollout as it will be once the decision has been written. */
static int rows_init(struct rows *rows, const struct rollout *to, const struct policy_decision *decision, double unix_s)
{
	*rows = (struct rows){
		.plan = print_json(rollout_json_plan(&to->plan)),
		.policy = print_json(rollout_json_policy(&to->policy)),
		.counts = decision ? print_json(rollout_json_counts(&decision->counts)) : NULL,
	};
	if (!rows->plan || !rows->policy || (decision && !rows->counts))
		return -ENOMEM;
	if (decision && to->environment.shadow && asprintf(&rows->would, "would: %s", decision->reason) < 0) {
		rows->would = NULL;
		return -ENOMEM;
	}
	judge_save(to->judge, to->judge_state);
	rows->service = (struct journal_service){
		.name = to->service->name, .baseline = to->baseline, .canary = or_null(to->canary),
		.generation = to->generation, .epoch = weights_active(to->environment.split)->epoch,
		.weight_ppm = ppm(to->policy.weight),
	};
	rows->rollout = (struct journal_rollout){
		.id = to->id, .service = to->service->name, .canary = to->last_canary, .baseline = to->last_baseline,
		.state = policy_status_name(to->policy.status), .phase = policy_phase_name(to->policy.phase),
		.step = to->policy.step, .weight_ppm = ppm(to->policy.weight), .plan = rows->plan,
		.policy = rows->policy, .judge = to->judge_state, .judge_size = judge_state_size(),
		.boot_id = to->environment.boot_id, .started = to->started, .ended = to->ended,
		.reason = to->policy.reason,
	};
	if (decision)
		rows->decision = (struct journal_decision){
			.rollout = to->id, .t = unix_s, .decision = policy_kind_name(decision->kind),
			.state = rows->rollout.state, .step = decision->step,
			.weight_from_ppm = ppm(decision->weight_from), .weight_to_ppm = ppm(decision->weight_to),
			.sli = or_null(decision->sli), .value = decision->value, .bound = decision->bound,
			.unit = policy_unit_name(decision->unit),
			.counts = rows->counts, .reason = rows->would ?: decision->reason,
		};
	return 0;
}

int rollout_journal_failed(const struct rollout *rollout, int r, char **ret_error)
{
	const char *why = journal_error(rollout->environment.journal);

	return error_set(ret_error, r, "%s", *why ? why : strerror(-r));
}

static int write(struct rollout *to, const struct policy_decision *decision, double unix_s, char **ret_error)
{
	struct journal *journal = to->environment.journal;
	struct rows rows;
	int r = rows_init(&rows, to, decision, unix_s);

	if (r) {
		rows_deinit(&rows);
		return error_set(ret_error, r, "%s", strerror(-r));
	}
	if (decision->kind == POLICY_START)
		r = journal_rollout_create(journal, &rows.rollout, &rows.service, &rows.decision, &to->id);
	else if (decision->kind == POLICY_UNDO)
		r = journal_rollout_undo(journal, &rows.rollout, &rows.service, &rows.decision);
	else
		r = journal_rollout_update(journal, &rows.rollout, &rows.service, &rows.decision);
	rows_deinit(&rows);
	return r ? rollout_journal_failed(to, r, ret_error) : 0;
}

int rollout_write(struct rollout *to, const struct policy_decision *decision, double unix_s, char **ret_error)
{
	bool step = decision->kind == POLICY_START || decision->kind == POLICY_ADVANCE;
	int r;

	if (step) {
		judge_save(to->judge, to->judge_before);
		judge_step_begin(to->judge, 0); /* else a restart would let the evidence for the step before pass this one */
	}
	r = write(to, decision, unix_s, ret_error);
	if (r && step)
		judge_restore(to->judge, to->judge_before, judge_state_size());
	return r;
}

int rollout_checkpoint(struct rollout *rollout)
{
	struct rows rows;
	int r = rows_init(&rows, rollout, NULL, 0);

	if (!r)
		r = journal_rollout_update(rollout->environment.journal, &rows.rollout, NULL, NULL);
	rollout->kept = !r;
	rows_deinit(&rows);
	rollout->since_checkpoint_s = 0;
	return r;
}

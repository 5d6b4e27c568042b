/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The life of a rollout with a real journal and a split in memory: what is decided is in the journal first, and the next
 * daemon goes on from there.
 */
#include "user/rollout.h"

#include <errno.h>

#include "tests/unit/rollout_fixture.h"

/* ---- a good canary ------------------------------------------------------------------------------------------ */

static void without_a_rollout_the_baseline_serves(void **state)
{
	struct world *w = *state;

	assert_baseline_alone(w, V1);
	assert_int_equal(kernel(w)->epoch, 1);
	assert_false(rollout_is_active(w->rollout));
	assert_int_equal(rollout_view(w->rollout).id, 0);
	assert_int_equal(second(w, 0), 0);
	assert_true(w->split.syn_timeout_ns == 3000000000 && w->split.response_timeout_ns == 30000000000);
}

static void starts_advances_and_is_promoted(void **state)
{
	struct world *w = *state;

	start(w);
	assert_int_equal(kernel(w)->canary, V2);
	assert_int_equal(kernel(w)->generation, 1);
	assert_int_equal(kernel(w)->canary_threshold, 429496730);
	assert_last_decision(w, "start");
	assert_int_equal(until_decided(w, 0), 1);
	assert_true(kernel(w)->canary_threshold == 1ULL << 32);
	assert_last_decision(w, "advance");
	assert_int_equal(until_decided(w, 0), 1); /* into the bake */
	assert_int_equal(until_decided(w, 0), 1);
	assert_last_decision(w, "promote");
	assert_baseline_alone(w, V2);
	assert_int_equal(kernel(w)->generation, 1);
	assert_false(rollout_is_active(w->rollout));
	assert_string_equal(rollout_view(w->rollout).baseline, "v2");
	assert_string_equal(rollout_view(w->rollout).last_baseline, "v1");
	restart(w, BOOT);
	assert_string_equal(rollout_view(w->rollout).baseline, "v2");
	assert_baseline_alone(w, V2);
}

/* All of it is decided, and the kernel keeps the baseline it has, also when the daemon takes another configuration. */
static void in_shadow_mode_nothing_is_steered(void **state)
{
	struct world *w = *state;
	struct journal_decisions list = {};

	w->shadow = true;
	restart(w, BOOT);
	start(w);
	assert_baseline_alone(w, V1);
	restart(w, BOOT);
	assert_true(rollout_is_active(w->rollout));
	for (int i = 0; i < 3; i++) {
		assert_int_equal(until_decided(w, 0), 1);
		assert_baseline_alone(w, V1);
	}
	assert_string_equal(rollout_view(w->rollout).baseline, "v2");
	restart(w, BOOT);
	assert_baseline_alone(w, V1);
	assert_int_equal(journal_decisions_load(w->disk->journal, 1, 100, &list), 0);
	for (size_t i = 0; i < list.count; i++)
		assert_memory_equal(list.items[i].reason, "would: ", 7);
	journal_decisions_clear(&list);
}

static void a_bad_one_is_taken_back(void **state)
{
	struct world *w = *state;

	start(w);
	assert_int_equal(until_decided(w, 500), 1);
	assert_int_equal(status(w), POLICY_ROLLED_BACK);
	assert_last_decision(w, "roll_back");
	assert_baseline_alone(w, V1);
	assert_true(rollout_view(w->rollout).ended == w->now);
	start(w);
	assert_int_equal(rollout_view(w->rollout).id, 2);
	assert_int_equal(kernel(w)->generation, 2);
}

static void what_cannot_be_started(void **state)
{
	struct world *w = *state;
	static const struct {
		const char *canary;
		int error;
	} wrong[] = { { "v9", -ENOENT }, { "v1", -EINVAL }, { "v3", -EINVAL } };

	for (size_t i = 0; i < 3; i++) {
		char *error = NULL;

		assert_int_equal(rollout_start(w->rollout, wrong[i].canary, w->now, &error), wrong[i].error);
		assert_non_null(strstr(error, wrong[i].canary));
		free(error);
	}
	start(w);
	assert_int_equal(rollout_start(w->rollout, "v2", w->now, NULL), -EBUSY);
	assert_int_equal(kernel(w)->generation, 1);
}

static void the_operator_is_heard(void **state)
{
	struct world *w = *state;

	assert_int_equal(rollout_operate(w->rollout, ROLLOUT_PAUSE, w->now, NULL), -EINVAL);
	start(w);
	assert_int_equal(rollout_operate(w->rollout, ROLLOUT_RESUME, w->now, NULL), -EINVAL);
	assert_int_equal(rollout_operate(w->rollout, ROLLOUT_PAUSE, w->now, NULL), 0);
	assert_int_equal(until_decided(w, 0), 0);
	restart(w, BOOT);
	assert_int_equal(status(w), POLICY_PAUSED);
	assert_int_equal(kernel(w)->canary, V2);
	assert_int_equal(rollout_operate(w->rollout, ROLLOUT_RESUME, w->now, NULL), 0);
	assert_int_equal(rollout_operate(w->rollout, ROLLOUT_PROMOTE, w->now, NULL), 0);
	assert_baseline_alone(w, V2);
}

/* ---- a disk that refuses ------------------------------------------------------------------------------------- */

static void a_journal_that_refuses_moves_nothing_up(void **state)
{
	struct world *w = *state;
	uint32_t epoch;

	refuse_writes(w, true);
	assert_int_equal(rollout_start(w->rollout, "v2", w->now, NULL), -EROFS);
	assert_false(rollout_is_active(w->rollout));
	assert_baseline_alone(w, V1);
	refuse_writes(w, false);
	start(w);
	refuse_writes(w, true);
	epoch = kernel(w)->epoch;
	assert_int_equal(until_decided(w, 0), -EROFS);
	assert_int_equal(second(w, 0), -EROFS);
	assert_int_equal(kernel(w)->epoch, epoch);
	assert_int_equal(rollout_operate(w->rollout, ROLLOUT_PROMOTE, w->now, NULL), -EROFS);
	assert_int_equal(kernel(w)->epoch, epoch);
	refuse_writes(w, false);
	assert_int_equal(second(w, 0), 1);
	assert_last_decision(w, "advance");
}

static void but_keeps_no_canary_from_being_taken_back(void **state)
{
	struct world *w = *state;

	start(w);
	refuse_writes(w, true);
	assert_int_equal(until_decided(w, 500), 1);
	assert_baseline_alone(w, V1);
	assert_int_equal(rollout_view(w->rollout).unwritten, -EROFS);
	assert_last_decision(w, "start");
	second(w, 0);
	assert_int_equal(rollout_view(w->rollout).unwritten, -EROFS);
	refuse_writes(w, false);
	second(w, 0);
	assert_int_equal(rollout_view(w->rollout).unwritten, 0);
	assert_last_decision(w, "roll_back");
	restart(w, BOOT);
	assert_int_equal(status(w), POLICY_ROLLED_BACK);
}

static void nor_from_being_aborted(void **state)
{
	struct world *w = *state;

	start(w);
	refuse_writes(w, true);
	assert_int_equal(rollout_operate(w->rollout, ROLLOUT_ABORT, w->now, NULL), 0);
	assert_baseline_alone(w, V1);
	refuse_writes(w, false);
	w->rollout = rollout_close(w->rollout); /* writes what is unwritten */
	assert_last_decision(w, "abort");
	open_rollout_at(w, BOOT);
}

/* The journal still says "running"; the kernel knows better. */
static void what_was_taken_back_unwritten_stays_so(void **state)
{
	struct world *w = *state;
	struct canary_split split;

	start(w);
	refuse_writes(w, true);
	assert_int_equal(until_decided(w, 500), 1);
	split = w->split;
	w->rollout = rollout_close(w->rollout); /* the disk is still full */
	reopen(w->disk);
	w->split = split;
	open_rollout_at(w, BOOT);
	assert_int_equal(status(w), POLICY_ROLLED_BACK);
	assert_baseline_alone(w, V1);
	assert_last_decision(w, "roll_back");
}

/* ---- the next daemon ---------------------------------------------------------------------------------------- */

static void goes_on_after_a_restart(void **state)
{
	struct world *w = *state;
	uint64_t threshold;

	start(w);
	assert_int_equal(until_decided(w, 0), 1);
	threshold = kernel(w)->canary_threshold;
	restart(w, BOOT);
	assert_int_equal(status(w), POLICY_RUNNING);
	assert_int_equal(rollout_view(w->rollout).id, 1);
	assert_int_equal(rollout_view(w->rollout).policy->step, 1);
	assert_int_equal(kernel(w)->canary_threshold, threshold);
	assert_int_equal(until_decided(w, 0), 1);
}

/* A crash between the journal and the kernel: what is written is made so. */
static void a_start_that_was_only_written_takes_effect(void **state)
{
	struct world *w = *state;
	struct canary_split before = w->split;

	start(w);
	w->split = before;
	restart(w, BOOT);
	assert_int_equal(status(w), POLICY_RUNNING);
	assert_int_equal(kernel(w)->canary, V2);
	assert_int_equal(kernel(w)->generation, 1);
}

static void is_held_after_a_reboot(void **state)
{
	struct world *w = *state;

	start(w);
	memset(&w->split, 0, sizeof(w->split)); /* the maps are gone */
	restart(w, "boot-2");
	assert_int_equal(status(w), POLICY_HELD);
	assert_non_null(strstr(rollout_view(w->rollout).reason, "restarted"));
	assert_int_equal(kernel(w)->canary, V2);
	assert_last_decision(w, "hold");
	assert_int_equal(until_decided(w, 0), 0);
	assert_int_equal(rollout_operate(w->rollout, ROLLOUT_RESUME, w->now, NULL), 0);
	restart(w, "boot-2");
	assert_int_equal(status(w), POLICY_RUNNING);
}

static void a_canary_that_is_gone_is_taken_back(void **state)
{
	struct world *w = *state;

	start(w);
	w->service.n_versions = 1;
	restart(w, BOOT);
	assert_int_equal(status(w), POLICY_ROLLED_BACK);
	assert_baseline_alone(w, V1);
}

static void evidence_outlives_the_daemon(void **state)
{
	struct world *w = *state;
	double before;

	start(w);
	assert_int_equal(second(w, 2), 0);
	assert_int_equal(second(w, 2), 0);
	before = rollout_view(w->rollout).finding->sli[FINDING_ERRORS].rollback.ln_e;
	restart(w, BOOT);
	second(w, 0);
	assert_int_equal(rollout_view(w->rollout).finding->sli[FINDING_ERRORS].counts.canary_failed, 4);
	assert_true(rollout_view(w->rollout).finding->sli[FINDING_ERRORS].rollback.ln_e <= before);
}

static void assert_next_daemon_begins_the_step(struct world *w)
{
	const struct finding_evidence *promotion;

	restart(w, BOOT);
	assert_int_equal(rollout_view(w->rollout).policy->step, 1);
	w->sample = (struct sample){ .elapsed_ns = 1000, .weight = 1 };
	assert_int_equal(rollout_tick(w->rollout, &w->sample, w->now, NULL), 0);
	promotion = &rollout_view(w->rollout).finding->sli[FINDING_ERRORS].promotion;
	assert_true(promotion->ln_e < promotion->ln_bound / 2);
}

/* The evidence that a step passed by is not to pass the next one, even where the daemon is killed in between. */
static void a_kill_after_a_step_takes_no_promotion_along(void **state)
{
	struct world *w = *state;

	start(w);
	assert_int_equal(until_decided(w, 0), 1);
	assert_int_equal(rollout_view(w->rollout).policy->step, 1);
	refuse_writes(w, true); /* nothing is written any more */
	assert_next_daemon_begins_the_step(w);
}

/* A disk that takes one transaction more. */
static int take_one_more(void *context)
{
	unsigned *commits = context;

	return ++*commits > 1;
}

static void not_even_where_it_is_the_last_that_was_written(void **state)
{
	struct world *w = *state;
	unsigned commits = 0;

	start(w);
	assert_int_equal(second(w, 0), 0);
	sqlite3_commit_hook(w->disk->journal->db, take_one_more, &commits);
	assert_int_equal(until_decided(w, 0), 1);
	assert_int_equal(rollout_view(w->rollout).policy->step, 1);
	assert_next_daemon_begins_the_step(w);
}

/* ---- journal and kernel ------------------------------------------------------------------------------------- */

struct disk {
	const struct world *w;
	uint16_t canary; /* the kernel's when the first transaction since came to its end */
	bool asked;
};

static int look_at_kernel(void *context)
{
	struct disk *disk = context;

	if (!disk->asked)
		disk->canary = kernel(disk->w)->canary;
	disk->asked = true;
	return 0;
}

/* A disk that hangs keeps a canary from coming, and none from being taken back. */
static void what_goes_up_is_written_first_and_what_goes_back_done_first(void **state)
{
	struct world *w = *state;
	struct disk disk = { .w = w };

	sqlite3_commit_hook(w->disk->journal->db, look_at_kernel, &disk);
	start(w);
	assert_true(disk.asked);
	assert_int_equal(disk.canary, CANARY_NONE);
	assert_int_equal(second(w, 0), 0);
	disk.asked = false;
	assert_int_equal(rollout_operate(w->rollout, ROLLOUT_ABORT, w->now, NULL), 0);
	assert_true(disk.asked);
	assert_int_equal(disk.canary, CANARY_NONE);
	start(w);
	disk.asked = false;
	assert_int_equal(until_decided(w, 500), 1);
	assert_int_equal(status(w), POLICY_ROLLED_BACK);
	assert_true(disk.asked);
	assert_int_equal(disk.canary, CANARY_NONE);
}

#define IN_WORLD(name) cmocka_unit_test_setup_teardown(name, set_up_world, tear_down_world)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		IN_WORLD(without_a_rollout_the_baseline_serves),
		IN_WORLD(starts_advances_and_is_promoted),
		IN_WORLD(in_shadow_mode_nothing_is_steered),
		IN_WORLD(a_bad_one_is_taken_back),
		IN_WORLD(what_cannot_be_started),
		IN_WORLD(the_operator_is_heard),
		IN_WORLD(a_journal_that_refuses_moves_nothing_up),
		IN_WORLD(but_keeps_no_canary_from_being_taken_back),
		IN_WORLD(nor_from_being_aborted),
		IN_WORLD(what_was_taken_back_unwritten_stays_so),
		IN_WORLD(goes_on_after_a_restart),
		IN_WORLD(a_start_that_was_only_written_takes_effect),
		IN_WORLD(is_held_after_a_reboot),
		IN_WORLD(a_canary_that_is_gone_is_taken_back),
		IN_WORLD(evidence_outlives_the_daemon),
		IN_WORLD(a_kill_after_a_step_takes_no_promotion_along),
		IN_WORLD(not_even_where_it_is_the_last_that_was_written),
		IN_WORLD(what_goes_up_is_written_first_and_what_goes_back_done_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

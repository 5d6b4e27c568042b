/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From one version to another and back: undo, a canary in the place of another, blackouts, clocks that are set. In the
 * journal and in the kernel's split, and over restarts.
 */
#include "user/rollout.h"

#include <errno.h>
#include <time.h>

#include "tests/unit/rollout_fixture.h"

#define V3 7
#define IN_WORLD(test) cmocka_unit_test_setup_teardown(test, set_up_world, tear_down_world)

static void refused(int got, int wanted, char **ret_error, const char *words)
{
	char *error = *ret_error;

	assert_int_equal(got, wanted);
	if (!error || !strstr(error, words) || error[strlen(error) - 1] != ')')
		fail_msg("\"%s\" does not say \"%s\" and the mend", error ?: "", words);
	free(error);
	*ret_error = NULL;
}

/* A release of v2 that an operator promotes at once. */
static void promote(struct world *w)
{
	start(w);
	assert_int_equal(rollout_operate(w->rollout, ROLLOUT_PROMOTE, w->now, NULL), 0);
	assert_baseline_alone(w, V2);
}

static void third(struct world *w)
{
	w->versions[2].n_backends = 1;
	w->versions[2].backends = w->versions[0].backends;
}

/* ---- undo -------------------------------------------------------------------------------------------------- */

static void an_undo_makes_the_old_baseline_the_baseline(void **state)
{
	struct world *w = *state;

	promote(w);
	assert_int_equal(second(w, 0), 0);
	assert_int_equal(rollout_undo(w->rollout, w->now, NULL), 0);
	assert_baseline_alone(w, V1);
	assert_int_equal(kernel(w)->generation, 2);
	assert_int_equal(status(w), POLICY_UNDONE);
	assert_last_decision(w, "undo");
	restart(w, BOOT);
	assert_baseline_alone(w, V1);
	assert_int_equal(kernel(w)->generation, 2);
	assert_int_equal(status(w), POLICY_UNDONE);
	start(w); /* and another release may begin */
	assert_int_equal(kernel(w)->generation, 3);
}

static void it_is_possible_after_a_restart(void **state)
{
	struct world *w = *state;

	promote(w);
	restart(w, "boot-2");
	w->now += 3599;
	assert_int_equal(rollout_undo(w->rollout, w->now, NULL), 0);
	assert_baseline_alone(w, V1);
}

static void but_not_beyond_its_window(void **state)
{
	struct world *w = *state;
	char *error = NULL;

	promote(w);
	refused(rollout_undo(w->rollout, w->now + 3601, &error), -EINVAL, &error, "undo_window_s is 60 min");
	for (int i = 0; i < 3601; i++)
		second(w, 0);
	w->now -= 7200; /* a clock that was set back makes the window no longer */
	refused(rollout_undo(w->rollout, w->now, &error), -EINVAL, &error, "rollout start web --canary v1");
	assert_baseline_alone(w, V2);
	restart(w, BOOT);
	assert_baseline_alone(w, V2);
}

static void nor_without_the_version_before(void **state)
{
	struct world *w = *state;
	char *error = NULL;

	promote(w);
	w->service.versions++;
	w->service.n_versions--;
	refused(rollout_undo(w->rollout, w->now, &error), -ENOENT, &error, "version v1");
	w->service.versions--;
	w->service.n_versions++;
	assert_baseline_alone(w, V2);
}

static void nor_where_nothing_was_promoted(void **state)
{
	struct world *w = *state;
	char *error = NULL;

	assert_int_equal(rollout_undo(w->rollout, w->now, NULL), -EINVAL);
	start(w);
	refused(rollout_undo(w->rollout, w->now, &error), -EBUSY, &error, "a rollout of v2 under way");
	assert_int_equal(rollout_operate(w->rollout, ROLLOUT_ABORT, w->now, NULL), 0);
	assert_int_equal(rollout_undo(w->rollout, w->now, NULL), -EINVAL);
	assert_last_decision(w, "abort");
}

/* Clients would pay for the disk. */
static void a_full_disk_keeps_nobody_from_an_undo(void **state)
{
	struct world *w = *state;

	promote(w);
	refuse_writes(w, true);
	assert_int_equal(rollout_undo(w->rollout, w->now, NULL), 0);
	assert_baseline_alone(w, V1);
	refuse_writes(w, false);
	second(w, 0);
	assert_last_decision(w, "undo");
}

/* The journal still says "promoted"; the kernel knows better. */
static void nor_does_a_restart_take_it_back(void **state)
{
	struct world *w = *state;
	struct canary_split split;

	promote(w);
	refuse_writes(w, true);
	assert_int_equal(rollout_undo(w->rollout, w->now, NULL), 0);
	split = w->split;
	w->rollout = rollout_close(w->rollout); /* the disk is still full */
	reopen(w->disk);
	w->split = split;
	open_rollout_at(w, BOOT);
	assert_baseline_alone(w, V1);
	assert_string_equal(rollout_view(w->rollout).baseline, "v1");
	assert_int_equal(kernel(w)->generation, 2);
	assert_int_equal(status(w), POLICY_UNDONE);
	assert_last_decision(w, "undo");
	restart(w, BOOT);
	assert_baseline_alone(w, V1);
	assert_int_equal(status(w), POLICY_UNDONE);
}

/* ---- a journal that was lost, a file that was changed -------------------------------------------------------- */

static void lose_the_journal(struct world *w)
{
	w->rollout = rollout_close(w->rollout);
	assert_int_equal(journal_execute(w->disk->journal, "DELETE FROM rollouts; DELETE FROM services"), 0);
	open_rollout_at(w, BOOT);
}

/* A promotion outlives the journal, too: nobody asked for the version before. */
static void without_a_journal_the_kernels_baseline_stays(void **state)
{
	struct world *w = *state;

	promote(w);
	lose_the_journal(w);
	assert_string_equal(rollout_view(w->rollout).baseline, "v2");
	assert_baseline_alone(w, V2);
	assert_int_equal(kernel(w)->generation, 1);
	restart(w, BOOT);
	assert_baseline_alone(w, V2);
}

static void but_not_one_that_the_file_has_no_more(void **state)
{
	struct world *w = *state;

	promote(w);
	w->versions[1].index = 9;
	lose_the_journal(w);
	assert_baseline_alone(w, V1);
}

static void and_a_canary_is_taken_back(void **state)
{
	struct world *w = *state;

	start(w);
	lose_the_journal(w);
	assert_string_equal(rollout_view(w->rollout).baseline, "v1");
	assert_baseline_alone(w, V1);
	assert_false(rollout_is_active(w->rollout));
}

static void before_the_first_release_the_file_names_the_baseline(void **state)
{
	struct world *w = *state;

	w->rollout = rollout_close(w->rollout);
	strcpy(w->config->services[0].baseline, "v2");
	open_rollout_at(w, BOOT);
	assert_baseline_alone(w, V2);
}

/* Judged against itself it would pass. */
static void a_canary_that_the_file_makes_the_baseline_is_judged_no_more(void **state)
{
	struct world *w = *state;

	start(w);
	strcpy(w->versions[0].name, "gone");
	strcpy(w->config->services[0].baseline, "v2");
	restart(w, BOOT);
	assert_false(rollout_is_active(w->rollout));
	assert_int_equal(status(w), POLICY_ABORTED);
	assert_last_decision(w, "abort");
	assert_non_null(strstr(rollout_view(w->rollout).reason, "is the baseline now"));
	assert_baseline_alone(w, V2);
}

/* What has happened is written before what comes next: else the undo would be in no journal. */
static void the_next_rollout_waits_for_the_journal(void **state)
{
	struct world *w = *state;
	char *error = NULL;

	promote(w);
	refuse_writes(w, true);
	assert_int_equal(rollout_undo(w->rollout, w->now, NULL), 0);
	assert_int_equal(rollout_start(w->rollout, "v2", w->now, &error), -EROFS);
	assert_non_null(strstr(error, "cannot be written"));
	free(error);
	refuse_writes(w, false);
	start(w);
	assert_last_decision(w, "undo");
	assert_int_equal(rollout_view(w->rollout).unwritten, 0);
}

/* ---- replacement ------------------------------------------------------------------------------------------- */

static void a_newer_canary_begins_with_nothing(void **state)
{
	struct world *w = *state;
	struct journal_rollouts rows = {};

	third(w);
	start(w);
	for (int i = 0; i < 3 && rollout_view(w->rollout).policy->step == 0; i++)
		second(w, 1);
	assert_true(rollout_view(w->rollout).finding->sli[FINDING_ERRORS].counts.canary_attempts > 0);
	assert_int_equal(rollout_supersede(w->rollout, "v3", w->now, NULL), 0);
	assert_baseline_alone(w, V1);
	assert_int_equal(rollout_start(w->rollout, "v3", w->now, NULL), 0);
	assert_int_equal(kernel(w)->canary, V3);
	assert_int_equal(kernel(w)->generation, 2);
	assert_int_equal(kernel(w)->canary_threshold, 429496730);
	second(w, 0);
	assert_int_equal(rollout_view(w->rollout).finding->sli[FINDING_ERRORS].counts.canary_attempts, 1000);
	assert_int_equal(rollout_view(w->rollout).finding->sli[FINDING_ERRORS].counts.canary_failed, 0);
	assert_int_equal(journal_rollouts_list(w->disk->journal, "web", 10, &rows), 0);
	assert_int_equal(rows.count, 2);
	assert_string_equal(rows.items[1].state, "aborted");
	assert_non_null(strstr(rows.items[1].reason, "superseded by v3"));
	journal_rollouts_clear(&rows);
}

/* What could not start ends nothing. */
static void one_that_cannot_start_ends_nothing(void **state)
{
	static const struct { const char *canary; int error; } wrong[] = {
		{ "v9", -ENOENT }, { "v1", -EINVAL }, { "v3", -EINVAL }, { "v2", -EBUSY },
	};
	struct world *w = *state;
	char *error = NULL;

	start(w);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		assert_int_equal(rollout_supersede(w->rollout, wrong[i].canary, w->now, NULL), wrong[i].error);
	assert_int_equal(kernel(w)->canary, V2);
	assert_int_equal(status(w), POLICY_RUNNING);
	third(w);
	refused(rollout_start(w->rollout, "v3", w->now, &error), -EBUSY, &error, "--canary v3 --replace");
}

/* Nor does a full disk: the one in its place could not be written. */
static void nor_does_one_that_cannot_be_written(void **state)
{
	struct world *w = *state;

	third(w);
	start(w);
	refuse_writes(w, true);
	assert_int_equal(rollout_supersede(w->rollout, "v3", w->now, NULL), -EROFS);
	assert_int_equal(kernel(w)->canary, V2);
	assert_int_equal(status(w), POLICY_RUNNING);
	refuse_writes(w, false);
	assert_int_equal(rollout_supersede(w->rollout, "v3", w->now, NULL), 0);
}

/* ---- time -------------------------------------------------------------------------------------------------- */

static struct config_blackout around(double unix_s)
{
	struct config_blackout blackout = { .to = "2199-01-01T00:00" };
	time_t from = (time_t)unix_s - 60;
	char text[BLACKOUT_TEXT], reason[160];
	struct tm t;

	localtime_r(&from, &t);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M", &t);
	assert_int_equal(blackout_parse(text, blackout.to, 0, reason, sizeof(reason), &blackout.window), 0);
	return blackout;
}

static void in_a_blackout_nothing_moves_up(void **state)
{
	struct world *w = *state;
	struct config_blackout blackout = around(w->now);
	char *error = NULL;

	start(w);
	w->config->services[0].blackouts = &blackout;
	w->config->services[0].blackouts_count = 1;
	assert_int_equal(second(w, 0), 1);
	assert_int_equal(rollout_view(w->rollout).policy->held, POLICY_HELD_BLACKOUT);
	refused(rollout_operate(w->rollout, ROLLOUT_PROMOTE, w->now, &error), -EBUSY, &error, "open until 2199-01-01T00:00");
	restart(w, BOOT);
	assert_int_equal(until_decided(w, 0), 0);
	assert_int_equal(rollout_view(w->rollout).policy->held, POLICY_HELD_BLACKOUT);
	assert_int_equal(until_decided(w, 500), 1); /* down it goes */
	assert_baseline_alone(w, V1);
	refused(rollout_start(w->rollout, "v2", w->now, &error), -EBUSY, &error, "open until");
	w->config->services[0].blackouts = NULL;
	w->config->services[0].blackouts_count = 0;
	start(w);
}

static void a_clock_that_is_set_is_in_the_journal(void **state)
{
	struct world *w = *state;

	start(w);
	assert_int_equal(second(w, 0), 0);
	w->now += 3600;
	assert_int_equal(second(w, 0), 1);
	assert_last_decision(w, "hold");
	assert_non_null(strstr(rollout_view(w->rollout).reason, "the clock was set 60 min forward"));
	assert_int_equal(rollout_view(w->rollout).policy->step, 0);
	assert_int_equal(until_decided(w, 0), 1);
	assert_last_decision(w, "resume");
}

/* Time goes on between two rollouts, without a tick that looks at one. */
static void a_second_rollout_knows_what_time_it_is(void **state)
{
	struct world *w = *state;

	start(w);
	assert_int_equal(second(w, 0), 0);
	assert_int_equal(rollout_operate(w->rollout, ROLLOUT_ABORT, w->now, NULL), 0);
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(second(w, 0), 0);
	start(w);
	assert_int_equal(second(w, 0), 0);
	assert_int_equal(status(w), POLICY_RUNNING);
}

/* The time of day and the time that passed, each going its own way, and the sleep that explains it. */
static void clocks_are_told_apart(void **state)
{
	struct world *w = *state;
	struct sample sample = { .elapsed_ns = 250000000, .asleep_ns = 7200000000000 };
	char *error = NULL;

	start(w);
	assert_int_equal(second(w, 0), 0);
	w->now += 7200.25;
	assert_int_equal(rollout_tick(w->rollout, &sample, w->now, &error), 1);
	assert_non_null(strstr(rollout_view(w->rollout).reason, "the host was asleep for 2"));
	assert_true(rollout_view(w->rollout).finding->clock_step_s == 0);
	assert_int_equal(until_decided(w, 0), 1);
	assert_last_decision(w, "resume");
	sample = (struct sample){ .elapsed_ns = 90000000000 }; /* a stall: both clocks went on */
	w->now += 90;
	rollout_tick(w->rollout, &sample, w->now, &error);
	assert_true(rollout_view(w->rollout).finding->clock_step_s == 0);
	sample = (struct sample){ .elapsed_ns = 90000000000 }; /* the time of day did not */
	rollout_tick(w->rollout, &sample, w->now, &error);
	assert_true(rollout_view(w->rollout).finding->clock_step_s == -90);
	assert_null(error);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		IN_WORLD(an_undo_makes_the_old_baseline_the_baseline),
		IN_WORLD(it_is_possible_after_a_restart),
		IN_WORLD(but_not_beyond_its_window),
		IN_WORLD(nor_without_the_version_before),
		IN_WORLD(nor_where_nothing_was_promoted),
		IN_WORLD(a_full_disk_keeps_nobody_from_an_undo),
		IN_WORLD(nor_does_a_restart_take_it_back),
		IN_WORLD(without_a_journal_the_kernels_baseline_stays),
		IN_WORLD(but_not_one_that_the_file_has_no_more),
		IN_WORLD(and_a_canary_is_taken_back),
		IN_WORLD(before_the_first_release_the_file_names_the_baseline),
		IN_WORLD(a_canary_that_the_file_makes_the_baseline_is_judged_no_more),
		IN_WORLD(the_next_rollout_waits_for_the_journal),
		IN_WORLD(a_newer_canary_begins_with_nothing),
		IN_WORLD(one_that_cannot_start_ends_nothing),
		IN_WORLD(nor_does_one_that_cannot_be_written),
		IN_WORLD(in_a_blackout_nothing_moves_up),
		IN_WORLD(a_clock_that_is_set_is_in_the_journal),
		IN_WORLD(a_second_rollout_knows_what_time_it_is),
		IN_WORLD(clocks_are_told_apart),
	};

	return cmocka_run_group_tests_name("rollout_change", tests, NULL, NULL);
}

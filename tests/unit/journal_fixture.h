/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A journal in a directory of its own, and rows to write into it. */
#ifndef CANARYD_TESTS_JOURNAL_FIXTURE_H
#define CANARYD_TESTS_JOURNAL_FIXTURE_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "canaryd/api.h"
#include "user/journal.h"

struct fixture {
	char dir[64];
	char path[96];
	struct journal *journal;
};

static inline struct journal *open_journal(const char *path)
{
	struct journal *journal = NULL;
	char *error = NULL;
	int r = journal_open(path, &journal, &error);

	if (r < 0)
		fail_msg("%d: %s", r, error);
	assert_null(error);
	return journal;
}

static inline int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	strcpy(f->dir, "/tmp/canaryd-test-journal-XXXXXX");
	if (!mkdtemp(f->dir))
		return -1;
	snprintf(f->path, sizeof(f->path), "%s/" JOURNAL_FILE, f->dir);
	f->journal = open_journal(f->path);
	*state = f;
	return 0;
}

static inline int tear_down(void **state)
{
	static const char *const suffixes[] = { "", "-wal", "-shm", "-journal" };
	struct fixture *f = *state;
	char path[128];

	journal_close(f->journal);
	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		snprintf(path, sizeof(path), "%s%s", f->path, suffixes[i]);
		unlink(path);
	}
	rmdir(f->dir);
	free(f);
	return 0;
}

static inline void reopen(struct fixture *f)
{
	f->journal = journal_close(f->journal);
	f->journal = open_journal(f->path);
}

/* ---- rows to write --------------------------------------------------------------------------------------- */

static const unsigned char a_judge[] = { 0, 1, 2, 0, 255 };

static inline struct journal_service a_service(uint32_t epoch)
{
	return (struct journal_service){
		.name = "web", .baseline = "v1", .canary = "v2", .generation = 7, .epoch = epoch, .weight_ppm = 10000,
	};
}

static inline struct journal_rollout a_rollout(void)
{
	return (struct journal_rollout){
		.service = "web", .canary = "v2", .baseline = "v1", .state = API_STATE_RUNNING,
		.phase = API_PHASE_WARMUP, .weight_ppm = 10000, .plan = "{\"steps\":[1,100]}", .boot_id = "boot-1",
		.started = 1700000000.25, .reason = "started",
	};
}

static inline struct journal_decision a_decision(const char *decision, double t)
{
	return (struct journal_decision){
		.t = t, .decision = decision, .state = API_STATE_RUNNING, .step = 0, .weight_from_ppm = 0,
		.weight_to_ppm = 10000, .value = NAN, .bound = NAN, .reason = "because",
	};
}

static inline int64_t create(struct journal *journal)
{
	struct journal_service service = a_service(1);
	struct journal_rollout rollout = a_rollout();
	struct journal_decision decision = a_decision(API_DECISION_START, 1700000000.25);
	int64_t id = 0;

	if (journal_rollout_create(journal, &rollout, &service, &decision, &id) < 0)
		fail_msg("%s", journal_error(journal));
	assert_true(id > 0);
	return id;
}

static inline void end(struct journal *journal, int64_t id)
{
	struct journal_rollout rollout = a_rollout();

	rollout.id = id;
	rollout.state = API_STATE_ABORTED;
	rollout.phase = API_PHASE_ENDED;
	rollout.ended = 1700000009;
	assert_int_equal(journal_rollout_update(journal, &rollout, NULL, NULL), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif

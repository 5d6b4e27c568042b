/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the journal refuses: rows that would leave in doubt what to go on from; files and disks that are not fit. */
#include "user/journal.h"

#include <errno.h>
#include <fcntl.h>

#include "tests/unit/journal_fixture.h"
#include "user/journal_file.h"

#define TEXT(x) #x
#define NUMBER(x) TEXT(x)

/* ---- what must not be written ---------------------------------------------------------------------------- */

/* What to go on from is never in doubt: one unfinished rollout a service, and ended exactly when the state says so. */
static void test_undecidable(void **state)
{
	struct fixture *f = *state;
	int64_t id = create(f->journal), ignored = -1;
	struct journal_service service = a_service(99), *kept;
	struct journal_rollout rollout = a_rollout();
	struct journal_decision decision = a_decision(API_DECISION_START, 1);
	struct journal_decisions decisions;

	assert_int_equal(journal_rollout_create(f->journal, &rollout, &service, &decision, &ignored), -EEXIST);
	assert_non_null(strstr(journal_error(f->journal), "web has a rollout that has not ended (abort or promote it"));
	assert_true(ignored == -1);
	rollout.id = id;
	rollout.state = API_STATE_PROMOTED;
	assert_int_equal(journal_rollout_update(f->journal, &rollout, &service, &decision), -EINVAL);
	rollout.state = API_STATE_HELD;
	rollout.ended = 5;
	assert_int_equal(journal_rollout_update(f->journal, &rollout, &service, &decision), -EINVAL);
	rollout.ended = 0;
	rollout.state = "dancing";
	assert_int_equal(journal_rollout_update(f->journal, &rollout, &service, &decision), -EINVAL);
	rollout.state = API_STATE_RUNNING;
	rollout.weight_ppm = 1000001;
	assert_int_equal(journal_rollout_update(f->journal, &rollout, &service, &decision), -EINVAL);
	rollout.weight_ppm = 0;
	rollout.policy = "{";
	assert_int_equal(journal_rollout_update(f->journal, &rollout, &service, &decision), -EINVAL);
	rollout.policy = NULL;
	decision.reason = NULL;
	assert_int_equal(journal_rollout_update(f->journal, &rollout, &service, &decision), -EINVAL);
	assert_int_equal(journal_decisions_load(f->journal, id, 10, &decisions), 0);
	assert_int_equal(decisions.count, 1);
	journal_decisions_clear(&decisions);
	assert_int_equal(journal_service_load(f->journal, "web", &kept), 0);
	assert_int_equal(kept->epoch, 1);
	journal_service_free(kept);
}

static void test_ended(void **state)
{
	struct fixture *f = *state;
	int64_t id = create(f->journal);
	struct journal_rollout rollout = a_rollout();
	struct journal_rollouts list;

	rollout.id = id;
	rollout.judge = a_judge;
	rollout.judge_size = sizeof(a_judge);
	rollout.state = API_STATE_ROLLED_BACK;
	rollout.phase = API_PHASE_ENDED;
	rollout.ended = 1700000100;
	assert_int_equal(journal_rollout_update(f->journal, &rollout, NULL, NULL), 0);
	assert_int_equal(journal_rollout_load(f->journal, id, &list), 0);
	assert_true(list.items[0].ended == 1700000100);
	assert_null(list.items[0].judge);
	journal_rollouts_clear(&list);
	rollout.state = API_STATE_RUNNING;
	rollout.ended = 0;
	assert_int_equal(journal_rollout_update(f->journal, &rollout, NULL, NULL), -ENOENT);
	assert_non_null(strstr(journal_error(f->journal), "no unfinished rollout 1 is in it"));
}

/* ---- bad files and disks --------------------------------------------------------------------------------- */

static void assert_not_opened(const char *path, int expected, const char *sentence)
{
	struct journal *untouched = (struct journal *)&a_judge, *journal = untouched;
	char *error = NULL;
	int r = journal_open(path, &journal, &error);

	assert_int_equal(r, expected);
	assert_ptr_equal(journal, untouched);
	assert_non_null(error);
	if (strncmp(error, path, strlen(path)) != 0 || !strstr(error, sentence))
		fail_msg("\"%s\" does not say \"%s\"", error, sentence);
	free(error);
}

static void write_at(const char *path, off_t offset, const char *text, size_t times)
{
	int fd = open(path, O_WRONLY | O_CREAT, 0600);

	assert_true(fd >= 0);
	for (size_t i = 0; i < times; i++, offset += (off_t)strlen(text))
		assert_int_equal(pwrite(fd, text, strlen(text), offset), strlen(text));
	close(fd);
}

static size_t read_whole(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY);
	ssize_t n = read(fd, buf, size);

	close(fd);
	assert_true(n > 0 && (size_t)n < size);
	return (size_t)n;
}

static void test_newer(void **state)
{
	static char before[1 << 18], after[1 << 18];
	struct fixture *f = *state;
	size_t size;

	create(f->journal);
	assert_int_equal(journal_execute(f->journal, "PRAGMA user_version = 1000"), 0);
	f->journal = journal_close(f->journal);
	size = read_whole(f->path, before, sizeof(before));
	assert_not_opened(f->path, -EPROTONOSUPPORT, "is of schema 1000, this canaryd knows up to " NUMBER(JOURNAL_SCHEMA) " (run the canaryd");
	assert_int_equal(read_whole(f->path, after, sizeof(after)), size);
	assert_memory_equal(before, after, size);
}

static void test_foreign(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(journal_execute(f->journal, "PRAGMA user_version = 0"), 0);
	f->journal = journal_close(f->journal);
	assert_not_opened(f->path, -EPROTONOSUPPORT, "is an SQLite file of another program (move it away");
}

static void test_damaged(void **state)
{
	struct fixture *f = *state;

	create(f->journal);
	f->journal = journal_close(f->journal);
	write_at(f->path, 4096, "garbage!", 2048);
	assert_not_opened(f->path, -EBADMSG, "is damaged (move it and its -wal away");
	write_at(f->path, 0, "garbage!", 16);
	assert_not_opened(f->path, -EBADMSG, "is no journal (move it away");
}

static void test_no_directory(void **state)
{
	(void)state;
	assert_not_opened("/nonexistent/canaryd/journal.db", -ENOENT, "No such file or directory (make its directory");
}

static void test_full(void **state)
{
	struct fixture *f = *state;
	int64_t id = create(f->journal);
	struct journal_rollout rollout = a_rollout();
	struct journal_decision decision = a_decision(API_DECISION_ADVANCE, 2);
	struct journal_rollouts list;
	char *long_reason = calloc(1, 100001);

	memset(long_reason, 'x', 100000);
	assert_int_equal(journal_execute(f->journal, "PRAGMA max_page_count = 1"), 0); /* as many as there are */
	rollout.id = id;
	rollout.step = 1;
	decision.reason = long_reason;
	assert_int_equal(journal_rollout_update(f->journal, &rollout, NULL, &decision), -ENOSPC);
	assert_non_null(strstr(journal_error(f->journal), "journal.db: no space is left (free some on its file "
							  "system)"));
	assert_int_equal(journal_rollout_load(f->journal, id, &list), 0);
	assert_int_equal(list.items[0].step, 0);
	journal_rollouts_clear(&list);
	assert_int_equal(journal_execute(f->journal, "PRAGMA max_page_count = 100000"), 0);
	assert_int_equal(journal_rollout_update(f->journal, &rollout, NULL, &decision), 0);
	free(long_reason);
}

static void test_read_only(void **state)
{
	struct fixture *f = *state;
	struct journal_service service = a_service(1);

	assert_int_equal(journal_execute(f->journal, "PRAGMA query_only = 1"), 0);
	assert_int_equal(journal_service_save(f->journal, &service), -EROFS);
	assert_non_null(strstr(journal_error(f->journal), "cannot be written (make it and its directory writable"));
}

static void test_busy(void **state)
{
	struct fixture *f = *state;
	struct journal *other = open_journal(f->path);
	struct journal_service service = a_service(1), *kept;

	sqlite3_busy_timeout(f->journal->db, 1);
	assert_int_equal(journal_begin(other, true), 0);
	assert_int_equal(journal_service_save(f->journal, &service), -EBUSY);
	assert_non_null(strstr(journal_error(f->journal), "another process holds it (end that one"));
	assert_int_equal(journal_end(other, -ECANCELED), -ECANCELED);
	assert_int_equal(journal_service_save(f->journal, &service), 0);
	assert_int_equal(journal_service_load(other, "web", &kept), 0);
	journal_service_free(kept);
	journal_close(other);
	assert_null(journal_close(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_undecidable),
		TEST(test_ended),
		TEST(test_newer),
		TEST(test_foreign),
		TEST(test_damaged),
		TEST(test_no_directory),
		TEST(test_full),
		TEST(test_read_only),
		TEST(test_busy),
	};

	return cmocka_run_group_tests_name("journal_refused", tests, NULL, NULL);
}

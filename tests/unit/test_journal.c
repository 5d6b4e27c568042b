/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The journal: what is written comes back, in order, also after a crash. journal_refused has what is not written. */
#include "user/journal.h"

#include <errno.h>
#include <sys/wait.h>

#include "tests/unit/journal_fixture.h"
#include "user/journal_file.h"

/* ---- what comes back ------------------------------------------------------------------------------------- */

static void test_service(void **state)
{
	struct fixture *f = *state;
	struct journal_service service = a_service(3), *loaded = NULL;

	assert_int_equal(journal_service_load(f->journal, "web", &loaded), -ENOENT);
	assert_non_null(strstr(journal_error(f->journal), "the service web is not in it"));
	assert_int_equal(journal_service_save(f->journal, &service), 0);
	service.epoch = 4;
	service.canary = NULL;
	assert_int_equal(journal_service_save(f->journal, &service), 0);
	reopen(f);
	assert_int_equal(journal_service_load(f->journal, "web", &loaded), 0);
	assert_string_equal(loaded->name, "web");
	assert_string_equal(loaded->baseline, "v1");
	assert_null(loaded->canary);
	assert_int_equal(loaded->generation, 7);
	assert_int_equal(loaded->epoch, 4);
	assert_int_equal(loaded->weight_ppm, 10000);
	assert_null(journal_service_free(loaded));
	assert_null(journal_service_free(NULL));
}

static void test_versions(void **state)
{
	struct fixture *f = *state;
	struct journal_version v2 = { "web", "v2", "[\"10.0.0.2:80\"]", JOURNAL_SOURCE_API };
	struct journal_version v1 = { "web", "v1", "[\"10.0.0.1:80\"]", JOURNAL_SOURCE_CONFIG };
	struct journal_version other = { "other", "v1", "[]", JOURNAL_SOURCE_CONFIG };
	struct journal_versions list;

	assert_int_equal(journal_version_save(f->journal, &v2), 0);
	assert_int_equal(journal_version_save(f->journal, &v1), 0);
	assert_int_equal(journal_version_save(f->journal, &other), 0);
	v2.backends = "[\"10.0.0.9:80\"]";
	assert_int_equal(journal_version_save(f->journal, &v2), 0);
	assert_int_equal(journal_versions_load(f->journal, "web", &list), 0);
	assert_int_equal(list.count, 2);
	assert_string_equal(list.items[0].name, "v1");
	assert_string_equal(list.items[0].source, JOURNAL_SOURCE_CONFIG);
	assert_string_equal(list.items[1].backends, "[\"10.0.0.9:80\"]");
	assert_string_equal(list.items[1].service, "web");
	journal_versions_clear(&list);
	assert_null(list.items);
	assert_int_equal(journal_version_delete(f->journal, "web", "v1"), 0);
	assert_int_equal(journal_version_delete(f->journal, "web", "v1"), 0);
	assert_int_equal(journal_versions_load(f->journal, "web", &list), 0);
	assert_int_equal(list.count, 1);
	journal_versions_clear(&list);
	assert_int_equal(journal_versions_load(f->journal, "none", &list), 0);
	assert_int_equal(list.count, 0);
	journal_versions_clear(&list);
}

static void test_rollout(void **state)
{
	struct fixture *f = *state;
	int64_t id = create(f->journal);
	struct journal_rollout rollout = a_rollout();
	struct journal_service service = a_service(2), *kept;
	struct journal_decision decision = a_decision(API_DECISION_ADVANCE, 1700000060.5);
	struct journal_rollouts list;
	const struct journal_rollout *r;

	rollout.id = id;
	rollout.phase = API_PHASE_STEP;
	rollout.step = 1;
	rollout.weight_ppm = 1000000;
	rollout.policy = "{\"held\":0}";
	rollout.judge = a_judge;
	rollout.judge_size = sizeof(a_judge);
	rollout.boot_id = "boot-2";
	rollout.reason = "it is good";
	assert_int_equal(journal_rollout_update(f->journal, &rollout, &service, &decision), 0);
	reopen(f);
	assert_int_equal(journal_rollout_load(f->journal, id, &list), 0);
	assert_int_equal(list.count, 1);
	r = &list.items[0];
	assert_true(r->id == id && r->step == 1 && r->weight_ppm == 1000000);
	assert_true(r->started == 1700000000.25 && r->ended == 0);
	assert_string_equal(r->service, "web");
	assert_string_equal(r->canary, "v2");
	assert_string_equal(r->baseline, "v1");
	assert_string_equal(r->state, API_STATE_RUNNING);
	assert_string_equal(r->phase, API_PHASE_STEP);
	assert_string_equal(r->plan, "{\"steps\":[1,100]}");
	assert_string_equal(r->policy, "{\"held\":0}");
	assert_int_equal(r->judge_size, sizeof(a_judge));
	assert_memory_equal(r->judge, a_judge, sizeof(a_judge));
	assert_string_equal(r->boot_id, "boot-2");
	assert_string_equal(r->reason, "it is good");
	journal_rollouts_clear(&list);
	assert_int_equal(journal_service_load(f->journal, "web", &kept), 0);
	assert_int_equal(kept->epoch, 2);
	journal_service_free(kept);
	assert_int_equal(journal_rollout_load(f->journal, id + 1, &list), -ENOENT);
}

static void test_decisions(void **state)
{
	struct fixture *f = *state;
	int64_t id = create(f->journal);
	struct journal_rollout rollout = a_rollout();
	struct journal_decision decision = a_decision(API_DECISION_HOLD, 2);
	struct journal_decisions list;

	rollout.id = id;
	decision.sli = "errors";
	decision.value = 8.5;
	decision.bound = 100;
	decision.unit = API_UNIT_EVIDENCE;
	decision.counts = "{\"canary\":{\"attempts\":10,\"failed\":2}}";
	decision.state = API_STATE_HELD;
	rollout.state = API_STATE_HELD;
	/* The clock of the day may go back; the order is that of writing. */
	assert_int_equal(journal_rollout_update(f->journal, &rollout, NULL, &decision), 0);
	assert_int_equal(journal_decisions_load(f->journal, id, 100, &list), 0);
	assert_int_equal(list.count, 2);
	assert_string_equal(list.items[0].decision, API_DECISION_START);
	assert_null(list.items[0].sli);
	assert_null(list.items[0].counts);
	assert_true(isnan(list.items[0].value) && isnan(list.items[0].bound) && !list.items[0].unit);
	assert_string_equal(list.items[1].decision, API_DECISION_HOLD);
	assert_string_equal(list.items[1].sli, "errors");
	assert_string_equal(list.items[1].state, API_STATE_HELD);
	assert_true(list.items[1].rollout == id && list.items[1].t == 2);
	assert_true(list.items[1].value == 8.5 && list.items[1].bound == 100);
	assert_string_equal(list.items[1].unit, API_UNIT_EVIDENCE);
	assert_int_equal(list.items[1].weight_to_ppm, 10000);
	assert_string_equal(list.items[1].reason, "because");
	assert_non_null(strstr(list.items[1].counts, "\"failed\":2"));
	journal_decisions_clear(&list);
	assert_int_equal(journal_decisions_load(f->journal, id, 1, &list), 0);
	assert_int_equal(list.count, 1);
	assert_string_equal(list.items[0].decision, API_DECISION_HOLD);
	journal_decisions_clear(&list);
}

static void test_lists(void **state)
{
	struct fixture *f = *state;
	struct journal_service service = a_service(1);
	struct journal_rollout rollout = a_rollout();
	struct journal_decision decision = a_decision(API_DECISION_START, 1);
	struct journal_rollouts list;
	int64_t first = create(f->journal), second, other;

	assert_int_equal(journal_rollout_unfinished(f->journal, "web", &list), 0);
	assert_true(list.items[0].id == first);
	journal_rollouts_clear(&list);
	end(f->journal, first);
	assert_int_equal(journal_rollout_unfinished(f->journal, "web", &list), -ENOENT);
	assert_non_null(strstr(journal_error(f->journal), "no unfinished rollout of web"));
	rollout.service = service.name = "other";
	assert_int_equal(journal_rollout_create(f->journal, &rollout, &service, &decision, &other), 0);
	second = create(f->journal);
	assert_int_equal(journal_rollouts_list(f->journal, "web", 10, &list), 0);
	assert_int_equal(list.count, 2);
	assert_true(list.items[0].id == second && list.items[1].id == first);
	journal_rollouts_clear(&list);
	assert_int_equal(journal_rollouts_list(f->journal, NULL, 2, &list), 0);
	assert_int_equal(list.count, 2);
	assert_true(list.items[0].id == second && list.items[1].id == other);
	journal_rollouts_clear(&list);
	assert_int_equal(journal_rollouts_list(f->journal, "none", 10, &list), 0);
	assert_int_equal(list.count, 0);
	journal_rollouts_clear(&list);
}

static void test_forgetting(void **state)
{
	struct fixture *f = *state;
	struct journal_rollout rollout = a_rollout();
	struct journal_decision decision = a_decision(API_DECISION_HOLD, 1);
	struct journal_rollouts list;
	struct journal_decisions decisions;
	int64_t id;

	assert_int_equal(journal_execute(f->journal, "PRAGMA synchronous = OFF"), 0);
	for (int i = 0; i < JOURNAL_ROLLOUTS_KEPT + 3; i++) {
		id = create(f->journal);
		end(f->journal, id);
	}
	rollout.id = create(f->journal);
	assert_int_equal(journal_rollouts_list(f->journal, NULL, 10000, &list), 0);
	assert_int_equal(list.count, JOURNAL_ROLLOUTS_KEPT + 1);
	assert_true(list.items[list.count - 1].id == 4);
	journal_rollouts_clear(&list);
	assert_int_equal(journal_decisions_load(f->journal, 3, 10, &decisions), 0);
	assert_int_equal(decisions.count, 0);
	assert_int_equal(journal_execute(f->journal, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
						     "WHERE "
						     "i < 10000) INSERT INTO decisions (rollout, t, decision, state, "
						     "step, weight_from_ppm, "
						     "weight_to_ppm, reason) SELECT max(id), 0, 'hold', 'held', 0, 0, "
						     "0, '' FROM rollouts, n "
						     "GROUP BY i"),
			 0);
	assert_int_equal(journal_rollout_update(f->journal, &rollout, NULL, &decision), 0);
	assert_int_equal(journal_decisions_load(f->journal, rollout.id, 20000, &decisions), 0);
	assert_int_equal(decisions.count, JOURNAL_DECISIONS_KEPT);
	assert_string_equal(decisions.items[0].decision, "hold");
	assert_string_equal(decisions.items[decisions.count - 1].reason, "because");
	journal_decisions_clear(&decisions);
}

/* ---- crashes --------------------------------------------------------------------------------------------- */

/* Runs `body` in a process that dies without closing anything. */
static void in_dying_process(void (*body)(struct journal *journal), const char *path)
{
	struct journal *journal;
	char *error;
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		if (journal_open(path, &journal, &error) < 0)
			_exit(1);
		body(journal);
		_exit(7);
	}
	assert_true(waitpid(pid, &status, 0) == pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7);
}

static void advance_then_die(struct journal *journal)
{
	struct journal_rollout rollout = a_rollout();
	struct journal_service service = a_service(9);
	struct journal_decision decision = a_decision(API_DECISION_ADVANCE, 2);

	rollout.id = 1;
	rollout.step = 1;
	if (journal_rollout_update(journal, &rollout, &service, &decision) < 0)
		_exit(1);
	rollout.policy = "{\"tick\":2}";
	if (journal_rollout_update(journal, &rollout, NULL, NULL) < 0)
		_exit(1);
}

static void die_in_transaction(struct journal *journal)
{
	if (journal_begin(journal, true) < 0 ||
	    journal_execute(journal, "UPDATE rollouts SET state = 'held', reason = 'half'") < 0)
		_exit(1);
}

static void assert_advanced(struct journal *journal)
{
	struct journal_rollouts list;
	struct journal_decisions decisions;
	struct journal_service *service;

	assert_int_equal(journal_rollout_unfinished(journal, "web", &list), 0);
	assert_int_equal(list.items[0].step, 1);
	assert_string_equal(list.items[0].state, API_STATE_RUNNING);
	assert_string_equal(list.items[0].policy, "{\"tick\":2}");
	assert_int_equal(journal_decisions_load(journal, list.items[0].id, 10, &decisions), 0);
	assert_int_equal(decisions.count, 2);
	assert_string_equal(decisions.items[1].decision, API_DECISION_ADVANCE);
	assert_int_equal(journal_service_load(journal, "web", &service), 0);
	assert_int_equal(service->epoch, 9);
	journal_service_free(service);
	journal_decisions_clear(&decisions);
	journal_rollouts_clear(&list);
}

static void test_crash(void **state)
{
	struct fixture *f = *state;

	assert_true(create(f->journal) == 1);
	f->journal = journal_close(f->journal);
	in_dying_process(advance_then_die, f->path);
	f->journal = open_journal(f->path);
	assert_advanced(f->journal);
	f->journal = journal_close(f->journal);
	in_dying_process(die_in_transaction, f->path);
	f->journal = open_journal(f->path);
	assert_advanced(f->journal);
}

/* ---- undo, and files of older schemas -------------------------------------------------------------------------- */

static void undo(struct journal *journal, int64_t id, int expected)
{
	struct journal_service service = a_service(3);
	struct journal_rollout rollout = a_rollout();
	struct journal_decision decision = a_decision(API_DECISION_UNDO, 1700000020);

	service.canary = NULL;
	rollout.id = id;
	rollout.state = decision.state = API_STATE_UNDONE;
	rollout.ended = 1700000020;
	rollout.reason = "undone";
	assert_int_equal(journal_rollout_undo(journal, &rollout, &service, &decision), expected);
}

static void assert_undone(struct journal *journal, int64_t id, size_t decisions)
{
	struct journal_rollouts rows = {};
	struct journal_decisions list = {};

	assert_int_equal(journal_rollout_load(journal, id, &rows), 0);
	assert_string_equal(rows.items[0].state, API_STATE_UNDONE);
	assert_string_equal(rows.items[0].reason, "undone");
	assert_int_equal(journal_decisions_load(journal, id, 100, &list), 0);
	assert_int_equal(list.count, decisions);
	assert_string_equal(list.items[decisions - 1].decision, API_DECISION_UNDO);
	journal_rollouts_clear(&rows);
	journal_decisions_clear(&list);
}

static void test_undo(void **state)
{
	struct fixture *f = *state;
	struct journal_rollout rollout = a_rollout();
	int64_t id = create(f->journal);

	undo(f->journal, id, -ENOENT); /* it is under way */
	rollout.id = id;
	rollout.state = API_STATE_PROMOTED;
	rollout.phase = API_PHASE_ENDED;
	rollout.ended = 1700000009;
	assert_int_equal(journal_rollout_update(f->journal, &rollout, NULL, NULL), 0);
	undo(f->journal, id, 0);
	undo(f->journal, id, -ENOENT); /* only once */
	reopen(f);
	assert_undone(f->journal, id, 2);
	end(f->journal, create(f->journal)); /* the service may have another one */
}

static char *read_fixture(const char *path)
{
	FILE *in = fopen(path, "re");
	char *text = NULL;
	size_t size = 0;

	assert_non_null(in);
	assert_true(getdelim(&text, &size, 0, in) > 0);
	fclose(in);
	return text;
}

/* Before schema 5 only a decision's sentence told what its value was. */
static void assert_units(struct journal *journal, int64_t rollout)
{
	struct journal_decisions list = {};

	assert_int_equal(journal_decisions_load(journal, rollout, 100, &list), 0);
	assert_int_equal(list.count, 3);
	assert_string_equal(list.items[0].unit, API_UNIT_EVIDENCE);
	assert_string_equal(list.items[1].unit, "number");
	assert_null(list.items[2].unit);
	journal_decisions_clear(&list);
}

/* Nothing of the history is lost, and what is new can be written. */
static void test_schema_1(void **state)
{
	struct fixture *f = *state;
	char *sql = read_fixture("tests/unit/fixtures/journal_1.sql");
	struct journal_rollouts rows = {};
	sqlite3 *db;

	f->journal = journal_close(f->journal);
	unlink(f->path);
	assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	free(sql);
	f->journal = open_journal(f->path);
	assert_int_equal(journal_rollouts_list(f->journal, "web", 10, &rows), 0);
	assert_int_equal(rows.count, 2);
	journal_rollouts_clear(&rows);
	assert_units(f->journal, 3);
	undo(f->journal, 4, 0);
	assert_undone(f->journal, 4, 3);
	assert_true(create(f->journal) == 5); /* ids go on */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_service),
		TEST(test_versions),
		TEST(test_rollout),
		TEST(test_decisions),
		TEST(test_lists),
		TEST(test_forgetting),
		TEST(test_crash),
		TEST(test_undo),
		TEST(test_schema_1),
	};

	return cmocka_run_group_tests_name("journal", tests, NULL, NULL);
}

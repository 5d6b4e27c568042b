/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The journal's file: opening, schema, errors, transactions. The rows are in journal_rows.c. */
#include "user/journal.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/journal_file.h"

#define BUSY_MS 2000

/*
 * migrations[n] leads from schema n to n + 1. What is released is never edited, only added to. A rollout's `ended` and
 * its state cannot contradict each other, and a service has one unfinished rollout at most: so what to go on from after
 * a crash is never in doubt.
 */
static const char *const migrations[JOURNAL_SCHEMA] = {
	"CREATE TABLE services ("
	"  name TEXT NOT NULL PRIMARY KEY,"
	"  baseline TEXT NOT NULL,"
	"  canary TEXT,"
	"  generation INTEGER NOT NULL,"
	"  epoch INTEGER NOT NULL,"
	"  weight_ppm INTEGER NOT NULL CHECK (weight_ppm BETWEEN 0 AND 1000000)"
	") STRICT, WITHOUT ROWID;"
	"CREATE TABLE versions ("
	"  service TEXT NOT NULL,"
	"  name TEXT NOT NULL,"
	"  backends TEXT NOT NULL CHECK (json_valid(backends)),"
	"  source TEXT NOT NULL CHECK (source IN ('config', 'api')),"
	"  PRIMARY KEY (service, name)"
	") STRICT, WITHOUT ROWID;"
	"CREATE TABLE rollouts ("
	"  id INTEGER PRIMARY KEY AUTOINCREMENT,"
	"  service TEXT NOT NULL,"
	"  canary TEXT NOT NULL,"
	"  baseline TEXT NOT NULL,"
	"  state TEXT NOT NULL,"
	"  phase TEXT NOT NULL,"
	"  step INTEGER NOT NULL,"
	"  weight_ppm INTEGER NOT NULL CHECK (weight_ppm BETWEEN 0 AND 1000000),"
	"  plan TEXT NOT NULL CHECK (json_valid(plan)),"
	"  policy TEXT CHECK (policy IS NULL OR json_valid(policy)),"
	"  judge BLOB,"
	"  boot_id TEXT NOT NULL,"
	"  started REAL NOT NULL,"
	"  ended REAL,"
	"  reason TEXT NOT NULL,"
	"  CHECK (state IN ('running', 'held', 'paused', 'promoted', 'rolled_back', 'aborted')),"
	"  CHECK ((ended IS NULL) = (state IN ('running', 'held', 'paused')))"
	") STRICT;"
	"CREATE UNIQUE INDEX rollouts_unfinished ON rollouts (service) WHERE ended IS NULL;"
	"CREATE INDEX rollouts_by_service ON rollouts (service, id);"
	"CREATE TABLE decisions ("
	"  id INTEGER PRIMARY KEY AUTOINCREMENT,"
	"  rollout INTEGER NOT NULL REFERENCES rollouts (id) ON DELETE CASCADE,"
	"  t REAL NOT NULL,"
	"  decision TEXT NOT NULL,"
	"  state TEXT NOT NULL,"
	"  step INTEGER NOT NULL,"
	"  weight_from_ppm INTEGER NOT NULL,"
	"  weight_to_ppm INTEGER NOT NULL,"
	"  sli TEXT,"
	"  value REAL,"
	"  bound REAL,"
	"  counts TEXT CHECK (counts IS NULL OR json_valid(counts)),"
	"  reason TEXT NOT NULL"
	") STRICT;"
	"CREATE INDEX decisions_by_rollout ON decisions (rollout, id);",
	/* 2: rollouts end in more ways. */
	"CREATE TABLE rollouts_2 ("
	"  id INTEGER PRIMARY KEY AUTOINCREMENT,"
	"  service TEXT NOT NULL,"
	"  canary TEXT NOT NULL,"
	"  baseline TEXT NOT NULL,"
	"  state TEXT NOT NULL,"
	"  phase TEXT NOT NULL,"
	"  step INTEGER NOT NULL,"
	"  weight_ppm INTEGER NOT NULL CHECK (weight_ppm BETWEEN 0 AND 1000000),"
	"  plan TEXT NOT NULL CHECK (json_valid(plan)),"
	"  policy TEXT CHECK (policy IS NULL OR json_valid(policy)),"
	"  judge BLOB,"
	"  boot_id TEXT NOT NULL,"
	"  started REAL NOT NULL,"
	"  ended REAL,"
	"  reason TEXT NOT NULL,"
	"  CHECK (state IN ('running', 'held', 'paused', 'promoted', 'rolled_back', 'aborted', "
	"    'undone', 'completed')),"
	"  CHECK ((ended IS NULL) = (state IN ('running', 'held', 'paused')))"
	") STRICT;"
	"INSERT INTO rollouts_2 SELECT * FROM rollouts;"
	"DROP TABLE rollouts;"
	"ALTER TABLE rollouts_2 RENAME TO rollouts;"
	"CREATE UNIQUE INDEX rollouts_unfinished ON rollouts (service) WHERE ended IS NULL;"
	"CREATE INDEX rollouts_by_service ON rollouts (service, id);",
	/* 3: alerts outlive the daemon. */
	"CREATE TABLE alerts ("
	"  service TEXT NOT NULL,"
	"  name TEXT NOT NULL,"
	"  version TEXT NOT NULL,"
	"  key TEXT NOT NULL,"
	"  severity TEXT NOT NULL,"
	"  action TEXT,"
	"  summary TEXT NOT NULL,"
	"  description TEXT NOT NULL,"
	"  began REAL NOT NULL,"
	"  until REAL,"
	"  uid INTEGER NOT NULL,"
	"  told INTEGER NOT NULL,"
	"  PRIMARY KEY (service, name, version, key)"
	") STRICT, WITHOUT ROWID;"
	"CREATE TABLE posts ("
	"  id INTEGER PRIMARY KEY AUTOINCREMENT,"
	"  url TEXT NOT NULL,"
	"  body TEXT NOT NULL"
	") STRICT;",
	/* 4: what is known of a service's SLIs outlives the daemon: who muted them, restarts that were counted. */
	"CREATE TABLE kept ("
	"  service TEXT NOT NULL,"
	"  key TEXT NOT NULL,"
	"  value TEXT NOT NULL CHECK (json_valid(value)),"
	"  PRIMARY KEY (service, key)"
	") STRICT, WITHOUT ROWID;",
	/* 5: what a decision's value is. Before, its sentence alone told. */
	"ALTER TABLE decisions ADD COLUMN unit TEXT;"
	"UPDATE decisions SET unit = CASE WHEN reason LIKE '% its bound of %' OR reason LIKE '% times the baseline''s%' "
	"  OR reason LIKE '%the check fails%' OR reason LIKE '%error budget:%' THEN 'number' ELSE 'evidence' END "
	"  WHERE value IS NOT NULL;",
};

/* ---- errors ---------------------------------------------------------------------------------------------- */

struct failure {
	int code; /* SQLite's, primary */
	int error;
	const char *sentence;
};

static const struct failure failures[] = {
	{ SQLITE_BUSY, -EBUSY, "another process holds it (end that one: `fuser` names it)" },
	{ SQLITE_LOCKED, -EBUSY, "another process holds it (end that one: `fuser` names it)" },
	{ SQLITE_FULL, -ENOSPC, "no space is left (free some on its file system)" },
	{ SQLITE_READONLY, -EROFS, "cannot be written (make it and its directory writable for canaryd)" },
	{ SQLITE_PERM, -EACCES, "may not be accessed (make it and its directory writable for canaryd)" },
	{ SQLITE_CORRUPT, -EBADMSG, "is damaged (move it and its -wal away; the history is lost, or restore a copy)" },
	{ SQLITE_NOTADB, -EBADMSG, "is no journal (move it away, or name another state_dir)" },
	{ SQLITE_NOMEM, -ENOMEM, "out of memory (free some and try again)" },
	{ SQLITE_CONSTRAINT, -EINVAL, "this row cannot be kept" },
	{ SQLITE_MISMATCH, -EINVAL, "this row cannot be kept" },
	{ SQLITE_CANTOPEN, -EACCES, "cannot be opened (make its directory, writable for canaryd)" },
	{ SQLITE_IOERR, -EIO, "cannot be read or written (look for disk errors in the kernel's log)" },
};

static const struct failure *find_failure(int code)
{
	size_t count = sizeof(failures) / sizeof(failures[0]);

	for (size_t i = 0; i < count; i++)
		if (failures[i].code == (code & 0xff))
			return &failures[i];
	return &failures[count - 1];
}

static int refuse(struct journal *journal, int error, const char *format, va_list args)
{
	char *what = NULL;

	free(journal->error);
	journal->error = NULL;
	if (vasprintf(&what, format, args) < 0)
		return error;
	if (asprintf(&journal->error, "%s: %s", journal->path, what) < 0)
		journal->error = NULL;
	free(what);
	return error;
}

int journal_refuse(struct journal *journal, int error, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	refuse(journal, error, format, args);
	va_end(args);
	return error;
}

int journal_fail(struct journal *journal)
{
	const struct failure *failure = find_failure(sqlite3_extended_errcode(journal->db));

	return journal_refuse(journal, failure->error, "%s: %s", failure->sentence, sqlite3_errmsg(journal->db));
}

const char *journal_error(const struct journal *journal)
{
	return journal->error ? journal->error : "";
}

/* ---- statements ------------------------------------------------------------------------------------------ */

int journal_execute(struct journal *journal, const char *sql)
{
	return sqlite3_exec(journal->db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : journal_fail(journal);
}

static int bind_positive(sqlite3_stmt *statement, int index, double value)
{
	return value > 0 ? sqlite3_bind_double(statement, index, value) : sqlite3_bind_null(statement, index);
}

static int bind_blob(sqlite3_stmt *statement, int index, va_list *args)
{
	const void *data = va_arg(*args, const void *);
	size_t size = va_arg(*args, size_t);

	return sqlite3_bind_blob64(statement, index, data, size, SQLITE_STATIC);
}

static int bind_one(sqlite3_stmt *statement, int index, char type, va_list *args)
{
	switch (type) {
	case 't':
		return sqlite3_bind_text(statement, index, va_arg(*args, const char *), -1, SQLITE_STATIC);
	case 'i':
		return sqlite3_bind_int64(statement, index, va_arg(*args, int64_t));
	case 'r':
		return sqlite3_bind_double(statement, index, va_arg(*args, double));
	case 'p':
		return bind_positive(statement, index, va_arg(*args, double));
	case 'b':
		return bind_blob(statement, index, args);
	default:
		return SQLITE_MISUSE;
	}
}

static int prepare(struct journal *journal, const char *sql, sqlite3_stmt **ret, const char *types, va_list *args)
{
	sqlite3_stmt *statement;
	int code = sqlite3_prepare_v2(journal->db, sql, -1, &statement, NULL);

	for (int i = 0; code == SQLITE_OK && types[i]; i++)
		code = bind_one(statement, i + 1, types[i], args);
	if (code != SQLITE_OK) {
		int r = journal_fail(journal);

		sqlite3_finalize(statement);
		return r;
	}
	*ret = statement;
	return 0;
}

int journal_prepare(struct journal *journal, const char *sql, sqlite3_stmt **ret, const char *types, ...)
{
	va_list args;
	int r;

	va_start(args, types);
	r = prepare(journal, sql, ret, types, &args);
	va_end(args);
	return r;
}

int journal_run(struct journal *journal, const char *sql, int *ret_changes, const char *types, ...)
{
	sqlite3_stmt *statement = NULL;
	va_list args;
	int r;

	va_start(args, types);
	r = prepare(journal, sql, &statement, types, &args);
	va_end(args);
	if (r < 0)
		return r;
	if (sqlite3_step(statement) != SQLITE_DONE)
		r = journal_fail(journal);
	else if (ret_changes)
		*ret_changes = sqlite3_changes(journal->db);
	sqlite3_finalize(statement);
	return r;
}

/* ---- transactions ---------------------------------------------------------------------------------------- */

int journal_begin(struct journal *journal, bool synced)
{
	int r = 0;

	if (journal->relaxed == synced)
		r = journal_execute(journal, synced ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL");
	if (r < 0)
		return r;
	journal->relaxed = !synced;
	return journal_execute(journal, "BEGIN IMMEDIATE");
}

int journal_end(struct journal *journal, int r)
{
	if (r == 0)
		r = journal_execute(journal, "COMMIT");
	if (r < 0)
		sqlite3_exec(journal->db, "ROLLBACK", NULL, NULL, NULL);
	return r;
}

/* ---- opening --------------------------------------------------------------------------------------------- */

static int read_integer(struct journal *journal, const char *sql, int64_t *ret)
{
	sqlite3_stmt *statement = NULL;
	int r = journal_prepare(journal, sql, &statement, "");

	if (r < 0)
		return r;
	if (sqlite3_step(statement) == SQLITE_ROW)
		*ret = sqlite3_column_int64(statement, 0);
	else
		r = journal_fail(journal);
	sqlite3_finalize(statement);
	return r;
}

/* The schema of the file, 0 for an empty one; refuses what is not a journal this program knows. */
static int read_schema(struct journal *journal, int64_t *ret)
{
	int64_t schema = 0, tables = 0;
	int r = read_integer(journal, "PRAGMA user_version", &schema);

	if (r == 0)
		r = read_integer(journal, "SELECT count(*) FROM sqlite_schema", &tables);
	if (r < 0)
		return r;
	if (schema > JOURNAL_SCHEMA)
		return journal_refuse(journal, -EPROTONOSUPPORT,
				      "is of schema %lld, this canaryd knows up to %d (run the canaryd that wrote it, "
				      "or a "
				      "newer one)",
				      (long long)schema, JOURNAL_SCHEMA);
	if (schema < 0 || (schema == 0 && tables > 0))
		return journal_refuse(journal, -EPROTONOSUPPORT,
				      "is an SQLite file of another program (move it away, or name another state_dir)");
	*ret = schema;
	return 0;
}

/* One page out of order is enough to trust none of it. */
static int check_whole(struct journal *journal)
{
	sqlite3_stmt *statement = NULL;
	const char *answer = NULL;
	int r = journal_prepare(journal, "PRAGMA quick_check(1)", &statement, "");

	if (r < 0)
		return r;
	if (sqlite3_step(statement) == SQLITE_ROW)
		answer = (const char *)sqlite3_column_text(statement, 0);
	if (!answer)
		r = journal_fail(journal);
	else if (strcmp(answer, "ok") != 0)
		r = journal_refuse(journal, -EBADMSG, "%s: %s", find_failure(SQLITE_CORRUPT)->sentence, answer);
	sqlite3_finalize(statement);
	return r;
}

static int migrate(struct journal *journal, int64_t schema)
{
	char version[64];
	int r = journal_begin(journal, true);

	if (r < 0)
		return r;
	for (; schema < JOURNAL_SCHEMA && r == 0; schema++)
		r = journal_execute(journal, migrations[schema]);
	snprintf(version, sizeof(version), "PRAGMA user_version = %d", JOURNAL_SCHEMA);
	if (r == 0)
		r = journal_execute(journal, version);
	return journal_end(journal, r);
}

static int set_up(struct journal *journal)
{
	int64_t schema = 0;
	int r;

	sqlite3_busy_timeout(journal->db, BUSY_MS);
	/* Until the file is known to be ours, closing it must not write to it either. */
	sqlite3_db_config(journal->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	r = read_schema(journal, &schema);
	if (r == 0)
		r = check_whole(journal);
	if (r < 0)
		return r;
	sqlite3_db_config(journal->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
	r = journal_execute(journal, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
	if (r == 0 && schema < JOURNAL_SCHEMA)
		r = migrate(journal, schema);
	if (r == 0)
		r = journal_execute(journal, "PRAGMA foreign_keys = ON"); /* a table that is replaced would be missed */
	return r;
}

/* SQLite says "unable to open"; the system knows why. */
static int fail_open(struct journal *journal)
{
	int error = journal->db ? sqlite3_system_errno(journal->db) : ENOMEM;

	if (journal->db && sqlite3_errcode(journal->db) != SQLITE_CANTOPEN)
		return journal_fail(journal);
	if (error == 0)
		error = EACCES;
	return journal_refuse(journal, -error, "cannot be opened: %s (make its directory, writable for canaryd)",
			      strerror(error));
}

int journal_open(const char *path, struct journal **ret, char **ret_error)
{
	struct journal *journal = calloc(1, sizeof(*journal));
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
	int r = -ENOMEM;

	*ret_error = NULL;
	if (!journal)
		return r;
	journal->path = strdup(path);
	if (journal->path)
		r = sqlite3_open_v2(path, &journal->db, flags, NULL) == SQLITE_OK ? set_up(journal)
										  : fail_open(journal);
	if (r < 0) {
		*ret_error = journal->error;
		journal->error = NULL;
		journal_close(journal);
		return r;
	}
	*ret = journal;
	return 0;
}

struct journal *journal_close(struct journal *journal)
{
	if (!journal)
		return NULL;
	sqlite3_close(journal->db);
	free(journal->path);
	free(journal->error);
	free(journal);
	return NULL;
}

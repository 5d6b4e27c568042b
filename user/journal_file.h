/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The journal's file below its rows: SQLite's handle, errors, statements, transactions. Private to journal*.c. */
#ifndef CANARYD_JOURNAL_FILE_H
#define CANARYD_JOURNAL_FILE_H

#include <sqlite3.h>
#include <stdbool.h>

#include "user/journal.h"

struct journal {
	sqlite3 *db;
	char *path;
	char *error;  /* NULL: none */
	bool relaxed; /* commits are not synced: the last one was a checkpoint */
};

/* Keeps the sentence for `error` (an errno, negative), printf-like, after "PATH: ". Returns `error`. */
int journal_refuse(struct journal *journal, int error, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Keeps the sentence for what SQLite just failed at. Returns the negative errno. */
int journal_fail(struct journal *journal);

/* Runs SQL without parameters or results. */
int journal_execute(struct journal *journal, const char *sql);

/*
 * Prepares `sql` and binds its parameters as `types` says, a letter each: t text (const char *, NULL: NULL), i integer
 * (int64_t), r real (double, NaN: NULL), p positive real (double, 0: NULL), b blob (const void *, size_t). The texts
 * and blobs must live as long as the statement. The caller finalizes *ret.
 */
int journal_prepare(struct journal *journal, const char *sql, sqlite3_stmt **ret, const char *types, ...);

/* Runs a statement prepared so that gives no rows. Its result in *ret_changes, which may be NULL, is rows changed. */
int journal_run(struct journal *journal, const char *sql, int *ret_changes, const char *types, ...);

/* Begins a transaction whose commit is synced, or one whose commit is not. */
int journal_begin(struct journal *journal, bool synced);

/* Commits when `r` is 0, else takes all back. Returns `r`, or why the commit failed. */
int journal_end(struct journal *journal, int r);

#endif

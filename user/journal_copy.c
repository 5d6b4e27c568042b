/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A copy of a journal that nobody writes. */
#include "user/journal.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <unistd.h>

#include "user/error.h"

static void move_aside(const char *path, const char *suffix)
{
	char from[4200], to[4300];

	snprintf(from, sizeof(from), "%s%s", path, suffix);
	snprintf(to, sizeof(to), "%s.before%s", path, suffix);
	if (rename(from, to) && errno == ENOENT)
		unlink(to); /* it would not belong to the others */
}

/* In whole, or not at all: the other name gets it only then. */
static int vacuum_into(sqlite3 *from, const char *to)
{
	char *sql = sqlite3_mprintf("VACUUM INTO %Q", to);
	int r = sql ? sqlite3_exec(from, sql, NULL, NULL, NULL) : SQLITE_NOMEM;

	sqlite3_free(sql);
	return r;
}

int journal_copy(const char *from, const char *to, char **ret_error)
{
	sqlite3 *source = NULL;
	int r;

	move_aside(to, "");
	move_aside(to, "-wal");
	move_aside(to, "-shm");
	if (access(from, F_OK))
		return errno == ENOENT ? 0 : error_set(ret_error, -errno, "cannot read the journal %s: %m", from);
	r = sqlite3_open_v2(from, &source, SQLITE_OPEN_READWRITE, NULL);
	if (r == SQLITE_OK)
		r = vacuum_into(source, to);
	if (r != SQLITE_OK)
		error_set(ret_error, -EIO, "cannot copy the journal %s to %s: %s", from, to, sqlite3_errmsg(source));
	sqlite3_close(source);
	return r == SQLITE_OK ? 0 : -EIO;
}

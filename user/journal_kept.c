/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "user/journal_kept.h"

#include <errno.h>
#include <string.h>

#include "user/journal_file.h"

int journal_keep(struct journal *journal, const char *service, const char *key, const char *value, bool synced)
{
	int r = journal_begin(journal, synced);

	if (r < 0)
		return r;
	if (value)
		r = journal_run(journal, "INSERT OR REPLACE INTO kept (service, key, value) VALUES (?, ?, ?)", NULL, "ttt",
				service, key, value);
	else
		r = journal_run(journal, "DELETE FROM kept WHERE service = ? AND key = ?", NULL, "tt", service, key);
	return journal_end(journal, r);
}

int journal_kept(struct journal *journal, const char *service, const char *key, char **ret)
{
	sqlite3_stmt *statement = NULL;
	int r = journal_prepare(journal, "SELECT value FROM kept WHERE service = ? AND key = ?", &statement, "tt", service,
				key);
	char *value;

	if (r < 0)
		return r;
	switch (sqlite3_step(statement)) {
	case SQLITE_ROW:
		value = strdup((const char *)sqlite3_column_text(statement, 0));
		if (value)
			*ret = value;
		else
			r = journal_refuse(journal, -ENOMEM, "out of memory (free some and try again)");
		break;
	case SQLITE_DONE: r = -ENOENT; break;
	default: r = journal_fail(journal);
	}
	sqlite3_finalize(statement);
	return r;
}

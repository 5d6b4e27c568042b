/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "user/journal_read.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

const char *journal_read_text(struct journal_reader *reader)
{
	const char *text = (const char *)sqlite3_column_text(reader->statement, reader->column++);
	char *copy = text ? strdup(text) : NULL;

	reader->no_memory |= text && !copy;
	return copy;
}

int64_t journal_read_integer(struct journal_reader *reader)
{
	return sqlite3_column_int64(reader->statement, reader->column++);
}

double journal_read_real(struct journal_reader *reader, double if_null)
{
	int column = reader->column++;

	if (sqlite3_column_type(reader->statement, column) == SQLITE_NULL)
		return if_null;
	return sqlite3_column_double(reader->statement, column);
}

const void *journal_read_blob(struct journal_reader *reader, size_t *ret_size)
{
	int column = reader->column++;
	const void *data = sqlite3_column_blob(reader->statement, column);
	size_t size = (size_t)sqlite3_column_bytes(reader->statement, column);
	void *copy = data ? malloc(size) : NULL;

	reader->no_memory |= data && !copy;
	*ret_size = copy ? size : 0;
	return copy ? memcpy(copy, data, size) : NULL;
}

void journal_free_texts(const char *const *texts, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free((void *)texts[i]);
}

int journal_read_rows(struct journal *journal, sqlite3_stmt *statement, void **items, size_t *count, size_t size,
		      void (*read)(struct journal_reader *reader, void *item))
{
	struct journal_reader reader = { .statement = statement };
	int code;

	while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
		char *grown = reallocarray(*items, *count + 1, size);

		if (grown) {
			*items = grown;
			memset(grown + *count * size, 0, size);
			reader.column = 0;
			read(&reader, grown + (*count)++ * size);
		}
		if (!grown || reader.no_memory)
			return journal_refuse(journal, -ENOMEM, "out of memory (free some and try again)");
	}
	return code == SQLITE_DONE ? 0 : journal_fail(journal);
}

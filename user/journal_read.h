/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rows of a statement into lists of structs whose texts are copies. Private to journal*.c. */
#ifndef CANARYD_JOURNAL_READ_H
#define CANARYD_JOURNAL_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "user/journal_file.h"

/* Reads a row's columns from left to right. */
struct journal_reader {
	sqlite3_stmt *statement;
	int column;
	bool no_memory;
};

/* The next column. Texts and blobs are copies, the list's that they are read into; NULL for NULL. */
const char *journal_read_text(struct journal_reader *reader);
int64_t journal_read_integer(struct journal_reader *reader);
double journal_read_real(struct journal_reader *reader, double if_null);
const void *journal_read_blob(struct journal_reader *reader, size_t *ret_size);

/*
 * Adds the rows of a statement to a list: `items` and `count` are the list's, `size` an item's, `read` fills a zeroed
 * item. What it has read of an item stays in the list also when the memory runs out, so that clearing the list frees it.
 */
int journal_read_rows(struct journal *journal, sqlite3_stmt *statement, void **items, size_t *count, size_t size,
		      void (*read)(struct journal_reader *reader, void *item));

void journal_free_texts(const char *const *texts, size_t count);
#define JOURNAL_FREE_TEXTS(...)                                                                                     \
	journal_free_texts((const char *const[]){ __VA_ARGS__ }, sizeof((const char *[]){ __VA_ARGS__ }) / sizeof(char *))

#endif

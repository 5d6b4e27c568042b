/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Text on a terminal, a pipe or in memory: tones, bars, paragraphs and tables. Whatever is printed goes through
 * page_print() or a table's cell, which take out control characters, so nothing the daemon passes on can steer the
 * terminal. In a locale without UTF-8 only ASCII is drawn; widths count code points.
 */
#ifndef CANARYCTL_PAGE_H
#define CANARYCTL_PAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct style {
	bool color;
	bool utf8;
	unsigned columns; /* of the terminal */
};

enum tone { TONE_PLAIN, TONE_BOLD, TONE_DIM, TONE_GOOD, TONE_BAD, TONE_WARN };

struct page {
	FILE *out;
	struct style style;
};

enum glyph { GLYPH_ARROW, GLYPH_DOTS, GLYPH_DIVIDE, GLYPH_CHECK, GLYPH_AT_LEAST, GLYPH_BULLET };

/*
 * What suits `out`: colour on a terminal or with CLICOLOR_FORCE, unless NO_COLOR; UTF-8 by the locale; its width (80 where
 * unknown).
 */
struct style style_for(FILE *out);

const char *page_glyph(const struct page *page, enum glyph glyph);

void page_print(const struct page *page, enum tone tone, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* `text` as a paragraph between `indent` and the right edge, broken at spaces. Prints nothing for "". */
void page_wrap(const struct page *page, enum tone tone, unsigned indent, const char *text);

/* A bar of `width` cells, `share` (0 … 1) of it full, written to `bar`, which has BAR_BYTES. */
#define BAR_WIDTH_MAX 60
#define BAR_BYTES (BAR_WIDTH_MAX * 4 + 1)
void page_bar(const struct page *page, double share, unsigned width, char *bar);

/* The bytes of UTF-8 `text` that make a code point each. */
size_t page_width(const char *text);

/* ---- tables: cells row by row, then printed with every column as wide as its widest cell ------------------- */

struct table;

/* `alignment`: a letter a column, l or r. NULL: no memory; every other function accepts that. */
struct table *table_new(const char *alignment);
struct table *table_free(struct table *table);
void table_cell(struct table *table, enum tone tone, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Fills the row with empty cells. */
void table_end(struct table *table);
/* Prints the rows, `indent` from the left, and frees the table. */
void table_print(struct table *table, const struct page *page, unsigned indent);

#endif

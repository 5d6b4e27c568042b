/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "page.h"

#include <ctype.h>
#include <langinfo.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define COLUMNS_DEFAULT 80
#define COLUMNS_MIN 40
#define COLUMNS_MAX 400

static const char *const tone_codes[] = {
	[TONE_PLAIN] = "",	    [TONE_BOLD] = "\033[1m", [TONE_DIM] = "\033[2m",
	[TONE_GOOD] = "\033[32m", [TONE_BAD] = "\033[31m",  [TONE_WARN] = "\033[33m",
};

static unsigned columns_of(int fd)
{
	const char *set = getenv("COLUMNS");
	struct winsize size = { 0 };
	unsigned long columns = set ? strtoul(set, NULL, 10) : 0;

	if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
		columns = size.ws_col;
	if (columns == 0)
		return COLUMNS_DEFAULT;
	if (columns < COLUMNS_MIN)
		return COLUMNS_MIN;
	return columns > COLUMNS_MAX ? COLUMNS_MAX : (unsigned)columns;
}

struct style style_for(FILE *out)
{
	const char *no_color = getenv("NO_COLOR");
	const char *force = getenv("CLICOLOR_FORCE");
	const char *term = getenv("TERM");
	bool terminal = isatty(fileno(out)) && !(term && strcmp(term, "dumb") == 0);

	return (struct style){
		.color = (terminal || (force && *force)) && !(no_color && *no_color),
		.utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0,
		.columns = columns_of(fileno(out)),
	};
}

const char *page_glyph(const struct page *page, enum glyph glyph)
{
	static const char *const glyphs[][2] = {
		[GLYPH_ARROW] = { "->", "→" }, [GLYPH_DOTS] = { "..", "…" },	 [GLYPH_DIVIDE] = { "/", "÷" },
		[GLYPH_CHECK] = { "ok", "✔" }, [GLYPH_AT_LEAST] = { ">=", "≥" }, [GLYPH_BULLET] = { "-", "·" },
	};

	return glyphs[glyph][page->style.utf8];
}

/* Control characters, C1 in UTF-8 (U+0080 … U+009F) included, become '?'; a line feed may be `kept`. */
static void defuse(char *text, char kept)
{
	unsigned char *c = (unsigned char *)text;

	for (; *c; c++) {
		if ((*c < 0x20 && *c != kept) || *c == 0x7f)
			*c = '?';
		else if (c[0] == 0xc2 && c[1] >= 0x80 && c[1] <= 0x9f)
			c[0] = c[1] = '?';
	}
}

static void put(const struct page *page, enum tone tone, const char *text)
{
	bool colored = page->style.color && tone != TONE_PLAIN && *text;

	if (colored)
		fputs(tone_codes[tone], page->out);
	fputs(text, page->out);
	if (colored)
		fputs("\033[0m", page->out);
}

void page_print(const struct page *page, enum tone tone, const char *format, ...)
{
	va_list arguments;
	char *text;
	int r;

	va_start(arguments, format);
	r = vasprintf(&text, format, arguments);
	va_end(arguments);
	if (r < 0)
		return;
	defuse(text, '\n');
	put(page, tone, text);
	free(text);
}

size_t page_width(const char *text)
{
	size_t width = 0;

	for (; *text; text++)
		width += (*text & 0xc0) != 0x80;
	return width;
}

/* The bytes up to the next place for a line break: a number and its unit ("4.8 %", "12 min") stay together. */
static size_t unbroken(const char *text)
{
	size_t length = strcspn(text, " \n");

	while (length > 0 && isdigit((unsigned char)text[length - 1]) && text[length] == ' ') {
		size_t unit = strcspn(text + length + 1, " \n");

		if (unit == 0 || unit > strlen("min."))
			break;
		length += 1 + unit;
	}
	return length;
}

void page_wrap(const struct page *page, enum tone tone, unsigned indent, const char *text)
{
	size_t room = page->style.columns > indent + 20 ? page->style.columns - indent : 20;
	size_t used = 0;
	char word[512];

	for (text += strspn(text, " \n"); *text; text += strspn(text, " \n")) {
		size_t length = unbroken(text), width;

		snprintf(word, sizeof(word), "%.*s", (int)length, text);
		width = page_width(word);
		if (used > 0 && used + 1 + width > room) {
			fputc('\n', page->out);
			used = 0;
		}
		if (used == 0)
			fprintf(page->out, "%*s", (int)indent, "");
		page_print(page, tone, "%s%s", used ? " " : "", word);
		used += width + (used ? 1 : 0);
		text += length;
	}
	if (used > 0)
		fputc('\n', page->out);
}

void page_bar(const struct page *page, double share, unsigned width, char *bar)
{
	static const char *const eighths[] = { "", "▏", "▎", "▍", "▌", "▋", "▊", "▉" };
	const char *full = page->style.utf8 ? "█" : "#", *empty = page->style.utf8 ? "░" : ".";
	unsigned steps = page->style.utf8 ? 8 : 1;
	unsigned filled, i;
	char *end = bar;

	if (width > BAR_WIDTH_MAX)
		width = BAR_WIDTH_MAX;
	share = isnan(share) || share < 0 ? 0 : share > 1 ? 1 : share;
	filled = (unsigned)floor(share * width * steps + 1e-9);
	if (share > 0 && filled == 0)
		filled = 1;
	for (i = 0; i < width; i++) {
		if ((i + 1) * steps <= filled)
			end = stpcpy(end, full);
		else if (i * steps < filled)
			end = stpcpy(end, eighths[filled - i * steps]);
		else
			end = stpcpy(end, empty);
	}
	*end = '\0';
}

/* ---- tables ------------------------------------------------------------------------------------------------ */

#define TABLE_COLUMNS_MAX 16
#define TABLE_GAP 2

struct cell {
	char *text;
	enum tone tone;
};

struct table {
	char alignment[TABLE_COLUMNS_MAX + 1];
	size_t columns;
	struct cell *cells;
	size_t count;
	size_t allocated;
};

struct table *table_new(const char *alignment)
{
	struct table *table = calloc(1, sizeof(*table));

	if (!table)
		return NULL;
	snprintf(table->alignment, sizeof(table->alignment), "%s", alignment);
	table->columns = strlen(table->alignment);
	return table;
}

struct table *table_free(struct table *table)
{
	if (!table)
		return NULL;
	for (size_t i = 0; i < table->count; i++)
		free(table->cells[i].text);
	free(table->cells);
	free(table);
	return NULL;
}

static bool table_grow(struct table *table)
{
	size_t allocated = table->allocated ? table->allocated * 2 : 64;
	struct cell *cells = reallocarray(table->cells, allocated, sizeof(*cells));

	if (!cells)
		return false;
	table->cells = cells;
	table->allocated = allocated;
	return true;
}

void table_cell(struct table *table, enum tone tone, const char *format, ...)
{
	va_list arguments;
	char *text;
	int r;

	if (!table || (table->count == table->allocated && !table_grow(table)))
		return;
	va_start(arguments, format);
	r = vasprintf(&text, format, arguments);
	va_end(arguments);
	if (r < 0)
		return;
	defuse(text, '\0');
	table->cells[table->count++] = (struct cell){ .text = text, .tone = tone };
}

void table_end(struct table *table)
{
	while (table && table->count % table->columns != 0) {
		size_t before = table->count;

		table_cell(table, TONE_PLAIN, "%s", "");
		if (table->count == before)
			return;
	}
}

static void table_widths(const struct table *table, size_t *widths)
{
	memset(widths, 0, TABLE_COLUMNS_MAX * sizeof(*widths));
	for (size_t i = 0; i < table->count; i++) {
		size_t width = page_width(table->cells[i].text);

		if (width > widths[i % table->columns])
			widths[i % table->columns] = width;
	}
}

static void spaces(FILE *out, size_t count)
{
	fprintf(out, "%*s", (int)count, "");
}

/* Blanks are printed when something follows them, so no line ends in one. */
static void table_row(const struct table *table, const struct page *page, size_t first, const size_t *widths,
		      unsigned indent)
{
	size_t pending = indent;

	for (size_t i = 0; i < table->columns && first + i < table->count; i++) {
		const struct cell *cell = &table->cells[first + i];
		size_t padding = widths[i] - page_width(cell->text);
		size_t before = table->alignment[i] == 'r' ? padding : 0;

		if (*cell->text) {
			spaces(page->out, pending + before);
			put(page, cell->tone, cell->text);
			pending = padding - before;
		} else {
			pending += padding;
		}
		pending += widths[i] ? TABLE_GAP : 0;
	}
	fputc('\n', page->out);
}

void table_print(struct table *table, const struct page *page, unsigned indent)
{
	size_t widths[TABLE_COLUMNS_MAX];

	if (!table)
		return;
	table_widths(table, widths);
	for (size_t first = 0; first < table->count; first += table->columns)
		table_row(table, page, first, widths, indent);
	table_free(table);
}

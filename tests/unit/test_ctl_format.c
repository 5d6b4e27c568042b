/* SPDX-License-Identifier: GPL-2.0-or-later */
/* canaryctl's numbers, bars, paragraphs and tables. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tools/canaryctl/format.h"
#include "tools/canaryctl/page.h"

struct row {
	double value;
	const char *text;
};

#define CHECK(function, ...)                                                                   \
	do {                                                                                   \
		const struct row rows[] = { __VA_ARGS__ };                                     \
		for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)                      \
			assert_string_equal(function(rows[i].value).text, rows[i].text);       \
	} while (0)

static void numbers(void **state)
{
	(void)state;
	CHECK(format_count, { 0, "0" }, { 9999, "9999" }, { 10000, "10.0 k" }, { 12345, "12.3 k" }, { 999499, "999 k" },
	      { 999501, "1.00 M" }, { 1.2e6, "1.20 M" }, { 4e18, "4000 P" }, { NAN, "-" });
	CHECK(format_rate, { 0, "0/s" }, { 0.52, "0.5/s" }, { 9.96, "10/s" }, { 950, "950/s" }, { 1234, "1.2 k/s" },
	      { 25000, "25 k/s" }, { NAN, "-" });
	CHECK(format_share, { 0, "0 %" }, { 1, "100 %" }, { 0.0012, "0.12 %" }, { 0.048, "4.8 %" }, { 0.25, "25.0 %" },
	      { 0.00001, "<0.01 %" }, { 0.9996, "100 %" }, { 0.99996, "100 %" }, { NAN, "-" });
	CHECK(format_weight, { 0.05, "5 %" }, { 0.001, "0.1 %" }, { 1.0 / 3, "33.3 %" }, { 1, "100 %" }, { 0, "0 %" },
	      { NAN, "-" });
	CHECK(format_seconds, { 0.0000123, "0.012 ms" }, { 0.00123, "1.23 ms" }, { 0.0123, "12.3 ms" },
	      { 0.123, "123 ms" }, { 0.9999, "1.00 s" }, { 12.34, "12.3 s" }, { NAN, "-" });
	CHECK(format_duration, { 0, "0 s" }, { 1.5, "1.5 s" }, { 45, "45 s" }, { 60, "1 min" }, { 192, "3 min 12 s" },
	      { 3600, "1 h" }, { 7500, "2 h 5 min" }, { 273600, "3 d 4 h" }, { -1, "-" }, { NAN, "-" },
	      { INFINITY, "-" });
	CHECK(format_factor, { 20, "20" }, { 0.984, "0.98" }, { 12.44, "12.4" }, { 230.4, "230" }, { 99999, "99999" },
	      { 603748, "6.0e5" }, { 6.66e10, "6.7e10" }, { 9.99e99, "1.0e100" }, { INFINITY, "inf" }, { NAN, "-" });
}

static void clocks(void **state)
{
	(void)state;
	setenv("TZ", "UTC", 1);
	assert_string_equal(format_clock(1714572131.9).text, "14:02:11");
	assert_string_equal(format_date(1714572131).text, "2024-05-01 14:02:11");
	assert_string_equal(format_clock(NAN).text, "-");
	assert_string_equal(format_date(1e300).text, "-");
}

/* ---- pages ------------------------------------------------------------------------------------------------- */

struct memory {
	struct page page;
	char *text;
	size_t size;
};

static struct memory *memory_new(struct style style)
{
	struct memory *memory = calloc(1, sizeof(*memory));

	memory->page.style = style;
	memory->page.out = open_memstream(&memory->text, &memory->size);
	return memory;
}

static void memory_check(struct memory *memory, const char *expected)
{
	fclose(memory->page.out);
	assert_string_equal(memory->text, expected);
	free(memory->text);
	free(memory);
}

static void bars(void **state)
{
	const struct page ascii = { .style = { .columns = 80 } }, utf8 = { .style = { .utf8 = true, .columns = 80 } };
	char bar[BAR_BYTES];

	(void)state;
	page_bar(&ascii, 0.5, 10, bar);
	assert_string_equal(bar, "#####.....");
	page_bar(&ascii, 0.001, 10, bar);
	assert_string_equal(bar, "#.........");
	page_bar(&ascii, NAN, 4, bar);
	assert_string_equal(bar, "....");
	page_bar(&ascii, 7, 4, bar);
	assert_string_equal(bar, "####");
	page_bar(&utf8, 0.375, 4, bar);
	assert_string_equal(bar, "█▌░░");
	page_bar(&utf8, 1, 1000, bar);
	assert_int_equal(page_width(bar), BAR_WIDTH_MAX);
}

static void what_steers_a_terminal_is_taken_out(void **state)
{
	struct memory *memory = memory_new((struct style){ .color = true, .utf8 = true, .columns = 80 });
	struct table *table = table_new("l");

	(void)state;
	page_print(&memory->page, TONE_BAD, "a\033[2Jb\xc2\x9b");
	page_print(&memory->page, TONE_PLAIN, "|ü→\r\n");
	table_cell(table, TONE_PLAIN, "x\ay\n");
	table_print(table, &memory->page, 1);
	memory_check(memory, "\033[31ma?[2Jb??\033[0m|ü→?\n x?y?\n");
}

static void paragraphs(void **state)
{
	struct memory *memory = memory_new((struct style){ .columns = 40 });

	(void)state;
	page_wrap(&memory->page, TONE_PLAIN, 4, "");
	page_wrap(&memory->page, TONE_PLAIN, 4, "  one sentence that is longer than what fits into\none line");
	page_wrap(&memory->page, TONE_PLAIN, 4, "a number and its unit: an even 4.8 %, or 12 min.");
	memory_check(memory, "    one sentence that is longer than\n    what fits into one line\n"
			     "    a number and its unit: an even\n    4.8 %, or 12 min.\n");
}

static void tables(void **state)
{
	struct memory *memory = memory_new((struct style){ .columns = 80 });
	struct table *table = table_new("lrl");

	(void)state;
	table_cell(table, TONE_PLAIN, "name");
	table_cell(table, TONE_PLAIN, "n");
	table_end(table);
	table_cell(table, TONE_PLAIN, "ü");
	table_cell(table, TONE_PLAIN, "100 %%");
	table_cell(table, TONE_PLAIN, "end");
	table_cell(table, TONE_PLAIN, "%s", "");
	table_cell(table, TONE_PLAIN, "%s", "");
	table_cell(table, TONE_PLAIN, "x");
	table_print(table, &memory->page, 2);
	memory_check(memory, "  name      n\n  ü     100 %  end\n               x\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers),
		cmocka_unit_test(clocks),
		cmocka_unit_test(bars),
		cmocka_unit_test(what_steers_a_terminal_is_taken_out),
		cmocka_unit_test(paragraphs),
		cmocka_unit_test(tables),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

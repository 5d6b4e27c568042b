/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What others wrote, made fit for JSON: held against jansson, which is who would refuse it. */
#include "user/text.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void test_repair(void **state)
{
	static const struct {
		const char *text, *repaired;
	} cases[] = {
		{ "", "" },
		{ "plain", "plain" },
		{ "caf\xc3\xa9 \xe2\x89\xa5 \xf0\x9f\x90\xa4", "caf\xc3\xa9 \xe2\x89\xa5 \xf0\x9f\x90\xa4" },
		{ "caf\xe9 closed", "caf? closed" },	   /* Latin-1 */
		{ "cut \xe2\x89", "cut ??" },
		{ "\xc0\xaf \xe0\x80\x80 \xf0\x80\x80\x80", "?? ??? ????" }, /* longer than need be */
		{ "\xed\xa0\x80 \xf4\x90\x80\x80 \xff", "??? ???? ?" },	     /* a surrogate, too large, never */
		{ "\xa9\xc3\xa9", "?\xc3\xa9" },
	};
	char buf[64];

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		strcpy(buf, cases[i].text);
		assert_string_equal(text_repair(buf), cases[i].repaired);
	}
}

/* Every text of three bytes: what jansson takes stays as it is, and what it does not is taken afterwards. */
static void test_as_json_has_it(void **state)
{
	static const unsigned char bytes[] = { 'a', 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf,
					       0xe0, 0xe1, 0xec, 0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xff };
	size_t n = COUNT(bytes);

	(void)state;
	for (size_t i = 0; i < n * n * n * n; i++) {
		char text[] = { (char)bytes[i % n], (char)bytes[i / n % n], (char)bytes[i / n / n % n], (char)bytes[i / n / n / n], 0 };
		char repaired[sizeof(text)];
		json_t *before = json_string(text), *after = json_string(text_repair(memcpy(repaired, text, sizeof(text))));

		assert_non_null(after);
		assert_int_equal(!before, strcmp(text, repaired) != 0);
		json_decref(before);
		json_decref(after);
	}
}

static void test_print(void **state)
{
	char buf[8];

	(void)state;
	assert_int_equal(text_print(buf, sizeof(buf), "%s", "12345\xe2\x89\xa5"), 8);
	assert_string_equal(buf, "12345??");
	assert_int_equal(text_print(buf, sizeof(buf), "%.2s|", "1\xc3\xa9"), 3);
	assert_string_equal(buf, "1?|");
	assert_int_equal(text_print(NULL, 0, "%d", 12), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_repair),
		cmocka_unit_test(test_as_json_has_it),
		cmocka_unit_test(test_print),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What canaryctl says of backends: all of them as a table, and in the status those only that are not as they should be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tools/canaryctl/backend_view.h"

#define BACKEND(address, state, flows, why)                                                                         \
	"{\"address\": \"" address "\", \"state\": \"" state "\", \"active_flows\": " #flows ", \"why\": " why "}"
#define VERSION(name, role, usable, panic, backends)                                                                \
	"{\"name\": \"" name "\", \"role\": \"" role "\", \"rotation\": {\"usable\": " #usable ", \"panic\": " panic "}, "      \
	"\"backends\": [" backends "]}"

typedef void view(const struct page *page, const json_t *value);

static void expect(view *draw, const char *json, const char *expected)
{
	struct page page = { .style = { .columns = 80 } };
	json_t *value = json_loads(json, 0, NULL);
	char *text = NULL;
	size_t size;

	assert_non_null(value);
	page.out = open_memstream(&text, &size);
	draw(&page, value);
	fclose(page.out);
	json_decref(value);
	assert_string_equal(text, expected);
	free(text);
}

static void a_table_of_all(void **state)
{
	(void)state;
	expect(backend_view_all,
	       "[" VERSION("v1", "baseline", 2, "false",
			   BACKEND("10.0.0.1:80", "healthy", 12, "null") ", "
			   BACKEND("10.0.0.3:80", "unhealthy", 0, "\"tcp check: connection refused\"")) ", "
	       VERSION("v2", "canary", 1, "false", BACKEND("[fd00::2]:80", "draining", 3, "null")) "]",
	       "version  backend       state      active\n"
	       "v1       10.0.0.1:80   healthy        12\n"
	       "v1       10.0.0.3:80   unhealthy       0  tcp check: connection refused\n"
	       "v2       [fd00::2]:80  draining        3\n");
	expect(backend_view_all, "[]", "version  backend  state  active\n");
}

static void only_what_is_not_well(void **state)
{
	(void)state;
	expect(backend_view_trouble,
	       "[" VERSION("v1", "baseline", 2, "false", BACKEND("a:1", "healthy", 1, "null") ", "
			   BACKEND("b:1", "unchecked", 1, "null")) "]", "");
	expect(backend_view_trouble,
	       "[" VERSION("v1", "baseline", 1, "false", BACKEND("a:1", "healthy", 1, "null") ", "
			   BACKEND("b:1", "ejected", 4, "\"5 failures in a row\"")) "]",
	       "  b:1 of v1 is ejected with 4 flows: 5 failures in a row\n");
	expect(backend_view_trouble, "[" VERSION("v1", "baseline", 1, "true", BACKEND("a:1", "unhealthy", 0, "null")) "]",
	       "  a:1 of v1 is unhealthy with 0 flows\n"
	       "  no backend of v1 is well: all get new flows, but for those that are drained\n");
	expect(backend_view_trouble, "[" VERSION("v2", "canary", 0, "false", BACKEND("a:1", "drained", 0, "null")) "]",
	       "  a:1 of v2 is drained with 0 flows\n"
	       "  v2 has no backend for new flows: they go to the baseline\n");
	expect(backend_view_trouble, "[" VERSION("v1", "baseline", 0, "false", BACKEND("a:1", "drained", 0, "null")) "]",
	       "  a:1 of v1 is drained with 0 flows\n"
	       "  v1 has no backend for new flows\n");
	expect(backend_view_trouble, "[{\"name\": \"v1\"}, 3, null]", ""); /* a daemon that says nothing of it */
}

static void the_state_of_one(void **state)
{
	(void)state;
	expect(backend_view_state, BACKEND("a:1", "healthy", 5, "null"), "a:1 healthy\n");
	expect(backend_view_state,
	       "{\"address\": \"a:1\", \"state\": \"draining\", \"active_flows\": 7, \"ends_s\": 89.2}",
	       "a:1 draining, 7 flows left, taken away in 1 min 30 s\n");
	expect(backend_view_state, "{\"address\": \"a:1\", \"state\": \"draining\", \"active_flows\": 7, \"ends_s\": null}",
	       "a:1 draining, 7 flows left\n");
	expect(backend_view_state, "{}", "? ?\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_table_of_all),
		cmocka_unit_test(only_what_is_not_well),
		cmocka_unit_test(the_state_of_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

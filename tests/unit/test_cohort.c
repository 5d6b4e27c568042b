/* SPDX-License-Identifier: GPL-2.0-or-later */
/* user/cohort.h: networks as people write them, lists of them, and that one network is in one cohort. */
#include "user/cohort.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_networks(void **state)
{
	static const struct {
		const char *text, *canonical;
		uint32_t length;
	} good[] = {
		{ "192.0.2.0/24", "192.0.2.0/24", 120 },
		{ "0.0.0.0/0", "0.0.0.0/0", 96 },
		{ "192.0.2.7", "192.0.2.7/32", 128 },
		{ "192.0.2.6/31", "192.0.2.6/31", 127 },
		{ "2001:DB8::/32", "2001:db8::/32", 32 },
		{ "2001:db8::1", "2001:db8::1/128", 128 },
		{ "::/0", "::/0", 0 },
		{ "8000::/1", "8000::/1", 1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		char text[COHORT_PREFIX_TEXT];
		struct canary_prefix prefix;
		const char *problem;

		assert_int_equal(cohort_prefix_parse(good[i].text, &prefix, &problem), 0);
		assert_int_equal(prefix.length, good[i].length);
		cohort_prefix_format(&prefix, text);
		assert_string_equal(text, good[i].canonical);
		assert_int_equal(cohort_prefix_is_ipv4(&prefix), strchr(good[i].canonical, '.') != NULL);
	}
}

static void test_no_networks(void **state)
{
	static const char *const bad[] = {
		"", "/", "/24", "192.0.2.0/", "192.0.2.0/33", "192.0.2.0/024", "192.0.2.0/-1", "192.0.2.0/+1", "192.0.2.0/ 1",
		"192.0.2.0/24/24", "192.0.2/24", "192.0.2.1/24", "128.0.0.0/0", "2001:db8::/129", "2001:db8::1/64",
		"[2001:db8::]/32", "::ffff:192.0.2.0/120", "192.0.2.0/4294967320", "localhost", "192.0.2.0/24 ",
		"1111:2222:3333:4444:5555:6666:7777:8888:9999/64",
	};
	struct canary_prefix prefix = { .length = 5 };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		const char *problem = NULL;

		assert_int_equal(cohort_prefix_parse(bad[i], &prefix, &problem), -EINVAL);
		assert_non_null(strchr(problem, '('));
		assert_int_equal(prefix.length, 5);
	}
}

static int add(struct cohort *cohort, const char *text, char **ret_error)
{
	return cohort_add_text(cohort, text, strlen(text), "list", ret_error);
}

static void test_text(void **state)
{
	struct cohort cohort = { 0 };
	char *error = NULL;

	(void)state;
	assert_int_equal(add(&cohort, "# ours\n\n192.0.2.0/24\r\n\t2001:db8::/32 # v6\n198.51.100.1", &error), 0);
	assert_int_equal(cohort.count, 3);
	assert_int_equal(cohort.prefixes[2].length, 128);
	assert_int_equal(add(&cohort, "", &error), 0);
	assert_int_equal(add(&cohort, "192.0.2.0/24\n192.0.2.0/40\n", &error), -EINVAL);
	assert_string_equal(error, "list:2: \"192.0.2.0/40\" is not a network (write 192.0.2.0/24 or 2001:db8::/32)");
	free(error);
	error = NULL;
	assert_int_equal(add(&cohort, "1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc/64", &error), -EINVAL);
	free(error);
	cohort_deinit(&cohort);
	assert_null(cohort.prefixes);
}

static void test_one_network_one_cohort(void **state)
{
	struct cohort cohorts[] = { { .name = "a" }, { .name = "b" } };
	struct cohort_list list = { cohorts, 2 };
	char *error = NULL;

	(void)state;
	assert_int_equal(add(&cohorts[0], "192.0.2.0/24\n192.0.2.0/24\n2001:db8::/32", &error), 0);
	assert_int_equal(add(&cohorts[1], "192.0.2.0/25\n", &error), 0);
	assert_int_equal(cohort_check(&list, &error), 0);
	assert_int_equal(add(&cohorts[1], "2001:db8::/32\n", &error), 0);
	assert_int_equal(cohort_check(&list, &error), -EINVAL);
	assert_non_null(strstr(error, "2001:db8::/32 is in cohort "));
	assert_ptr_equal(cohort_find(&list, "b"), &cohorts[1]);
	assert_null(cohort_find(&list, "c"));
	free(error);
	cohort_deinit(&cohorts[0]);
	cohort_deinit(&cohorts[1]);
}

static void test_words(void **state)
{
	enum canary_cohort_action action;

	(void)state;
	for (int i = CANARY_COHORT_BASELINE; i <= CANARY_COHORT_EXCLUDE; i++) {
		assert_int_equal(cohort_action_parse(cohort_action_name(i), &action), 0);
		assert_int_equal(action, i);
	}
	assert_int_equal(cohort_action_parse("", &action), -EINVAL);
	assert_int_equal(cohort_action_parse("none", &action), -EINVAL);
	assert_string_equal(cohort_action_name(99), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_networks), cmocka_unit_test(test_no_networks),
		cmocka_unit_test(test_text),     cmocka_unit_test(test_one_network_one_cohort),
		cmocka_unit_test(test_words),
	};

	return cmocka_run_group_tests_name("cohort", tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Texts the journal keeps for a service, by key. */
#include <errno.h>

#include "tests/unit/journal_fixture.h"

#include "user/journal_file.h"
#include "user/journal_kept.h"

static void assert_kept(struct fixture *f, const char *service, const char *key, const char *value)
{
	char *text = NULL;

	assert_int_equal(journal_kept(f->journal, service, key, &text), 0);
	assert_string_equal(text, value);
	free(text);
}

static void what_is_kept_is_there_again(void **state)
{
	struct fixture *f = *state;
	char *text = NULL;

	assert_int_equal(journal_kept(f->journal, "web", "mutes", &text), -ENOENT);
	assert_int_equal(journal_keep(f->journal, "web", "mutes", "[1]", true), 0);
	assert_int_equal(journal_keep(f->journal, "web", "looks", "[2]", false), 0);
	assert_int_equal(journal_keep(f->journal, "api", "mutes", "[3]", true), 0);
	assert_int_equal(journal_keep(f->journal, "web", "mutes", "[4]", true), 0);
	reopen(f);
	assert_kept(f, "web", "mutes", "[4]");
	assert_kept(f, "web", "looks", "[2]");
	assert_int_equal(journal_keep(f->journal, "web", "mutes", NULL, true), 0);
	assert_int_equal(journal_kept(f->journal, "web", "mutes", &text), -ENOENT);
	assert_kept(f, "api", "mutes", "[3]");
	assert_null(text);
}

static void what_cannot_be_kept_leaves_what_was(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(journal_keep(f->journal, "web", "mutes", "[1]", true), 0);
	assert_int_equal(journal_keep(f->journal, "web", "mutes", "no JSON", true), -EINVAL);
	assert_kept(f, "web", "mutes", "[1]");
	assert_int_equal(journal_execute(f->journal, "PRAGMA query_only = 1"), 0);
	assert_int_equal(journal_keep(f->journal, "web", "mutes", "[2]", true), -EROFS);
	assert_true(strlen(journal_error(f->journal)) > 0);
	assert_kept(f, "web", "mutes", "[1]");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_is_kept_is_there_again, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_cannot_be_kept_leaves_what_was, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("journal_kept", tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What operators say of SLIs: whose word counts, until when, and that it survives as text. */
#include "user/mutes.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NOW 1800000000.0

static struct mute mute(const char *sli, double until)
{
	struct mute m = { .until = until, .since = NOW - 10.5, .by = "root" };

	strcpy(m.sli, sli);
	return m;
}

static void the_operator_s_word_counts(void **state)
{
	struct mutes mutes = { 0 };
	struct mute said = mute("latency", NOW + 60);

	(void)state;
	assert_false(mutes_is_muted(&mutes, "latency", 0, NOW));
	assert_true(mutes_is_muted(&mutes, "latency", NOW + 1, NOW));
	assert_true(mutes_is_muted(&mutes, "latency", INFINITY, NOW));
	assert_int_equal(mutes_set(&mutes, &said), 0);
	assert_true(mutes_is_muted(&mutes, "latency", 0, NOW));
	assert_false(mutes_is_muted(&mutes, "latency", 0, NOW + 60));
	assert_false(mutes_is_muted(&mutes, "errors", 0, NOW));
	said.until = 0;
	assert_int_equal(mutes_set(&mutes, &said), 0);
	assert_int_equal(mutes.n, 1);
	assert_false(mutes_is_muted(&mutes, "latency", NOW + 1, NOW));
	mutes_remove(&mutes, "latency");
	assert_true(mutes_is_muted(&mutes, "latency", NOW + 1, NOW));
	assert_null(mutes_find(&mutes, "latency"));
}

static void it_is_over_at_its_time(void **state)
{
	struct mute said[] = { mute("a", NOW + 1), mute("b", INFINITY), mute("c", 0), mute("d", NOW + 2) }, over;
	struct mutes mutes = { 0 };

	(void)state;
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(mutes_set(&mutes, &said[i]), 0);
	assert_false(mutes_expire(&mutes, NOW, &over));
	assert_true(mutes_expire(&mutes, NOW + 1, &over));
	assert_string_equal(over.sli, "a");
	assert_true(mutes_expire(&mutes, NOW + 1e6, &over));
	assert_string_equal(over.sli, "d");
	assert_false(mutes_expire(&mutes, NOW + 1e9, &over));
	assert_int_equal(mutes.n, 2);
}

static void it_survives_as_text(void **state)
{
	struct mute said[] = { mute("a", NOW + 1.5), mute("b", INFINITY), mute("c", 0) };
	struct mutes mutes = { 0 }, again;
	json_t *json;
	char *text;

	(void)state;
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(mutes_set(&mutes, &said[i]), 0);
	json = mutes_json(&mutes);
	text = json_dumps(json, JSON_COMPACT);
	assert_int_equal(mutes_parse(text, &again), 0);
	assert_int_equal(again.n, 3);
	for (unsigned i = 0; i < 3; i++) {
		const struct mute *m = mutes_find(&again, said[i].sli);

		assert_non_null(m);
		assert_true(m->until == said[i].until && m->since == said[i].since);
		assert_string_equal(m->by, "root");
	}
	free(text);
	json_decref(json);
}

static void other_texts_are_refused(void **state)
{
	static const char *const texts[] = { "", "{}", "[1]", "[{}]", "[{\"sli\": \"a\", \"muted\": true}]" };
	struct mutes mutes = { .n = 7 };

	(void)state;
	for (unsigned i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		assert_int_equal(mutes_parse(texts[i], &mutes), -EINVAL);
	assert_int_equal(mutes.n, 7);
}

static void there_are_no_more_than_slis(void **state)
{
	struct mutes mutes = { 0 };
	struct mute m = mute("a", INFINITY);

	(void)state;
	for (unsigned i = 0; i < FINDING_SLIS; i++, m.sli[0]++)
		assert_int_equal(mutes_set(&mutes, &m), 0);
	assert_int_equal(mutes_set(&mutes, &m), -ENOSPC);
	m.sli[0]--;
	assert_int_equal(mutes_set(&mutes, &m), 0);
}

static void it_is_said_in_words(void **state)
{
	struct mute m = mute("latency", INFINITY);
	char words[160];

	(void)state;
	assert_string_equal(mutes_print(words, sizeof(words), &m), "latency is muted by root, and has no say");
	m.until = NOW;
	assert_non_null(strstr(mutes_print(words, sizeof(words), &m), "by root until 2027-01-1"));
	m.until = 0;
	assert_string_equal(mutes_print(words, sizeof(words), &m), "latency has its say again, by root");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_operator_s_word_counts), cmocka_unit_test(it_is_over_at_its_time),
		cmocka_unit_test(it_survives_as_text),	      cmocka_unit_test(other_texts_are_refused),
		cmocka_unit_test(there_are_no_more_than_slis), cmocka_unit_test(it_is_said_in_words),
	};

	return cmocka_run_group_tests_name("mutes", tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whose turn it is, and what their answers mean, without anyone being asked. */
#include "user/consent.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct consent_who gate_and_migration[] = { { .retries = 0 }, { .once = true } };
static const struct consent_who two_gates[] = { { .retries = 0 }, { .retries = 0 } };

static void ask(struct consent *c, double now_s, unsigned wanted)
{
	unsigned who = 99;

	assert_true(consent_next(c, now_s, &who));
	assert_int_equal(who, wanted);
	consent_asked(c, now_s);
	assert_false(consent_next(c, now_s, &who));
}

static void nobody_is_asked(struct consent *c, double now_s)
{
	unsigned who;

	assert_false(consent_next(c, now_s, &who));
}

static void says(const struct consent *c, double now_s, enum consent_verdict wanted, unsigned wanted_who, const char *wanted_why)
{
	char why[CONSENT_WHY] = "";
	unsigned who = 99;

	assert_int_equal(consent_verdict(c, now_s, &who, why), wanted);
	if (wanted == CONSENT_AGREED)
		return;
	assert_int_equal(who, wanted_who);
	assert_string_equal(why, wanted_why);
}

static void nobody_to_ask_agrees(void **state)
{
	struct consent c;

	(void)state;
	consent_begin(&c, NULL, 0);
	nobody_is_asked(&c, 0);
	says(&c, 0, CONSENT_AGREED, 0, NULL);
	says(&c, 1e6, CONSENT_AGREED, 0, NULL);
}

static void all_have_to_agree(void **state)
{
	struct consent c;

	(void)state;
	consent_begin(&c, gate_and_migration, 2);
	says(&c, 100, CONSENT_ASKING, 0, "is being asked");
	ask(&c, 100, 0);
	says(&c, 101, CONSENT_ASKING, 0, "is being asked");
	consent_answer(&c, true, "", 101);
	says(&c, 101, CONSENT_ASKING, 1, "is being asked");
	ask(&c, 101, 1);
	/* What does something may take its time. */
	says(&c, 500, CONSENT_ASKING, 1, "has not answered for 399 s");
	consent_answer(&c, true, "", 500);
	says(&c, 500, CONSENT_AGREED, 0, NULL);
	nobody_is_asked(&c, 505);
}

static void a_no_is_asked_again(void **state)
{
	struct consent c;

	(void)state;
	consent_begin(&c, two_gates, 2);
	ask(&c, 0, 0);
	consent_answer(&c, true, "", 0);
	ask(&c, 0, 1);
	consent_answer(&c, false, "exit status 1", 1);
	says(&c, 1, CONSENT_REFUSED, 1, "does not agree: exit status 1");
	nobody_is_asked(&c, 10.9);
	ask(&c, 11, 0); /* from the first: a yes of long ago is none */
	says(&c, 11, CONSENT_REFUSED, 1, "does not agree: exit status 1");
	consent_answer(&c, true, "", 11);
	says(&c, 11, CONSENT_REFUSED, 1, "does not agree: exit status 1");
	ask(&c, 11, 1);
	consent_answer(&c, true, "", 12);
	says(&c, 12, CONSENT_AGREED, 0, NULL);
}

static void retries_come_before_a_no(void **state)
{
	static const struct consent_who who[] = { { .retries = 2 } };
	struct consent c;

	(void)state;
	consent_begin(&c, who, 1);
	for (int i = 0; i < 2; i++) {
		ask(&c, 2 * i, 0);
		consent_answer(&c, false, "refused", 2 * i);
		says(&c, 2 * i, CONSENT_ASKING, 0, "is being asked");
		nobody_is_asked(&c, 2 * i + 0.5);
	}
	ask(&c, 4, 0);
	consent_answer(&c, false, "refused", 4);
	says(&c, 4, CONSENT_REFUSED, 0, "does not agree: refused");
}

static void silence_is_no_yes(void **state)
{
	struct consent c;

	(void)state;
	consent_begin(&c, two_gates, 2);
	ask(&c, 0, 0);
	says(&c, 9.9, CONSENT_ASKING, 0, "is being asked");
	says(&c, 12, CONSENT_REFUSED, 0, "has not answered for 12 s");
	consent_answer(&c, true, "", 13);
	says(&c, 13, CONSENT_ASKING, 1, "is being asked");
}

static void what_failed_once_has_failed(void **state)
{
	struct consent c;

	(void)state;
	consent_begin(&c, gate_and_migration, 2);
	ask(&c, 0, 0);
	consent_answer(&c, true, "", 0);
	ask(&c, 0, 1);
	consent_answer(&c, false, "exit status 7", 1);
	says(&c, 1, CONSENT_FAILED, 1, "does not agree: exit status 7");
	nobody_is_asked(&c, 1000);
	consent_drop(&c);
	ask(&c, 1000, 0); /* when the question comes again, all of it does */
}

static void a_yes_grows_stale(void **state)
{
	struct consent c;

	(void)state;
	consent_begin(&c, gate_and_migration, 2);
	ask(&c, 0, 0);
	consent_answer(&c, true, "", 0);
	ask(&c, 0, 1);
	consent_answer(&c, true, "", 0);
	says(&c, 11, CONSENT_ASKING, 0, "is being asked");
	ask(&c, 11, 0);
	consent_answer(&c, true, "", 12);
	says(&c, 12, CONSENT_AGREED, 0, NULL); /* the migration was done */
}

static void only_what_was_done_stays(void **state)
{
	static const struct consent_who migration[] = { { .once = true } };
	struct consent c;

	(void)state;
	consent_begin(&c, gate_and_migration, 2);
	ask(&c, 0, 0);
	assert_true(consent_drop(&c)); /* a gate is given up */
	consent_answer(&c, true, "", 1); /* and its late answer is nobody's */
	says(&c, 1, CONSENT_ASKING, 0, "is being asked");
	ask(&c, 1, 0);
	consent_answer(&c, true, "", 1);
	ask(&c, 1, 1);
	assert_false(consent_drop(&c)); /* a migration is not */
	consent_answer(&c, true, "", 2);
	says(&c, 2, CONSENT_AGREED, 0, NULL);
	assert_false(consent_drop(&c));
	ask(&c, 3, 0);
	consent_answer(&c, true, "", 3);
	says(&c, 3, CONSENT_AGREED, 0, NULL);

	consent_begin(&c, migration, 1);
	ask(&c, 0, 0);
	consent_answer(&c, true, "", 0);
	consent_drop(&c);
	nobody_is_asked(&c, 100);
	says(&c, 100, CONSENT_AGREED, 0, NULL);
}

/* Whatever the answers and times, a yes of all is the only way to CONSENT_AGREED. */
static void no_yes_without_all(void **state)
{
	static const struct consent_who who[] = { { .retries = 1 }, { .once = true }, { .retries = 0 } };
	unsigned seed = 7;

	(void)state;
	for (int run = 0; run < 2000; run++) {
		unsigned yes = 0, at = 0, blamed;
		char why[CONSENT_WHY];
		struct consent c;

		consent_begin(&c, who, COUNT(who));
		for (double now_s = 0; now_s < 60; now_s += 0.5) {
			bool agrees = rand_r(&seed) % 3 != 0;

			if (consent_next(&c, now_s, &at))
				consent_asked(&c, now_s);
			else if (c.asked && rand_r(&seed) % 2) {
				consent_answer(&c, agrees, "no", now_s);
				yes = agrees ? yes | 1U << at : yes & ~(1U << at);
			}
			if (consent_verdict(&c, now_s, &blamed, why) == CONSENT_AGREED)
				assert_int_equal(yes, 7);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nobody_to_ask_agrees),	     cmocka_unit_test(all_have_to_agree),
		cmocka_unit_test(a_no_is_asked_again),	     cmocka_unit_test(retries_come_before_a_no),
		cmocka_unit_test(silence_is_no_yes),	     cmocka_unit_test(what_failed_once_has_failed),
		cmocka_unit_test(a_yes_grows_stale),	     cmocka_unit_test(only_what_was_done_stays),
		cmocka_unit_test(no_yes_without_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Blackout windows against clocks on walls: days, midnight, dates, daylight saving.
 */
#include "user/blackout.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct blackout window(const char *from, const char *to, unsigned days)
{
	struct blackout w;
	char reason[160];

	assert_int_equal(blackout_parse(from, to, days, reason, sizeof(reason), &w), 0);
	return w;
}

/* "2026-11-23 22:00" was a Monday. */
static bool open_at(const struct blackout *w, int day, int hour, int minute)
{
	struct tm t = { .tm_year = 126, .tm_mon = 10, .tm_mday = day, .tm_hour = hour, .tm_min = minute };

	t.tm_wday = (day - 22 + 70) % 7;
	return blackout_active(w, &t);
}

static void it_holds_its_first_minute_and_not_its_last(void **state)
{
	struct blackout w = window("09:00", "17:30", 0);

	(void)state;
	assert_false(open_at(&w, 23, 8, 59));
	assert_true(open_at(&w, 23, 9, 0));
	assert_true(open_at(&w, 23, 17, 29));
	assert_false(open_at(&w, 23, 17, 30));
}

static void only_on_its_days(void **state)
{
	struct blackout w = window("00:00", "24:00", 1U << BLACKOUT_SAT | 1U << BLACKOUT_SUN);

	(void)state;
	assert_false(open_at(&w, 27, 23, 59)); /* Friday */
	assert_true(open_at(&w, 28, 0, 0));
	assert_true(open_at(&w, 29, 23, 59));
	assert_false(open_at(&w, 30, 0, 0)); /* Monday */
}

static void past_midnight_it_belongs_to_the_day_it_began_on(void **state)
{
	struct blackout w = window("22:00", "06:00", 1U << BLACKOUT_FRI);

	(void)state;
	assert_false(open_at(&w, 27, 5, 59)); /* Thursday's would be open now */
	assert_false(open_at(&w, 27, 21, 59));
	assert_true(open_at(&w, 27, 22, 0));
	assert_true(open_at(&w, 28, 0, 0));
	assert_true(open_at(&w, 28, 5, 59));
	assert_false(open_at(&w, 28, 6, 0));
	assert_false(open_at(&w, 28, 22, 0));
}

static void a_day_from_noon_to_noon(void **state)
{
	struct blackout w = window("12:00", "12:00", 1U << BLACKOUT_SUN);

	(void)state;
	assert_false(open_at(&w, 22, 11, 59));
	assert_true(open_at(&w, 22, 12, 0));
	assert_true(open_at(&w, 23, 11, 59)); /* from Sunday into Monday: the week wraps */
	assert_false(open_at(&w, 23, 12, 0));
}

static void between_two_dates(void **state)
{
	struct blackout w = window("2026-12-24T18:00", "2027-01-02T00:00", 0);
	struct tm t = { .tm_year = 126, .tm_mon = 11, .tm_mday = 24, .tm_hour = 17, .tm_min = 59 };

	(void)state;
	assert_false(blackout_active(&w, &t));
	t.tm_hour = 18;
	assert_true(blackout_active(&w, &t));
	t = (struct tm){ .tm_year = 127, .tm_mon = 0, .tm_mday = 1, .tm_hour = 23, .tm_min = 59 };
	assert_true(blackout_active(&w, &t));
	t = (struct tm){ .tm_year = 127, .tm_mon = 0, .tm_mday = 2 };
	assert_false(blackout_active(&w, &t));
}

/* The minutes of a day, in steps of real time, in which the window is open where the clocks of Berlin go. */
static unsigned open_minutes(const struct blackout *w, time_t from, unsigned minutes)
{
	unsigned open = 0;
	struct tm t;

	setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
	tzset();
	for (unsigned i = 0; i < minutes; i++) {
		time_t now = from + i * 60;

		localtime_r(&now, &t);
		open += blackout_active(w, &t);
	}
	unsetenv("TZ");
	tzset();
	return open;
}

static void daylight_saving_follows_the_wall(void **state)
{
	struct blackout within = window("02:15", "02:45", 0), across = window("01:00", "04:00", 0);
	const time_t spring = 1774738800; /* 2026-03-29 00:00 CET: 02:00 becomes 03:00 */
	const time_t autumn = 1792879200; /* 2026-10-25 00:00 CEST: 03:00 becomes 02:00 */

	(void)state;
	assert_int_equal(open_minutes(&within, spring, 23 * 60), 0);
	assert_int_equal(open_minutes(&within, autumn, 25 * 60), 60);
	assert_int_equal(open_minutes(&across, spring, 23 * 60), 120);
	assert_int_equal(open_minutes(&across, autumn, 25 * 60), 240);
}

static void what_is_no_window_is_refused(void **state)
{
	static const char *const bad[][2] = {
		{ "9:00", "17:00" }, { "09:00", "25:00" }, { "09:60", "10:00" }, { "24:00", "06:00" }, { "", "" },
		{ "09:00", "24:01" }, { "09:00 ", "10:00" }, { "-1:00", "10:00" }, { "00:00", "24:00" },
		{ "2026-12-24T18:00", "06:00" }, { "2026-02-29T00:00", "2026-03-01T00:00" },
		{ "2026-13-01T00:00", "2027-01-01T00:00" }, { "2026-12-24T18:00", "2026-12-24T18:00" },
		{ "2026-12-24T24:00", "2026-12-26T00:00" }, { "2026-12-24T18:00Z", "2026-12-26T00:00" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct blackout w = { .from = -1 };
		char reason[160] = "";

		assert_int_equal(blackout_parse(bad[i][0], bad[i][1], 0, reason, sizeof(reason), &w), -EINVAL);
		assert_non_null(strchr(reason, '('));
		assert_int_equal(w.from, -1);
	}
}

static void leap_days_are_days(void **state)
{
	struct blackout w = window("2028-02-29T00:00", "2028-03-01T00:00", 0);
	struct tm t = { .tm_year = 128, .tm_mon = 1, .tm_mday = 29, .tm_hour = 12 };
	char reason[160];

	(void)state;
	assert_true(blackout_active(&w, &t));
	assert_int_equal(blackout_parse("2028-02-29T00:00", "2028-03-01T00:00", 1, reason, sizeof(reason), &w), -EINVAL);
	assert_non_null(strstr(reason, "days"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_holds_its_first_minute_and_not_its_last),
		cmocka_unit_test(only_on_its_days),
		cmocka_unit_test(past_midnight_it_belongs_to_the_day_it_began_on),
		cmocka_unit_test(a_day_from_noon_to_noon),
		cmocka_unit_test(between_two_dates),
		cmocka_unit_test(daylight_saving_follows_the_wall),
		cmocka_unit_test(what_is_no_window_is_refused),
		cmocka_unit_test(leap_days_are_days),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Windows against a clock on the wall. A window that passes midnight belongs to the day it begins on.
 */
#include "user/blackout.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define DAY_MINUTES 1440
#define ALL_DAYS ((1U << BLACKOUT_DAYS) - 1)

/* ---- reading ------------------------------------------------------------------------------------------------ */

/* Whether all of `text` is as `shape`: a digit where that has a 0, else the very character. */
static bool has_shape(const char *text, const char *shape)
{
	for (; *shape; text++, shape++)
		if (*shape == '0' ? *text < '0' || *text > '9' : *text != *shape)
			return false;
	return *text == 0;
}

static bool parse_time_of_day(const char *text, int64_t *ret)
{
	int hour, minute;

	if (!has_shape(text, "00:00") || sscanf(text, "%d:%d", &hour, &minute) != 2)
		return false;
	if (minute > 59 || hour > 24 || (hour == 24 && minute > 0))
		return false;
	*ret = hour * 60 + minute;
	return true;
}

static int days_in(int month, int year)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return days[month - 1] + (month == 2 && leap);
}

int64_t blackout_moment(const struct tm *local)
{
	int64_t day = ((int64_t)local->tm_year * 12 + local->tm_mon) * 31 + local->tm_mday - 1;

	return day * DAY_MINUTES + local->tm_hour * 60 + local->tm_min;
}

static bool parse_moment(const char *text, int64_t *ret)
{
	struct tm t = { 0 };

	if (!has_shape(text, "0000-00-00T00:00") || sscanf(text, "%d-%d-%dT%d:%d", &t.tm_year, &t.tm_mon, &t.tm_mday,
							   &t.tm_hour, &t.tm_min) != 5)
		return false;
	if (t.tm_mon < 1 || t.tm_mon > 12 || t.tm_mday < 1 || t.tm_mday > days_in(t.tm_mon, t.tm_year) ||
	    t.tm_hour > 23 || t.tm_min > 59)
		return false;
	t.tm_year -= 1900;
	t.tm_mon -= 1;
	*ret = blackout_moment(&t);
	return true;
}

static int parse_dated(const char *from, const char *to, unsigned days, char *reason, size_t size,
		       struct blackout *ret)
{
	struct blackout window = { .dated = true };

	if (!parse_moment(from, &window.from) || !parse_moment(to, &window.to))
		snprintf(reason, size, "\"%s\" to \"%s\" is no window (write both as 2026-12-24T18:00)", from, to);
	else if (window.to <= window.from)
		snprintf(reason, size, "the window ends at %s, not after it begins at %s (swap them)", to, from);
	else if (days)
		snprintf(reason, size, "a window between two dates has no days (remove `days`)");
	else {
		*ret = window;
		return 0;
	}
	return -EINVAL;
}

int blackout_parse(const char *from, const char *to, unsigned days, char *reason, size_t size, struct blackout *ret)
{
	struct blackout window = { .days = days ? days & ALL_DAYS : ALL_DAYS };

	if (strchr(from, 'T') || strchr(to, 'T'))
		return parse_dated(from, to, days, reason, size, ret);
	if (!parse_time_of_day(from, &window.from) || !parse_time_of_day(to, &window.to) ||
	    window.from == DAY_MINUTES) {
		snprintf(reason, size, "\"%s\" to \"%s\" is no window (write both as \"22:00\", or both as "
				       "2026-12-24T18:00)", from, to);
		return -EINVAL;
	}
	if (window.days == ALL_DAYS && (window.to - window.from) % DAY_MINUTES == 0) {
		snprintf(reason, size, "the window is open on every day and all day: nothing would ever move (shorten "
				       "it, or name its days)");
		return -EINVAL;
	}
	*ret = window;
	return 0;
}

/* ---- the predicate ------------------------------------------------------------------------------------------ */

static bool begins_on(const struct blackout *window, int day)
{
	return !window->days || (window->days >> day & 1);
}

bool blackout_active(const struct blackout *window, const struct tm *local)
{
	int64_t minute = local->tm_hour * 60 + local->tm_min;
	int today = (local->tm_wday + 6) % BLACKOUT_DAYS, yesterday = (today + 6) % BLACKOUT_DAYS;

	if (window->dated) {
		int64_t now = blackout_moment(local);

		return now >= window->from && now < window->to;
	}
	if (window->from < window->to)
		return begins_on(window, today) && minute >= window->from && minute < window->to;
	return (begins_on(window, today) && minute >= window->from) ||
	       (begins_on(window, yesterday) && minute < window->to);
}

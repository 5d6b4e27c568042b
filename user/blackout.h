/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Blackout windows: when nothing moves up and no alert sounds. Pure: the time is an argument, broken down in the
 * host's own time zone, for a window is written as people read their clocks.
 *
 * Daylight saving: a window follows the clock on the wall. In the hour that is left out in spring no minute of it
 * passes; a window within the hour that comes twice in autumn is open twice.
 */
#ifndef CANARYD_BLACKOUT_H
#define CANARYD_BLACKOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#define BLACKOUT_TEXT 17 /* bytes of "2026-12-24T00:00", the final NUL included */

enum blackout_day {
	BLACKOUT_MON = 0,
	BLACKOUT_TUE,
	BLACKOUT_WED,
	BLACKOUT_THU,
	BLACKOUT_FRI,
	BLACKOUT_SAT,
	BLACKOUT_SUN,
	BLACKOUT_DAYS,
};

/* A window holds its first minute and not its last. */
struct blackout {
	bool dated;    /* between two moments; else on each of `days` */
	unsigned days; /* bit n: it begins on enum blackout_day n; 0: on every day. Of no meaning where dated. */
	int64_t from;  /* minute of the day, or a moment as blackout_moment() numbers it */
	int64_t to;    /* the same; a time of day at or before `from` is on the next day */
};

/*
 * Reads a window from "HH:MM" and "HH:MM" ("24:00" may end one), or from "YYYY-MM-DDTHH:MM" twice; days as in struct
 * blackout. 0, or -EINVAL with what is wrong and the mend in `reason`.
 */
int blackout_parse(const char *from, const char *to, unsigned days, char *reason, size_t size, struct blackout *ret);

/* A number that grows with local time, minute by minute though not by 1: to compare moments with. */
int64_t blackout_moment(const struct tm *local);

/* Whether the window is open at the local time. */
bool blackout_active(const struct blackout *window, const struct tm *local);

#endif

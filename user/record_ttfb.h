/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The lists of a line that are long, "ttfb", read before the rest of it is: a JSON reader makes an object of every
 * number, and a replay has a million of them. Private to record*.c.
 */
#ifndef CANARYD_RECORD_TTFB_H
#define CANARYD_RECORD_TTFB_H

#include <stdbool.h>
#include <stddef.h>

#include "user/histogram.h"

#define RECORD_TTFBS 2 /* a baseline's and a canary's */

struct record_ttfbs {
	char *line; /* the line, with the number -1 - i in the place of list i */
	size_t length;
	struct histogram list[RECORD_TTFBS];
	unsigned count;
};

/*
 * False, and nothing to free, where there is nothing to take, or the line is not plain enough to be sure: it is then to
 * be read as it is. Else the caller frees ret->line. A list with a mistake in it stays in the line.
 */
bool record_ttfbs_take(const char *line, size_t length, struct record_ttfbs *ret);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How many requests come in a second, as has to be known before a start: from the first ones on, and soon where they
 * become more. Plain data, zero to begin.
 */
#ifndef CANARYD_PACE_H
#define CANARYD_PACE_H

#include <stdint.h>

#define PACE_SLOTS 60 /* of a second */

struct pace {
	uint64_t n[PACE_SLOTS];
	uint64_t ns[PACE_SLOTS];
	uint32_t current;
	uint32_t begun; /* there have been some in the last minute */
};

void pace_add(struct pace *p, uint64_t n, uint64_t elapsed_ns);

/*
 * Requests per second of the last minute, or of the last seconds where they are more than chance would make of it; 0
 * without any. *ret_s is how long they have been coming, at most a minute.
 */
double pace_rate(const struct pace *p, double *ret_s);

#endif

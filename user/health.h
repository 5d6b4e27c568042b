/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the active checks say of one backend: healthy until it fails, out after `fall` failed checks in a row, back after
 * `rise` good ones. The first check ever decides by itself, as there is nothing it could be held against. Pure.
 */
#ifndef CANARYD_HEALTH_H
#define CANARYD_HEALTH_H

#include <stdbool.h>
#include <stdint.h>

#include "user/config_health.h"

#define HEALTH_WHY 128 /* bytes of a sentence, the final NUL included */

/* Plain data; {} has never been checked. */
struct health {
	bool checked;
	bool down;
	uint32_t streak;      /* checks in a row that say otherwise */
	uint64_t next_ns;     /* when the next is due; 0: now */
	char why[HEALTH_WHY]; /* of the last failed check; "" after a good one that made it healthy */
};

/* Takes in the result of a check. Returns whether the backend has become healthy, or unhealthy. */
bool health_result(struct health *health, const struct config_health *config, bool good, const char *why);

/* When the check after one that was due at `now_ns` is due; `chance` is a random number of full range. */
uint64_t health_next_ns(const struct config_health *config, uint64_t now_ns, uint32_t chance);

#endif

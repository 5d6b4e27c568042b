/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What its flows say of one backend: it is an outlier by failures without a success between them, or by their share in
 * a window. An outlier is ejected for a time that grows with every ejection, and shrinks again while it stays well.
 * Nothing here is kept from the judge, who counts the same failures. Pure.
 */
#ifndef CANARYD_OUTLIER_H
#define CANARYD_OUTLIER_H

#include <stdbool.h>
#include <stdint.h>

#include "user/config_health.h"

#define OUTLIER_SLOTS 10
#define OUTLIER_WHY 128

struct outlier_count {
	uint64_t attempts;
	uint64_t failed;
};

/* Plain data; {} has never been seen. */
struct outlier {
	bool seen;
	struct outlier_count last; /* cumulative, of the last look */
	uint64_t consecutive;
	struct outlier_count slot[OUTLIER_SLOTS]; /* of the window: a ring */
	uint64_t slot_began_ns;
	uint32_t slot_now;
	bool ejected;
	uint64_t until_ns;   /* ejected until; else: one ejection less counts from then on */
	uint32_t ejections;  /* that count for the next one's time */
	char why[OUTLIER_WHY]; /* of the last ejection */
};

/*
 * Takes in the cumulative counts of the backend. Returns whether it is to be ejected, and why; of one that is ejected
 * nothing is asked. Counts that fell begin anew.
 */
bool outlier_look(struct outlier *outlier, const struct config_outlier *config, struct outlier_count now,
		  uint64_t now_ns, char why[OUTLIER_WHY]);

/* Takes it out from now on. */
void outlier_eject(struct outlier *outlier, const struct config_outlier *config, const char *why, uint64_t now_ns);

/* Whether its time is over just now: it begins anew. */
bool outlier_returns(struct outlier *outlier, const struct config_outlier *config, uint64_t now_ns);

/* How many of `backends` may be ejected at a time. */
unsigned outlier_limit(const struct config_outlier *config, unsigned backends);

#endif

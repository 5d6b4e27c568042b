/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Counts of the whole rollout and of its last minute: what is shown beside the evidence, which has no window. Where
 * something began late the last minute says more than the whole, and an operator is told that one. Plain data.
 */
#ifndef CANARYD_RECENT_H
#define CANARYD_RECENT_H

#include <stdint.h>

#include "user/finding.h"
#include "user/sequential.h"

#define RECENT_SLOTS 6 /* of 10 s */

struct recent {
	struct sequential_counts total;
	struct sequential_counts slot[RECENT_SLOTS];
	uint64_t slot_ns[RECENT_SLOTS]; /* how much time each slot covers */
	uint32_t current;
	uint32_t zero;
};

void recent_add(struct recent *r, const struct sequential_counts *c, uint64_t elapsed_ns);

/* The last minute, or what there is of it; *ret_s is how long that is. */
struct sequential_counts recent_minute(const struct recent *r, double *ret_s);

/* Fills counts, telling and telling_s of an SLI. */
void recent_tell(const struct recent *r, struct finding_sli *sli);

#endif

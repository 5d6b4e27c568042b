/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tells a canary's warm backends from its cold ones: the first minute of a backend (caches, pools, just-in-time
 * compilation) is measured and shown, not judged. Time begins with a backend's first traffic. Plain data.
 */
#ifndef CANARYD_WARMUP_H
#define CANARYD_WARMUP_H

#include <stdbool.h>
#include <stdint.h>

#include "user/roster.h"
#include "user/sample.h"

struct warmup {
	struct roster roster;
	uint64_t age_ns[ROSTER_SLOTS]; /* since the first traffic */
	bool begun[ROSTER_SLOTS];
	bool any_warm; /* some backend seen so far is warm */
};

/* Completed events of one tick. */
struct warmup_split {
	uint64_t warm_n;
	uint64_t warm_y;
	uint64_t cold_n;
	uint64_t cold_y;
};

/*
 * Splits a tick of the canary. Events that belong to no backend of the sample count as those of one more backend.
 * Failures are clamped to the attempts.
 */
struct warmup_split warmup_split(struct warmup *w, const struct sample_version *canary, uint64_t elapsed_ns,
				 uint64_t warmup_ns);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What became of a rollout, from its first tick to its last: the split, the evidence and what both versions measured, in a
 * bounded number of points. While they suffice each is a tick; then neighbours become one, the shortest first, so that
 * what is old gets coarse evenly and the last ticks stay as they were. Evidence keeps its highest, so that no climb is
 * lost, and counts are added up. Plain data, zero to begin; pure.
 */
#ifndef CANARYD_HISTORY_H
#define CANARYD_HISTORY_H

#include <canaryd/abi.h>
#include <stdbool.h>
#include <stdint.h>

#include "user/finding.h"

#define HISTORY_POINTS 512
#define HISTORY_TAIL 128 /* of these, that stay as they were */

/* The two that are compared. */
enum {
	HISTORY_BASELINE = 0,
	HISTORY_CANARY,
	HISTORY_VERSIONS,
};

/* Of a version; NAN: not known. */
enum {
	HISTORY_P50_S = 0, /* time to the first byte, of the last minute */
	HISTORY_P99_S,
	HISTORY_ATTEMPTS,  /* completed since the point before, */
	HISTORY_FAILED,    /* … and those of them that failed */
	HISTORY_MEASURES,
};

/* Of a point: what it holds, each a double; NAN: not known. Weights are 0 … 1, evidence is ln E. */
enum {
	HISTORY_WANTED = 0,
	HISTORY_APPLIED,
	HISTORY_MEASURED,
	HISTORY_ROLLBACK, /* of all SLIs together */
	HISTORY_VERSION,  /* the first of HISTORY_MEASURES of each version */
	HISTORY_SLI = HISTORY_VERSION + HISTORY_VERSIONS * HISTORY_MEASURES, /* rollback and promotion of each SLI */
	HISTORY_VALUES = HISTORY_SLI + 2 * FINDING_SLIS,
};

struct history_point {
	double at_s; /* of its last tick, since the history began */
	double value[HISTORY_VALUES];
};

struct history_sli {
	char name[FINDING_NAME];
	double ln_bound_rollback;
	double ln_bound_promotion;
};

struct history_version {
	char name[CANARY_NAME_MAX];
	struct canary_counters counted; /* since the history began */
	struct canary_counters last;    /* the kernel's, when they were looked at last */
	bool looked;
};

struct history {
	int64_t rollout;     /* 0: none yet */
	double began_unix_s; /* of the first point */
	double age_s;        /* now, since then */
	bool ended;
	double ln_bound; /* of all SLIs together: at it the canary is worse, */
	double ln_hold;  /* from it on nothing moves up */
	unsigned n_slis;
	struct history_sli sli[FINDING_SLIS]; /* in the order in which they were first seen */
	struct history_version version[HISTORY_VERSIONS];
	unsigned n;
	struct history_point point[HISTORY_POINTS];
};

/* What a tick adds. `finding` is read only where something was judged. */
struct history_tick {
	double wanted, applied, measured;
	double version[HISTORY_VERSIONS][HISTORY_MEASURES];
	const struct finding *finding;
};

/* Another rollout begins: what was known of the one before is gone. */
void history_begin(struct history *history, int64_t rollout, const char *baseline, const char *canary, double unix_s);

/* A tick, `elapsed_s` after the one before; the first one of a history is at its beginning. */
void history_add(struct history *history, double elapsed_s, const struct history_tick *tick);

/* The kernel's counters of a version as they are now; what they rose by is counted. A counter that fell counts nothing. */
void history_count(struct history *history, unsigned version, const struct canary_counters *now);

#endif

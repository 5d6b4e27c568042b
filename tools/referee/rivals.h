/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What others would do with the same traffic, by their documented rules and defaults, looking at failures:
 *   Flagger  each minute: the canary's success rate below 99 % is a failed check; 5 failed checks, and at the next
 *            look it is rolled back (analysis.interval 1m, threshold 5, request-success-rate min 99)
 *   Argo     each minute: a canary that fails 0.5 percentage points more than the baseline is a failed measurement;
 *            more than failureLimit (3) of them end the rollout
 *   Kayenta  each minute: Mann-Whitney on the failure rates of 10 s of the last 5 min; High when the lower end of
 *            the 95 % confidence interval of the shift is above a quarter of its estimate and the means differ
 */
#ifndef CANARYD_REFEREE_RIVALS_H
#define CANARYD_REFEREE_RIVALS_H

#include "user/sample.h"

enum {
	RIVAL_FLAGGER = 0,
	RIVAL_ARGO,
	RIVAL_KAYENTA,
	RIVALS,
};

#define RIVALS_POINTS 30 /* of 10 s */

struct rival_counts {
	double n_c, y_c, n_b, y_b;
};

struct rivals {
	double now_s;
	struct rival_counts minute;
	struct rival_counts point;
	unsigned failed_checks;
	unsigned failed_measurements;
	unsigned n_points; /* ever; the arrays hold the last */
	double canary[RIVALS_POINTS];
	double baseline[RIVALS_POINTS];
	double rolled_back_s[RIVALS]; /* since the canary's first traffic; NAN: not yet */
};

void rivals_init(struct rivals *r);

/* A tick with a canary. */
void rivals_tick(struct rivals *r, const struct sample *sample);

/* True where x is surely above y by Kayenta's classifier. */
bool rivals_is_high(const double *x, const double *y, unsigned n);

#endif

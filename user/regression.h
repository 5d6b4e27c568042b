/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Evidence that the canary is worse, kept sceptical of bursts nobody has seen yet. Two e-processes, averaged:
 *   sudden   weighs only what no burst is expected to bring: an alternative many times the boundary, or a share of
 *            failures that is most of all. What failed lately excuses a part besides: were the canary's rate now and then,
 *            for about 30 s, a random multiple of the usual (gamma, of shape κ), its own last half minute would tell which.
 *            Failures of one second, however many ticks it has, count for little more than one of them: they may have
 *            one cause. 50 times worse is found in seconds, ten times in a quarter of a minute.
 *   lasting  weighs everything, and grows by so much a second and no faster: what is worse for minutes is found about as
 *            soon as chance allows, and what is over in 20 s has not brought enough.
 * Both stay valid against the null of sequential.h: alternatives are left out and the boundary is moved by what was known
 * before the tick, and evidence is only ever made smaller, never larger, by the rest. The heuristics cost delay, never α.
 * Plain data, zero is not begun.
 */
#ifndef CANARYD_REGRESSION_H
#define CANARYD_REGRESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "user/sequential.h"

#define REGRESSION_NO_EXCUSE 1e9 /* κ where nothing is excused */

struct regression {
	struct sequential sudden;
	struct sequential lasting;
	double ln_top[SEQUENTIAL_ALTERNATIVES];    /* so far `lasting` may grow just now */
	double ln_second[SEQUENTIAL_ALTERNATIVES]; /* of `sudden`, in the second that is under way, */
	double sobered[SEQUENTIAL_ALTERNATIVES];   /* … and what of it counts */
	uint64_t second_ns;
	uint64_t second_n; /* the canary's, in that second */
	uint64_t second_y;
};

/* What the canary and the baseline did in the last half minute, older ticks fading. Zero to begin. */
struct regression_lately {
	double canary_n;
	double canary_y;
	double baseline_n;
	double baseline_y;
};

/* What a test takes for a burst. The allowed share is the larger of margin times the baseline's and p0. */
struct regression_burst {
	double margin;
	double p0;
	double kappa;  /* shape of the gamma distribution, the larger the less is excused */
	double beyond; /* times the boundary and more, or */
	double share;  /* from this share on, it is sudden; what is less must last */
	bool stalls;   /* for a moment all may be bad at once, and a burst all the same */
};

/* What discounts the two for noise. */
struct regression_phi {
	double sudden;
	double lasting;
};

/* The excuse that `lately` gives the tick to come. */
struct regression_excuse {
	bool stalls;
	const double *ln_lasting;              /* the alternatives of `lasting`, SEQUENTIAL_ALTERNATIVES; NULL: the usual ones */
	double factor;                         /* ≥ 1: the boundary is so many times higher */
	double ratio[SEQUENTIAL_ALTERNATIVES]; /* the alternatives, in boundaries; 0: not weighed */
	double ln_ratio[SEQUENTIAL_ALTERNATIVES];
};

/* Adds what was weighed in a tick: afterwards, and not what waits for the other side still. */
void regression_lately_add(struct regression_lately *lately, const struct sequential_counts *c, uint64_t elapsed_ns);

void regression_excuse(const struct regression_lately *lately, const struct regression_burst *burst,
		       struct regression_excuse *ret);

/* late: with a restart at the beginning of each block. */
void regression_init(struct regression *r, bool late);
void regression_restart(struct regression *r);

/* A tick, as sequential_ratio() and sequential_single() on the side WORSE. */
void regression_ratio(struct regression *r, double margin, const struct regression_phi *phi,
		      const struct regression_excuse *excuse, const struct sequential_counts *c);
void regression_single(struct regression *r, double p0, const struct regression_phi *phi,
		       const struct regression_excuse *excuse, uint64_t y, uint64_t n);

/*
 * Once a tick, after those: so much time has passed. patience ≥ 1: the pace is so many times slower. gentle: and slower
 * for an alternative that is less than twice as bad, so that what bursts leave of it is gone until the next one.
 */
void regression_pass(struct regression *r, double patience, bool gentle, uint64_t elapsed_ns);

/* ln E. weight_lasting: the share of `lasting` in the average. */
double regression_ln_e(const struct regression *r, double weight_lasting);

/* The least seconds until `lasting` brings evidence of ln_e. */
double regression_lasting_s(double ln_e);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Evidence that the canary is worse, kept sceptical of bursts nobody has seen yet. Two e-processes, averaged:
 *   sudden   what failed lately excuses what fails next. Were the canary's rate now and then, for about 30 s, a random
 *            multiple of the usual (gamma, of shape κ), its own last half minute would tell which; evidence is what goes
 *            beyond that. 20 times worse is found in seconds; a burst of 6 times is mostly explained away. In one tick
 *            failures that come together count for little more than one of them.
 *   lasting  evidence grows by so much a second and no faster: what is a little worse for minutes is found about as soon
 *            as chance allows, and what is over in 20 s has not brought enough.
 * Both stay valid against the null of sequential.h: a boundary that is only ever moved against the canary's guilt, by
 * what was known before the tick, and evidence that is only ever made smaller. κ and the pace are heuristics; they
 * cost delay, never α. Plain data, zero is not begun.
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
	double ln_top[SEQUENTIAL_ALTERNATIVES]; /* so far `lasting` may grow just now */
};

/* What the canary and the baseline did in the last half minute, older ticks fading. Zero to begin. */
struct regression_lately {
	double canary_n;
	double canary_y;
	double baseline_n;
	double baseline_y;
};

/* The excuse that `lately` gives the tick to come. */
struct regression_excuse {
	double factor;                           /* ≥ 1: the boundary is so many times higher */
	double ratio[SEQUENTIAL_ALTERNATIVES];   /* the alternatives, in boundaries */
	double ln_ratio[SEQUENTIAL_ALTERNATIVES];
};

/* Adds what was weighed in a tick: afterwards, and not what waits for the other side still. */
void regression_lately_add(struct regression_lately *lately, const struct sequential_counts *c, uint64_t elapsed_ns);

/*
 * kappa: shape of the gamma distribution, the larger the less is excused. margin and p0 say what is allowed: the larger
 * of margin times the baseline's share and p0.
 */
void regression_excuse(const struct regression_lately *lately, double margin, double p0, double kappa,
		       struct regression_excuse *ret);

/* late: with a restart at the beginning of each block. */
void regression_init(struct regression *r, bool late);
void regression_restart(struct regression *r);

/* A tick, as sequential_ratio() and sequential_single() on the side WORSE. */
void regression_ratio(struct regression *r, double margin, double phi, const struct regression_excuse *excuse,
		      const struct sequential_counts *c);
void regression_single(struct regression *r, double p0, double phi, const struct regression_excuse *excuse, uint64_t y,
		       uint64_t n);

/* Once a tick, after those: so much time has passed. */
void regression_pass(struct regression *r, uint64_t elapsed_ns);

/* ln E. weight_lasting: the share of `lasting` in the average. */
double regression_ln_e(const struct regression *r, double weight_lasting);

/* The least seconds until `lasting` brings evidence of ln_e. */
double regression_lasting_s(double ln_e);

#endif

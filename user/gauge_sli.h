/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A gauge: a value of the canary, looked at once in a while, held against bounds that count when they were crossed for
 * long enough. Pure and plain data. It is no evidence: nothing bounds how often a good canary crosses a bound.
 */
#ifndef CANARYD_GAUGE_SLI_H
#define CANARYD_GAUGE_SLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "user/finding.h"

/*
 * NAN: no such bound. The ratios are of the baseline's value: crossed above baseline + (max_ratio - 1)·|baseline| and
 * below baseline - (1 - min_ratio)·|baseline|, which is what a ratio means and holds for what may be negative too.
 */
struct gauge_terms {
	double max;
	double min;
	double max_ratio;
	double min_ratio;
	double for_s;
};

enum gauge_bound {
	GAUGE_WITHIN = 0,
	GAUGE_MAX,
	GAUGE_MIN,
	GAUGE_MAX_RATIO,
	GAUGE_MIN_RATIO,
};

struct gauge_sli {
	double canary; /* of the last look; NAN: none yet */
	double baseline;
	double since_s;   /* time since the look that crossed a bound first */
	double crossed_s; /* … until the last look */
	uint32_t crossed; /* enum gauge_bound */
	uint32_t zero;
};

void gauge_init(struct gauge_sli *g);

/* Whether a bound speaks of the baseline, so that without its value there is nothing to say. */
bool gauge_is_relative(const struct gauge_terms *terms);

/* Time goes by. Not to be called while the gauge cannot be looked at: that time proves nothing. */
void gauge_pass(struct gauge_sli *g, double elapsed_s);

/* A look. `baseline` may be NAN where no bound is relative. */
void gauge_look(struct gauge_sli *g, const struct gauge_terms *terms, double canary, double baseline);

/* Crossed for long enough. */
bool gauge_failed(const struct gauge_sli *g, const struct gauge_terms *terms);

/* The bound that is crossed, or the one that is there first; in the gauge's unit, so that a ratio's moves; NAN: none. */
double gauge_bound_value(const struct gauge_sli *g, const struct gauge_terms *terms);

/* "canary 0.95, above its bound of 0.9 for 62 s (it may be for 60 s)"; "" within the bounds. Returns buf. */
const char *gauge_print(char *buf, size_t size, const struct gauge_sli *g, const struct gauge_terms *terms,
			enum finding_unit unit);

#endif

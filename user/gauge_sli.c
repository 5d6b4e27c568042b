/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bounds that count when they were crossed from one look to another that is late enough. */
#include "user/gauge_sli.h"

#include <math.h>
#include <stdio.h>

void gauge_init(struct gauge_sli *g)
{
	*g = (struct gauge_sli){ .canary = NAN, .baseline = NAN };
}

bool gauge_is_relative(const struct gauge_terms *terms)
{
	return !isnan(terms->max_ratio) || !isnan(terms->min_ratio);
}

/* A comparison with NAN is false, so a bound that is not there is never crossed. */
static enum gauge_bound crossed(const struct gauge_terms *t, double canary, double baseline)
{
	if (canary > t->max)
		return GAUGE_MAX;
	if (canary < t->min)
		return GAUGE_MIN;
	if (canary > baseline + (t->max_ratio - 1) * fabs(baseline))
		return GAUGE_MAX_RATIO;
	if (canary < baseline - (1 - t->min_ratio) * fabs(baseline))
		return GAUGE_MIN_RATIO;
	return GAUGE_WITHIN;
}

void gauge_pass(struct gauge_sli *g, double elapsed_s)
{
	if (g->crossed != GAUGE_WITHIN)
		g->since_s += elapsed_s;
}

void gauge_look(struct gauge_sli *g, const struct gauge_terms *terms, double canary, double baseline)
{
	g->canary = canary;
	g->baseline = baseline;
	g->crossed = crossed(terms, canary, baseline);
	if (g->crossed == GAUGE_WITHIN)
		g->since_s = 0;
	g->crossed_s = g->since_s;
}

bool gauge_failed(const struct gauge_sli *g, const struct gauge_terms *terms)
{
	return g->crossed != GAUGE_WITHIN && g->crossed_s >= terms->for_s;
}

static double value_of(const struct gauge_sli *g, const struct gauge_terms *t, enum gauge_bound bound)
{
	switch (bound) {
	case GAUGE_MAX: return t->max;
	case GAUGE_MIN: return t->min;
	case GAUGE_MAX_RATIO: return g->baseline + (t->max_ratio - 1) * fabs(g->baseline);
	case GAUGE_MIN_RATIO: return g->baseline - (1 - t->min_ratio) * fabs(g->baseline);
	default: return NAN;
	}
}

double gauge_bound_value(const struct gauge_sli *g, const struct gauge_terms *terms)
{
	double value = value_of(g, terms, (enum gauge_bound)g->crossed);

	for (unsigned bound = GAUGE_MAX; isnan(value) && bound <= GAUGE_MIN_RATIO; bound++)
		value = value_of(g, terms, (enum gauge_bound)bound);
	return value;
}

static void print_bound(char *buf, size_t size, const struct gauge_sli *g, const struct gauge_terms *terms,
			enum finding_unit unit)
{
	bool above = g->crossed == GAUGE_MAX || g->crossed == GAUGE_MAX_RATIO;
	char value[32];

	if (g->crossed == GAUGE_MAX || g->crossed == GAUGE_MIN)
		snprintf(buf, size, "%s its bound of %s", above ? "above" : "below",
			 finding_print_value(value, sizeof(value), unit, above ? terms->max : terms->min));
	else
		snprintf(buf, size, "%s %.4g times the baseline's %s", above ? "above" : "below",
			 above ? terms->max_ratio : terms->min_ratio,
			 finding_print_value(value, sizeof(value), unit, g->baseline));
}

const char *gauge_print(char *buf, size_t size, const struct gauge_sli *g, const struct gauge_terms *terms,
			enum finding_unit unit)
{
	char canary[32], bound[80], lasted[32], allowed[32];

	buf[0] = 0;
	if (g->crossed == GAUGE_WITHIN)
		return buf;
	finding_print_value(canary, sizeof(canary), unit, g->canary);
	print_bound(bound, sizeof(bound), g, terms, unit);
	if (terms->for_s > 0)
		snprintf(buf, size, "canary %s, %s for %s (it may be for %s)", canary, bound,
			 finding_print_duration(lasted, sizeof(lasted), g->crossed_s),
			 finding_print_duration(allowed, sizeof(allowed), terms->for_s));
	else
		snprintf(buf, size, "canary %s, %s", canary, bound);
	return buf;
}

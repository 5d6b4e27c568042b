/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/referee/rivals.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MINUTE_S 60.0
#define POINT_S 10.0
#define FLAGGER_SUCCESS 0.99
#define FLAGGER_THRESHOLD 5
#define ARGO_DELTA 0.005
#define ARGO_FAILURE_LIMIT 3
#define KAYENTA_Z 1.959963984540054 /* of a 95 % interval */
#define KAYENTA_TOLERANCE 0.25
#define NEARLY 1e-6

void rivals_init(struct rivals *r)
{
	memset(r, 0, sizeof(*r));
	for (unsigned i = 0; i < RIVALS; i++)
		r->rolled_back_s[i] = NAN;
}

/* ---- Mann-Whitney ---------------------------------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Σ over the values of (number of ties)³ − (number of ties). */
static double ties(const double *x, const double *y, unsigned n, double shift)
{
	double all[2 * RIVALS_POINTS], sum = 0;
	unsigned run = 1;

	for (unsigned i = 0; i < n; i++) {
		all[i] = x[i] - shift;
		all[n + i] = y[i];
	}
	qsort(all, 2 * n, sizeof(all[0]), compare);
	for (unsigned i = 1; i <= 2 * n; i++) {
		if (i < 2 * n && all[i] == all[i - 1]) {
			run++;
			continue;
		}
		sum += (double)run * run * run - run;
		run = 1;
	}
	return sum;
}

/* The normal deviate of the rank sum of x − shift against y, corrected for ties and for continuity as R does. */
static double deviate(const double *x, const double *y, unsigned n, double shift)
{
	double u = 0, size = 2.0 * n, sigma;

	for (unsigned i = 0; i < n; i++)
		for (unsigned k = 0; k < n; k++)
			u += x[i] - shift > y[k] ? 1 : x[i] - shift == y[k] ? 0.5 : 0;
	u -= (double)n * n / 2;
	sigma = sqrt((double)n * n / 12 * (size + 1 - ties(x, y, n, shift) / (size * (size - 1))));
	return sigma > 0 ? (u - (u > 0 ? 0.5 : u < 0 ? -0.5 : 0)) / sigma : 0;
}

/* The shift at which the deviate is z. It falls as the shift grows. */
static double shift_at(const double *x, const double *y, unsigned n, double z)
{
	double low = INFINITY, high = -INFINITY;

	for (unsigned i = 0; i < n; i++)
		for (unsigned k = 0; k < n; k++) {
			low = fmin(low, x[i] - y[k]);
			high = fmax(high, x[i] - y[k]);
		}
	while (high - low > NEARLY) {
		double middle = (low + high) / 2;

		if (deviate(x, y, n, middle) > z)
			low = middle;
		else
			high = middle;
	}
	return low;
}

static double mean(const double *x, unsigned n)
{
	double sum = 0;

	for (unsigned i = 0; i < n; i++)
		sum += x[i];
	return sum / n;
}

bool rivals_is_high(const double *x, const double *y, unsigned n)
{
	if (n < 2 || mean(x, n) <= mean(y, n) || deviate(x, y, n, 0) <= KAYENTA_Z)
		return false;
	return shift_at(x, y, n, KAYENTA_Z) > KAYENTA_TOLERANCE * fabs(shift_at(x, y, n, 0));
}

/* ---- each minute ----------------------------------------------------------------------------------------- */

static double share(double y, double n)
{
	return n > 0 ? y / n : 0;
}

static void roll_back(struct rivals *r, unsigned rival, bool now)
{
	if (now && isnan(r->rolled_back_s[rival]))
		r->rolled_back_s[rival] = r->now_s;
}

static void check(struct rivals *r)
{
	const struct rival_counts *m = &r->minute;
	double p_c = share(m->y_c, m->n_c), p_b = share(m->y_b, m->n_b);
	unsigned n = r->n_points < RIVALS_POINTS ? r->n_points : RIVALS_POINTS;

	roll_back(r, RIVAL_FLAGGER, r->failed_checks >= FLAGGER_THRESHOLD);
	r->failed_checks += m->n_c > 0 && 1 - p_c < FLAGGER_SUCCESS;
	r->failed_measurements += p_c - p_b > ARGO_DELTA;
	roll_back(r, RIVAL_ARGO, r->failed_measurements > ARGO_FAILURE_LIMIT);
	if (isnan(r->rolled_back_s[RIVAL_KAYENTA]))
		roll_back(r, RIVAL_KAYENTA, rivals_is_high(r->canary, r->baseline, n));
}

static void add(struct rival_counts *sum, const struct sample *s)
{
	sum->n_c += (double)s->canary.attempts;
	sum->y_c += (double)s->canary.failed;
	sum->n_b += (double)s->baseline.attempts;
	sum->y_b += (double)s->baseline.failed;
}

/* Whether a span of so many seconds ended with this tick. */
static bool ends(double now_s, double tick_s, double span_s)
{
	return floor(now_s / span_s + NEARLY) > floor((now_s - tick_s) / span_s + NEARLY);
}

void rivals_tick(struct rivals *r, const struct sample *sample)
{
	double tick_s = (double)sample->elapsed_ns / 1e9;

	r->now_s += tick_s;
	add(&r->minute, sample);
	add(&r->point, sample);
	if (ends(r->now_s, tick_s, POINT_S)) {
		r->canary[r->n_points % RIVALS_POINTS] = share(r->point.y_c, r->point.n_c);
		r->baseline[r->n_points % RIVALS_POINTS] = share(r->point.y_b, r->point.n_b);
		r->n_points++;
		r->point = (struct rival_counts){ 0 };
	}
	if (!ends(r->now_s, tick_s, MINUTE_S))
		return;
	check(r);
	r->minute = (struct rival_counts){ 0 };
}

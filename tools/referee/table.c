/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A share of false rollbacks misses α when so many or more would be seen with a probability below 1 % were it α
 * exactly: with few rollouts that needs more than one.
 */
#include "tools/referee/table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SURE 0.01
#define ALPHA 0.01           /* the judge's defaults */
#define ALPHA_PROMOTION 0.05

/* P(X ≥ k) of a binomial. */
static double tail(unsigned n, double p, unsigned k)
{
	double ln_p = log(p), ln_q = log1p(-p), sum = 0;

	for (unsigned i = k; i <= n; i++)
		sum += exp(lgamma(n + 1.0) - lgamma(i + 1.0) - lgamma(n - i + 1.0) + i * ln_p + (n - i) * ln_q);
	return sum;
}

static bool is_above(double share, unsigned n, double bound)
{
	unsigned k = (unsigned)lround(share * n);

	return k > 0 && tail(n, bound, k) < SURE;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* The q-quantile of values where those that are NAN are larger than any. */
static double quantile(double *sorted, unsigned n, double q)
{
	unsigned i = (unsigned)ceil(q * n);
	double x = n ? sorted[i > 0 ? i - 1 : 0] : INFINITY;

	return isinf(x) ? NAN : x;
}

static double or_never(double x)
{
	return isnan(x) ? INFINITY : x;
}

static void sum_up_method(const struct trial *trials, unsigned n, unsigned m, bool null, struct table_method *ret)
{
	double *delay = calloc(n, sizeof(*delay)), *failed = calloc(n, sizeof(*failed));
	unsigned early = 0, caught = 0, kept = 0;

	for (unsigned i = 0; delay && failed && i < n; i++) {
		early += trials[i].early[m];
		if (trials[i].early[m])
			continue;
		caught += !isnan(trials[i].delay_s[m]);
		delay[kept] = or_never(trials[i].delay_s[m]);
		failed[kept++] = or_never(trials[i].failed[m]);
	}
	qsort(delay, kept, sizeof(*delay), compare);
	qsort(failed, kept, sizeof(*failed), compare);
	*ret = (struct table_method){
		.rolled_back = (double)(early + (null ? caught : 0)) / n,
		.caught = kept ? (double)caught / kept : NAN,
		.median_s = quantile(delay, kept, 0.5),
		.p90_s = quantile(delay, kept, 0.9),
		.failed = quantile(failed, kept, 0.5),
	};
	free(delay);
	free(failed);
}

static void judge_null(struct table_row *row)
{
	double share = row->method[TRIAL_JUDGE].rolled_back;

	row->missed = is_above(share, row->rollouts, ALPHA);
	snprintf(row->verdict, sizeof(row->verdict), "%.2f %% rolled back of %u, at most %g %%", share * 100,
		 row->rollouts, ALPHA * 100);
}

static void judge_regression(struct table_row *row)
{
	const struct table_method *m = &row->method[TRIAL_JUDGE];
	double bound_s = row->cell->median_s;
	/* Before a late onset the canary deserves to pass. */
	bool fails = row->cell->p_canary > row->cell->p_baseline && row->cell->onset_s == 0;

	row->missed = (bound_s > 0 && !(m->median_s <= bound_s + 1e-9)) ||
		      is_above(m->rolled_back, row->rollouts, ALPHA) ||
		      (fails && is_above(row->promotable, row->rollouts, ALPHA_PROMOTION));
	if (bound_s > 0)
		snprintf(row->verdict, sizeof(row->verdict), "median %g s, at most %g s", m->median_s, bound_s);
	else
		snprintf(row->verdict, sizeof(row->verdict), "median %g s", m->median_s);
}

void table_sum_up(const struct cell *cell, const struct trial *trials, unsigned n, struct table_row *ret)
{
	unsigned promotable = 0;

	*ret = (struct table_row){ .cell = cell, .rollouts = n };
	for (unsigned m = 0; m < TRIAL_METHODS; m++)
		sum_up_method(trials, n, m, cell_is_null(cell), &ret->method[m]);
	for (unsigned i = 0; i < n; i++)
		promotable += trials[i].promotable;
	ret->promotable = (double)promotable / n;
	if (cell_is_null(cell))
		judge_null(ret);
	else
		judge_regression(ret);
}

/* ---- printing -------------------------------------------------------------------------------------------- */

void table_head(FILE *out, unsigned rollouts)
{
	fprintf(out,
		"%u rollouts a cell, %g requests a second, %g %% of them to the canary. Null cells: the share rolled back\n"
		"though the canary is no worse (± its standard error). Regressions: median and 90 %% of the delay in\n"
		"seconds, median of the requests that failed until then, share caught where not all are.\n\n",
		rollouts, CELL_RATE, CELL_SHARE * 100);
	fprintf(out, "%-22s %4s  %-26s %-6s  %-18s %-18s %-18s\n", "cell", "tick", "this judge", "passes", "Flagger", "Argo",
		"Kayenta");
}

static void print_null(FILE *out, const struct table_row *row)
{
	for (unsigned m = 0; m < TRIAL_METHODS; m++) {
		double p = row->method[m].rolled_back, se = sqrt(p * (1 - p) / row->rollouts);
		char text[48];

		snprintf(text, sizeof(text), "%.2f %% ± %.2f", p * 100, se * 100);
		fprintf(out, "%-*s", m == TRIAL_JUDGE ? 27 : 19, text);
		if (m == TRIAL_JUDGE)
			fprintf(out, " %4.0f %%   ", row->promotable * 100);
	}
}

static void print_method(FILE *out, const struct table_method *m, int width)
{
	char text[64];

	if (isnan(m->median_s))
		snprintf(text, sizeof(text), "never (%.0f %%)", m->caught * 100);
	else if (m->caught < 1)
		snprintf(text, sizeof(text), "%.3g/%.3g s, %.0f (%.0f %%)", m->median_s, m->p90_s, m->failed, m->caught * 100);
	else
		snprintf(text, sizeof(text), "%.3g/%.3g s, %.0f", m->median_s, m->p90_s, m->failed);
	fprintf(out, "%-*s ", width, text);
}

void table_print(FILE *out, const struct table_row *row)
{
	fprintf(out, "%-22s %3g s  ", row->cell->name, row->cell->tick_s);
	if (cell_is_null(row->cell)) {
		print_null(out, row);
	} else {
		print_method(out, &row->method[TRIAL_JUDGE], 26);
		fprintf(out, " %4.0f %%   ", row->promotable * 100);
		for (unsigned m = TRIAL_FLAGGER; m < TRIAL_METHODS; m++)
			print_method(out, &row->method[m], 18);
	}
	fprintf(out, "%s\n", row->missed ? "  MISSED" : "");
}

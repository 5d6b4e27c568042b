/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "user/history.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum merge {
	LAST = 0,
	HIGHEST,
	SUM,
};

void history_begin(struct history *history, int64_t rollout, const char *baseline, const char *canary, double unix_s)
{
	memset(history, 0, sizeof(*history));
	history->rollout = rollout;
	history->began_unix_s = unix_s;
	snprintf(history->version[HISTORY_BASELINE].name, CANARY_NAME_MAX, "%s", baseline);
	snprintf(history->version[HISTORY_CANARY].name, CANARY_NAME_MAX, "%s", canary);
}

/* ---- room ------------------------------------------------------------------------------------------------ */

static enum merge merge_of(unsigned value)
{
	unsigned measure = (value - HISTORY_VERSION) % HISTORY_MEASURES;

	if (value == HISTORY_ROLLBACK || value >= HISTORY_SLI)
		return HIGHEST;
	if (value < HISTORY_ROLLBACK)
		return LAST;
	return measure == HISTORY_ATTEMPTS || measure == HISTORY_FAILED ? SUM : LAST;
}

static double merged(enum merge merge, double earlier, double later)
{
	if (isnan(earlier) || isnan(later))
		return isnan(later) ? earlier : later;
	switch (merge) {
	case HIGHEST: return fmax(earlier, later);
	case SUM: return earlier + later;
	default: return later;
	}
}

/* The point with the one after it. */
static void merge_next(struct history *history, unsigned i)
{
	struct history_point *to = &history->point[i];
	const struct history_point *next = to + 1;

	for (unsigned v = 0; v < HISTORY_VALUES; v++)
		to->value[v] = merged(merge_of(v), to->value[v], next->value[v]);
	to->at_s = next->at_s;
	history->n--;
	memmove(to + 1, next + 1, (history->n - i - 1) * sizeof(*to));
}

/* The first point stays: it says when all began. */
static void make_room(struct history *history)
{
	const struct history_point *point = history->point;
	unsigned shortest = 1;
	double least_s = INFINITY;

	for (unsigned i = 1; i + 1 < history->n - HISTORY_TAIL; i++) {
		double spans_s = point[i + 1].at_s - point[i - 1].at_s;

		if (spans_s >= least_s)
			continue;
		least_s = spans_s;
		shortest = i;
	}
	merge_next(history, shortest);
}

/* ---- a tick ---------------------------------------------------------------------------------------------- */

/* HISTORY_SLI and the next one belong to the first that was seen. FINDING_SLIS: no room. */
static unsigned find_sli(struct history *history, const char *name)
{
	unsigned i = 0;

	while (i < history->n_slis && strcmp(history->sli[i].name, name))
		i++;
	if (i == history->n_slis && i < FINDING_SLIS)
		snprintf(history->sli[history->n_slis++].name, FINDING_NAME, "%s", name);
	return i;
}

static void add_sli(struct history *history, const struct finding_sli *sli, double *value)
{
	unsigned i = sli->kind == FINDING_COUNT ? find_sli(history, sli->name) : FINDING_SLIS;

	if (i == FINDING_SLIS)
		return;
	history->sli[i].ln_bound_rollback = sli->rollback.ln_bound;
	history->sli[i].ln_bound_promotion = sli->promotion.ln_bound;
	value[HISTORY_SLI + 2 * i] = sli->rollback.ln_e;
	value[HISTORY_SLI + 2 * i + 1] = sli->promotion.ln_e;
}

static void add_finding(struct history *history, const struct finding *finding, double *value)
{
	if (!finding->n_slis)
		return;
	history->ln_bound = finding->ln_bound;
	history->ln_hold = finding->ln_hold;
	value[HISTORY_ROLLBACK] = finding->ln_e_rollback;
	for (unsigned i = 0; i < finding->n_slis; i++)
		add_sli(history, &finding->sli[i], value);
}

void history_add(struct history *history, double elapsed_s, const struct history_tick *tick)
{
	struct history_point *point;

	if (history->n == HISTORY_POINTS)
		make_room(history);
	if (history->n > 0 && elapsed_s > 0)
		history->age_s += elapsed_s;
	point = &history->point[history->n++];
	point->at_s = history->age_s;
	for (unsigned v = 0; v < HISTORY_VALUES; v++)
		point->value[v] = NAN;
	point->value[HISTORY_WANTED] = tick->wanted;
	point->value[HISTORY_APPLIED] = tick->applied;
	point->value[HISTORY_MEASURED] = tick->measured;
	memcpy(&point->value[HISTORY_VERSION], tick->version, sizeof(tick->version));
	add_finding(history, tick->finding, point->value);
}

void history_count(struct history *history, unsigned version, const struct canary_counters *now)
{
	struct history_version *v = &history->version[version];

#define X(name, help)                                                                                                \
	if (v->looked && now->name > v->last.name)                                                                   \
		v->counted.name += now->name - v->last.name;
	CANARY_COUNTERS(X)
#undef X
	v->last = *now;
	v->looked = true;
}

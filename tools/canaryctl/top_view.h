/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One service on one page, as it moves: the split, the versions beside each other, evidence, distributions, decisions. */
#ifndef CANARYCTL_TOP_VIEW_H
#define CANARYCTL_TOP_VIEW_H

#include <jansson.h>
#include <stddef.h>

#include "page.h"

#define TOP_HISTORY 240 /* looks */
#define TOP_VERSIONS 4

/* What was seen at each look, oldest first; NAN where there was nothing. Zero to begin. */
struct top_history {
	double weight[TOP_HISTORY];
	struct top_history_version {
		char name[64];
		double rate[TOP_HISTORY];
		double failed_ratio[TOP_HISTORY]; /* of the attempts since the look before */
		double attempts, failed;          /* at the last look */
	} version[TOP_VERSIONS];
	size_t n;
};

/* Adds a look at `service` of api.h's status. A version that was not there before has no past. */
void top_history_add(struct top_history *history, const json_t *service);

struct top_view {
	const json_t *status;
	const json_t *service;             /* of it */
	const json_t *latency;             /* /v1/services/NAME/latency, or NULL */
	const json_t *rollout;             /* /v1/rollouts/ID with decisions, or NULL */
	const struct top_history *history;
	double now;                        /* Unix seconds */
};

void top_view(const struct page *page, const struct top_view *view);

/* The last `width` values as a line of blocks from 0 to the largest (at least `least`), into `line` of TOP_LINE bytes. */
#define TOP_LINE (TOP_HISTORY * 4 + 1)
void top_sparkline(const struct page *page, const double *values, size_t n, unsigned width, double least, char *line);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Samples of flows as lines: what went wrong, for how long the client waited, where, and below it the way to the trace. */
#ifndef CANARYCTL_FLOWS_VIEW_H
#define CANARYCTL_FLOWS_VIEW_H

#include <jansson.h>
#include <stdbool.h>

#include "page.h"

#define FLOWS_VIEW_COLUMNS 8

/* Lines that come later stand below those before. Zeros and what is set here are a beginning. */
struct flows_view {
	unsigned indent;
	bool headings;                     /* above the first line */
	double now;                        /* Unix seconds; older than half a day gets its date */
	size_t widths[FLOWS_VIEW_COLUMNS]; /* so far */
};

/* `flows`: an array of <flow>. One with a `service` (canaryctl flows puts it there) shows that, too. */
void flows_view_print(const struct page *page, struct flows_view *view, const json_t *flows);

/* What an answer of the route says beside the flows: how many, what slow is, how many were left out. */
void flows_view_summary(const struct page *page, const json_t *answer);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rollouts drawn for people, from the JSON of api.h. Nothing is asked of the daemon here. */
#ifndef CANARYCTL_ROLLOUT_VIEW_H
#define CANARYCTL_ROLLOUT_VIEW_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "page.h"

/* Where a rollout is, step by step. `now`: Unix seconds. */
void rollout_view_summary(const struct page *page, const json_t *rollout, double now);

/* The same, and what the judge says of each SLI. */
void rollout_view(const struct page *page, const json_t *rollout, double now);

/* One line a rollout, newest first. */
void rollout_view_history(const struct page *page, const json_t *rollouts);

/* One line of progress, without the line feed: weight, step, and the evidence that decides next on either side. */
void rollout_view_progress(const json_t *rollout, char *line, size_t size);

/* The end in one sentence: "checkout: v2 promoted after 5 min 3 s". */
void rollout_view_outcome(const json_t *rollout, double now, char *line, size_t size);

bool rollout_view_ended(const json_t *rollout);

/* The state in words and the tone it is printed in. */
const char *rollout_view_state(const json_t *rollout, enum tone *ret_tone);

#endif

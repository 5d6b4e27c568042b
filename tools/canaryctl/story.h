/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The story of a rollout: every decision with its weights, value, bound, counts and reason, oldest first. */
#ifndef CANARYCTL_STORY_H
#define CANARYCTL_STORY_H

#include <jansson.h>

#include "page.h"

/* One decision, as GET /v1/rollouts/ID has it; `when` goes before it. */
void story_print_decision(const struct page *page, const char *when, const json_t *decision);

/* The same in one line of any length, without the numbers. */
void story_print_line(const struct page *page, const char *when, const json_t *decision);

void story_print(const struct page *page, const json_t *rollout, double now);

#endif

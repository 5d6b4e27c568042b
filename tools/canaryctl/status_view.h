/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The daemon's status drawn for people, from the JSON of api.h. Nothing is asked of the daemon here. */
#ifndef CANARYCTL_STATUS_VIEW_H
#define CANARYCTL_STATUS_VIEW_H

#include <jansson.h>
#include <stdbool.h>

#include "page.h"

/*
 * `status` is the whole answer. Only the service `only` where it is not NULL; `verbose` adds backends, signs of trouble
 * that are no failures, samples of failed flows and packets that were not steered. `now`: Unix seconds.
 */
void status_view(const struct page *page, const json_t *status, const char *only, bool verbose, double now);

/* A start that waits for hooks, and for which; nothing where there is none. */
void status_view_starting(const struct page *page, const json_t *service);

#endif

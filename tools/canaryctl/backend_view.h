/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Backends as text: which get new flows, and why the others don't. */
#ifndef CANARYCTL_BACKEND_VIEW_H
#define CANARYCTL_BACKEND_VIEW_H

#include <jansson.h>

#include "page.h"

/* A table of all of a service's. */
void backend_view_all(const struct page *page, const json_t *versions);

/* A line for each that is not as it should be, and for each version that makes do with such. Else nothing. */
void backend_view_trouble(const struct page *page, const json_t *versions);

/* "draining", with the flows that are left. */
void backend_view_state(const struct page *page, const json_t *backend);

#endif

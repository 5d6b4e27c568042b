/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Alerts, for people. */
#ifndef CANARYCTL_ALERT_VIEW_H
#define CANARYCTL_ALERT_VIEW_H

#include <jansson.h>

#include "page.h"

/* One that goes on: how grave, what, since when, who says so and what becomes of a rollout. */
void alert_view(const struct page *page, const json_t *alert, double now);

void alert_view_resolved(const struct page *page, const json_t *alert);

/* Those of one service; nothing where there are none. */
void alert_view_service(const struct page *page, const json_t *alerts, const char *service, double now);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What cannot be measured of a service, because the replies do not come by here (mode dsr). Missing is not zero. */
#ifndef CANARYD_VIEW_UNAVAILABLE_H
#define CANARYD_VIEW_UNAVAILABLE_H

#include <jansson.h>
#include <stdbool.h>

#include "user/config.h"

/*
 * Adds the list `unavailable` to the view of a service, empty where all is measured, and makes null what it names in the
 * counters of its versions and backends.
 */
void view_unavailable(json_t *service, const struct config_service *config);

/* Whether the service's mode lets that be seen: a counter of abi.h, "ttfb_seconds" or "connect_seconds". */
bool view_is_available(const struct config_service *config, const char *name);

#endif

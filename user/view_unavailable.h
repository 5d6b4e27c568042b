/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What cannot be measured of a service, because the replies do not come by here (mode dsr). Missing is not zero. */
#ifndef CANARYD_VIEW_UNAVAILABLE_H
#define CANARYD_VIEW_UNAVAILABLE_H

#include <jansson.h>

#include "user/config.h"

/*
 * Adds the list `unavailable` to the view of a service, empty where all is measured, and makes null what it names in the
 * counters of its versions and backends.
 */
void view_unavailable(json_t *service, const struct config_service *config);

#endif

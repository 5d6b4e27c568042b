/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Backends as JSON. Private to view*.c and api*.c. */
#ifndef CANARYD_VIEW_BACKENDS_H
#define CANARYD_VIEW_BACKENDS_H

#include <jansson.h>

#include "user/daemon.h"

/* One of the service's backends; all of a version's, and how many of them get new flows. */
json_t *view_backend(const struct daemon_service *service, const struct rotation_entry *entry);
json_t *view_backends(const struct daemon_service *service, const char *version);
json_t *view_rotation(const struct daemon_service *service, const char *version);

json_t *view_counters(const struct canary_counters *counters);
json_t *view_quantiles(const struct histogram *histogram);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The cohorts of a service as JSON (see canaryd/api.h). */
#ifndef CANARYD_VIEW_COHORTS_H
#define CANARYD_VIEW_COHORTS_H

#include <jansson.h>

#include "user/daemon.h"

/* All of a service's, without their networks. */
json_t *view_cohorts(const struct daemon_service *service);

/* One, with its networks. */
json_t *view_cohort(const struct cohort *cohort);

/* The cohort an answer of the kernel names, with the network that the client is in; null where there is none. */
json_t *view_explained_cohort(const struct daemon_service *service, const struct canary_explain *explain);

#endif

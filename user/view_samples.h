/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Samples of flows as JSON. Private to view*.c and api*.c. */
#ifndef CANARYD_VIEW_SAMPLES_H
#define CANARYD_VIEW_SAMPLES_H

#include <jansson.h>

#include "user/daemon.h"

/* Which ones: of these classes (FLOW_CLASS_BIT), of one version (NULL: of all), with a number above `after`. */
struct view_samples_filter {
	unsigned classes;
	const char *version;
	uint64_t after;
};

json_t *view_samples(const struct daemon_service *service, const struct view_samples_filter *filter);

/* The last few that failed, newest first. */
json_t *view_failed_flows(const struct daemon_service *service);

#endif

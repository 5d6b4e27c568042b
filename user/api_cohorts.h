/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The routes of a service's cohorts. Private to api*.c. */
#ifndef CANARYD_API_COHORTS_H
#define CANARYD_API_COHORTS_H

#include "user/api.h"

/* `rest` is what follows /v1/services/: NAME/cohorts, or NAME/cohorts/COHORT. */
void api_cohorts(struct api *api, const struct http_request *request, const char *rest, struct http_response *response);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The route of flows that failed or were slow. */
#ifndef CANARYD_API_SAMPLES_H
#define CANARYD_API_SAMPLES_H

#include "user/api.h"

/* GET /v1/services/NAME/flows */
void api_samples(const struct daemon_service *service, const struct http_request *request,
		 struct http_response *response);

#endif

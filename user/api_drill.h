/* SPDX-License-Identifier: GPL-2.0-or-later */
/* POST /v1/services/NAME/drill: rehearses the way back. */
#ifndef CANARYD_API_DRILL_H
#define CANARYD_API_DRILL_H

#include "user/api.h"

void api_drill(struct api *api, struct daemon_service *service, const struct http_request *request,
	       struct http_response *response);

#endif

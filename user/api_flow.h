/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where a client's flow goes, as the live program answers it. Private to api*.c. */
#ifndef CANARYD_API_FLOW_H
#define CANARYD_API_FLOW_H

#include "user/api.h"

/* GET of API_FLOW. */
void api_flow(struct api *api, const struct http_request *request, const char *rest, struct http_response *response);

#endif

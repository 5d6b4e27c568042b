/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What everybody may read, again and again: the whole view, the metrics, a history. Private to api*.c. */
#ifndef CANARYD_API_READERS_H
#define CANARYD_API_READERS_H

#include "user/api.h"

/* GET of API_STATUS and of API_METRICS. */
void api_status(struct api *api, const struct http_request *request, const char *rest, struct http_response *response);
void api_metrics(struct api *api, const struct http_request *request, const char *rest, struct http_response *response);

/* What became of the service's last rollout. */
void api_history(struct api *api, const struct daemon_service *service, struct http_response *response);

#endif

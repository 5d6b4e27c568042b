/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The routes of a service's backends. Private to api*.c. */
#ifndef CANARYD_API_BACKENDS_H
#define CANARYD_API_BACKENDS_H

#include "user/api.h"

/* Whether `verb` is one of theirs: drain, undrain. */
bool api_backends_verb(const char *verb);

void api_backends(struct api *api, struct daemon_service *service, const char *verb, const struct http_request *request,
		  struct http_response *response);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The routes of canaryd/api.h: one table, each a function from a request to JSON. */
#ifndef CANARYD_USER_API_H
#define CANARYD_USER_API_H

#include "user/api_kept.h"
#include "user/daemon.h"
#include "user/http.h"

struct api {
	struct daemon *daemon;
	void (*on_detached)(void *context); /* the data plane is gone: the daemon is to end */
	void *context;
	struct api_kept status, text, protobuf; /* for everybody */
	struct api_kept history;
	const struct daemon_service *history_of;
};

/* An http_handler; `context` is a struct api. */
void api_handle(const struct http_request *request, struct http_response *response, void *context);

/* Frees what was kept for readers. */
void api_deinit(struct api *api);

#endif

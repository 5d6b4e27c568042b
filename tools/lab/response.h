/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads HTTP/1.1 responses as they arrive, in pieces of any size. Pure. */
#ifndef CANARYD_LAB_RESPONSE_H
#define CANARYD_LAB_RESPONSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "canaryd/abi.h"

#define RESPONSE_HEAD_MAX 1024

struct response {
	size_t head_used;
	bool head_done;
	bool until_close; /* no Content-Length: the end of the connection is the end of the body */
	bool close_after;
	unsigned int status;
	uint64_t body_left;
	char version[CANARY_NAME_MAX]; /* X-Version, or empty */
	char head[RESPONSE_HEAD_MAX + 1];
};

enum response_state {
	RESPONSE_MORE,
	RESPONSE_DONE,
	RESPONSE_MALFORMED,
};

/* Begins the next response. */
void response_init(struct response *response);

/* Takes the next bytes. What lies beyond the end of the response is malformed: there is no pipelining here. */
enum response_state response_feed(struct response *response, const char *data, size_t bytes);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Answers to what anybody may ask, as often as they like: made once a tick, so that whoever asks in a loop does not keep
 * the tick from its work. Private to api*.c.
 */
#ifndef CANARYD_API_KEPT_H
#define CANARYD_API_KEPT_H

#include <stdbool.h>
#include <stdint.h>

#include "user/http.h"

struct api_kept {
	uint64_t made_ns; /* 0: none */
	struct http_response response;
};

/* Whether there is one of less than `for_ns` ago; *ret is a copy of it then, or without a body where memory is short. */
bool api_kept_find(const struct api_kept *kept, uint64_t now_ns, uint64_t for_ns, struct http_response *ret);

/* Keeps a copy; what was kept before is gone. */
void api_kept_set(struct api_kept *kept, uint64_t now_ns, const struct http_response *response);
void api_kept_deinit(struct api_kept *kept);

#endif

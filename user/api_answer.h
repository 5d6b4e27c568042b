/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Answers to requests: JSON, and errors with their mend. Private to api*.c. */
#ifndef CANARYD_API_ANSWER_H
#define CANARYD_API_ANSWER_H

#include <jansson.h>

#include "user/http.h"

/* Takes over `json`. */
void api_answer(struct http_response *response, unsigned status, json_t *json);

/* Errors come as "what is wrong (how to mend it)"; a client shows the two apart. */
void api_answer_error(struct http_response *response, unsigned status, const char *code, const char *sentence);

/* The status that goes with the negative errno `r`; takes over `sentence`, which may be NULL. */
void api_answer_errno(struct http_response *response, int r, char *sentence);

void api_answer_no_service(struct http_response *response, const char *name);

#endif

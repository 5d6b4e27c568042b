/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The status of an HTTP/1 response from the first bytes of its status line (RFC 9112 §4). Pure. */
#ifndef CANARYD_BPF_HTTP_H
#define CANARYD_BPF_HTTP_H

#include "parse.h"

#define HTTP_STATUS_LINE 12 /* "HTTP/1.1 200" */
#define HTTP_CONTINUE_LEN 25 /* "HTTP/1.1 100 Continue\r\n\r\n": the final response may follow in the same segment */

static __always_inline bool http_digit(__u8 c)
{
	return c >= '0' && c <= '9';
}

/* Returns 100 … 599, or 0 where these bytes are not the beginning of an HTTP/1 status line. */
static __always_inline __u32 http_status(const __u8 line[HTTP_STATUS_LINE])
{
	if (line[0] != 'H' || line[1] != 'T' || line[2] != 'T' || line[3] != 'P' || line[4] != '/' || line[5] != '1' ||
	    line[6] != '.' || !http_digit(line[7]) || line[8] != ' ')
		return 0;
	if (line[9] < '1' || line[9] > '5' || !http_digit(line[10]) || !http_digit(line[11]))
		return 0;
	return (line[9] - '0') * 100 + (line[10] - '0') * 10 + (line[11] - '0');
}

#endif

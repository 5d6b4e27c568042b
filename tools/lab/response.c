/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/lab/response.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void response_init(struct response *response)
{
	memset(response, 0, offsetof(struct response, head));
	response->head[0] = '\0';
}

static const char *header(const char *head, const char *name)
{
	const char *line = strcasestr(head, name);

	return line ? line + strlen(name) + strspn(line + strlen(name), " \t") : NULL;
}

static bool read_head(struct response *r)
{
	const char *length, *connection, *version;
	unsigned int minor;

	if (sscanf(r->head, "HTTP/1.%1u %3u", &minor, &r->status) != 2 || r->status < 100 || r->status > 599)
		return false;
	if (header(r->head, "\r\nTransfer-Encoding:"))
		return false;
	length = header(r->head, "\r\nContent-Length:");
	connection = header(r->head, "\r\nConnection:");
	version = header(r->head, "\r\nX-Version:");
	r->until_close = !length;
	r->body_left = length ? strtoull(length, NULL, 10) : 0;
	r->close_after = r->until_close || (connection && strncasecmp(connection, "close", 5) == 0);
	if (version)
		snprintf(r->version, sizeof(r->version), "%.*s", (int)strcspn(version, "\r"), version);
	return true;
}

static enum response_state feed_body(struct response *r, size_t bytes)
{
	if (r->until_close)
		return RESPONSE_MORE;
	if (bytes > r->body_left)
		return RESPONSE_MALFORMED;
	r->body_left -= bytes;
	return r->body_left ? RESPONSE_MORE : RESPONSE_DONE;
}

enum response_state response_feed(struct response *r, const char *data, size_t bytes)
{
	size_t before = r->head_used, room = RESPONSE_HEAD_MAX - before, taken = bytes < room ? bytes : room, head_bytes;
	char *end;

	if (r->head_done)
		return feed_body(r, bytes);
	memcpy(r->head + before, data, taken);
	r->head_used += taken;
	r->head[r->head_used] = '\0';
	end = strstr(r->head, "\r\n\r\n");
	if (!end)
		return taken < bytes || r->head_used == RESPONSE_HEAD_MAX ? RESPONSE_MALFORMED : RESPONSE_MORE;
	head_bytes = (size_t)(end + 4 - r->head);
	end[2] = '\0';
	r->head_done = true;
	if (!read_head(r))
		return RESPONSE_MALFORMED;
	return feed_body(r, bytes - (head_bytes - before));
}

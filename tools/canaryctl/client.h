/* SPDX-License-Identifier: GPL-2.0-or-later */
/* HTTP/1.1 to the daemon over its Unix socket, by libcurl. Blocking, with timeouts; nothing is printed here. */
#ifndef CANARYCTL_CLIENT_H
#define CANARYCTL_CLIENT_H

#include <stddef.h>

struct client;

struct reply {
	long status; /* of HTTP */
	char *text;  /* the body, NUL-terminated */
	size_t size;
};

/* `socket` is a path and is copied. 0, -ENAMETOOLONG (no Unix socket's path is that long) or -ENOMEM. */
int client_new(const char *socket, struct client **ret_client);
struct client *client_free(struct client *client);

/*
 * One request. `body` is JSON text or NULL. Any HTTP status is a success here. Otherwise: -ENOENT (no such socket),
 * -ECONNREFUSED (nobody listens), -EACCES, -ETIMEDOUT, -ECONNRESET (the answer broke off), -EMSGSIZE (it is
 * absurdly long), -EIO. The caller frees with reply_deinit().
 */
int client_request(struct client *client, const char *method, const char *path, const char *body,
		   struct reply *ret_reply);
void reply_deinit(struct reply *reply);

/* `text` made fit for a part of a path or query. The caller frees. NULL: no memory. */
char *client_escape(const char *text);

#endif

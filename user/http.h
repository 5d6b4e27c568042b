/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An HTTP server on a Unix socket inside the daemon's event loop. Knows peers and bodies, but no route. */
#ifndef CANARYD_HTTP_H
#define CANARYD_HTTP_H

#include <stddef.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

#define HTTP_BODY_MAX 65536 /* bytes of a request's body; more is answered with 413 */
#define HTTP_PUT_MAX (64 << 20) /* of a PUT's */

struct http_request {
	const char *method;
	const char *path;
	const char *body; /* NUL-terminated; "" without one */
	size_t body_size;
	uid_t uid;        /* of the peer */
	void *arguments; /* for http_argument() */
	void *state;     /* for http_defer() */
};

struct http_response {
	unsigned status;
	const char *content_type;
	char *body; /* malloc'ed by the handler, freed by the server; NULL: out of memory, 500 */
};

struct http_later; /* a request whose answer is still to come */

typedef void (*http_handler)(const struct http_request *request, struct http_response *response, void *context);

/* The value of a query argument; NULL where it is not there. Valid while the handler runs. */
const char *http_argument(const struct http_request *request, const char *name);

/*
 * To be called by the handler, at most once: what it leaves in its response is not sent, http_answer() sends another. The
 * peer waits as long as it likes; the server's end answers 503.
 */
struct http_later *http_defer(const struct http_request *request);

/* The answer. Takes over response->body and the request. */
void http_answer(struct http_later *later, const struct http_response *response);

struct http;

/*
 * Takes the socket that systemd listens on for `path`, or makes `path` (mode 0660, of group `group` where there is one of that name). Peers
 * other than root, this process's user and that group get 403. -EADDRINUSE: another canaryd answers there.
 */
int http_new(sd_event *event, const char *path, const char *group, http_handler handler, void *context,
	     struct http **ret, char **ret_error);
struct http *http_free(struct http *http);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * HTTP servers inside the daemon's event loop, on a Unix socket and, for reading alone, on TCP addresses. Knows peers and
 * bodies, but no route. No peer is waited for: a slow one holds a connection and its answer, and nothing else.
 */
#ifndef CANARYD_HTTP_H
#define CANARYD_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

#include "canaryd/abi.h"

#define HTTP_BODY_MAX 65536 /* bytes of a request's body; more is answered with 413 */
#define HTTP_PUT_MAX (64 << 20) /* of a PUT's */

struct http_request {
	const char *method; /* "GET" for a HEAD, too */
	const char *path;
	const char *body; /* NUL-terminated; "" without one */
	size_t body_size;
	uid_t uid;        /* of the peer; (uid_t)-1 where nobody knows */
	bool read_only;   /* by TCP, hence from anybody: always a GET */
	void *arguments; /* for http_argument() */
	void *state;     /* for http_defer() */
};

struct http_response {
	unsigned status;
	const char *content_type;
	char *body; /* malloc'ed by the handler, freed by the server; NULL: out of memory, 500 */
	size_t body_size; /* 0: it is a text, up to its NUL */
};

struct http_later; /* a request whose answer is still to come */

typedef void (*http_handler)(const struct http_request *request, struct http_response *response, void *context);

/* The value of a query argument; NULL where it is not there. Valid while the handler runs. */
const char *http_argument(const struct http_request *request, const char *name);

/* The same for a header of the request. */
const char *http_header(const struct http_request *request, const char *name);

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

/*
 * Listens on a TCP address, which `address` is the text of, for everybody: its requests are read_only, other methods than
 * GET and HEAD get 405. -EADDRINUSE, -EADDRNOTAVAIL, …: *ret_error names the mend.
 */
int http_new_read_only(sd_event *event, const char *address, const struct canary_endpoint *endpoint, http_handler handler,
		       void *context, struct http **ret, char **ret_error);

struct http *http_free(struct http *http);

#endif

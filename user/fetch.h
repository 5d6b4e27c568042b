/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An HTTP client inside the daemon's event loop (libcurl's multi interface). Nothing here waits: not for a name, not for
 * a connection, not for a cancelled request. Each request has a deadline and a largest answer.
 *
 * http and https only, certificates are verified, no proxy is used. A GET follows up to three redirects, from https to
 * https only; any other method none: a 3xx is its answer.
 */
#ifndef CANARYD_FETCH_H
#define CANARYD_FETCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#define FETCH_MAX 256                 /* requests under way at a time; one more is -EBUSY */
#define FETCH_BYTES_DEFAULT (1 << 20) /* of an answer's body, where a request says 0 */
#define FETCH_TIMEOUT_MS_DEFAULT 5000

/* How a request has ended. Anything but FETCH_OK means that there is no answer, whatever its status would be. */
enum fetch_ending {
	FETCH_OK = 0, /* there is an answer: see its status */
	FETCH_TIMEOUT,
	FETCH_REFUSED,     /* nobody listens there */
	FETCH_UNREACHABLE, /* no route, or no answer from the network */
	FETCH_DNS,         /* the host's name has no address */
	FETCH_TLS,         /* handshake or certificate */
	FETCH_TOO_LARGE,   /* the body is longer than max_bytes */
	FETCH_BROKEN,      /* the connection ended early, or what came is not HTTP */
};

/* All of it is copied by fetch_start(). */
struct fetch_request {
	const char *url;
	const char *method;         /* NULL: GET, or POST where there is a body */
	const char *const *headers; /* "Name: value", NULL at the end; NULL: none */
	const char *body;           /* NULL: none */
	size_t body_size;
	uint64_t timeout_ms; /* from fetch_start() to the last byte; 0: FETCH_TIMEOUT_MS_DEFAULT */
	size_t max_bytes;    /* of the answer's body; 0: FETCH_BYTES_DEFAULT */
	bool stays;          /* a GET follows no redirect, too: a 3xx is its answer */
};

/* Valid while the callback runs. */
struct fetch_result {
	enum fetch_ending ending;
	unsigned status;  /* of HTTP; 0: none came */
	const char *body; /* NUL-terminated; "" unless FETCH_OK */
	size_t body_size;
	const char *content_type; /* "" where the answer has none */
	double seconds;           /* it took */
	const char *sentence; /* what became of it, without the URL: "answered 200", "no answer within 2 s", … */
};

struct fetch;     /* the client */
struct fetch_job; /* a request under way; ends with its callback or fetch_cancel() */

/*
 * Called once for every request that was started, from the event loop, never from within fetch_start(). It may start
 * and cancel requests; it must not free the client.
 */
typedef void (*fetch_callback)(const struct fetch_result *result, void *context);

int fetch_new(sd_event *event, struct fetch **ret);

/* Gives up what is under way, without a callback. */
struct fetch *fetch_free(struct fetch *fetch);

/*
 * Starts a request. *ret, where it is not NULL, is valid until the callback is called. -EINVAL: not an http or https
 * URL; -EBUSY: FETCH_MAX are under way; -ENOMEM.
 */
int fetch_start(struct fetch *fetch, const struct fetch_request *request, fetch_callback callback, void *context,
		struct fetch_job **ret);

/* Gives a request up: its callback is not called. NULL is fine. Returns NULL. */
struct fetch_job *fetch_cancel(struct fetch_job *job);

/* "ok", "timeout", "refused", "unreachable", "dns", "tls", "too_large", "broken" */
const char *fetch_ending_name(enum fetch_ending ending);

#endif

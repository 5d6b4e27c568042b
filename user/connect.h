/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tries whether a TCP connection can be made, inside the daemon's event loop. Nothing here waits; a connection that was
 * made is closed at once.
 */
#ifndef CANARYD_CONNECT_H
#define CANARYD_CONNECT_H

#include <stdint.h>
#include <systemd/sd-event.h>

#include <canaryd/abi.h>

struct connect_job; /* a try under way; ends with its callback or connect_cancel() */

/*
 * Called once for every try, from the event loop, never from within connect_start(). error: 0, or a negative errno:
 * -ECONNREFUSED, -ETIMEDOUT, …
 */
typedef void (*connect_callback)(int error, void *context);

/* Begins a try. *ret is valid until the callback is called. -EMFILE, -ENOMEM, …: no socket could be had. */
int connect_start(sd_event *event, const struct canary_endpoint *endpoint, uint64_t timeout_ms,
		  connect_callback callback, void *context, struct connect_job **ret);

/* Gives a try up: its callback is not called. NULL is fine. Returns NULL. */
struct connect_job *connect_cancel(struct connect_job *job);

#endif

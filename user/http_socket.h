/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The sockets that HTTP is served on. */
#ifndef CANARYD_HTTP_SOCKET_H
#define CANARYD_HTTP_SOCKET_H

#include <sys/types.h>

#include "canaryd/abi.h"

/*
 * Makes `path`, of mode 0660 and of `group` unless that is (gid_t)-1, with its directory. Returns the socket, or an error:
 * -EADDRINUSE where another canaryd answers there; *ret_error names the mend.
 */
int http_socket_unix(const char *path, gid_t group, int backlog, char **ret_error);

/* Listens on a TCP address, which `address` is the text of. Returns the socket, or an error and *ret_error with its mend. */
int http_socket_tcp(const char *address, const struct canary_endpoint *endpoint, int backlog, char **ret_error);

/*
 * Whether http_socket_tcp() would do, as far as that can be known without its rights: -EADDRINUSE, -EADDRNOTAVAIL or 0.
 * Where a daemon answers on the socket `path`, it may be its own, and an address that is in use is none of our business.
 */
int http_socket_check(const char *path, const char *address, const struct canary_endpoint *endpoint, char **ret_error);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Endpoints as canaryd keeps them, to and from the addresses sockets take. */
#ifndef CANARYD_LAB_SOCKET_ADDRESS_H
#define CANARYD_LAB_SOCKET_ADDRESS_H

#include <sys/socket.h>

#include "canaryd/abi.h"

/* Writes the socket address of `endpoint` (AF_INET for a mapped address) and returns its length. */
socklen_t socket_address(const struct canary_endpoint *endpoint, struct sockaddr_storage *ret_address);

/* The endpoint of an AF_INET or AF_INET6 socket address; its protocol is 0. */
struct canary_endpoint socket_endpoint(const struct sockaddr_storage *address);

#endif

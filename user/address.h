/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Addresses as people write them: "192.0.2.10:80" and "[2001:db8::1]:443", and what the kernel side makes of them:
 * struct canary_endpoint, 16 bytes in network order with IPv4 mapped. Pure, no name is ever looked up.
 */
#ifndef CANARYD_ADDRESS_H
#define CANARYD_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "canaryd/abi.h"

/* Bytes of the longest text address_format() writes, the final NUL included. */
#define ADDRESS_MAX sizeof("[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535")

/*
 * Reads ADDR:PORT, an IPv6 ADDR in brackets. Strict: no blanks, no scope, no leading zero, no port 0, nothing behind,
 * and an IPv4 address in its own spelling only (not [::ffff:192.0.2.1]). `protocol` is IPPROTO_TCP or IPPROTO_UDP and
 * is stored as it is. Returns 0 or -EINVAL.
 */
int address_parse(const char *text, uint8_t protocol, struct canary_endpoint *ret);

/* Reads ADDR alone, IPv6 without brackets, as strictly. Returns 0 or -EINVAL. */
int address_parse_host(const char *text, __be32 ret_addr[4]);

/* Writes ADDR:PORT as address_parse() reads it, in the one canonical spelling. */
void address_format(const struct canary_endpoint *endpoint, char buf[static ADDRESS_MAX]);

/* Writes ADDR alone as address_parse_host() reads it. */
void address_format_host(const __be32 addr[4], char buf[static ADDRESS_MAX]);

/* Whether `addr` is an IPv4 address (::ffff:0:0/96). */
bool address_is_ipv4(const __be32 addr[4]);

/* Whether `addr` is in 127.0.0.0/8 or is ::1. */
bool address_is_loopback(const __be32 addr[4]);

/* Whether a single host can own `addr`: neither unspecified nor multicast nor the limited broadcast. */
bool address_is_unicast(const __be32 addr[4]);

/* Whether address, port and protocol are the same. */
bool address_equal(const struct canary_endpoint *a, const struct canary_endpoint *b);

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Where something is, and what a flow is known by: keys of the maps. Part of abi.h, which has the conventions. */
#ifndef CANARYD_ADDRESSES_H
#define CANARYD_ADDRESSES_H

#include <linux/types.h>

/* Where a service or a backend listens. The key of `services` and of `backend_addresses`. */
struct canary_endpoint {
	__be32 addr[4];
	__be16 port;
	__u8 protocol; /* IPPROTO_TCP or IPPROTO_UDP */
	__u8 zero;
};

/* The 5-tuple of a flow as the client sees it. The key of `flows`. */
struct canary_flow_key {
	__be32 client[4];
	__be32 vip[4];
	__be16 client_port;
	__be16 vip_port;
	__u8 protocol;
	__u8 zero[3];
};

/*
 * One bit per port says "may be ours" before any hash is computed: element port/64, bit port%64 (host order).
 * The key of `ports` is port/64.
 */
struct canary_ports {
	__u64 vip_tcp;
	__u64 vip_udp;
	__u64 backend_tcp;
	__u64 backend_udp;
	__u64 source_tcp; /* ports that `fullnat` gives to flows */
	__u64 source_udp;
};

#endif

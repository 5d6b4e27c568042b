/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The packets the bench runs. BPF_PROG_TEST_RUN does not restore a packet between repeats, so each bench program first
 * writes what the program under test has changed, and the client whose turn it is; its twin does only that.
 */
#ifndef CANARYD_TOOLS_BENCH_PACKET_H
#define CANARYD_TOOLS_BENCH_PACKET_H

#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <linux/types.h>

#define BENCH_CLIENTS 0x0a800000u /* 10.128.0.0, and 32,768 ports of each */
#define BENCH_PORT_BITS 15

/* In UDP the ports lie where TCP's do, and nothing else is written. */
struct bench_frame {
	struct ethhdr eth;
	struct iphdr ip;
	struct tcphdr tcp;
	char payload[12];
} __attribute__((packed, aligned(2)));

/* Whose turn it is, and what the next packets say. Set by the bench between runs. */
struct bench_turn {
	__u64 number;    /* packets sent so far */
	__u32 flow_bits; /* log2 of the number of flows; 32: every packet is of another flow */
	__u32 seq;       /* of the first packet of each flow */
	__u32 seq_step;  /* from one packet of a flow to its next */
	__be32 address;  /* of the service, or of the backend that replies */
	__be16 port;
	__u8 udp;
	__u8 zero;
};

#endif

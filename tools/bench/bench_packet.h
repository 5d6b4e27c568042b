/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The packets the bench runs. BPF_PROG_TEST_RUN does not restore a packet between repeats, so each bench program first
 * writes what the program under test has changed, and the client whose turn it is; its twin does only that.
 */
#ifndef CANARYD_TOOLS_BENCH_PACKET_H
#define CANARYD_TOOLS_BENCH_PACKET_H

#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/types.h>

#define BENCH_CLIENTS 0x0a800000u /* 10.128.0.0, and 32,768 ports of each; in IPv6 the last word */
#define BENCH_PORT_BITS 15
#define BENCH_FLOW_BITS 16 /* of flows of one service whose sources are known */

/* In UDP the ports lie where TCP's do, and nothing else is written. */
struct bench_frame {
	struct ethhdr eth;
	struct iphdr ip;
	struct tcphdr tcp;
	char payload[12];
} __attribute__((packed, aligned(2)));

struct bench_frame6 {
	struct ethhdr eth;
	struct ipv6hdr ip;
	struct tcphdr tcp;
	char payload[12];
} __attribute__((packed, aligned(2)));

/* The end of a flow that differs from flow to flow: its client, or what fullnat made of it. */
struct bench_end {
	__be32 address; /* the last word */
	__be16 port;
	__u16 zero;
};

/* Whose turn it is, and what the next packets say. Set by the bench between runs. */
struct bench_turn {
	__u64 number;    /* packets sent so far */
	__u32 flow_bits; /* log2 of the number of flows; 32: every packet is of another flow */
	__u32 seq;       /* of the first packet of each flow */
	__u32 seq_step;  /* from one packet of a flow to its next */
	__be32 near[4];  /* the service, or the backend that replies; IPv4 mapped */
	__be32 far[4];   /* the other end: of the last word see struct bench_end */
	__be16 port;     /* of the near end */
	__u8 udp;
	__u8 ipv6;
	__u8 reply;      /* the near end sends */
	__u8 nat;        /* to what fullnat made of the client */
	__u8 tunnel;     /* bytes that the program under test puts in front */
	__u8 grown;      /* bytes that the last run has put in front */
};

#endif

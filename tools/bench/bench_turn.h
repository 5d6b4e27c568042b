/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Writes the next packet over the last one: the kernel's side of bench_packet.h. */
#ifndef CANARYD_TOOLS_BENCH_TURN_H
#define CANARYD_TOOLS_BENCH_TURN_H

#include "bench_packet.h"
#include <stdbool.h>
#include <bpf/bpf_endian.h>

/* The flow whose turn it is: a walk through all of them that no cache foresees. */
static inline __u32 bench_flow(const struct bench_turn *turn)
{
	__u32 number = turn->number;

	return turn->flow_bits >= 32 ? number : number * 40503u & ((1u << (turn->flow_bits & 31)) - 1);
}

static inline __be32 bench_client(__u32 flow)
{
	return bpf_htonl(BENCH_CLIENTS + (flow >> BENCH_PORT_BITS));
}

static inline __be16 bench_client_port(__u32 flow)
{
	return bpf_htons(1024 + (flow & ((1u << BENCH_PORT_BITS) - 1)));
}

static inline void bench_write_transport(struct bench_frame *frame, struct bench_turn *turn)
{
	__u32 round = turn->flow_bits >= 32 ? 0 : turn->number >> (turn->flow_bits & 31);

	turn->number++;
	if (turn->udp)
		return;
	frame->tcp.seq = bpf_htonl(turn->seq + round * turn->seq_step);
	frame->tcp.check = 0x1234;
}

static inline bool bench_write_request(void *data, void *data_end, struct bench_turn *turn)
{
	struct bench_frame *frame = data;
	__u32 flow = bench_flow(turn);

	if ((void *)(frame + 1) > data_end)
		return false;
	frame->ip.check = 0x4321;
	frame->ip.saddr = bench_client(flow);
	frame->ip.daddr = turn->address;
	frame->tcp.source = bench_client_port(flow);
	frame->tcp.dest = turn->port;
	bench_write_transport(frame, turn);
	return true;
}

static inline bool bench_write_reply(void *data, void *data_end, struct bench_turn *turn)
{
	struct bench_frame *frame = data;
	__u32 flow = bench_flow(turn);

	if ((void *)(frame + 1) > data_end)
		return false;
	frame->ip.check = 0x4321;
	frame->ip.saddr = turn->address;
	frame->ip.daddr = bench_client(flow);
	frame->tcp.source = turn->port;
	frame->tcp.dest = bench_client_port(flow);
	bench_write_transport(frame, turn);
	return true;
}

#endif

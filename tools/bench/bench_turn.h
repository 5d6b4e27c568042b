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

static inline struct bench_end bench_client_end(const struct bench_turn *turn)
{
	__u32 flow = bench_flow(turn);
	struct bench_end end = { .address = bench_client(flow), .port = bench_client_port(flow) };

	return end;
}

static inline void *bench_at(void *data, __u32 offset)
{
	return (char *)data + offset;
}

static inline void bench_write_transport(struct tcphdr *tcp, struct bench_turn *turn, __be16 far_port)
{
	__u32 round = turn->flow_bits >= 32 ? 0 : turn->number >> (turn->flow_bits & 31);

	turn->number++;
	tcp->source = turn->reply ? turn->port : far_port;
	tcp->dest = turn->reply ? far_port : turn->port;
	if (turn->udp)
		return;
	tcp->seq = bpf_htonl(turn->seq + round * turn->seq_step);
	tcp->check = 0x1234;
}

static inline bool bench_write_ipv4(void *data, void *data_end, struct bench_turn *turn, struct bench_end far)
{
	struct bench_frame *frame = data;

	if ((void *)(frame + 1) > data_end)
		return false;
	frame->eth.h_proto = bpf_htons(ETH_P_IP);
	frame->ip.ttl = 64;
	frame->ip.check = 0x4321;
	frame->ip.saddr = turn->reply ? turn->near[3] : far.address;
	frame->ip.daddr = turn->reply ? far.address : turn->near[3];
	bench_write_transport(bench_at(data, __builtin_offsetof(struct bench_frame, tcp)), turn, far.port);
	return true;
}

static inline bool bench_write_ipv6(void *data, void *data_end, struct bench_turn *turn, struct bench_end far)
{
	struct bench_frame6 *frame = data;
	__be32 *source = bench_at(data, __builtin_offsetof(struct bench_frame6, ip.saddr)), *destination = source + 4;
	__be32 *near, *other;

	if ((void *)(frame + 1) > data_end)
		return false;
	near = turn->reply ? source : destination;
	other = turn->reply ? destination : source;
	frame->eth.h_proto = bpf_htons(ETH_P_IPV6);
	frame->ip.hop_limit = 64;
	__builtin_memcpy(near, turn->near, sizeof(turn->near));
	__builtin_memcpy(other, turn->far, sizeof(turn->far));
	other[3] = far.address;
	bench_write_transport(bench_at(data, __builtin_offsetof(struct bench_frame6, tcp)), turn, far.port);
	return true;
}

/* False: the packet is too short for it. */
static inline bool bench_write(void *data, void *data_end, struct bench_turn *turn, struct bench_end far)
{
	return turn->ipv6 ? bench_write_ipv6(data, data_end, turn, far) : bench_write_ipv4(data, data_end, turn, far);
}

#endif

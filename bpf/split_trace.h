/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Keeps the traceparent of requests, where their service wants that: what is new payload of a request is looked at once
 * it is accounted. Flow and packet are in the forward_job of the CPU, what is known of the request in its scratch.
 */
#ifndef CANARYD_BPF_SPLIT_TRACE_H
#define CANARYD_BPF_SPLIT_TRACE_H

#include "account.h"
#include "forward.h"
#include "trace.h"

#define SPLIT_TRACE_CHUNK 64 /* bytes that are verified, and looked at, at once */

/* Looks at `count` bytes of the packet, SPLIT_TRACE_CHUNK at most. Verified by itself. */
__attribute__((noinline)) int split_trace_chunk(struct xdp_md *ctx, __u32 offset, __u32 count)
{
	void *data_end = (void *)(long)ctx->data_end;
	struct maps_scratch *room = maps_scratch();
	__u8 *at = (void *)(long)ctx->data + (offset & FORWARD_HEADERS);

	if (!room)
		return -1;
	for (__u32 i = 0; i < SPLIT_TRACE_CHUNK && i < count; i++, at++) {
		if ((void *)(at + 1) > data_end) {
			room->trace.at = TRACE_NONE;
			return -1;
		}
		trace_byte(&room->trace, *at);
		if (room->trace.at >= TRACE_FOUND)
			return -1;
		asm volatile("" ::: "memory"); /* what was learnt stays in the scratch: the verifier need not follow it */
	}
	return 0;
}

/* Are there requests to be told from each other? */
static __always_inline bool split_has_requests(const struct canary_flow *flow)
{
	return flow->request_turn && !(flow->client_flags & (CANARY_CLIENT_TLS | CANARY_CLIENT_MULTIPLEXED));
}

/* What is known of the request in the job so far; false where it is not looked at. */
static __always_inline bool split_trace_take(const struct forward_job *job, const struct canary_flow *flow, bool begins,
					     const struct trace *kept, struct trace *trace)
{
	if (begins) {
		trace_begin(trace, flow->opened_ns, flow->request_turn, job->packet.seq);
		return true;
	}
	if (!kept || kept->opened_ns != flow->opened_ns || kept->turn != flow->request_turn || kept->at >= TRACE_FOUND)
		return false;
	*trace = *kept;
	return true;
}

/* The turn comes first and last: who reads meanwhile finds none. */
static __always_inline void split_trace_keep(const struct forward_job *job, struct trace *kept, struct trace *trace)
{
	__u32 turn = trace->turn;

	if (!kept) {
		bpf_map_update_elem(&traces, &job->key, trace, BPF_ANY);
		return;
	}
	*(volatile __u32 *)&kept->turn = 0;
	trace->turn = 0;
	*kept = *trace;
	*(volatile __u32 *)&kept->turn = turn;
}

/* The key of the flow whose packet is on its way to its backend already. */
static __always_inline bool split_trace_key(struct forward_job *job)
{
	const struct canary_backend_address *backend;

	flow_endpoint(&job->destination, job->packet.destination, job->packet.destination_port, job->packet.protocol);
	backend = bpf_map_lookup_elem(&backend_addresses, &job->destination);
	if (!backend)
		return false;
	flow_key_from_request(&job->key, &job->packet);
	__builtin_memcpy(job->key.vip, backend->vip.addr, sizeof(job->key.vip));
	job->key.vip_port = backend->vip.port;
	return true;
}

/*
 * Looks at the payload of the job's packet, where a request of its flow begins, or goes on: `begins` is 0. In mode dnat
 * the packet has its new destination, else the job has the flow's key. Verified by itself.
 */
__attribute__((noinline)) int split_trace(struct xdp_md *ctx, __u32 mode, __u32 begins)
{
	struct forward_job *job = forward_job();
	struct maps_scratch *room = maps_scratch();
	struct canary_flow *flow;
	struct trace *kept;
	__u32 skip = 0, count;

	if (!job || !room || (mode == CANARY_MODE_DNAT && !split_trace_key(job)))
		return -1;
	flow = bpf_map_lookup_elem(&flows, &job->key);
	kept = bpf_map_lookup_elem(&traces, &job->key);
	if (!flow || !split_has_requests(flow) || !split_trace_take(job, flow, begins, kept, &room->trace))
		return -1;
	count = trace_segment(&room->trace, job->packet.seq, job->packet.payload_len, &skip);
	for (__u32 i = 0; i < TRACE_LIMIT / SPLIT_TRACE_CHUNK && i * SPLIT_TRACE_CHUNK < count; i++)
		if (split_trace_chunk(ctx, job->payload + skip + i * SPLIT_TRACE_CHUNK, count - i * SPLIT_TRACE_CHUNK))
			break;
	trace_segment_end(&room->trace);
	split_trace_keep(job, kept, &room->trace);
	return 0;
}

/*
 * New payload in dnat or fullnat mode; `turn` is the flow's before. Little happens here: the verifier comes by as often
 * as there are ways to get here, and more often if it had to follow the key to it.
 */
static __always_inline void split_trace_payload(struct xdp_md *ctx, const struct canary_flow *flow, __u32 turn)
{
	if (!account_traces(flow))
		return;
	forward_parse(ctx);
	split_trace(ctx, flow->mode, flow->request_turn - turn);
}

#endif

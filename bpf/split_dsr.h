/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Accounts the packets of mode dsr: flow and packet are in the forward_job of the CPU. */
#ifndef CANARYD_BPF_SPLIT_DSR_H
#define CANARYD_BPF_SPLIT_DSR_H

#include "account.h"
#include "forward.h"
#include "nat.h"
#include "split_trace.h"
#include "telemetry_dsr.h"

#define SPLIT_DSR 1
#define SPLIT_DSR_GOES_ON 2 /* and split_trace() shall look at it: a request goes on */
#define SPLIT_DSR_BEGINS 3  /* or begins */

/* A SYN for the backend, or the acknowledgement which says that it took the connection. */
static __always_inline void split_note_silence(const struct canary_flow *flow, bool answered)
{
	__u32 backend = flow->backend;
	struct rescue_silence *silence = bpf_map_lookup_elem(&silences, &backend);

	if (!silence)
		return;
	if (answered) {
		silence->answered_ns = bpf_ktime_get_ns();
		silence->syns = 0;
	} else {
		__sync_fetch_and_add(&silence->syns, 1);
	}
}

static __always_inline int split_account_in_tunnel(struct forward_job *job, struct canary_flow *flow)
{
	struct observation seen = { .outcome = TELEMETRY_NO_OUTCOME };
	struct tally tally;
	bool fresh = telemetry_request_is_timed(flow, &job->packet);
	__u32 slot, turn;
	__u64 now_ns;

	if (!account_tally(flow, &tally, &slot))
		return SPLIT_DSR;
	now_ns = telemetry_dsr_is_timed(flow, &job->packet) ? bpf_ktime_get_ns() : 0;
	turn = flow->request_turn;
	telemetry_dsr(flow, &job->packet, now_ns, &tally, &seen);
	if (flow->request_turn != turn)
		account_attempt(flow, now_ns);
	if (seen.outcome != TELEMETRY_NO_OUTCOME)
		account_outcome(flow, &job->key, seen.outcome, seen.waited_ns, now_ns);
	if (!fresh || !account_traces(flow))
		return SPLIT_DSR;
	return flow->request_turn == turn ? SPLIT_DSR_GOES_ON : SPLIT_DSR_BEGINS;
}

/*
 * Does the job of this CPU go in a tunnel? Returns 0 or SPLIT_DSR*. Then a flow that is in the table is accounted.
 * Verified by itself.
 */
__attribute__((noinline)) int split_is_dsr(void)
{
	struct forward_job *job = forward_job();
	struct canary_flow *flow;
	int dsr = SPLIT_DSR;
	bool answered;

	if (!job || job->mode != CANARY_MODE_DSR)
		return 0;
	job->label = nat_hash(&job->key);
	flow = bpf_map_lookup_elem(&flows, &job->key);
	if (!flow)
		return SPLIT_DSR;
	answered = flow->server_flags & CANARY_SERVER_SYNACK;
	if (!job->opens)
		dsr = split_account_in_tunnel(job, flow);
	if (job->packet.tcp_flags & TCP_SYN)
		split_note_silence(flow, false);
	else if (!answered && flow->server_flags & CANARY_SERVER_SYNACK)
		split_note_silence(flow, true);
	return dsr;
}

#endif

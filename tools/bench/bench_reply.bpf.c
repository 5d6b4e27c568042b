// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The reply path as it is, run on packets that are written anew each time; the twin does all but what is measured. */
#include "../../bpf/reply.bpf.c"
#include "bench_turn.h"

struct bench_turn turn;

/* Makes the next packet. Verified by itself. */
__attribute__((noinline)) int bench_prepare(struct __sk_buff *skb)
{
	struct bench_end far = bench_client_end(&turn);

	return bench_write((void *)(long)skb->data, (void *)(long)skb->data_end, &turn, far) ? 0 : -1;
}

SEC("tc")
int bench_reply(struct __sk_buff *skb)
{
	int reason;

	if (bench_prepare(skb))
		return TC_ACT_SHOT;
	reason = reply_packet(skb);
	if (reason)
		account_reason(reason);
	return TCX_NEXT;
}

SEC("tc")
int bench_reply_twin(struct __sk_buff *skb)
{
	return bench_prepare(skb) ? TC_ACT_SHOT : TCX_NEXT;
}

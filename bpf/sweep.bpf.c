// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The sweep: the daemon walks the flow table with it to find what never happened (unanswered SYNs, requests without a
 * response), to count the flows that are open, and to remove those that have ended. It runs in process context, where
 * the packet path may interrupt it: counters are added to atomically, and a flow's sweep fields are its alone.
 */
#include <linux/bpf.h>
#include "account.h"
#include "maps.h"
#include "nat.h"
#include "sweep.h"
#include <bpf/bpf_core_read.h>

struct bpf_iter_meta___sweep {
	__u64 seq_num;
} __attribute__((preserve_access_index));

struct bpf_iter__bpf_map_elem {
	struct bpf_iter_meta___sweep *meta;
	struct bpf_map *map;
	void *key;
	void *value;
} __attribute__((preserve_access_index));

static __always_inline bool sweep_limits_of(__u32 service, struct sweep_limits *ret_limits)
{
	struct canary_split *split = bpf_map_lookup_elem(&splits, &service);

	if (!split)
		return false;
	ret_limits->syn_timeout_ns = split->syn_timeout_ns;
	ret_limits->response_timeout_ns = split->response_timeout_ns;
	ret_limits->udp_idle_ns = split->udp_idle_ns;
	return true;
}

static __always_inline void sweep_count_open(const struct canary_flow *flow, __u32 turn)
{
	__u32 backend = flow->backend;
	struct canary_active_flows *active = bpf_map_lookup_elem(&active_flows, &backend);

	if (!active)
		return;
	if (flow->sweep_flags & CANARY_SWEEP_CLOSED || sweep_is_closing(flow))
		__sync_fetch_and_add(&active->closed[turn & 1], 1);
	else
		__sync_fetch_and_add(&active->open[turn & 1], 1);
}

static __always_inline void sweep_count_failure(const struct canary_flow *flow, enum sweep_action action)
{
	struct tally tally;
	__u32 slot;

	if (!account_tally(flow, &tally, &slot))
		return;
	if (action == SWEEP_SYN_TIMEOUT) {
		__sync_fetch_and_add(&tally.version->syn_timeout, 1);
		__sync_fetch_and_add(&tally.backend->syn_timeout, 1);
	} else {
		__sync_fetch_and_add(&tally.version->response_timeout, 1);
		__sync_fetch_and_add(&tally.backend->response_timeout, 1);
	}
}

static __always_inline void sweep_remove(const struct canary_flow_key *key)
{
	struct canary_flow_table *table = account_table();

	if (!bpf_map_delete_elem(&flows, key) && table)
		__sync_fetch_and_add(&table->removed, 1);
}

/* Its backend is to have no flows any more. */
static __always_inline bool sweep_is_drained(const struct canary_flow *flow)
{
	__u32 index = flow->backend;
	struct canary_backend *backend = bpf_map_lookup_elem(&backends, &index);

	return backend && backend->ends_flows && !(flow->sweep_flags & CANARY_SWEEP_CLOSED);
}

static __always_inline void sweep_count_drained(const struct canary_flow *flow)
{
	struct tally tally;
	__u32 slot;

	if (!account_tally(flow, &tally, &slot))
		return;
	__sync_fetch_and_add(&tally.version->drained, 1);
	__sync_fetch_and_add(&tally.backend->drained, 1);
}

static __always_inline void sweep_failure(const struct canary_flow *flow, const struct canary_flow_key *key,
					  enum sweep_action action, __u64 now_ns)
{
	bool syn = action == SWEEP_SYN_TIMEOUT;

	sweep_count_failure(flow, action);
	account_outcome(flow, key, syn ? CANARY_COUNTER_syn_timeout : CANARY_COUNTER_response_timeout,
			telemetry_since(syn ? flow->opened_ns : flow->request_ns, now_ns), now_ns);
}

SEC("iter/bpf_map_elem")
int canary_sweep(struct bpf_iter__bpf_map_elem *ctx)
{
	struct canary_flow_key *table_key = ctx->key;
	struct canary_flow *flow = ctx->value;
	struct sweep_limits limits;
	struct canary_flow_key key;
	enum sweep_action action;
	__u32 zero = 0;
	struct canary_control *settings;
	__u64 now_ns;

	if (!flow || !table_key)
		return 0;
	key = *table_key;
	settings = bpf_map_lookup_elem(&control, &zero);
	if (!settings || !sweep_limits_of(flow->service, &limits))
		return 0;
	now_ns = bpf_ktime_get_ns();
	action = sweep_flow(flow, &limits, now_ns);
	if (action != SWEEP_REMOVE && sweep_is_drained(flow)) {
		sweep_count_drained(flow);
		action = SWEEP_REMOVE;
	}
	if (action == SWEEP_REMOVE) {
		sweep_remove(&key);
		return 0;
	}
	if (action != SWEEP_KEEP)
		sweep_failure(flow, &key, action, now_ns);
	sweep_count_open(flow, settings->sweep_turn);
	return 0;
}

/* The flows of copies. They are in no count of the flow table. */
SEC("iter/bpf_map_elem")
int canary_sweep_shadows(struct bpf_iter__bpf_map_elem *ctx)
{
	struct canary_flow_key *table_key = ctx->key;
	struct canary_flow *flow = ctx->value;
	struct sweep_limits limits;
	struct canary_flow_key key;
	enum sweep_action action;
	__u64 now_ns;

	if (!flow || !table_key)
		return 0;
	key = *table_key;
	if (!sweep_limits_of(flow->service, &limits))
		return 0;
	now_ns = bpf_ktime_get_ns();
	action = sweep_flow(flow, &limits, now_ns);
	if (action == SWEEP_REMOVE)
		bpf_map_delete_elem(&shadows, &key);
	else if (action != SWEEP_KEEP)
		sweep_failure(flow, &key, action, now_ns);
	return 0;
}

/* The sources of fullnat: whose flow has ended, or was evicted, gives its own back. */
SEC("iter/bpf_map_elem")
int canary_sweep_replies(struct bpf_iter__bpf_map_elem *ctx)
{
	struct canary_reply_key *table_key = ctx->key;
	struct canary_reply *reply = ctx->value;
	struct canary_flow_key flow_key;
	struct canary_reply_key key;
	struct canary_flow *flow;

	if (!reply || !table_key)
		return 0;
	key = *table_key;
	flow_key = reply->flow;
	flow = bpf_map_lookup_elem(&flows, &flow_key);
	if (flow && !nat_owns(flow, &key))
		flow = NULL;
	if (sweep_reply(reply, flow, bpf_ktime_get_ns()))
		bpf_map_delete_elem(&replies, &key);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Where telemetry meets the maps: finds the counters of a flow, adds to histograms and reasons, samples what failed and
 * what was slow. Nothing here changes a verdict: a counter that is missing is skipped.
 */
#ifndef CANARYD_BPF_ACCOUNT_H
#define CANARYD_BPF_ACCOUNT_H

#include "breaker.h"
#include "histogram.h"
#include "maps.h"
#include "telemetry.h"

static __always_inline struct canary_control *account_control(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&control, &zero);
}

/* The active view of a service's split: loaded once, so that one change of weight is seen whole. */
static __always_inline struct canary_split_view *account_view(__u32 service)
{
	struct canary_split *split = bpf_map_lookup_elem(&splits, &service);

	if (!split)
		return NULL;
	return &split->view[*(volatile __u32 *)&split->active & 1];
}

/* The baseline's backend that the flow falls back on; NULL where it is in use, or the baseline's, no more. */
static __always_inline struct canary_backend *account_fallback(const struct canary_flow *flow)
{
	struct canary_split_view *view = account_view(flow->service);
	__u32 index = flow->fallback - 1;
	struct canary_backend *backend = bpf_map_lookup_elem(&backends, &index);

	return backend && backend->in_use && view && backend->version == view->baseline ? backend : NULL;
}

static __always_inline __u32 account_slot(const struct canary_flow *flow)
{
	struct canary_split_view *view = account_view(flow->service);

	return CANARY_STATS_SLOT(flow->version, view && view->generation == flow->generation);
}

static __always_inline bool account_tally_at(__u32 slot, __u32 backend, struct tally *tally)
{
	tally->version = bpf_map_lookup_elem(&version_stats, &slot);
	tally->backend = bpf_map_lookup_elem(&backend_stats, &backend);
	return tally->version && tally->backend;
}

static __always_inline bool account_tally_in(const struct canary_flow *flow, __u32 slot, struct tally *tally)
{
	return account_tally_at(slot, flow->backend, tally);
}

/* Returns false where the counters are missing: then nothing is accounted. */
static __always_inline bool account_tally(const struct canary_flow *flow, struct tally *tally, __u32 *ret_slot)
{
	*ret_slot = account_slot(flow);
	return account_tally_in(flow, *ret_slot, tally);
}

static __always_inline void account_bucket(struct canary_histogram *histogram, __u32 bucket)
{
	if (histogram && bucket < CANARY_HISTOGRAM_BUCKETS)
		histogram->bucket[bucket]++;
}

static __always_inline void account_latency(__u32 slot, __u32 backend, enum canary_latency kind, __u64 ns)
{
	__u32 of_version = CANARY_LATENCY_SLOT(slot, kind);
	__u32 of_backend = CANARY_LATENCY_SLOT(backend, kind);
	__u32 bucket = histogram_bucket_of_ns(ns);

	account_bucket(bpf_map_lookup_elem(&latency, &of_version), bucket);
	account_bucket(bpf_map_lookup_elem(&backend_latency, &of_backend), bucket);
}

#define ACCOUNT_REASON(name, reason, counters)                                                                      \
	case CANARY_REASON_##name:                                                                                  \
		(counters)->name++;                                                                                 \
		break;

static __always_inline void account_reason(int reason)
{
	__u32 zero = 0;
	struct canary_reasons *counters = bpf_map_lookup_elem(&reasons, &zero);

	if (!counters)
		return;
	switch (reason) {
#define X(name, help) ACCOUNT_REASON(name, reason, counters)
		CANARY_REASONS(X)
#undef X
	}
}

/* Whose room does the flow's sample take? What goes to a shadow is not the baseline's. */
static __always_inline struct canary_event_budget *account_budget(const struct canary_flow *flow, bool slow)
{
	struct canary_split_view *view = account_view(flow->service);
	__u32 budget = CANARY_EVENT_BUDGET(flow->service, slow, view && flow->version == view->baseline);

	return bpf_map_lookup_elem(&event_budget, &budget);
}

/* This CPU's budget, where it has room in the present second; NULL: it is left out, and counted. */
static __always_inline struct canary_event_budget *account_event_allowed(const struct canary_flow *flow, __u16 kind,
									  __u64 now_ns)
{
	struct canary_event_budget *budget = account_budget(flow, kind >= CANARY_EVENT_SLOW_CONNECT);
	struct canary_control *settings = account_control();

	if (!budget || !settings)
		return NULL;
	if (now_ns - budget->second_began_ns > 1000000000ULL) {
		budget->second_began_ns = now_ns;
		budget->written = 0;
	}
	if (budget->written >= settings->events_per_cpu) {
		budget->suppressed++;
		return NULL;
	}
	budget->written++;
	return budget;
}

/* Does the flow's service keep traces? */
static __always_inline bool account_traces(const struct canary_flow *flow)
{
	__u32 service = flow->service;
	struct canary_split *split = bpf_map_lookup_elem(&splits, &service);

	return split && split->traces;
}

/*
 * The traceparent of the flow's last request. Where another request begins meanwhile, there is none. Who talks without
 * waiting for responses has none either: it is not known which request has failed.
 */
static __always_inline void account_traceparent(const struct canary_flow *flow, const struct canary_flow_key *key,
						char text[CANARY_TRACEPARENT + 1])
{
	struct trace *trace = NULL;

	__builtin_memset(text, 0, CANARY_TRACEPARENT + 1);
	if (flow->request_turn && !(flow->client_flags & CANARY_CLIENT_MULTIPLEXED))
		trace = bpf_map_lookup_elem(&traces, key);
	if (!trace || !trace_is_of(trace, flow->opened_ns, flow->request_turn))
		return;
	__builtin_memcpy(text, trace->text, CANARY_TRACEPARENT + 1);
	if (!trace_is_of(trace, flow->opened_ns, flow->request_turn))
		text[0] = 0;
}

/* `budget`: that counts where nobody reads and the ring is full; NULL: it is not to be counted. */
static __always_inline void account_event(const struct canary_flow *flow, const struct canary_flow_key *key, __u16 kind,
					  __u64 waited_ns, __u64 now_ns, struct canary_event_budget *budget)
{
	struct canary_event *event;

	event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
	if (!event) {
		if (budget)
			budget->suppressed++;
		return;
	}
	event->ns = now_ns;
	event->key = *key;
	event->service = flow->service;
	event->version = flow->version;
	event->backend = flow->backend;
	event->kind = kind;
	event->waited_ns = waited_ns;
	event->age_ns = telemetry_since(flow->opened_ns, now_ns);
	event->suppressed = 0;
	if (budget) {
		event->suppressed = budget->suppressed;
		budget->suppressed = 0;
	}
	event->request_turn = flow->request_turn;
	account_traceparent(flow, key, event->traceparent);
	bpf_ringbuf_submit(event, 0);
}

/* What became of the table's entries; NULL: not counted. */
static __always_inline struct canary_flow_table *account_table(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&flow_table, &zero);
}

#define ACCOUNT_TABLE(name)                                                                                         \
	do {                                                                                                        \
		struct canary_flow_table *account_of = account_table();                                             \
		if (account_of)                                                                                     \
			account_of->name++;                                                                         \
	} while (0)

/* Has a flow gone on probation of late? Where none has, nothing is looked up there. */
static __always_inline bool account_in_flood(void)
{
	struct canary_control *settings = account_control();

	return settings && *(volatile __u64 *)&settings->flood_ns;
}

/* The flow of a guarded service that is on probation. */
static __always_inline struct canary_flow *account_half_open(const struct canary_flow_key *key)
{
	return account_in_flood() ? bpf_map_lookup_elem(&half_open, key) : NULL;
}

/* In a flood an unanswered SYN says nothing of the version. */
static __always_inline bool account_is_flood(__u16 kind)
{
	return kind == CANARY_COUNTER_syn_timeout && account_in_flood();
}

/* The breaker that watches this flow: it does those of the present rollout's canary. NULL: none. */
static __always_inline struct canary_breaker *account_breaker(const struct canary_flow *flow)
{
	struct canary_split_view *view = account_view(flow->service);
	__u32 service = flow->service;
	struct canary_breaker *breaker;

	if (!view || flow->version != view->canary || flow->generation != view->generation)
		return NULL;
	breaker = bpf_map_lookup_elem(&breakers, &service);
	return breaker && breaker->slot_ns ? breaker : NULL;
}

/* A request has begun. */
static __always_inline void account_attempt(const struct canary_flow *flow, __u64 now_ns)
{
	struct canary_breaker *breaker = account_breaker(flow);

	if (breaker)
		breaker_attempt(breaker, flow->generation, now_ns);
}

/*
 * A request or a connection has failed, by enum canary_counter, or was slow, by CANARY_EVENT_SLOW_*: the breaker hears of
 * failures, and people see a sample.
 */
static __always_inline void account_outcome(const struct canary_flow *flow, const struct canary_flow_key *key,
					    __u16 kind, __u64 waited_ns, __u64 now_ns)
{
	struct canary_breaker *breaker = account_breaker(flow);
	struct canary_event_budget *budget;

	if (breaker && breaker_counts(breaker, kind) && !account_is_flood(kind) &&
	    breaker_failure(breaker, flow, kind, now_ns))
		account_event(flow, key, CANARY_EVENT_TRIPPED, waited_ns, now_ns, NULL);
	budget = account_event_allowed(flow, kind, now_ns);
	if (budget)
		account_event(flow, key, kind, waited_ns, now_ns, budget);
}

/*
 * The same number, which the verifier knows no more: it follows what comes behind once, instead of once for each number.
 * `any` is one that it does not know.
 */
static __always_inline __u64 account_forget(__u64 number, __u64 any)
{
	asm volatile("%0 ^= %1; %0 ^= %1" : "+r"(number) : "r"(any));
	return number;
}

/* Was what the packet brought to light no failure, but slow? */
static __always_inline void account_slow(const struct canary_flow *flow, struct observation *seen)
{
	__u32 service = flow->service;
	struct canary_split *split;

	if (seen->outcome != TELEMETRY_NO_OUTCOME || !(seen->connect_ns | seen->ttfb_ns))
		return;
	split = bpf_map_lookup_elem(&splits, &service);
	if (split)
		telemetry_slow(split, seen);
}

/* Accounts what a rescue has opened at the baseline: the connection, and its SYN. */
static __always_inline void account_reopened(const struct canary_flow *flow)
{
	struct tally tally;
	__u32 slot;

	if (!account_tally(flow, &tally, &slot))
		return;
	telemetry_opened(flow, &tally);
	TALLY(&tally, request_packets);
}

/* Accounts a packet from the server, and what it brought to light. `status` as telemetry_reply() has it. */
static __always_inline void account_reply(const struct canary_flow_key *key, struct canary_flow *flow,
					  const struct packet *p, __u32 status)
{
	__u64 now_ns = telemetry_reply_is_timed(flow, p) ? bpf_ktime_get_ns() : 0;
	struct observation seen = { .outcome = TELEMETRY_NO_OUTCOME };
	struct tally tally;
	__u32 slot;

	if (!account_tally(flow, &tally, &slot))
		return;
	telemetry_reply(flow, p, status, now_ns, &tally, &seen);
	account_slow(flow, &seen);
	if (seen.outcome != TELEMETRY_NO_OUTCOME)
		account_outcome(flow, key, account_forget(seen.outcome, flow->opened_ns), seen.waited_ns, now_ns);
	if (seen.connect_ns)
		account_latency(slot, flow->backend, CANARY_LATENCY_CONNECT, seen.connect_ns);
	if (seen.ttfb_ns)
		account_latency(slot, flow->backend, CANARY_LATENCY_TTFB, seen.ttfb_ns);
}

/* Accounts an ICMP error about a request. Where that says that it did not arrive, the client has been refused. */
static __always_inline void account_icmp(const struct canary_flow_key *key, struct canary_flow *flow,
					 const struct icmp_error *e)
{
	struct observation seen = { .outcome = TELEMETRY_NO_OUTCOME };
	struct tally tally;
	__u64 now_ns;
	__u32 slot;

	if (!account_tally(flow, &tally, &slot))
		return;
	TALLY(&tally, icmp_errors);
	if (!icmp_is_unreachable(e))
		return;
	now_ns = bpf_ktime_get_ns();
	telemetry_unreachable(flow, e->seq, now_ns, &tally, &seen);
	if (seen.outcome != TELEMETRY_NO_OUTCOME)
		account_outcome(flow, key, seen.outcome, seen.waited_ns, now_ns);
}

/* Would the client give up by this error, accounted already, a connection that the baseline gets with its next SYN? */
static __always_inline bool account_withholds(const struct canary_flow *flow, const struct icmp_error *e)
{
	return icmp_is_unreachable(e) && rescue_waits(flow, e->seq) && account_fallback(flow);
}

#endif

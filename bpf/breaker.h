/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * When a canary's breaker trips. Attempts and failures are cumulative and added to atomically, so that two CPUs lose
 * nothing; a window is what came since a mark. Pure.
 *
 * A mark is taken by whoever first counts something in a slot. Two CPUs may take it at once: both write what is nearly
 * the same, and at worst the window misses the few events that were counted between the two.
 */
#ifndef CANARYD_BPF_BREAKER_H
#define CANARYD_BPF_BREAKER_H

#include "flow.h"

static __always_inline struct canary_breaker_mark *breaker_mark(struct canary_breaker *breaker, __u32 generation,
								 __u64 now_ns)
{
	__u64 slot = now_ns / breaker->slot_ns;
	struct canary_breaker_mark *mark = &breaker->mark[slot & 1];

	if (mark->slot != slot || mark->generation != generation) {
		mark->attempts = *(volatile __u64 *)&breaker->attempts;
		mark->failures = *(volatile __u64 *)&breaker->failures;
		mark->generation = generation;
		mark->ns = now_ns;
		mark->slot = slot;
	}
	return mark;
}

/* Where the window begins: with the slot before this one, where that belongs to the same rollout. */
static __always_inline struct canary_breaker_mark *breaker_window(struct canary_breaker *breaker,
								   struct canary_breaker_mark *mark)
{
	struct canary_breaker_mark *before = &breaker->mark[~mark->slot & 1];

	return before->slot + 1 == mark->slot && before->generation == mark->generation ? before : mark;
}

/* One attempt of the canary of the rollout `generation`. */
static __always_inline void breaker_attempt(struct canary_breaker *breaker, __u32 generation, __u64 now_ns)
{
	breaker_mark(breaker, generation, now_ns);
	__sync_fetch_and_add(&breaker->attempts, 1);
}

/* Is it a failure that counts? */
static __always_inline bool breaker_counts(const struct canary_breaker *breaker, __u16 kind)
{
	return kind < CANARY_COUNTER_COUNT && breaker->kinds >> kind & 1;
}

/* Failures that no request came before: they are the attempt, too. A datagram that is refused was one. */
static __always_inline bool breaker_is_attempt(const struct canary_flow *flow, __u16 kind)
{
	return flow->origin == CANARY_ORIGIN_SYN &&
	       (kind == CANARY_COUNTER_refused || kind == CANARY_COUNTER_syn_timeout);
}

static __always_inline bool breaker_is_beyond(const struct canary_breaker *breaker, __u64 attempts, __u64 failures)
{
	return failures >= breaker->min_failures && failures * 1000000 >= attempts * breaker->ratio_ppm;
}

/*
 * One failure of the flow, `kind`, that counts. Returns whether the breaker tripped by it. Where two CPUs find so at once, both
 * write the trip and say so.
 */
static __always_inline bool breaker_failure(struct canary_breaker *breaker, const struct canary_flow *flow, __u16 kind,
					    __u64 now_ns)
{
	__u32 generation = flow->generation;
	struct canary_breaker_mark *mark = breaker_mark(breaker, generation, now_ns), *since;
	__u64 attempts, failures;

	if (breaker_is_attempt(flow, kind))
		__sync_fetch_and_add(&breaker->attempts, 1);
	__sync_fetch_and_add(&breaker->failures, 1);
	since = breaker_window(breaker, mark);
	attempts = *(volatile __u64 *)&breaker->attempts - since->attempts;
	failures = *(volatile __u64 *)&breaker->failures - since->failures;
	if (breaker->tripped == generation || !breaker_is_beyond(breaker, attempts, failures))
		return false;
	breaker->tripped_kind = kind;
	breaker->tripped_version = flow->version;
	breaker->tripped_ns = now_ns;
	breaker->tripped_attempts = attempts;
	breaker->tripped_failures = failures;
	breaker->tripped_window_ns = now_ns - since->ns;
	*(volatile __u32 *)&breaker->tripped = generation;
	return true;
}

#endif

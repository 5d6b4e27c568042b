/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a cohort, clients with a rule of their own, changes in the choice of a version. Pure; NULL is no cohort. */
#ifndef CANARYD_BPF_COHORT_H
#define CANARYD_BPF_COHORT_H

#include "flow.h"

/* The whole address, to be looked up in a trie of networks. */
static __always_inline struct canary_prefix cohort_client(const struct canary_flow_key *key)
{
	struct canary_prefix client = { .length = 128 };

	__builtin_memcpy(client.addr, key->client, sizeof(client.addr));
	return client;
}

/* The canary's part of the circle for this client. */
static __always_inline __u64 cohort_threshold(const struct canary_cohort *cohort, const struct canary_split_view *view)
{
	return cohort ? cohort->canary_threshold : view->canary_threshold;
}

/* A flow of an excluded client is older than every rollout, as it were: it is measured, and in no evidence. */
static __always_inline __u32 cohort_generation(const struct canary_cohort *cohort, const struct canary_split_view *view)
{
	return cohort && cohort->action == CANARY_COHORT_EXCLUDE ? CANARY_GENERATION_UNJUDGED : view->generation;
}

#endif

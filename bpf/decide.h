/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Where a new flow goes. One 64-bit hash of the affinity key: its high half is the flow's position on the circle,
 * which the split's threshold divides between canary and baseline; its low bits choose the Maglev entry within the
 * version, independently of the position. Pure.
 */
#ifndef CANARYD_BPF_DECIDE_H
#define CANARYD_BPF_DECIDE_H

#include "flow.h"

/* The finaliser of SplitMix64 (Steele, Lea, Flood 2014): every input bit reaches every output bit. */
static __always_inline __u64 decide_mix(__u64 x)
{
	x ^= x >> 30;
	x *= 0xbf58476d1ce4e5b9ULL;
	x ^= x >> 27;
	x *= 0x94d049bb133111ebULL;
	x ^= x >> 31;
	return x;
}

static __always_inline __u64 decide_word(const __be32 *words)
{
	return (__u64)bpf_ntohl(words[0]) << 32 | bpf_ntohl(words[1]);
}

#define DECIDE_ODD1 0x9e3779b97f4a7c15ULL
#define DECIDE_ODD2 0xd1b54a32d192ed03ULL

/*
 * The same on every node and every byte order, given the seed. What is the same for all flows of a service is folded in
 * without a mix of its own: flows of one service differ in the client and its port alone.
 */
static __always_inline __u64 decide_hash(const struct canary_flow_key *key, const struct canary_service *service)
{
	__u64 ports = (__u64)bpf_ntohs(key->client_port) << 32 | (__u64)bpf_ntohs(key->vip_port) << 16 | key->protocol;
	__u64 vip = decide_word(&key->vip[0]) * DECIDE_ODD1 + decide_word(&key->vip[2]) * DECIDE_ODD2;
	__u64 hash = service->seed;
	__be32 client[4];

#pragma unroll
	for (int i = 0; i < 4; i++)
		client[i] = key->client[i] & service->affinity_mask[i];
	hash = decide_mix(hash ^ decide_word(&client[0]));
	hash = decide_mix(hash ^ decide_word(&client[2]));
	if (service->affinity == CANARY_AFFINITY_CLIENT)
		return hash;
	return decide_mix(hash ^ (vip + ports));
}

static __always_inline __u32 decide_position(__u64 hash)
{
	return hash >> 32;
}

static __always_inline __u32 decide_maglev_entry(__u64 hash)
{
	return (__u32)hash & (CANARY_MAGLEV_SIZE - 1);
}

/* Has nobody renewed the lease in time? Then nobody watches the canary either. 0: there is no lease. */
static __always_inline bool decide_lease_is_over(__u64 lease_ns, __u64 now_ns)
{
	return lease_ns && now_ns > lease_ns;
}

/* The canary at the low end: a greater weight moves flows only from the baseline to it, a smaller one only back. */
static __always_inline __u16 decide_version(const struct canary_split_view *view, __u64 canary_threshold,
					    __u32 position)
{
	if (view->canary != CANARY_NONE && position < canary_threshold)
		return view->canary;
	return view->baseline;
}

#endif

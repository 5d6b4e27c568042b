/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The sources that fullnat gives to flows: which address and port the backend sees, and in what order they are tried, so
 * that no two flows have the same one at one backend. Pure; the table of those that are taken is nat_table.h's.
 */
#ifndef CANARYD_BPF_NAT_H
#define CANARYD_BPF_NAT_H

#include "decide.h"

#define NAT_PROBES 64 /* at 90 % of the sources taken one flow in a thousand finds none in so many */
#define NAT_PROBES_ON_PROBATION 8 /* then it takes another's on probation: a flood is not to cost more than that */
#define NAT_PORTS (CANARY_SOURCE_PORT_MAX - CANARY_SOURCE_PORT_MIN + 1)

/* One of `count` addresses' ports, by number. */
struct nat_source {
	__u8 index; /* into `sources` */
	__be16 port;
};

/* Not the hash that chose the backend: what a version or an entry of Maglev gets has too much of that in common. */
static __always_inline __u64 nat_hash(const struct canary_flow_key *key)
{
	__u64 hash = decide_mix(decide_word(&key->client[0]) ^ DECIDE_ODD2);

	hash = decide_mix(hash ^ decide_word(&key->client[2]));
	return decide_mix(hash ^ ((__u64)key->client_port << 32 | (__u32)key->vip_port << 16 | key->protocol));
}

/* The source to try at the probe of this number: anywhere, so that what is taken does not come in runs. */
static __always_inline struct nat_source nat_source(__u64 hash, __u32 probe, __u32 first, __u32 count)
{
	__u64 chance = decide_mix(hash + probe * DECIDE_ODD1) >> 32;
	__u32 number = chance * count * NAT_PORTS >> 32;
	struct nat_source source = {
		.index = first + number / NAT_PORTS,
		.port = bpf_htons(CANARY_SOURCE_PORT_MIN + number % NAT_PORTS),
	};

	return source;
}

static __always_inline bool nat_same_flow(const struct canary_flow_key *a, const struct canary_flow_key *b)
{
	const __u32 *x = (const __u32 *)a, *y = (const __u32 *)b;
	__u32 different = 0;

#pragma unroll
	for (int i = 0; i < (int)(sizeof(*a) / sizeof(*x)); i++)
		different |= x[i] ^ y[i];
	return !different;
}

/* Is this flow the one whose replies come to that source? */
static __always_inline bool nat_owns(const struct canary_flow *flow, const struct canary_reply_key *key)
{
	return flow->mode == CANARY_MODE_FULLNAT && flow->source_port == key->source_port;
}

/* What a reply from this backend is looked up by, but for the source. */
static __always_inline void nat_reply_key_to(struct canary_reply_key *key, const struct canary_endpoint *backend)
{
	__builtin_memset(key, 0, sizeof(*key));
	__builtin_memcpy(key->backend, backend->addr, sizeof(key->backend));
	key->backend_port = backend->port;
	key->protocol = backend->protocol;
}

/* What this reply is looked up by. */
static __always_inline void nat_reply_key(struct canary_reply_key *key, const struct packet *p)
{
	__builtin_memset(key, 0, sizeof(*key));
	__builtin_memcpy(key->backend, p->source, sizeof(key->backend));
	__builtin_memcpy(key->source, p->destination, sizeof(key->source));
	key->backend_port = p->source_port;
	key->source_port = p->destination_port;
	key->protocol = p->protocol;
}

#endif

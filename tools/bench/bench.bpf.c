// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What happens at XDP as it is, run on packets that are written anew each time; the programs ending in _twin do all but
 * what is measured.
 */
#include "../../bpf/split.bpf.c"
#include "bench_turn.h"

struct bench_turn turn;

/* What fullnat made of the clients, by bench_source(): the bench reads it from the flows. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2 << BENCH_FLOW_BITS);
	__type(key, __u32);
	__type(value, struct bench_end);
} bench_sources SEC(".maps");

static __always_inline struct bench_end bench_far(void)
{
	__u32 index = bench_flow(&turn) | (__u32)turn.udp << BENCH_FLOW_BITS;
	struct bench_end *source = turn.nat ? bpf_map_lookup_elem(&bench_sources, &index) : NULL;

	return source ? *source : bench_client_end(&turn);
}

/* Takes off what the last run has put in front; a twin, in which none has, puts it there every other time. */
static __always_inline bool bench_shrink(struct xdp_md *ctx, bool twin)
{
	int by = turn.grown ? turn.tunnel : twin ? -turn.tunnel : 0;

	turn.grown = turn.tunnel && (!twin || !turn.grown);
	return !by || !bpf_xdp_adjust_head(ctx, by);
}

/* Makes the next packet. Verified by itself. */
__attribute__((noinline)) int bench_prepare(struct xdp_md *ctx, __u32 twin)
{
	if (!bench_shrink(ctx, twin))
		return -1;
	return bench_write((void *)(long)ctx->data, (void *)(long)ctx->data_end, &turn, bench_far()) ? 0 : -1;
}

SEC("xdp")
int bench_empty(struct xdp_md *ctx)
{
	return XDP_PASS;
}

SEC("xdp")
int bench_split(struct xdp_md *ctx)
{
	int verdict;

	if (bench_prepare(ctx, false))
		return XDP_ABORTED;
	verdict = split_packet(ctx);
	if (verdict > 0)
		return verdict;
	if (verdict < 0)
		account_reason(-verdict);
	return XDP_PASS;
}

SEC("xdp")
int bench_split_twin(struct xdp_md *ctx)
{
	return bench_prepare(ctx, true) ? XDP_ABORTED : XDP_PASS;
}

static __always_inline void bench_key_rest(struct canary_flow_key *key, struct bench_end far)
{
	key->client_port = far.port;
	key->vip_port = turn.port;
	key->protocol = turn.udp ? IPPROTO_UDP : IPPROTO_TCP;
	turn.number++;
	asm volatile("" ::"r"(key) : "memory");
}

/* The key of the flow whose turn it is, in memory. */
static __always_inline void bench_key(struct canary_flow_key *key)
{
	struct bench_end far = bench_client_end(&turn);

	__builtin_memset(key, 0, sizeof(*key));
	key->client[2] = bpf_htonl(0xffff);
	key->client[3] = far.address;
	key->vip[2] = bpf_htonl(0xffff);
	key->vip[3] = turn.near[3];
	bench_key_rest(key, far);
}

static __always_inline void bench_key6(struct canary_flow_key *key)
{
	struct bench_end far = bench_client_end(&turn);

	__builtin_memset(key, 0, sizeof(*key));
	__builtin_memcpy(key->client, turn.far, sizeof(key->client));
	__builtin_memcpy(key->vip, turn.near, sizeof(key->vip));
	key->client[3] = far.address;
	bench_key_rest(key, far);
}

static __always_inline int bench_hit(const struct canary_flow_key *key)
{
	struct canary_flow *flow = bpf_map_lookup_elem(&flows, key);

	return flow && *(volatile __u16 *)&flow->backend != CANARY_NONE ? XDP_PASS : XDP_ABORTED;
}

/* The unit: the key is put together, looked up in the LRU table, found, and read from. */
SEC("xdp")
int bench_lru(struct xdp_md *ctx)
{
	struct canary_flow_key key;

	bench_key(&key);
	return bench_hit(&key);
}

/* The same where the flows are of IPv6. */
SEC("xdp")
int bench_lru6(struct xdp_md *ctx)
{
	struct canary_flow_key key;

	bench_key6(&key);
	return bench_hit(&key);
}

/* What a new flow costs at the least: the kernel makes room for it and takes it in. */
SEC("xdp")
int bench_insert(struct xdp_md *ctx)
{
	struct canary_flow_key key;
	struct canary_flow flow = {};

	bench_key(&key);
	return bpf_map_update_elem(&flows, &key, &flow, BPF_NOEXIST) ? XDP_ABORTED : XDP_PASS;
}

SEC("xdp")
int bench_lru_twin(struct xdp_md *ctx)
{
	__u32 flow = bench_flow(&turn);

	asm volatile("" ::"r"(flow));
	turn.number++;
	return XDP_PASS;
}

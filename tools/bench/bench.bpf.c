// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The request path as it is, run on packets that are written anew each time; the programs ending in _twin do all but
 * what is measured.
 */
#include "../../bpf/split.bpf.c"
#include "bench_turn.h"

struct bench_turn turn;

SEC("xdp")
int bench_empty(struct xdp_md *ctx)
{
	return XDP_PASS;
}

SEC("xdp")
int bench_split(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *data_end = (void *)(long)ctx->data_end;
	int verdict;

	if (!bench_write_request(data, data_end, &turn))
		return XDP_ABORTED;
	verdict = split_packet(ctx);
	if (verdict < 0)
		account_reason(-verdict);
	return XDP_PASS;
}

SEC("xdp")
int bench_split_twin(struct xdp_md *ctx)
{
	if (!bench_write_request((void *)(long)ctx->data, (void *)(long)ctx->data_end, &turn))
		return XDP_ABORTED;
	return XDP_PASS;
}

/* The key of the flow whose turn it is, in memory. */
static __always_inline void bench_key(struct canary_flow_key *key)
{
	__u32 flow = bench_flow(&turn);

	__builtin_memset(key, 0, sizeof(*key));
	key->client[2] = bpf_htonl(0xffff);
	key->client[3] = bench_client(flow);
	key->vip[2] = bpf_htonl(0xffff);
	key->vip[3] = turn.address;
	key->client_port = bench_client_port(flow);
	key->vip_port = turn.port;
	key->protocol = turn.udp ? IPPROTO_UDP : IPPROTO_TCP;
	turn.number++;
	asm volatile("" ::"r"(key) : "memory");
}

/* The unit: the key is put together, looked up in the LRU table, found, and read from. */
SEC("xdp")
int bench_lru(struct xdp_md *ctx)
{
	struct canary_flow_key key;
	struct canary_flow *flow;

	bench_key(&key);
	flow = bpf_map_lookup_elem(&flows, &key);
	return flow && *(volatile __u16 *)&flow->backend != CANARY_NONE ? XDP_PASS : XDP_ABORTED;
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

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Who has which source, and whose reply a packet is. A source is taken by inserting it into `replies`, where it fails for
 * all CPUs but one; a flow that was evicted finds its own there again. A flow on probation has its own in
 * `half_open_replies`, until another one needs it: so a flood takes no source from those who have proven themselves.
 */
#ifndef CANARYD_BPF_NAT_TABLE_H
#define CANARYD_BPF_NAT_TABLE_H

#include "forward.h"
#include "nat.h"

enum nat_taken {
	NAT_TAKEN = 0,
	NAT_IN_USE = 1,
	NAT_WAITS = 2, /* of a flow that is gone, where the backend closed first; or of another on probation */
};

/* Whose the replies to the source are. Who has it for good comes before who is on probation. NULL: nobody's. */
static __always_inline const struct canary_flow_key *nat_holder(const struct canary_reply_key *key)
{
	struct canary_reply *reply = bpf_map_lookup_elem(&replies, key);

	if (reply)
		return &reply->flow;
	return account_in_flood() ? bpf_map_lookup_elem(&half_open_replies, key) : NULL;
}

/*
 * At worst the sweep removes an entry of this flow's in the moment in which it is found here: then its replies find no
 * flow until the client's next SYN.
 */
static __always_inline enum nat_taken nat_take(struct forward_job *job)
{
	struct canary_reply *there;

	if (!bpf_map_update_elem(&replies, &job->reply_key, &job->reply, BPF_NOEXIST))
		return NAT_TAKEN;
	there = bpf_map_lookup_elem(&replies, &job->reply_key);
	if (!there)
		return NAT_IN_USE;
	if (nat_same_flow(&there->flow, &job->key)) {
		there->gone_ns = 0;
		there->server_closed_first = 0;
		return NAT_TAKEN;
	}
	return there->gone_ns && there->server_closed_first ? NAT_WAITS : NAT_IN_USE;
}

/*
 * For a flow on probation. At worst another CPU gives the source away for good in the moment in which it is found free
 * here: then this flow's replies are the other's, until its client's next SYN finds it another.
 */
static __always_inline enum nat_taken nat_borrow(struct forward_job *job)
{
	struct canary_reply *there = bpf_map_lookup_elem(&replies, &job->reply_key);

	if (there)
		return nat_same_flow(&there->flow, &job->key) ? NAT_TAKEN : NAT_IN_USE;
	return bpf_map_update_elem(&half_open_replies, &job->reply_key, &job->key, BPF_ANY) ? NAT_IN_USE : NAT_TAKEN;
}

static __always_inline enum nat_taken nat_claim(struct forward_job *job)
{
	return job->on_probation ? nat_borrow(job) : nat_take(job);
}

/* Whoever is on probation gives way to the next, but has no say where the source has gone to somebody for good since. */
static __always_inline enum nat_taken nat_try(struct forward_job *job)
{
	const struct canary_flow_key *holder;

	holder = account_in_flood() ? bpf_map_lookup_elem(&half_open_replies, &job->reply_key) : NULL;
	if (holder && !nat_same_flow(holder, &job->key) && !bpf_map_lookup_elem(&replies, &job->reply_key))
		return NAT_WAITS;
	return nat_claim(job);
}

/* In `replies` of those who delete an entry that waits one succeeds, and of those who insert it one again. */
static __always_inline bool nat_take_over(struct forward_job *job)
{
	enum nat_taken taken = nat_claim(job);

	if (taken != NAT_WAITS)
		return taken == NAT_TAKEN;
	return !bpf_map_delete_elem(&replies, &job->reply_key) &&
	       !bpf_map_update_elem(&replies, &job->reply_key, &job->reply, BPF_NOEXIST);
}

static __always_inline bool nat_aim(struct forward_job *job, __u64 hash, __u32 probe)
{
	struct nat_source source = nat_source(hash, probe, job->source_first, job->source_count);
	__u32 index = source.index;
	struct canary_source *address = bpf_map_lookup_elem(&sources, &index);

	if (!address)
		return false;
	__builtin_memcpy(job->reply_key.source, address->addr, sizeof(address->addr));
	job->reply_key.source_port = source.port;
	job->flow.source = source.index;
	job->flow.source_port = source.port;
	return true;
}

/*
 * Takes a source for the job's flow at the backend that its reply_key names. Returns 0, 1 where the source was another
 * flow's until a moment ago, or -1 where none was found. Verified by itself.
 */
__attribute__((noinline)) int nat_find_source(void)
{
	struct forward_job *job = forward_job();
	__u64 hash;

	if (!job)
		return -1;
	hash = nat_hash(&job->key);
	job->waits = NAT_PROBES;
	for (__u32 probe = 0; probe < NAT_PROBES; probe++) {
		enum nat_taken taken;

		if (!nat_aim(job, hash, probe))
			return -1;
		taken = nat_try(job);
		if (taken == NAT_TAKEN)
			return 0;
		if (taken == NAT_WAITS)
			job->waits = probe;
		if (job->on_probation && probe + 1 >= NAT_PROBES_ON_PROBATION && job->waits < NAT_PROBES)
			break;
	}
	return job->waits < NAT_PROBES && nat_aim(job, hash, job->waits) && nat_take_over(job) ? 1 : -1;
}

/* The job's reply_key becomes that of the flow's replies. False: its backend or its source is none any more. */
static __always_inline bool nat_aim_at(struct forward_job *job, const struct canary_flow *flow)
{
	__u32 backend = flow->backend, index = flow->source;
	struct canary_backend *to = bpf_map_lookup_elem(&backends, &backend);
	struct canary_source *source = bpf_map_lookup_elem(&sources, &index);

	if (!to || !to->in_use || !source)
		return false;
	nat_reply_key_to(&job->reply_key, &to->endpoint);
	__builtin_memcpy(job->reply_key.source, source->addr, sizeof(source->addr));
	job->reply_key.source_port = flow->source_port;
	return true;
}

/* ---- the reply ----------------------------------------------------------------------------------------------- */

/* What the backend's reply to the packet that an error quotes would be looked up by. */
static __always_inline void nat_reply_key_of_error(struct canary_reply_key *key, const struct icmp_error *e)
{
	__builtin_memset(key, 0, sizeof(*key));
	__builtin_memcpy(key->backend, e->inner.destination, sizeof(key->backend));
	__builtin_memcpy(key->source, e->inner.source, sizeof(key->source));
	key->backend_port = e->destination_port;
	key->source_port = e->source_port;
	key->protocol = e->protocol;
}

/* The status of the response that begins here; after a "100 Continue" that travels with it, the one behind. */
static __always_inline __u32 nat_status(const struct xdp_md *ctx, const struct forward_job *job,
					const struct canary_flow *flow)
{
	__u32 offset = job->payload + telemetry_response_offset(flow, &job->packet);
	__u8 *line = forward_at(ctx, offset, HTTP_STATUS_LINE);
	__u32 status;

	if (job->packet.protocol != IPPROTO_TCP || !line)
		return 0;
	status = http_status(line);
	if (status != 100)
		return status;
	line = forward_at(ctx, offset + HTTP_CONTINUE_LEN, HTTP_STATUS_LINE);
	return line ? http_status(line) ?: status : status;
}

static __always_inline void nat_account(struct xdp_md *ctx, const struct forward_job *job, struct canary_flow *flow)
{
	__u32 status = telemetry_begins_response(flow, &job->packet) ? nat_status(ctx, job, flow) : 0;

	account_reply(&job->key, flow, &job->packet, status);
}

static __always_inline void nat_reply_addresses(struct forward_job *job)
{
	flow_endpoint(&job->source, job->key.vip, job->key.vip_port, job->key.protocol);
	flow_endpoint(&job->destination, job->key.client, job->key.client_port, job->key.protocol);
}

/*
 * Whose reply is the packet noted in the job? Accounts it, and says what it shall become: forward() does the rest.
 * Where its flow was evicted the client gets it all the same. Returns 0 or -1: nobody's. Verified by itself.
 */
__attribute__((noinline)) int nat_reply(struct xdp_md *ctx)
{
	struct forward_job *job = forward_job();
	const struct canary_flow_key *holder;
	struct canary_flow *flow;

	if (!job)
		return -1;
	nat_reply_key(&job->reply_key, &job->packet);
	holder = nat_holder(&job->reply_key);
	if (!holder)
		return -1;
	job->key = *holder;
	nat_reply_addresses(job);
	flow = bpf_map_lookup_elem(&flows, &job->key) ?: account_half_open(&job->key);
	if (flow && nat_owns(flow, &job->reply_key))
		nat_account(ctx, job, flow);
	return 0;
}

#endif

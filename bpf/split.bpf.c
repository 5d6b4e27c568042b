// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The request path, at XDP: packets for a service get the address of a backend, everything else passes untouched.
 * No outcome drops a packet.
 */
#include <linux/bpf.h>
#include "account.h"
#include "forward_too_big.h"
#include "forward_tunnel.h"
#include "maps.h"
#include "parse.h"
#include "rewrite.h"
#include "split_choose.h"
#include "split_dsr.h"
#include "split_flood.h"
#include "split_forward.h"
#include "split_fragment.h"
#include "split_icmp.h"
#include "split_keep.h"
#include "split_reply.h"
#include "split_rescue.h"
#include "split_trace.h"

/* Where a packet without a flow goes. Returns 0 or a reason. */
static __always_inline int split_decide(const struct canary_flow_key *key, bool syn, struct split_found *found)
{
	struct canary_service *service = split_service(key);
	enum canary_explain_source source;
	struct canary_split_view *view;

	found->opens = true;
	if (!service)
		return CANARY_REASON_not_service;
	view = split_view(service->id);
	if (!view)
		return CANARY_REASON_no_split;
	found->now_ns = bpf_ktime_get_ns();
	__builtin_memset(&found->opened, 0, sizeof(found->opened));
	found->source_count = service->source_count;
	source = split_choose(key, service, view, found->now_ns, &found->opened);
	found->chosen_by = source;
	found->guarded = split_is_guarded(&found->opened, syn, found->now_ns);
	return source == CANARY_EXPLAIN_NO_BACKEND ? CANARY_REASON_no_backend : 0;
}

/* The connection this one takes the place of: where its SYN was never answered, the client has given it up. */
static __always_inline void split_account_replaced(const struct canary_flow *flow)
{
	struct tally tally;
	__u32 slot;

	if (telemetry_gave_up_connecting(flow) && account_tally(flow, &tally, &slot))
		TALLY(&tally, abort_connect);
}

/*
 * A SYN is nearly always the first packet of its flow, so that inserting it and looking only where it cannot be
 * inserted saves a lookup. Over the same 5-tuple's last connection the entry is written through; at worst the sweep
 * removes that entry meanwhile, and the flow is found to have lost track. In fullnat mode a flow that opens needs a
 * source first: split_open_fullnat() inserts it.
 */
static __always_inline int split_find_syn(struct xdp_md *ctx, const struct canary_flow_key *key, const struct packet *p,
					  struct split_found *found)
{
	int reason = split_decide(key, true, found);

	if (!reason) {
		telemetry_open(&found->opened, p, found->now_ns);
		if (found->opened.mode != CANARY_MODE_FULLNAT && !found->guarded)
			found->inserted = !bpf_map_update_elem(&flows, key, &found->opened, BPF_NOEXIST);
		if (found->inserted) {
			split_keep(ctx, key, found);
			return 0;
		}
	}
	found->in_table = bpf_map_lookup_elem(&flows, key);
	if (split_opens_held(found) && !reason)
		split_open_held(key, p->seq, found);
	if (!found->in_table)
		return reason;
	found->opens = flow_reopens(found->in_table, p);
	if (!found->opens && !reason && found->in_table->fallback)
		found->moved = split_rescue(key, found->in_table->mode, found->now_ns);
	if (!found->opens || reason)
		return found->opens ? reason : 0;
	split_account_replaced(found->in_table);
	if (found->opened.mode == CANARY_MODE_FULLNAT)
		return 0;
	*found->in_table = found->opened;
	found->inserted = true;
	split_keep(ctx, key, found);
	return 0;
}

/* The flow first, then the service: an established flow costs one lookup. Returns 0 or a reason. */
static __always_inline int split_find(struct xdp_md *ctx, const struct canary_flow_key *key, const struct packet *p,
				      struct split_found *found)
{
	found->in_table = NULL;
	found->opens = false;
	found->inserted = false;
	found->guarded = false;
	found->held = false;
	found->moved = false;
	found->chosen_by = CANARY_EXPLAIN_HASH;
	if (flow_is_syn(p))
		return split_find_syn(ctx, key, p, found);
	found->in_table = bpf_map_lookup_elem(&flows, key);
	if (!found->in_table && split_is_held(key, p, found))
		return 0;
	return found->in_table ? 0 : split_decide(key, false, found);
}

/* The first payload bytes tell TLS and HTTP/2; looked at before the first request only. */
static __always_inline void split_payload_start(const struct split_found *found, struct packet *p, void *data_end)
{
	if (!found->opens && found->in_table && found->in_table->request_turn == 0 && p->protocol == IPPROTO_TCP &&
	    p->payload + 4 <= data_end)
		p->payload_start = *(__u32 *)p->payload;
}

static __always_inline int split_rewrite(struct packet *p, void *data_end, const struct split_found *found)
{
	struct canary_backend *backend;

	if (!found->opens && !found->in_table)
		return CANARY_REASON_no_backend;
	backend = split_backend(found->opens ? found->opened.backend : found->in_table->backend);
	if (!backend)
		return CANARY_REASON_no_backend;
	return rewrite_destination(p, data_end, &backend->endpoint) ? 0 : CANARY_REASON_rewrite;
}

/* A flow that no SYN opens: of datagrams, or in the middle of a stream. */
static __always_inline void split_open(const struct canary_flow_key *key, const struct packet *p,
				       struct split_found *found, struct tally *tally)
{
	struct canary_flow *flow = &found->opened;
	__u64 now_ns = found->now_ns;

	telemetry_open(flow, p, now_ns);
	telemetry_opened(flow, tally);
	telemetry_request(flow, p, now_ns, tally);
	if (flow->request_turn)
		account_attempt(flow, now_ns);
	if (found->guarded)
		split_open_held(key, p->seq, found);
	else if (bpf_map_update_elem(&flows, key, flow, BPF_ANY))
		account_reason(CANARY_REASON_flow_insert);
	else
		ACCOUNT_TABLE(inserted);
}

/* Opened just now, hence judged unless its cohort is not. */
static __always_inline void split_account_opened(const struct canary_flow_key *key, const struct packet *p,
						 struct split_found *found)
{
	struct canary_flow *flow = &found->opened;
	bool judged = flow->generation != CANARY_GENERATION_UNJUDGED;
	struct tally tally;

	if (found->held || telemetry_is_stray(p) || !account_tally_in(flow, CANARY_STATS_SLOT(flow->version, judged), &tally))
		return;
	if (!flow_is_syn(p)) {
		split_open(key, p, found, &tally);
	} else if (found->inserted) {
		telemetry_opened(flow, &tally);
		TALLY(&tally, request_packets);
		if (!found->guarded && !found->in_table)
			ACCOUNT_TABLE(inserted);
	} else {
		account_reason(CANARY_REASON_flow_insert);
		return;
	}
	split_count_towards_cap(flow->version);
	if (split_is_diverted(found->chosen_by))
		TALLY(&tally, diverted);
	if (found->chosen_by == CANARY_EXPLAIN_CAPACITY)
		TALLY(&tally, over_capacity);
}

static __always_inline void split_account(struct xdp_md *ctx, const struct canary_flow_key *key, const struct packet *p,
					  struct split_found *found)
{
	struct tally tally;
	__u64 now_ns;
	__u32 slot, turn;

	if (found->opens) {
		split_account_opened(key, p, found);
		return;
	}
	if (!found->in_table || found->moved || found->in_table->mode == CANARY_MODE_DSR)
		return; /* a flow in dsr mode is split_is_dsr()'s */
	if (!account_tally(found->in_table, &tally, &slot))
		return;
	now_ns = telemetry_request_is_timed(found->in_table, p) ? bpf_ktime_get_ns() : 0;
	turn = found->in_table->request_turn;
	telemetry_request(found->in_table, p, now_ns, &tally);
	if (found->in_table->request_turn != turn)
		account_attempt(found->in_table, now_ns);
	if (now_ns)
		split_trace_payload(ctx, found->in_table, turn);
}

/* ---- the way of a packet -------------------------------------------------------------------------------------- */

/* A first fragment tells where the others go. */
static __always_inline void split_announce(struct xdp_md *ctx, const struct split_found *found, __u32 mode)
{
	const struct canary_flow *flow = found->opens ? &found->opened : found->in_table;

	if (!flow)
		return;
	if (mode == CANARY_MODE_DNAT)
		split_first_fragment(ctx, flow->backend, account_slot(flow));
	else
		split_first_forwarded(ctx, flow->backend, account_slot(flow), mode);
}

/*
 * parse → flow → decide → rewrite → account: what telemetry needs is in struct packet by then, and with no pointer
 * into the packet alive the verifier follows it once instead of once for every way to parse. A request that has no way
 * to its backend is accounted: it is that backend's failure, which the sweep finds. Returns a verdict, or a negative
 * reason why the packet passes untouched.
 */
static __always_inline int split_packet(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *data_end = (void *)(long)ctx->data_end;
	struct canary_flow_key key;
	struct split_found found;
	struct packet p;
	__u32 whose, mode;
	int reason, dsr;

	reason = parse_packet(data, data_end, parse_distance(data, data_end), &p);
	if (reason)
		return -reason;
	whose = split_port_of(p.destination_port, p.protocol);
	if (!whose)
		return -CANARY_REASON_not_service;
	flow_key_from_request(&key, &p);
	reason = whose & SPLIT_PORT_VIP ? split_find(ctx, &key, &p, &found) : CANARY_REASON_not_service;
	if (reason == CANARY_REASON_not_service && whose & SPLIT_PORT_SOURCE)
		return split_reply(ctx, p.first_fragment);
	if (reason)
		return -reason;
	mode = split_mode(&found);
	if (p.first_fragment && mode == CANARY_MODE_DNAT)
		split_announce(ctx, &found, mode);
	split_payload_start(&found, &p, data_end);
	if (mode == CANARY_MODE_DNAT)
		reason = split_rewrite(&p, data_end, &found);
	else
		reason = split_prepare(ctx, &key, &p, &found);
	if (reason)
		return -reason;
	if (p.first_fragment && mode != CANARY_MODE_DNAT)
		split_announce(ctx, &found, mode);
	split_account(ctx, &key, &p, &found);
	if (mode == CANARY_MODE_DNAT)
		return XDP_PASS;
	dsr = split_is_dsr();
	if (dsr >= SPLIT_DSR_GOES_ON)
		split_trace(ctx, CANARY_MODE_DSR, dsr == SPLIT_DSR_BEGINS);
	return dsr ? forward_tunnel(ctx) : forward(ctx);
}

SEC("xdp")
int canary_split(struct xdp_md *ctx)
{
	int verdict = split_packet(ctx);

	if (verdict == -CANARY_REASON_fragment)
		verdict = split_fragment_packet(ctx);
	else if (verdict == -CANARY_REASON_other_protocol)
		verdict = split_icmp_packet(ctx);
	if (verdict > 0)
		return verdict;
	if (verdict)
		account_reason(-verdict);
	return verdict == -CANARY_REASON_too_big ? forward_too_big(ctx) : XDP_PASS;
}

static __always_inline void split_explain_weights(struct canary_explain *answer, const struct canary_service *service,
						  const struct canary_split_view *view)
{
	struct canary_cohort *cohort = split_cohort(service->id, &answer->key);

	answer->position = decide_position(decide_hash(&answer->key, service));
	answer->canary_threshold = cohort_threshold(cohort, view);
	answer->service = service->id;
	answer->epoch = view->epoch;
	if (!cohort)
		return;
	answer->cohort = cohort->id;
	answer->cohort_action = cohort->action;
	answer->prefix_length = cohort->prefix_length;
}

/* In the order of split_find(): a flow goes where it went, even where its service is there no more. */
static __always_inline __u16 split_explain(struct canary_explain *answer)
{
	struct canary_flow *flow = bpf_map_lookup_elem(&flows, &answer->key) ?: account_half_open(&answer->key);
	struct canary_service *service = split_service(&answer->key);
	struct canary_split_view *view = service ? split_view(service->id) : NULL;
	enum canary_explain_source source;
	struct canary_flow chosen = {};

	if (service && view)
		split_explain_weights(answer, service, view);
	if (flow && !flow_closed(flow)) {
		answer->service = flow->service;
		answer->epoch = flow->epoch;
		answer->version = flow->version;
		answer->backend = flow->backend;
		return CANARY_EXPLAIN_FLOW;
	}
	if (!service)
		return CANARY_EXPLAIN_NOT_SERVICE;
	source = view ? split_choose(&answer->key, service, view, bpf_ktime_get_ns(), &chosen) : CANARY_EXPLAIN_NO_BACKEND;
	if (source == CANARY_EXPLAIN_NO_BACKEND)
		return source;
	answer->version = chosen.version;
	answer->backend = chosen.backend;
	return source;
}

/*
 * Never attached: the daemon runs it with BPF_PROG_TEST_RUN on a struct canary_explain in place of a packet, and so
 * asks the live maps and the live hash where a flow would go. It changes nothing.
 */
SEC("xdp")
int canary_explain(struct xdp_md *ctx)
{
	struct canary_explain *question = (void *)(long)ctx->data;
	struct canary_explain answer;

	if ((void *)(question + 1) > (void *)(long)ctx->data_end)
		return XDP_ABORTED;
	answer = *question;
	answer.cohort = CANARY_NONE;
	answer.source = split_explain(&answer);
	*question = answer;
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The request path, at XDP: packets for a service get the address of a backend, everything else passes untouched.
 * No outcome drops a packet.
 */
#include <linux/bpf.h>
#include "account.h"
#include "cohort.h"
#include "decide.h"
#include "maps.h"
#include "parse.h"
#include "rewrite.h"
#include "split_icmp.h"

static __always_inline bool split_port_is_ours(const struct packet *p)
{
	__u32 port = bpf_ntohs(p->destination_port), element = port / 64;
	struct canary_ports *bits = bpf_map_lookup_elem(&ports, &element);

	if (!bits)
		return false;
	return (p->protocol == IPPROTO_TCP ? bits->vip_tcp : bits->vip_udp) >> (port & 63) & 1;
}

static __always_inline struct canary_service *split_service(const struct canary_flow_key *key)
{
	struct canary_endpoint vip;

	flow_endpoint(&vip, key->vip, key->vip_port, key->protocol);
	return bpf_map_lookup_elem(&services, &vip);
}

/* The view that counts; NULL before the first is published. */
static __always_inline struct canary_split_view *split_view(__u32 service)
{
	struct canary_split_view *view = account_view(service);

	return view && view->epoch ? view : NULL;
}

/* The cohort the client is in; NULL where there is none. */
static __always_inline struct canary_cohort *split_cohort(__u32 service, const struct canary_flow_key *key)
{
	void *trie = bpf_map_lookup_elem(&cohorts, &service);
	struct canary_prefix client;

	if (!trie)
		return NULL;
	client = cohort_client(key);
	return bpf_map_lookup_elem(trie, &client);
}

static __always_inline struct canary_backend *split_backend(__u32 index)
{
	struct canary_backend *backend = bpf_map_lookup_elem(&backends, &index);

	return backend && backend->in_use ? backend : NULL;
}

static __always_inline __u16 split_backend_of(__u32 version, __u64 hash)
{
	__u32 zero = 0;
	void *inner = bpf_map_lookup_elem(&maglev, &version);
	canary_maglev *table;
	__u16 index;

	if (!inner)
		return CANARY_NONE;
	table = bpf_map_lookup_elem(inner, &zero);
	if (!table)
		return CANARY_NONE;
	index = (*table)[decide_maglev_entry(hash)];
	return split_backend(index) ? index : CANARY_NONE;
}

/* May a new flow go to the canary now? CANARY_EXPLAIN_HASH, or why it may not. */
static __always_inline enum canary_explain_source split_canary_is_open(__u32 service, __u32 generation, __u64 now_ns)
{
	struct canary_breaker *breaker = bpf_map_lookup_elem(&breakers, &service);
	struct canary_control *settings = account_control();

	if (breaker && generation && *(volatile __u32 *)&breaker->tripped == generation)
		return CANARY_EXPLAIN_BREAKER;
	if (settings && decide_lease_is_over(*(volatile __u64 *)&settings->lease_ns, now_ns))
		return CANARY_EXPLAIN_LEASE;
	return CANARY_EXPLAIN_HASH;
}

static __always_inline bool split_is_diverted(enum canary_explain_source source)
{
	return source == CANARY_EXPLAIN_LEASE || source == CANARY_EXPLAIN_BREAKER;
}

/*
 * Chooses version and backend, and says by what. A canary that has no backends, or is not to get flows, loses its own
 * to the baseline.
 */
static __always_inline enum canary_explain_source split_choose(const struct canary_flow_key *key,
							       const struct canary_service *service,
							       const struct canary_split_view *view, __u64 now_ns,
							       struct canary_flow *flow)
{
	struct canary_cohort *cohort = split_cohort(service->id, key);
	enum canary_explain_source source = CANARY_EXPLAIN_HASH;
	__u64 hash = decide_hash(key, service);

	flow->service = service->id;
	flow->generation = cohort_generation(cohort, view);
	flow->epoch = view->epoch;
	flow->version = decide_version(view, cohort_threshold(cohort, view), decide_position(hash));
	if (flow->version == view->canary)
		source = split_canary_is_open(service->id, view->generation, now_ns);
	if (split_is_diverted(source))
		flow->version = view->baseline;
	flow->backend = split_backend_of(flow->version, hash);
	if (flow->backend == CANARY_NONE && flow->version == view->canary) {
		flow->version = view->baseline;
		flow->backend = split_backend_of(flow->version, hash);
	}
	return flow->backend == CANARY_NONE ? CANARY_EXPLAIN_NO_BACKEND : source;
}

/* The flow a packet belongs to, and what becomes of it. */
struct split_found {
	struct canary_flow *in_table; /* NULL: not there, or not looked for */
	bool opens;                   /* no packet of this connection came before */
	bool inserted;                /* and it is in the table already */
	bool diverted;                /* from the canary */
	__u64 now_ns;                 /* where no flow was found: when that was */
	struct canary_flow opened;    /* where it opens: the flow as it is then */
};

/* Where a packet without a flow goes. Returns 0 or a reason. */
static __always_inline int split_decide(const struct canary_flow_key *key, struct split_found *found)
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
	source = split_choose(key, service, view, found->now_ns, &found->opened);
	found->diverted = split_is_diverted(source);
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
 * removes that entry meanwhile, and the flow is found to have lost track.
 */
static __always_inline int split_find_syn(const struct canary_flow_key *key, const struct packet *p,
					  struct split_found *found)
{
	int reason = split_decide(key, found);

	if (!reason) {
		telemetry_open(&found->opened, p, found->now_ns);
		found->inserted = !bpf_map_update_elem(&flows, key, &found->opened, BPF_NOEXIST);
		if (found->inserted)
			return 0;
	}
	found->in_table = bpf_map_lookup_elem(&flows, key);
	if (!found->in_table)
		return reason;
	found->opens = flow_reopens(found->in_table, p);
	if (!found->opens || reason)
		return found->opens ? reason : 0;
	split_account_replaced(found->in_table);
	*found->in_table = found->opened;
	found->inserted = true;
	return 0;
}

/* The flow first, then the service: an established flow costs one lookup. Returns 0 or a reason. */
static __always_inline int split_find(const struct canary_flow_key *key, const struct packet *p,
				      struct split_found *found)
{
	found->in_table = NULL;
	found->opens = false;
	found->inserted = false;
	found->diverted = false;
	if (flow_is_syn(p))
		return split_find_syn(key, p, found);
	found->in_table = bpf_map_lookup_elem(&flows, key);
	return found->in_table ? 0 : split_decide(key, found);
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
				       struct canary_flow *flow, __u64 now_ns, struct tally *tally)
{
	telemetry_open(flow, p, now_ns);
	telemetry_opened(flow, tally);
	telemetry_request(flow, p, now_ns, tally);
	if (flow->request_turn)
		account_attempt(flow, now_ns);
	if (bpf_map_update_elem(&flows, key, flow, BPF_ANY))
		account_reason(CANARY_REASON_flow_insert);
}

/* Opened just now, hence judged unless its cohort is not. */
static __always_inline void split_account_opened(const struct canary_flow_key *key, const struct packet *p,
						 struct split_found *found)
{
	struct canary_flow *flow = &found->opened;
	bool judged = flow->generation != CANARY_GENERATION_UNJUDGED;
	struct tally tally;

	if (telemetry_is_stray(p) || !account_tally_in(flow, CANARY_STATS_SLOT(flow->version, judged), &tally))
		return;
	if (!flow_is_syn(p)) {
		split_open(key, p, flow, found->now_ns, &tally);
	} else if (found->inserted) {
		telemetry_opened(flow, &tally);
		TALLY(&tally, request_packets);
	} else {
		account_reason(CANARY_REASON_flow_insert);
		return;
	}
	if (found->diverted)
		TALLY(&tally, diverted);
}

static __always_inline void split_account(const struct canary_flow_key *key, const struct packet *p,
					  struct split_found *found)
{
	struct tally tally;
	__u64 now_ns;
	__u32 slot, turn;

	if (found->opens) {
		split_account_opened(key, p, found);
		return;
	}
	if (!found->in_table || !account_tally(found->in_table, &tally, &slot))
		return;
	now_ns = telemetry_request_is_timed(found->in_table, p) ? bpf_ktime_get_ns() : 0;
	turn = found->in_table->request_turn;
	telemetry_request(found->in_table, p, now_ns, &tally);
	if (found->in_table->request_turn != turn)
		account_attempt(found->in_table, now_ns);
}

/*
 * parse → flow → decide → rewrite → account: what telemetry needs is in struct packet by then, and with no pointer
 * into the packet alive the verifier follows it once instead of once for every way to parse. Returns 0, or the reason
 * why the packet passes untouched.
 */
static __always_inline int split_packet(void *data, void *data_end)
{
	struct canary_flow_key key;
	struct split_found found;
	struct packet p;
	int reason;

	reason = parse_packet(data, data_end, parse_distance(data, data_end), &p);
	if (reason)
		return reason;
	if (!split_port_is_ours(&p))
		return CANARY_REASON_not_service;
	flow_key_from_request(&key, &p);
	reason = split_find(&key, &p, &found);
	if (reason)
		return reason;
	split_payload_start(&found, &p, data_end);
	reason = split_rewrite(&p, data_end, &found);
	if (reason)
		return reason;
	split_account(&key, &p, &found);
	return 0;
}

SEC("xdp")
int canary_split(struct xdp_md *ctx)
{
	int reason = split_packet((void *)(long)ctx->data, (void *)(long)ctx->data_end);

	if (reason == CANARY_REASON_other_protocol)
		reason = split_icmp(ctx);
	if (reason)
		account_reason(reason);
	return XDP_PASS;
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
	struct canary_flow *flow = bpf_map_lookup_elem(&flows, &answer->key);
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

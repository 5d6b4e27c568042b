/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The contract between the kernel programs in bpf/ and the daemon in user/: map keys, map values and the numbers
 * both sides must agree on. Everything here is plain data with explicit padding; nothing here decides anything.
 *
 * Addresses are 16 bytes in network order; IPv4 is mapped (::ffff:a.b.c.d). Ports are in network order. Times are
 * CLOCK_MONOTONIC nanoseconds. Counters are cumulative and only ever grow; user space takes differences.
 */
#ifndef CANARYD_ABI_H
#define CANARYD_ABI_H

#include <linux/types.h>

#include <canaryd/addresses.h>
#include <canaryd/counters.h>
#include <canaryd/events.h>

#define CANARY_ABI 3 /* raised when a layout below changes; the pin directory carries it */

#define CANARY_NAME_MAX 32 /* bytes of a service's or version's name, the final NUL included */
#define CANARY_NONE 0xffff /* "no version", "no backend", "no cohort" in a 16-bit index */

/* The generation of flows that are in no rollout's evidence; no rollout gets so far. */
#define CANARY_GENERATION_UNJUDGED 0xffffffffU

/* ---- services, versions, backends ------------------------------------------------------------------------ */

enum canary_affinity {
	CANARY_AFFINITY_FLOW = 0,   /* the 5-tuple chooses version and backend */
	CANARY_AFFINITY_CLIENT = 1, /* the client's address under affinity_mask chooses */
};

/* How a packet gets to its backend, and its reply back. */
enum canary_mode {
	CANARY_MODE_DNAT = 0,    /* another destination; the stack delivers or routes, tc egress sees the reply */
	CANARY_MODE_FULLNAT = 1, /* another source too, so the reply comes back here; XDP sends both on */
	CANARY_MODE_DSR = 2,     /* as it is in a tunnel to the backend, which answers the client itself */
};

/* `services`: endpoint of the VIP → what to do with its flows. */
struct canary_service {
	__u16 id; /* index into `splits` */
	__u8 affinity;
	__u8 mode;         /* enum canary_mode */
	__u8 source_first; /* its part of `sources` */
	__u8 source_count;
	__u16 rescue; /* not 0: a connection that the canary does not answer goes to the baseline */
	__u64 seed;
	__be32 affinity_mask[4];
	char name[CANARY_NAME_MAX];
};

/* What one weight change publishes. */
struct canary_split_view {
	__u32 epoch;            /* counts the changes of weight, from 1: 0 is not published yet */
	__u32 generation;       /* counts the rollouts; a flow opened in an older one is not judged */
	__u16 baseline;         /* version index */
	__u16 canary;           /* version index or CANARY_NONE */
	__u32 zero;
	__u64 canary_threshold; /* flows at a position below it go to the canary; 0 … 2^32 */
};

/*
 * `splits`, by service id, mapped into the daemon. The daemon fills the view that is not active and then stores
 * `active`; a program loads `active` once and reads that view only, so no CPU ever acts on half of a change.
 * A view is rewritten at the earliest 1 ms after it stopped being active, and no program runs that long.
 */
struct canary_split {
	__u32 active; /* 0 or 1 */
	__u32 zero;
	struct canary_split_view view[2];
	__u64 syn_timeout_ns;      /* an unanswered SYN older than this is a failure */
	__u64 response_timeout_ns; /* a request outstanding for longer than this is a failure */
	__u64 udp_idle_ns;         /* a UDP flow silent for this long has ended */
	__u32 flood_limit;         /* flows a CPU opens in a second, beyond which they go on probation; 0: never */
	__u32 traces;      /* not 0: the `traceparent` of HTTP requests is kept for samples */
	__u64 slow_connect_ns;  /* a connection answered only after so long is sampled; 0: none is */
	__u64 slow_response_ns; /* the same of a response, which begins so long after its request */
};

/* ---- cohorts --------------------------------------------------------------------------------------------- */

enum canary_cohort_action {
	CANARY_COHORT_BASELINE = 0,
	CANARY_COHORT_CANARY = 1,
	CANARY_COHORT_WEIGHT = 2,  /* a weight of its own, whatever the split's */
	CANARY_COHORT_EXCLUDE = 3, /* the baseline, and in no rollout's evidence */
};

/* A network of clients, the key of a cohort trie: struct bpf_lpm_trie_key. IPv4 is mapped, so its lengths are 96 … 128. */
struct canary_prefix {
	__u32 length; /* bits */
	__be32 addr[4];
};

/*
 * `cohorts`, by service id: a trie (LPM) of networks, swapped in whole; the longest prefix holds. None where the
 * service has no cohorts. While there is no canary, everyone goes to the baseline.
 */
struct canary_cohort {
	__u64 canary_threshold; /* in place of the split's */
	__u16 id;               /* place in the daemon's list, for people */
	__u8 action;            /* enum canary_cohort_action */
	__u8 prefix_length;     /* of this entry: a look-up does not tell */
	__u32 zero;
};

/* `versions`, by version index: for people with bpftool and for the daemon after a restart; no program reads it. */
struct canary_version {
	char name[CANARY_NAME_MAX];
	__u16 service;
	__u8 in_use;
	__u8 zero[5];
};

/* `capacities`, by version index, mapped into the daemon: a cap on a canary's flows; at worst one more for every CPU. */
struct canary_capacity {
	__u64 opened;    /* ever, by the programs; not counted without a cap */
	__u64 limit;     /* by the daemon after each sweep: `opened` at which max_flows are open, at the latest */
	__u64 opened_before_sweep; /* the daemon's */
	__u32 max_flows; /* 0: no cap */
	__u32 zero;
};

/* `backends`, by backend index. */
struct canary_backend {
	struct canary_endpoint endpoint;
	__u16 version;
	__u16 service;
	__u8 in_use;
	__u8 ends_flows; /* a drain's deadline is over: the sweep takes its flows away */
	__u8 zero[6];
};

/* `backend_addresses`: endpoint of a backend → whose it is, and the VIP its replies carry. */
struct canary_backend_address {
	struct canary_endpoint vip;
	__u16 backend;
	__u16 version;
};

/*
 * The Maglev table of a version: the one value of an inner map of `maglev`. The size is a power of two and every
 * backend's step is odd, hence coprime with it: a permutation as in Maglev §3.4, without a division per packet.
 */
#define CANARY_MAGLEV_SIZE 16384
typedef __u16 canary_maglev[CANARY_MAGLEV_SIZE]; /* backend indices */

/* `sources`: the addresses of this node that forwarded packets carry. Their ports are given out from these bounds. */
#define CANARY_SOURCES 256
#define CANARY_SOURCE_PORT_MIN 1024
#define CANARY_SOURCE_PORT_MAX 65535
struct canary_source {
	__be32 addr[4];
};

/* ---- flows ----------------------------------------------------------------------------------------------- */

enum canary_flow_origin {
	CANARY_ORIGIN_SYN = 0,
	CANARY_ORIGIN_UDP = 1,
	CANARY_ORIGIN_LOST_TRACK = 2, /* first seen in the middle of a stream: forwarded, in no indicator */
};

#define CANARY_CLIENT_FIN 0x01
#define CANARY_CLIENT_RST 0x02
#define CANARY_CLIENT_MULTIPLEXED 0x04 /* payload while a response was under way: in no ttfb any more */
#define CANARY_CLIENT_TLS 0x08         /* the first turns are the handshake: not timed */

#define CANARY_SERVER_SYNACK 0x01
#define CANARY_SERVER_FIN 0x02
#define CANARY_SERVER_RST 0x04
#define CANARY_SERVER_UPGRADED 0x08 /* answered 101: what follows are not requests */
#define CANARY_SERVER_CLOSED_FIRST 0x10 /* its FIN did not answer the client's: it is in TIME_WAIT */
#define CANARY_SERVER_UNREACHABLE 0x20 /* an ICMP error about the SYN: counted as refused; the client may try again */
#define CANARY_SERVER_SAID_ONE 0x40 /* dsr: the client acknowledged one more, which is a byte or the server's FIN */

#define CANARY_SWEEP_SYN_TIMEOUT 0x01 /* counted */
#define CANARY_SWEEP_CLOSED 0x02      /* seen closed by the turn before; this turn removes it */
#define CANARY_SWEEP_QUIET 0x04       /* dsr: nothing new from the server since quiet_since_s */

/*
 * `flows`: one per 5-tuple. The two directions run on different CPUs, so every field has one writer, named by its
 * group; a direction may read the other's fields a packet late, at worst attributing one timing to the turn before. In
 * dsr the request direction writes the reply's, too. The state (enum canary_flow_state in bpf/flow.h) is derived from them.
 */
struct canary_flow {
	/* written once, before the flow is in the table */
	__u64 opened_ns; /* the first SYN or datagram */
	__u32 generation;
	__u32 epoch;
	__u16 service;
	__u16 version;
	__u16 backend;
	__u8 origin; /* enum canary_flow_origin */
	__u8 mode;   /* enum canary_mode */
	__be16 source_port; /* of fullnat: what the backend sees the client as */
	__u8 source;        /* index into `sources` */
	__u8 zero0;
	/* the request direction (XDP) */
	__u8 client_flags;
	__u8 client_fin_state; /* enum canary_flow_state when the client's FIN passed */
	__u16 fallback; /* 1 + the baseline's backend that gets the flow should this one not answer; 0: none does */
	__u64 request_ns;   /* last new payload byte of the request */
	__u32 client_isn;   /* sequence number of the SYN */
	__u32 client_next;  /* beyond the client's highest sequence number */
	__u32 client_acked; /* highest acknowledgement the client sent */
	__u32 request_turn; /* requests begun */
	/* the reply direction (tc) */
	__u32 server_next;
	__u32 response_turn; /* last request answered */
	__u32 continue_next; /* client_next when a 100 passed: until it moves, it is the client who has to go on */
	__u8 server_flags;
	__u8 zero2[3];
	/* the sweep */
	__u32 idle_turn;         /* last turn found complete and quiet */
	__u32 timeout_turn;      /* last turn found outstanding for too long */
	__u32 swept_server_next; /* server_next in the turn before */
	__u8 sweep_flags;
	__u8 zero3;
	__u16 quiet_since_s;     /* the low bits of a time in seconds */
};

/* `floods`, by service id, per CPU: the flood guard's count. */
struct canary_flood {
	__u64 second_began_ns;
	__u64 until_ns; /* new flows are on probation until then */
	__u32 opened;   /* in the present second */
	__u32 zero;
};

/* `flow_table`: one element, per CPU. Evicted is what was inserted, not removed, and is not there. */
struct canary_flow_table {
	__u64 inserted;
	__u64 removed; /* by the sweep: ended */
	__u64 probation; /* put into `half_open` by a flood guard */
	__u64 promoted;  /* of these, what has proven itself since; inserted, too */
};

/* What the backend of a fullnat flow answers to. The key of `replies`. */
struct canary_reply_key {
	__be32 backend[4];
	__be32 source[4];
	__be16 backend_port;
	__be16 source_port;
	__u8 protocol;
	__u8 zero[3];
};

/*
 * `replies`: whose reply it is. Made by the first request, so that no two flows have one source at a backend. Of flows on
 * probation `half_open_replies` has the key alone.
 */
struct canary_reply {
	struct canary_flow_key flow;
	__u64 gone_ns;            /* the sweep found no such flow any more; 0: there it is, or it was not looked for */
	__u8 server_closed_first; /* it waits: its backend would take another flow's SYN for a part of this one */
	__u8 zero[7];
};

/* ---- tunnels --------------------------------------------------------------------------------------------- */

/* `tunnel_paths`, by the address of a backend in mode dsr: what a router on the way there says it takes. */
struct canary_tunnel_path {
	__u64 told_ns; /* 0: nobody has said anything */
	__u32 mtu;     /* bytes, tunnel included */
	__u32 zero;
};

/* ---- fragments ------------------------------------------------------------------------------------------- */

/* What the fragments of one datagram have in common. The key of `fragments`. */
struct canary_fragment_key {
	__be32 source[4];
	__be32 destination[4];
	__be32 id;     /* IPv4's two bytes come first */
	__u8 protocol; /* IPPROTO_UDP; in IPv6 IPPROTO_FRAGMENT: only the first fragment names it for sure */
	__u8 reply;    /* seen at tc egress, where the source is replaced instead of the destination */
	__u8 zero[2];
};

/* `fragments`: what the first fragment of a datagram leaves for those behind it, which have no ports. */
struct canary_fragment {
	__u64 first_ns;
	__be32 to[4];   /* the destination they get; where tc egress saw it, the source */
	__be32 from[4]; /* what XDP sends on: the source they get, or the tunnel has */
	__u32 stats_slot;
	__u16 backend;
	__u8 mode;  /* enum canary_mode: how they get there */
	__u8 reply; /* 0 or 1: it is on its way to the client */
};

/* ---- shadow ---------------------------------------------------------------------------------------------- */

/*
 * `shadow_rules`, by service id: which version gets copies of datagrams. `shadows` has a flow for them, by the key of the
 * client's own: whatever comes back from that version is measured, and dropped.
 */
struct canary_shadow_rule {
	__u64 threshold; /* a datagram is copied where a random number is below it; 0 … 2^32 */
	__u16 version;
	__u16 zero[3];
};

/* ---- what is counted ------------------------------------------------------------------------------------- */

/* `version_stats` (by enum canary_stats_slot below) and `backend_stats` (by backend index), per CPU. */
struct canary_counters {
#define X(name, help) __u64 name;
	CANARY_COUNTERS(X)
#undef X
};

/* A version's flows of the present rollout are kept apart from those opened before it (like with like). */
#define CANARY_STATS_SLOTS 2
#define CANARY_STATS_SLOT(version, judged) ((version) * CANARY_STATS_SLOTS + ((judged) ? 1 : 0))

/*
 * Base-2 exponential histogram, 32 buckets an octave: schema 5 of Prometheus native and of OTLP exponential
 * histograms. Bucket 1 + i holds (2^((i-544)/32) s, 2^((i-543)/32) s], i = 0 … 735: from 2^-17 s to 2^6 s.
 * Bucket 0 holds what is shorter, the last one what is longer. The count is the sum of the buckets.
 */
#define CANARY_HISTOGRAM_SCHEMA 5
#define CANARY_HISTOGRAM_MIN_EXP (-17)
#define CANARY_HISTOGRAM_OCTAVES 23
#define CANARY_HISTOGRAM_BUCKETS (CANARY_HISTOGRAM_OCTAVES * 32 + 2)
struct canary_histogram {
	__u64 bucket[CANARY_HISTOGRAM_BUCKETS];
};

enum canary_latency {
	CANARY_LATENCY_CONNECT = 0, /* first SYN forwarded → first SYN-ACK */
	CANARY_LATENCY_TTFB = 1,    /* last new payload byte of a request → first new payload byte of its response */
	CANARY_LATENCIES = 2,
};

/* `latency` is indexed by CANARY_LATENCY_SLOT(stats slot, kind), `backend_latency` by (backend index, kind). */
#define CANARY_LATENCY_SLOT(index, kind) ((index) * CANARY_LATENCIES + (kind))

/* `reasons`: one element, per CPU. */
struct canary_reasons {
#define X(name, help) __u64 name;
	CANARY_REASONS(X)
#undef X
};

enum canary_reason {
	CANARY_FORWARDED = 0,
#define X(name, help) CANARY_REASON_##name,
	CANARY_REASONS(X)
#undef X
};

/* The counts of a breaker at the beginning of a slot of its time, half a window long. */
struct canary_breaker_mark {
	__u64 slot; /* counted from the clock's zero */
	__u64 ns;   /* when it was taken: by the first that came in the slot */
	__u64 attempts;
	__u64 failures;
	__u32 generation;
	__u32 zero;
};

/*
 * `breakers`, by service id, mapped into the daemon: what the programs themselves take a canary's flows away for. Only
 * flows of the present rollout's canary are counted. The window is what came since the slot before the present one
 * began, so that it is at least half of the configured length and never more.
 */
struct canary_breaker {
	/* written by the daemon */
	__u64 slot_ns;   /* half the window; 0: there is no breaker */
	__u64 kinds;     /* the failures that count: a bit by enum canary_counter */
	__u32 min_failures;
	__u32 ratio_ppm; /* failures ÷ attempts */
	/* written by the programs; cumulative, and added to atomically */
	__u64 attempts; /* requests begun, and connections that were refused or never answered */
	__u64 failures;
	struct canary_breaker_mark mark[2]; /* [slot & 1] */
	/* the trip; `tripped` is written last, and cleared by the daemon alone */
	__u32 tripped;      /* the generation of the rollout whose canary gets no new flows any more; 0: none */
	__u16 tripped_kind; /* enum canary_counter of the failure that did it */
	__u16 tripped_version;
	__u64 tripped_ns;
	__u64 tripped_attempts; /* in the window */
	__u64 tripped_failures;
	__u64 tripped_window_ns; /* from the first of them on */
};

/* `active_flows`, by backend index: what the last complete sweep found. [turn & 1] is being filled while the other is valid. */
struct canary_active_flows {
	__u64 open[2];   /* flows not closed */
	__u64 closed[2]; /* entries of ended flows, not yet removed */
};

/* `control`: one element, mapped into the daemon. */
struct canary_control {
	__u32 abi;            /* CANARY_ABI of the daemon that made the maps */
	__u32 sweep_turn;     /* which half of canary_active_flows the sweep fills */
	__u32 events_per_cpu; /* sampled flow events a CPU may write in a second, of each budget */
	__u32 table_full;     /* `flows` is nearly so: guarded services open flows on probation */
	__u64 flood_ns;       /* by the programs: a flow was put on probation then; 0 by the daemon: not for long */
	__u64 lease_ns;       /* the daemon is taken to be alive until then, and renews it; 0: for ever */
};

/* ---- questions -------------------------------------------------------------------------------------------- */

/* The question and the answer of the `explain` program: where would this flow go, and why. */
enum canary_explain_source {
	CANARY_EXPLAIN_NOT_SERVICE = 0,
	CANARY_EXPLAIN_FLOW = 1, /* the flow is in the table */
	CANARY_EXPLAIN_HASH = 2, /* it would be opened by the hash */
	CANARY_EXPLAIN_NO_BACKEND = 3,
	CANARY_EXPLAIN_LEASE = 4, /* at the baseline, though the hash says canary: the daemon's lease is over */
	CANARY_EXPLAIN_BREAKER = 5, /* the same, because the canary's breaker has tripped */
	CANARY_EXPLAIN_CAPACITY = 6, /* the same, because the canary has as many flows as it may */
};

struct canary_explain {
	struct canary_flow_key key; /* in */
	__u32 position;             /* out: the flow's place on the circle, 0 … 2^32-1 */
	__u16 source;               /* enum canary_explain_source */
	__u16 service;
	__u16 version;
	__u16 backend;
	__u32 epoch;
	__u64 canary_threshold; /* of the split; the cohort's where there is one */
	__u16 cohort;           /* struct canary_cohort's id, or CANARY_NONE */
	__u8 cohort_action;
	__u8 prefix_length;     /* of the network that puts the client into the cohort */
	__u32 zero;
};

#define CANARY_ASSERT_SIZE(type, size) _Static_assert(sizeof(struct type) == (size), #type " has changed size: raise CANARY_ABI")
CANARY_ASSERT_SIZE(canary_endpoint, 20);
CANARY_ASSERT_SIZE(canary_flow_key, 40);
CANARY_ASSERT_SIZE(canary_ports, 48);
CANARY_ASSERT_SIZE(canary_service, 64);
CANARY_ASSERT_SIZE(canary_split_view, 24);
CANARY_ASSERT_SIZE(canary_split, 104);
CANARY_ASSERT_SIZE(canary_capacity, 32);
CANARY_ASSERT_SIZE(canary_flood, 24);
CANARY_ASSERT_SIZE(canary_flow_table, 32);
CANARY_ASSERT_SIZE(canary_prefix, 20);
CANARY_ASSERT_SIZE(canary_cohort, 16);
CANARY_ASSERT_SIZE(canary_version, 40);
CANARY_ASSERT_SIZE(canary_backend, 32);
CANARY_ASSERT_SIZE(canary_backend_address, 24);
CANARY_ASSERT_SIZE(canary_flow, 88);
CANARY_ASSERT_SIZE(canary_reply_key, 40);
CANARY_ASSERT_SIZE(canary_reply, 56);
CANARY_ASSERT_SIZE(canary_source, 16);
CANARY_ASSERT_SIZE(canary_tunnel_path, 16);
CANARY_ASSERT_SIZE(canary_fragment_key, 40);
CANARY_ASSERT_SIZE(canary_fragment, 48);
CANARY_ASSERT_SIZE(canary_shadow_rule, 16);
CANARY_ASSERT_SIZE(canary_counters, 296);
CANARY_ASSERT_SIZE(canary_histogram, 5904);
CANARY_ASSERT_SIZE(canary_reasons, 160);
CANARY_ASSERT_SIZE(canary_breaker_mark, 40);
CANARY_ASSERT_SIZE(canary_breaker, 160);
CANARY_ASSERT_SIZE(canary_active_flows, 32);
CANARY_ASSERT_SIZE(canary_control, 32);
CANARY_ASSERT_SIZE(canary_event, 136);
CANARY_ASSERT_SIZE(canary_event_budget, 16);
CANARY_ASSERT_SIZE(canary_explain, 72);
_Static_assert(__builtin_offsetof(struct canary_split, view) == 8, "the views are 8-byte aligned after `active`");
_Static_assert(__builtin_offsetof(struct canary_flow, request_ns) == 32, "the flow's 64-bit fields are aligned");

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The data plane as the daemon sees it: loads the kernel programs, attaches them through pinned links, pins the maps,
 * and reads and writes map values. user/datapath*.c alone include <bpf/…>; everyone else uses this header.
 *
 * What is pinned outlives the daemon: datapath_close() leaves every packet flowing, datapath_detach() alone ends it.
 * Functions return 0 or a negative errno; those with ret_error also a sentence with the mend, which the caller frees.
 */
#ifndef CANARYD_DATAPATH_H
#define CANARYD_DATAPATH_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <canaryd/abi.h>

#define DATAPATH_INTERFACES_MAX 32
#define DATAPATH_PORT_ELEMENTS 1024
#define DATAPATH_SERVICES_MAX 64

struct datapath;

/* Where the programs are attached, and how. */
struct datapath_interface {
	char name[IFNAMSIZ];
	unsigned ifindex; /* 0: it is gone */
	bool xdp_native; /* false: generic XDP, slower; the driver has no native XDP */
	bool tcx;        /* false: clsact */
	bool new_xdp;    /* attached by this daemon, not adopted */
	bool new_tc;
	bool new_ingress;
	unsigned failed_ifindex; /* said already that this one cannot be attached to */
};

struct datapath_options {
	const char *pin_dir;         /* on bpffs; made where it does not exist */
	uint32_t flows;              /* sizes of the maps; where maps are pinned already, theirs hold */
	uint32_t versions;
	uint32_t backends;
	bool traces;                 /* some service keeps the traceparent of its requests */
	uint32_t events_per_cpu;     /* sampled events a second, of each budget */
	bool forwards;               /* some service is in fullnat or dsr mode, or has a shadow: attaches to tc ingress, too */
	const char *const *interfaces;
	size_t n_interfaces;
};

/*
 * Loads, pins and attaches, or adopts what an earlier daemon left pinned: maps are kept, programs are replaced
 * atomically. On failure nothing is attached or pinned that was not before. -EPERM: privilege; -EOPNOTSUPP: the kernel
 * lacks a feature; -ENODEV: no such interface; -EBUSY: the hook is taken; -EPROTO: pins of another layout.
 */
int datapath_open(const struct datapath_options *options, struct datapath **ret, char **ret_error);
struct datapath *datapath_close(struct datapath *datapath);

/*
 * Looks whether the interfaces are still those the programs were attached to, and attaches to one that was deleted and
 * made again. Returns 1 where something has changed, which *ret_note says in a sentence, the caller's to free; a
 * negative errno where attaching failed, said once; else 0. To be called again and again: one change a call.
 */
int datapath_watch(struct datapath *datapath, char **ret_note);

/* Takes the programs off their interfaces and every pin away. The data plane ends here. */
int datapath_detach(struct datapath *datapath, char **ret_error);

/* Whether the maps were found pinned, with the flows of an earlier daemon in them. */
bool datapath_adopted(const struct datapath *datapath);
size_t datapath_interfaces(const struct datapath *datapath, const struct datapath_interface **ret);
uint32_t datapath_flows_capacity(const struct datapath *datapath);
uint32_t datapath_versions_max(const struct datapath *datapath);
uint32_t datapath_backends_max(const struct datapath *datapath);

/* ---- configuration ----------------------------------------------------------------------------------------- */

int datapath_set_service(struct datapath *datapath, const struct canary_endpoint *vip,
			 const struct canary_service *service);
int datapath_delete_service(struct datapath *datapath, const struct canary_endpoint *vip);

/* The next key after `key` (NULL: the first) and its value; -ENOENT at the end. */
int datapath_next_service(const struct datapath *datapath, const struct canary_endpoint *key,
			  struct canary_endpoint *ret_vip, struct canary_service *ret_service);

int datapath_set_version(struct datapath *datapath, uint32_t index, const struct canary_version *version);
int datapath_get_version(const struct datapath *datapath, uint32_t index, struct canary_version *ret);

/* The backend, and its address for replies, which carry `vip`. */
int datapath_set_backend(struct datapath *datapath, uint32_t index, const struct canary_backend *backend,
			 const struct canary_endpoint *vip);
int datapath_get_backend(const struct datapath *datapath, uint32_t index, struct canary_backend *ret);
int datapath_delete_backend(struct datapath *datapath, uint32_t index);

/* Whether sweeps take a backend's flows away from now on: the next packet of each is decided anew. */
int datapath_end_flows(struct datapath *datapath, uint32_t backend, bool end);

/* The addresses that forwarded packets carry, by index; all 0: none. */
int datapath_set_source(struct datapath *datapath, uint32_t index, const struct canary_source *source);
int datapath_get_source(const struct datapath *datapath, uint32_t index, struct canary_source *ret);

/* Puts a flow into the table, or takes one out of it, uncounted: for drills. */
int datapath_set_flow(struct datapath *datapath, const struct canary_flow_key *key, const struct canary_flow *flow);
int datapath_delete_flow(struct datapath *datapath, const struct canary_flow_key *key);

/* Which version gets copies of a service's datagrams. */
int datapath_set_shadow(struct datapath *datapath, uint32_t service, const struct canary_shadow_rule *rule);

/* Whether any source is taken by a flow of fullnat. */
bool datapath_has_replies(const struct datapath *datapath);

/* Swaps a version's table in whole; NULL: the version has no backends. */
int datapath_set_maglev(struct datapath *datapath, uint32_t version, const canary_maglev *table);

/*
 * A trie of cohorts that no program sees yet, -1 where `count` is 0; swaps a service's in whole; gives up the caller's
 * hold of it, which the kernel's outlives. The networks of one trie differ.
 */
int datapath_cohorts_new(const struct canary_prefix *prefixes, const struct canary_cohort *cohorts, size_t count,
			 int *ret_trie);
int datapath_set_cohorts(struct datapath *datapath, uint32_t service, int trie);
void datapath_cohorts_free(int trie);

/* Says which ports may be ours: DATAPATH_PORT_ELEMENTS elements. Set bits first, clear them last. */
int datapath_set_ports(struct datapath *datapath, const struct canary_ports *ports);

/* Mapped memory, valid until datapath_close(). weights.c is the one writer of splits. */
struct canary_split *datapath_split(struct datapath *datapath, uint32_t service);
/* breaker.c is the one who writes what is the daemon's of it. */
struct canary_breaker *datapath_breaker(struct datapath *datapath, uint32_t service);

/* Until `deadline_ns` (CLOCK_MONOTONIC) new flows may go to a canary; 0: for ever. */
void datapath_set_lease(struct datapath *datapath, uint64_t deadline_ns);

/* The cap of a version, shared with the programs; capacity.c is the one who writes what is the daemon's of it. */
struct canary_capacity *datapath_capacity(struct datapath *datapath, uint32_t version);

/* Says that the flow table is nearly full; ends a flood in which no flow was put on probation since `before_ns`. */
void datapath_set_flood(struct datapath *datapath, bool table_full, uint64_t before_ns);

/* ---- measurement ------------------------------------------------------------------------------------------- */

/* Sums over the CPUs. Cumulative since the maps were made. */
int datapath_version_stats(const struct datapath *datapath, uint32_t version, bool judged,
			   struct canary_counters *ret);
int datapath_backend_stats(const struct datapath *datapath, uint32_t backend, struct canary_counters *ret);
int datapath_latency(const struct datapath *datapath, uint32_t version, bool judged, enum canary_latency kind,
		     struct canary_histogram *ret);
int datapath_backend_latency(const struct datapath *datapath, uint32_t backend, enum canary_latency kind,
			     struct canary_histogram *ret);
int datapath_flow_table(const struct datapath *datapath, struct canary_flow_table *ret);
int datapath_reasons(const struct datapath *datapath, struct canary_reasons *ret);

/*
 * The i-th map's name and the memory the kernel says it takes; tables within maglev and cohorts are not in theirs.
 * -ERANGE: there is none any more; other errors: it cannot be told.
 */
int datapath_map_bytes(const struct datapath *datapath, size_t i, const char **ret_name, uint64_t *ret_bytes);

/*
 * Walks the flow table once: timeouts are counted, ended flows removed. Takes some 100 ns an entry. Afterwards
 * datapath_active_flows() says what was found.
 */
int datapath_sweep(struct datapath *datapath);
int datapath_active_flows(const struct datapath *datapath, uint32_t backend, uint64_t *ret_open, uint64_t *ret_closed);

/* Asks the live program where a flow would go; `explain->key` is the question. */
int datapath_explain(const struct datapath *datapath, struct canary_explain *explain);

/* Readable when events wait; datapath_read_events() hands each to `handle`. */
int datapath_events_fd(const struct datapath *datapath);
int datapath_read_events(struct datapath *datapath);
void datapath_on_event(struct datapath *datapath, void (*handle)(const struct canary_event *, void *), void *context);

/* How many of a service's samples the rate limit has left out, and no event has told of yet; of all CPUs. */
int datapath_events_untold(const struct datapath *datapath, uint32_t service, bool slow, uint64_t *ret);

#endif

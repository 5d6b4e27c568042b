/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What user/datapath*.c share. */
#ifndef CANARYD_DATAPATH_INTERNAL_H
#define CANARYD_DATAPATH_INTERNAL_H

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "user/datapath.h"

#define DATAPATH_PIN_DIR 108 /* bytes, NUL included */
#define DATAPATH_PATH 192    /* bytes of a pin's path below it */

struct split_bpf;
struct ingress_bpf;
struct reply_bpf;
struct sweep_bpf;

/* Descriptors of the maps, by name; they belong to the skeletons. */
#define DATAPATH_MAPS(X)                                                                                            \
	X(ports) X(services) X(splits) X(cohorts) X(versions) X(backends) X(backend_addresses) X(maglev) X(flows)   \
	X(version_stats) X(backend_stats) X(latency) X(backend_latency) X(active_flows) X(reasons) X(control)       \
	X(breakers) X(half_open) X(half_open_replies) X(floods) X(flow_table) X(capacities) X(sources) X(replies)   \
	X(shadow_rules) X(shadows) X(traces) X(events) X(event_budget)

struct datapath_map_fds {
#define X(name) int name;
	DATAPATH_MAPS(X)
#undef X
};

struct datapath {
	char pin_dir[DATAPATH_PIN_DIR];
	int lock;
	bool adopted;
	bool forwards;          /* some service is not in dnat mode: see datapath_options */
	uint64_t pinned_before; /* bits in the order of DATAPATH_PINS: what a failure leaves alone */
	struct split_bpf *split;
	struct reply_bpf *reply;
	struct ingress_bpf *ingress;
	struct sweep_bpf *sweep;
	struct datapath_map_fds map;
	struct datapath_interface interface[DATAPATH_INTERFACES_MAX];
	size_t n_interfaces;
	struct bpf_link *sweep_link;
	struct bpf_link *sweep_replies_link;
	struct bpf_link *sweep_shadows_link;
	struct ring_buffer *events;
	void (*on_event)(const struct canary_event *, void *);
	void *on_event_context;
	struct canary_split *splits;
	struct canary_control *control;
	struct canary_capacity *capacities;
	struct canary_breaker *breakers;
	uint32_t flows_max;
	uint32_t versions_max;
	uint32_t backends_max;
	uint32_t events_per_cpu;
	bool traces;
	int cpus;
};

/* What is pinned: the maps above and what only the programs use. */
#define DATAPATH_PINS(X)                                                                                            \
	DATAPATH_MAPS(X) X(scratch) X(fragments) X(tunnel_paths) X(syns) X(silences) X(rescue_scratch)

/* How a link to tc says where: since linux 6.6; Debian 12's headers are older. */
#ifndef BPF_TCX_EGRESS
#define DATAPATH_TCX_INGRESS ((enum bpf_attach_type)46)
#define DATAPATH_TCX_EGRESS ((enum bpf_attach_type)47)
#else
#define DATAPATH_TCX_INGRESS BPF_TCX_INGRESS
#define DATAPATH_TCX_EGRESS BPF_TCX_EGRESS
#endif

/* Opens the objects, without loading them, in a datapath that can do nothing but be closed. */
#define DATAPATH_OBJECTS 4
#define DATAPATH_OBJECT_INGRESS 2
int datapath_open_objects(struct datapath **ret, struct bpf_object *ret_objects[DATAPATH_OBJECTS]);

/* datapath_plan.c: gives a map the size it has to have, before it is loaded. */
struct datapath_sizes;
void datapath_size_map(struct bpf_map *map, const struct datapath_sizes *to);

/* datapath_attach.c: attaches to one interface, or adopts the pinned links; a failure undoes what this call did. */
int datapath_attach(struct datapath *datapath, const char *name, struct datapath_interface *ret, char **ret_error);
void datapath_attach_undo(const struct datapath *datapath, const struct datapath_interface *interface);
void datapath_unlink(const struct datapath *datapath, const struct datapath_interface *interface);

/* Where the link that attaches to a hook of an interface is pinned. */
void datapath_link_path(const char *pin_dir, const char *hook, const char *interface, char path[DATAPATH_PATH]);

/* Takes the programs off interfaces that an earlier daemon used and this one does not. */
void datapath_unlink_others(const struct datapath *datapath);

/* datapath_maps.c: maps the mmapable ones, after loading; and the way back. */
int datapath_map_memory(struct datapath *datapath);
void datapath_unmap_memory(struct datapath *datapath);

/* Lets XDP send on the interface, where its driver takes that. Returns 0 or a negative errno. */
int datapath_set_output(struct datapath *datapath, const struct datapath_interface *interface);

int datapath_split_fd(const struct datapath *datapath);
int datapath_reply_fd(const struct datapath *datapath);
int datapath_ingress_fd(const struct datapath *datapath);
int datapath_explain_fd(const struct datapath *datapath);

#endif

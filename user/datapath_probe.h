/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the data plane would find on this host, and what it would take, before it is there: what the kernel can, who is on
 * an interface's hooks, what a daemon has left pinned, which programs and maps there would be. Nothing is changed; what
 * needs privilege says so by a negative errno.
 */
#ifndef CANARYD_DATAPATH_PROBE_H
#define CANARYD_DATAPATH_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DATAPATH_FEATURES 10
#define DATAPATH_HOOK_NAME 16 /* bytes of a program's name, NUL included: the kernel's */

/* A thing the kernel programs cannot do without. */
struct datapath_feature {
	const char *name;
	const char *since; /* the first Linux that has it, or the option it is built with */
	int there;         /* 1, 0, or a negative errno: it could not be tried */
};

/* Tries what the kernel can; needs CAP_BPF, else each is -EPERM. *ret has DATAPATH_FEATURES. */
void datapath_probe_features(struct datapath_feature ret[DATAPATH_FEATURES]);

/* Whether programs are compiled for this processor: 1, 0 (they are interpreted), or a negative errno. */
int datapath_probe_jit(void);

/* Whether tc programs can be attached by a link (TCX): 1, 0, or a negative errno. */
int datapath_probe_tcx(void);

enum datapath_xdp {
	DATAPATH_XDP_NONE = 0, /* nobody is there */
	DATAPATH_XDP_GENERIC,
	DATAPATH_XDP_NATIVE,
	DATAPATH_XDP_OTHER, /* in the card itself, or several */
};

/* Who is on an interface's hooks. */
struct datapath_hooks {
	enum datapath_xdp xdp;
	uint32_t xdp_id;   /* of the program */
	bool xdp_is_ours;  /* it is the one pinned below the pin directory */
	char xdp_name[DATAPATH_HOOK_NAME]; /* "": not known */
	unsigned tc_others; /* programs at tc ingress and egress by a link or in clsact that are not canaryd's */
};

/* 0, or a negative errno: -EPERM. */
int datapath_probe_hooks(const char *pin_dir, unsigned ifindex, struct datapath_hooks *ret);

/* What a daemon has left pinned, or works with now. */
struct datapath_pins {
	uint32_t abi;
	uint32_t flows;    /* entries its flow table has room for */
	uint64_t lease_ns; /* CLOCK_MONOTONIC; 0: for ever */
};

/* 0; -ENOENT: nothing is pinned there; or why it cannot be read: -EPERM, -EACCES, -EPROTO (another layout). */
int datapath_probe_pins(const char *pin_dir, struct datapath_pins *ret);

/* What the sizes of the maps follow from. */
struct datapath_sizes {
	uint32_t flows;
	uint32_t versions; /* there is room for */
	uint32_t backends;
	uint32_t versions_used;
	bool forwards; /* some service is in fullnat or dsr mode, or has a shadow */
	bool traces;   /* some service keeps the traceparent of its requests */
};

struct datapath_map_plan {
	const char *name;
	const char *type; /* "lru_hash", … */
	uint32_t entries;
	uint64_t bytes; /* of memory, about: the kernel's own overhead is in it as far as it is known */
};

struct datapath_program_plan {
	const char *name;
	const char *hook; /* "xdp", "tc egress", "tc ingress", "iterator", "asked" */
};

/* Whom datapath_plan() tells; each may be NULL. What they are told is valid during the call. */
struct datapath_plan_visitor {
	void (*map)(const struct datapath_map_plan *map, void *context);
	void (*program)(const struct datapath_program_plan *program, void *context);
	void *context;
};

/* Tells of every program and map there would be; *ret_bytes is the memory of all of them. 0, or a negative errno. */
int datapath_plan(const struct datapath_sizes *sizes, const struct datapath_plan_visitor *visitor, uint64_t *ret_bytes);

#endif

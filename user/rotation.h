/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which backends of a service get new flows, and why the others don't: what checks, flows and operators say of each,
 * put together. Pure: who asks the backends and who writes the kernel's tables are others.
 *
 * A version that clients have no other way than to go to, that is any but the canary, is never left without a backend
 * by checks: where all of its backends are out, all get flows (panic), but for those that an operator drains. The
 * canary without a usable backend gets no flows: they go to the baseline.
 */
#ifndef CANARYD_ROTATION_H
#define CANARYD_ROTATION_H

#include <jansson.h>
#include <stddef.h>

#include "user/config.h"
#include "user/health.h"
#include "user/outlier.h"

enum rotation_state {
	ROTATION_UNCHECKED = 0, /* nobody has asked it, and its flows say nothing against it */
	ROTATION_HEALTHY,
	ROTATION_UNHEALTHY, /* by checks */
	ROTATION_EJECTED,   /* by its flows */
	ROTATION_DRAINING,  /* by an operator: it has flows left */
	ROTATION_DRAINED,   /* it has none */
	ROTATION_STATES,
};

struct rotation_drain {
	bool on;
	bool done;            /* no flow is left */
	bool expired;         /* the deadline is over: flows that are left are taken away */
	uint64_t deadline_ns; /* CLOCK_MONOTONIC; 0: none */
	uint64_t sweep;       /* the table of flows is known to be without newer ones after so many sweeps */
};

struct rotation_entry {
	char version[CANARY_NAME_MAX];
	char address[ADDRESS_MAX];
	struct canary_endpoint endpoint;
	struct health health;
	struct outlier outlier;
	struct rotation_drain drain;
	bool usable; /* gets new flows, as last decided */
};

struct rotation {
	const struct config_service *config;
	size_t n;
	struct rotation_entry *entries; /* in the order of the configuration */
};

struct rotation_count {
	size_t backends;
	size_t well;   /* nothing speaks against them */
	size_t usable; /* get new flows */
	bool panic;    /* they get them though none is well */
};

/* All backends of the service, nothing known of any. `config` must outlive it. NULL when memory is short. */
struct rotation *rotation_new(const struct config_service *config);
struct rotation *rotation_free(struct rotation *rotation);

/* A rotation for another configuration, with what is known of the backends that are in both. NULL: memory. */
struct rotation *rotation_with(const struct rotation *rotation, const struct config_service *config);

/* NULL: no such backend. */
struct rotation_entry *rotation_find(const struct rotation *rotation, const char *address);

/* Does anything speak against it? */
bool rotation_is_well(const struct rotation_entry *entry);
enum rotation_state rotation_state(const struct rotation_entry *entry);

/* "unchecked", "healthy", "unhealthy", "ejected", "draining", "drained" */
const char *rotation_state_name(enum rotation_state state);

/* Why it is in that state, in a sentence without an end; "" where there is nothing to say. */
const char *rotation_why(const struct rotation_entry *entry, char *buf, size_t size, uint64_t now_ns);

/* Decides who is usable. `canary` may be NULL. Returns whether that has changed for anyone. */
bool rotation_decide(struct rotation *rotation, const char *canary);

struct rotation_count rotation_count(const struct rotation *rotation, const char *version);

/*
 * Takes in the counts of one backend's flows, and ejects it where it is an outlier and enough of its version are left;
 * or ends its ejection. Returns whether either has happened.
 */
bool rotation_look(struct rotation *rotation, struct rotation_entry *entry, struct outlier_count counts,
		   uint64_t now_ns);

/* An operator's word. deadline_s: INFINITY for none; `sweeps` have been finished until now. */
void rotation_drain(struct rotation_entry *entry, double deadline_s, uint64_t now_ns, uint64_t sweeps);
void rotation_undrain(struct rotation_entry *entry);

/* Moves a drain along: `flows` are open by the last of `sweeps`. Returns whether it is done just now, or expired. */
bool rotation_tick_drain(struct rotation_entry *entry, uint64_t flows, uint64_t now_ns, uint64_t sweeps);

/* What is to outlive the daemon, an object by address; times are of day. NULL: memory. */
json_t *rotation_json(const struct rotation *rotation, uint64_t now_ns, double unix_s);

/* Brings it back; what is not understood, and backends that are no longer there, are left out. */
void rotation_restore(struct rotation *rotation, const json_t *json, uint64_t now_ns, double unix_s);

#endif

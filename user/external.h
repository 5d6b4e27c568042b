/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Looks at a service's indicators outside the packets, each in its own time, and puts what they say into the sample.
 * Nothing here waits: queries, checks and commands are answered in the event loop, between two ticks.
 *
 * There is something to look at only while there is a canary. A look asks about both versions at once; it is over when
 * all has been answered or has failed, and says one thing: values or counts, or the state that kept it from them.
 */
#ifndef CANARYD_EXTERNAL_H
#define CANARYD_EXTERNAL_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "user/command.h"
#include "user/config.h"
#include "user/fetch.h"
#include "user/mutes.h"
#include "user/sample.h"
#include "user/unit_bus.h"

struct external;

/* What looks are made with; must outlive the looks. */
struct external_tools {
	struct fetch *fetch;
	struct command_runner *runner;
	struct unit_bus *bus;        /* NULL: systemd is not there */
	const char *cgroup_mount;    /* of cgroup v2; "": there is none */
};

/* The service at the time of a tick. */
struct external_now {
	const char *baseline;
	const char *canary; /* NULL: none */
	int64_t rollout;    /* of the canary; another one counts from nothing */
	uint64_t now_ns;    /* monotonic */
	double unix_s;
	const struct mutes *mutes; /* what operators have said; NULL: nothing */
	uint64_t baseline_requests; /* completed in all, since the counters began */
	uint64_t canary_requests;
};

/* 0 or -ENOMEM. */
int external_new(const struct external_tools *tools, const struct config_service *service, struct external **ret);
struct external *external_free(struct external *external);

/* The configuration has been replaced; the service's SLIs are the same. */
void external_set_config(struct external *external, const struct config_service *service);

/*
 * What looks at units have counted, for external_recall() of the next daemon: -EINVAL: it is not whole, and what is not is
 * counted anew. `rollout`: that it is of; another one, another baseline or canary is forgotten at the next tick.
 * `same_boot`: the host was not restarted in between.
 */
json_t *external_memory(const struct external *external);
int external_recall(struct external *external, const json_t *memory, int64_t rollout, bool same_boot);

/* Restarts and kills in all: it grows when there is something new to remember. */
double external_events(const struct external *external);

/* Fills muted and external of the sample with what is known by now, and begins the looks that are due. */
void external_tick(struct external *external, const struct external_now *now, struct sample *sample);

#endif

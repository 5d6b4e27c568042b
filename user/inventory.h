/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which index of the kernel's tables stands for which service, version and backend. The tables themselves hold the
 * names, so a daemon that starts again finds its indices there, and flows that are open keep their counters.
 *
 * What the configuration no longer names stays in the tables, without new flows, until its place is needed: the flows
 * of a backend that was taken out end where they are.
 */
#ifndef CANARYD_INVENTORY_H
#define CANARYD_INVENTORY_H

#include "user/config.h"
#include "user/datapath.h"

struct inventory_backend {
	char address[ADDRESS_MAX];
	struct canary_endpoint endpoint;
	uint16_t index;
	bool usable; /* in its version's table: gets new flows; true to begin with */
};

struct inventory_version {
	char name[CANARY_NAME_MAX];
	uint16_t index;
	uint32_t max_flows; /* 0: no cap */
	size_t n_backends;
	struct inventory_backend *backends;
};

struct inventory_service {
	char name[CANARY_NAME_MAX];
	struct canary_endpoint vip;
	uint16_t id;
	uint8_t source_first; /* place of its source addresses */
	size_t n_versions;
	struct inventory_version *versions;
};

struct inventory {
	size_t n_services;
	struct inventory_service *services;
};

/*
 * Gives everything in `config` its index and writes versions and backends to the kernel. No service is reachable by it
 * yet: that takes inventory_write_table() of each version and inventory_publish(). -ENOSPC: the tables are too small;
 * nothing is written then.
 */
int inventory_new(struct datapath *datapath, const struct config *config, struct inventory **ret, char **ret_error);
struct inventory *inventory_free(struct inventory *inventory);

/* Swaps the Maglev table of a version for one of its usable backends. */
int inventory_write_table(struct datapath *datapath, const struct inventory_version *version);

/*
 * Makes the services reachable, and unreachable those the configuration no longer names. Every service's split must
 * have been published before.
 */
int inventory_publish(struct datapath *datapath, const struct config *config, const struct inventory *inventory,
		      char **ret_error);

/*
 * Gives each service, version and backend its place in the kernel's tables: the one it has, else one that is free, which it
 * is not while flows are on it. -ENOSPC: there is none. Part of inventory_new().
 */
int inventory_place(struct inventory *inventory, struct datapath *datapath, char **ret_error);

/* inventory_sources.c: gives every service's source addresses their place, and writes them. -ENOSPC: none is left. */
int inventory_write_sources(struct datapath *datapath, const struct config *config, struct inventory *inventory,
			    char **ret_error);

/* Sets the ports that flows of fullnat get, where there are such flows or a service whose flows may be. */
void inventory_set_source_ports(const struct datapath *datapath, const struct config *config, struct canary_ports *ports);

/* NULL: none of that name. */
const struct inventory_version *inventory_find_version(const struct inventory_service *service, const char *name);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The addresses that packets of fullnat and tunnels of dsr carry, in the kernel's table. A flow knows its address by its place
 * there, so one that is there already keeps its place, as long as there is room.
 */
#include "user/inventory.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "user/error.h"

struct places {
	struct canary_source source[CANARY_SOURCES];
	bool claimed[CANARY_SOURCES];
};

static bool is_empty(const struct canary_source *source)
{
	return !source->addr[0] && !source->addr[1] && !source->addr[2] && !source->addr[3];
}

/* Those of one service, which lie side by side. */
struct wanted {
	const struct config_source *source;
	uint32_t count;
};

static struct wanted wanted_by(const struct config_service *service)
{
	struct wanted w;

	w.source = config_sources(service, &w.count);
	return w;
}

static bool is_at(const struct places *places, const struct wanted *wanted, uint32_t first)
{
	for (uint32_t i = 0; i < wanted->count; i++)
		if (memcmp(&places->source[first + i], wanted->source[i].addr, sizeof(struct canary_source)) != 0)
			return false;
	return true;
}

static bool is_free(const struct places *places, const struct wanted *wanted, uint32_t first, bool empty)
{
	for (uint32_t i = 0; i < wanted->count; i++)
		if (places->claimed[first + i] || (empty && !is_empty(&places->source[first + i])))
			return false;
	return true;
}

/* Where they are, else where nothing is, else where only those are whom the configuration no longer names. */
static int find_place(const struct places *places, const struct wanted *wanted)
{
	for (uint32_t first = 0; first + wanted->count <= CANARY_SOURCES; first++)
		if (is_at(places, wanted, first))
			return first;
	for (int empty = 1; empty >= 0; empty--)
		for (uint32_t first = 0; first + wanted->count <= CANARY_SOURCES; first++)
			if (is_free(places, wanted, first, empty))
				return first;
	return -ENOSPC;
}

static int write_sources(struct datapath *datapath, struct places *places, const struct wanted *wanted,
			 uint32_t first)
{
	int r = 0;

	for (uint32_t i = 0; !r && i < wanted->count; i++) {
		memcpy(&places->source[first + i], wanted->source[i].addr, sizeof(struct canary_source));
		places->claimed[first + i] = true;
		r = datapath_set_source(datapath, first + i, &places->source[first + i]);
	}
	return r;
}

/* First those that are there already: no other is put in their place. */
static void claim(struct places *places, const struct config *config)
{
	for (uint32_t s = 0; s < config->services_count; s++) {
		struct wanted w = wanted_by(&config->services[s]);

		for (uint32_t first = 0; w.count && first + w.count <= CANARY_SOURCES; first++)
			if (is_at(places, &w, first))
				memset(&places->claimed[first], true, w.count);
	}
}

int inventory_write_sources(struct datapath *datapath, const struct config *config, struct inventory *inventory,
			    char **ret_error)
{
	struct places places = {};
	int r = 0, first;

	for (uint32_t i = 0; !r && i < CANARY_SOURCES; i++)
		r = datapath_get_source(datapath, i, &places.source[i]);
	claim(&places, config);
	for (uint32_t s = 0; !r && s < config->services_count; s++) {
		const struct config_service *service = &config->services[s];
		struct wanted w = wanted_by(service);

		if (!w.count)
			continue;
		first = find_place(&places, &w);
		if (first < 0)
			return error_set(ret_error, first, "no place for the addresses %s sends from: the kernel's table "
					 "holds %d (`canaryctl detach`, start again)", service->name, CANARY_SOURCES);
		inventory->services[s].source_first = first;
		r = write_sources(datapath, &places, &w, first);
	}
	return r ? error_set(ret_error, r, "cannot write the source addresses to the kernel: %s", strerror(-r)) : 0;
}

void inventory_set_source_ports(const struct datapath *datapath, const struct config *config, struct canary_ports *ports)
{
	bool left = datapath_has_replies(datapath), tcp = left, udp = left;

	for (uint32_t s = 0; s < config->services_count; s++) {
		if (config->services[s].mode != CANARY_MODE_FULLNAT)
			continue;
		tcp |= config->services[s].protocol == IPPROTO_TCP;
		udp |= config->services[s].protocol == IPPROTO_UDP;
	}
	for (uint32_t i = CANARY_SOURCE_PORT_MIN / 64; i < DATAPATH_PORT_ELEMENTS; i++) {
		ports[i].source_tcp = tcp ? ~0ULL : 0;
		ports[i].source_udp = udp ? ~0ULL : 0;
	}
}

_Static_assert(CANARY_SOURCE_PORT_MIN % 64 == 0 && CANARY_SOURCE_PORT_MAX == 65535, "whole elements");

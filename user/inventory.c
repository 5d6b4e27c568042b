/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "user/inventory.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "user/error.h"
#include "user/maglev.h"

/* ---- writing ------------------------------------------------------------------------------------------------ */

int inventory_write_table(struct datapath *datapath, const struct inventory_version *version)
{
	struct maglev_backend *backends = calloc(version->n_backends + 1, sizeof(*backends));
	canary_maglev *table = malloc(sizeof(*table));
	size_t n = 0;
	int r = -ENOMEM;

	if (backends && table) {
		for (size_t b = 0; b < version->n_backends; b++)
			if (version->backends[b].usable)
				backends[n++] = (struct maglev_backend){ version->backends[b].endpoint,
									 version->backends[b].index };
		maglev_build(table, backends, n);
		r = datapath_set_maglev(datapath, version->index, n ? table : NULL);
	}
	free(backends);
	free(table);
	return r;
}

static int write_version(struct datapath *datapath, const struct inventory_service *service,
			 const struct inventory_version *version)
{
	struct canary_version value = { .service = service->id, .in_use = 1 };
	int r;

	memcpy(value.name, version->name, sizeof(value.name));
	r = datapath_set_version(datapath, version->index, &value);
	for (size_t b = 0; !r && b < version->n_backends; b++) {
		struct canary_backend backend = {
			.endpoint = version->backends[b].endpoint,
			.version = version->index,
			.service = service->id,
			.in_use = 1,
		};
		struct canary_backend there;

		r = datapath_get_backend(datapath, version->backends[b].index, &there);
		if (!r && there.in_use && !address_equal(&there.endpoint, &backend.endpoint))
			r = datapath_delete_backend(datapath, version->backends[b].index);
		if (!r)
			r = datapath_set_backend(datapath, version->backends[b].index, &backend, &service->vip);
	}
	return r;
}

static int write_all(struct datapath *datapath, const struct inventory *inventory, char **ret_error)
{
	for (size_t s = 0; s < inventory->n_services; s++)
		for (size_t v = 0; v < inventory->services[s].n_versions; v++) {
			const struct inventory_service *service = &inventory->services[s];
			int r = write_version(datapath, service, &service->versions[v]);

			if (r)
				return error_set(ret_error, r, "cannot write version %s of service %s to the kernel: %s",
						 service->versions[v].name, service->name, strerror(-r));
		}
	return 0;
}

/* ---- the object --------------------------------------------------------------------------------------------- */

static int copy_version(struct inventory_version *to, const struct config_version *from)
{
	memcpy(to->name, from->name, sizeof(to->name));
	to->backends = calloc(from->backends_count + 1, sizeof(*to->backends));
	if (!to->backends)
		return -ENOMEM;
	to->n_backends = from->backends_count;
	to->max_flows = from->max_flows;
	for (size_t b = 0; b < to->n_backends; b++) {
		memcpy(to->backends[b].address, from->backends[b].address, sizeof(to->backends[b].address));
		to->backends[b].endpoint = from->backends[b].endpoint;
		to->backends[b].usable = true;
	}
	return 0;
}

static int copy_config(struct inventory *inventory, const struct config *config)
{
	int r = 0;

	inventory->services = calloc(config->services_count + 1, sizeof(*inventory->services));
	if (!inventory->services)
		return -ENOMEM;
	inventory->n_services = config->services_count;
	for (size_t s = 0; !r && s < inventory->n_services; s++) {
		const struct config_service *from = &config->services[s];
		struct inventory_service *to = &inventory->services[s];

		memcpy(to->name, from->name, sizeof(to->name));
		to->vip = from->endpoint;
		to->versions = calloc(from->versions_count + 1, sizeof(*to->versions));
		if (!to->versions)
			return -ENOMEM;
		to->n_versions = from->versions_count;
		for (size_t v = 0; !r && v < to->n_versions; v++)
			r = copy_version(&to->versions[v], &from->versions[v]);
	}
	return r;
}

int inventory_new(struct datapath *datapath, const struct config *config, struct inventory **ret, char **ret_error)
{
	struct inventory *inventory = calloc(1, sizeof(*inventory));
	int r = inventory ? copy_config(inventory, config) : -ENOMEM;

	r = r ? error_set(ret_error, r, "out of memory") : inventory_place(inventory, datapath, ret_error);
	if (!r)
		r = write_all(datapath, inventory, ret_error);
	if (!r)
		r = inventory_write_sources(datapath, config, inventory, ret_error);
	if (r)
		inventory_free(inventory);
	else
		*ret = inventory;
	return r;
}

struct inventory *inventory_free(struct inventory *inventory)
{
	if (!inventory)
		return NULL;
	for (size_t s = 0; s < inventory->n_services; s++) {
		for (size_t v = 0; v < inventory->services[s].n_versions; v++)
			free(inventory->services[s].versions[v].backends);
		free(inventory->services[s].versions);
	}
	free(inventory->services);
	free(inventory);
	return NULL;
}

/* ---- publishing --------------------------------------------------------------------------------------------- */

static void set_port(struct canary_ports *ports, const struct canary_endpoint *endpoint, bool vip)
{
	uint16_t port = ntohs(endpoint->port);
	struct canary_ports *bits = &ports[port / 64];
	uint64_t bit = 1ULL << (port & 63);

	if (endpoint->protocol == IPPROTO_TCP)
		*(vip ? &bits->vip_tcp : &bits->backend_tcp) |= bit;
	else
		*(vip ? &bits->vip_udp : &bits->backend_udp) |= bit;
}

/* Backends that left the configuration still have flows, so their replies still pass through. */
static int publish_ports(struct datapath *datapath, const struct config *config, const struct inventory *inventory)
{
	struct canary_ports *ports = calloc(DATAPATH_PORT_ELEMENTS, sizeof(*ports));
	struct canary_backend backend;
	int r = ports ? 0 : -ENOMEM;

	for (size_t s = 0; !r && s < inventory->n_services; s++)
		set_port(ports, &inventory->services[s].vip, true);
	for (uint32_t i = 0; !r && i < datapath_backends_max(datapath); i++) {
		r = datapath_get_backend(datapath, i, &backend);
		if (!r && backend.in_use)
			set_port(ports, &backend.endpoint, false);
	}
	if (!r) {
		inventory_set_source_ports(datapath, config, ports);
		r = datapath_set_ports(datapath, ports);
	}
	free(ports);
	return r;
}

static void prefix_mask(__be32 mask[4], unsigned bits)
{
	for (unsigned i = 0; i < 4; i++) {
		unsigned here = bits > i * 32 ? bits - i * 32 : 0;

		mask[i] = here >= 32 ? 0xffffffff : here ? htonl(~0U << (32 - here)) : 0;
	}
}

static struct canary_service service_value(const struct config *config, const struct config_service *service,
					   const struct inventory_service *place)
{
	struct canary_service value = {
		.id = place->id,
		.affinity = service->affinity,
		.mode = service->mode,
		.source_first = place->source_first,
		.rescue = service->rescue && service->endpoint.protocol == IPPROTO_TCP,
		.seed = config->seed,
	};
	bool ipv4 = address_is_ipv4(service->endpoint.addr);
	unsigned bits = 128;
	uint32_t sources;

	if (service->affinity == CANARY_AFFINITY_CLIENT)
		bits = ipv4 ? 96 + service->affinity_prefix_v4 : service->affinity_prefix_v6;
	prefix_mask(value.affinity_mask, bits);
	config_sources(service, &sources);
	value.source_count = sources;
	memcpy(value.name, service->name, sizeof(value.name));
	return value;
}

static bool is_configured(const struct inventory *inventory, const struct canary_endpoint *vip)
{
	for (size_t s = 0; s < inventory->n_services; s++)
		if (address_equal(&inventory->services[s].vip, vip))
			return true;
	return false;
}

static int remove_others(struct datapath *datapath, const struct inventory *inventory)
{
	struct canary_endpoint vip, stale;
	struct canary_service service;
	bool found = true;
	int r = 0;

	while (found && !r) {
		found = false;
		for (struct canary_endpoint *key = NULL; !datapath_next_service(datapath, key, &vip, &service); key = &vip)
			if (!is_configured(inventory, &vip)) {
				stale = vip;
				found = true;
			}
		if (found)
			r = datapath_delete_service(datapath, &stale);
	}
	return r;
}

int inventory_publish(struct datapath *datapath, const struct config *config, const struct inventory *inventory,
		      char **ret_error)
{
	int r = publish_ports(datapath, config, inventory);

	for (size_t s = 0; !r && s < inventory->n_services; s++) {
		struct canary_service value = service_value(config, &config->services[s], &inventory->services[s]);

		r = datapath_set_service(datapath, &inventory->services[s].vip, &value);
	}
	if (!r)
		r = remove_others(datapath, inventory);
	return r ? error_set(ret_error, r, "cannot publish the services to the kernel: %s", strerror(-r)) : 0;
}

const struct inventory_version *inventory_find_version(const struct inventory_service *service, const char *name)
{
	for (size_t v = 0; v < service->n_versions; v++)
		if (!strcmp(service->versions[v].name, name))
			return &service->versions[v];
	return NULL;
}

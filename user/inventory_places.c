/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which place in the kernel's tables each service, version and backend has, or gets. */
#include "user/inventory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/error.h"

_Static_assert(CONFIG_SERVICES_MAX <= DATAPATH_SERVICES_MAX, "a configuration that is valid has room in the kernel");

/* The places of one table: which hold something, and which this configuration has claimed. */
struct places {
	uint32_t n;
	bool *in_use;
	bool *has_flows; /* by the last sweep, and only backends */
	bool *claimed;
};

/* What the kernel's tables hold. */
struct tables {
	struct canary_version *versions;
	struct canary_backend *backends;
	struct places version_places;
	struct places backend_places;
	bool service_claimed[DATAPATH_SERVICES_MAX];
};

static void places_deinit(struct places *places)
{
	free(places->in_use);
	free(places->has_flows);
	free(places->claimed);
}

static void tables_deinit(struct tables *tables)
{
	free(tables->versions);
	free(tables->backends);
	places_deinit(&tables->version_places);
	places_deinit(&tables->backend_places);
}

static int places_init(struct places *places, uint32_t n)
{
	places->n = n;
	places->in_use = calloc(n, sizeof(bool));
	places->has_flows = calloc(n, sizeof(bool));
	places->claimed = calloc(n, sizeof(bool));
	return places->in_use && places->has_flows && places->claimed ? 0 : -ENOMEM;
}

static int read_backend(struct tables *tables, struct datapath *datapath, uint32_t index)
{
	uint64_t open, closed;
	int r = datapath_get_backend(datapath, index, &tables->backends[index]);

	if (!r)
		r = datapath_active_flows(datapath, index, &open, &closed);
	if (r)
		return r;
	tables->backend_places.in_use[index] = tables->backends[index].in_use;
	tables->backend_places.has_flows[index] = open + closed > 0;
	return 0;
}

static int tables_init(struct tables *tables, struct datapath *datapath)
{
	uint32_t n_versions = datapath_versions_max(datapath), n_backends = datapath_backends_max(datapath);
	int r;

	tables->versions = calloc(n_versions, sizeof(*tables->versions));
	tables->backends = calloc(n_backends, sizeof(*tables->backends));
	r = places_init(&tables->version_places, n_versions);
	if (!r)
		r = places_init(&tables->backend_places, n_backends);
	if (!tables->versions || !tables->backends)
		r = -ENOMEM;
	for (uint32_t i = 0; !r && i < n_versions; i++) {
		r = datapath_get_version(datapath, i, &tables->versions[i]);
		tables->version_places.in_use[i] = tables->versions[i].in_use;
	}
	for (uint32_t i = 0; !r && i < n_backends; i++)
		r = read_backend(tables, datapath, i);
	return r;
}

/* ---- where something is, or can be: claimed in two passes, so that what is there already keeps its place ----- */

static bool find_version(struct tables *tables, uint16_t service, struct inventory_version *version)
{
	for (uint32_t i = 0; i < tables->version_places.n; i++) {
		const struct canary_version *there = &tables->versions[i];

		if (there->in_use && there->service == service && !strcmp(there->name, version->name)) {
			tables->version_places.claimed[i] = true;
			version->index = i;
			return true;
		}
	}
	return false;
}

static bool find_backend(struct tables *tables, struct inventory_backend *backend)
{
	for (uint32_t i = 0; i < tables->backend_places.n; i++) {
		const struct canary_backend *there = &tables->backends[i];

		if (there->in_use && address_equal(&there->endpoint, &backend->endpoint)) {
			tables->backend_places.claimed[i] = true;
			backend->index = i;
			return true;
		}
	}
	return false;
}

/*
 * A place that holds nothing, else one whose owner the configuration no longer names: not while flows are on it, which
 * would go to whoever has it next. -ENOSPC: none.
 */
static int take_place(struct places *places, uint16_t *ret_index)
{
	uint32_t found = places->n;

	for (uint32_t i = 0; i < places->n; i++) {
		if (places->claimed[i] || places->has_flows[i] || (found < places->n && places->in_use[i]))
			continue;
		found = i;
		if (!places->in_use[i])
			break;
	}
	if (found == places->n)
		return -ENOSPC;
	places->claimed[found] = true;
	*ret_index = found;
	return 0;
}

static int take_version(struct tables *tables, struct inventory_version *version, char **ret_error)
{
	if (!take_place(&tables->version_places, &version->index))
		return 0;
	return error_set(ret_error, -ENOSPC, "no place for version %s: the kernel's tables have %u (raise max_versions, "
			 "`canaryctl detach`, start again)", version->name, tables->version_places.n);
}

static int take_backend(struct tables *tables, struct inventory_backend *backend, char **ret_error)
{
	if (!take_place(&tables->backend_places, &backend->index))
		return 0;
	return error_set(ret_error, -ENOSPC, "no place for backend %s: the kernel's tables have %u, and those of backends that "
			 "are gone have flows yet (wait until these have ended; or raise max_backends, `canaryctl detach`, start "
			 "again)", backend->address, tables->backend_places.n);
}

static int place_service(struct tables *tables, struct datapath *datapath, struct inventory_service *service)
{
	struct canary_service there;
	struct canary_endpoint vip, *key = NULL;

	while (!datapath_next_service(datapath, key, &vip, &there)) {
		key = &vip;
		if (!address_equal(&vip, &service->vip) || there.id >= DATAPATH_SERVICES_MAX)
			continue;
		service->id = there.id;
		tables->service_claimed[there.id] = true;
		return 0;
	}
	return -ENOENT;
}

/* A new service's id: none that the kernel or this configuration uses. */
static int take_service(struct tables *tables, struct datapath *datapath, struct inventory_service *service,
			char **ret_error)
{
	bool used[DATAPATH_SERVICES_MAX];
	struct canary_service there;
	struct canary_endpoint vip, *key = NULL;

	memcpy(used, tables->service_claimed, sizeof(used));
	for (; !datapath_next_service(datapath, key, &vip, &there); key = &vip)
		if (there.id < DATAPATH_SERVICES_MAX)
			used[there.id] = true;
	for (uint16_t id = 0; id < DATAPATH_SERVICES_MAX; id++) {
		if (used[id])
			continue;
		service->id = id;
		tables->service_claimed[id] = true;
		return 0;
	}
	return error_set(ret_error, -ENOSPC, "no place for service %s: at most %d services", service->name,
			 DATAPATH_SERVICES_MAX);
}

/* First pass: what is there already keeps its place. */
static void find_versions(struct tables *tables, struct inventory_service *service)
{
	for (size_t v = 0; v < service->n_versions; v++) {
		struct inventory_version *version = &service->versions[v];

		if (!find_version(tables, service->id, version))
			version->index = CANARY_NONE;
		for (size_t b = 0; b < version->n_backends; b++)
			if (!find_backend(tables, &version->backends[b]))
				version->backends[b].index = CANARY_NONE;
	}
}

/* Second pass: what is new takes a place that is left. */
static int take_versions(struct tables *tables, struct inventory_service *service, char **ret_error)
{
	int r = 0;

	for (size_t v = 0; !r && v < service->n_versions; v++) {
		struct inventory_version *version = &service->versions[v];

		if (version->index == CANARY_NONE)
			r = take_version(tables, version, ret_error);
		for (size_t b = 0; !r && b < version->n_backends; b++)
			if (version->backends[b].index == CANARY_NONE)
				r = take_backend(tables, &version->backends[b], ret_error);
	}
	return r;
}

static int place_all(struct inventory *inventory, struct tables *tables, struct datapath *datapath, char **ret_error)
{
	int r = 0;

	for (size_t s = 0; !r && s < inventory->n_services; s++)
		if (place_service(tables, datapath, &inventory->services[s]))
			r = take_service(tables, datapath, &inventory->services[s], ret_error);
	for (size_t s = 0; !r && s < inventory->n_services; s++)
		find_versions(tables, &inventory->services[s]);
	for (size_t s = 0; !r && s < inventory->n_services; s++)
		r = take_versions(tables, &inventory->services[s], ret_error);
	return r;
}

int inventory_place(struct inventory *inventory, struct datapath *datapath, char **ret_error)
{
	struct tables tables = {};
	int r = tables_init(&tables, datapath);

	if (r)
		error_set(ret_error, r, "cannot read the kernel's tables: %s", strerror(-r));
	else
		r = place_all(inventory, &tables, datapath, ret_error);
	tables_deinit(&tables);
	return r;
}

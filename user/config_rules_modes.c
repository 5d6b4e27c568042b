/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the modes ask of a service: the addresses that packets are sent from, and in tunnels the backends' ports. */
#include "user/config_reading.h"

#include <string.h>

static bool same_address(const __be32 a[4], const __be32 b[4])
{
	return !memcmp(a, b, sizeof(__be32[4]));
}

/* A reply to it would be taken for a request, or the other way round. */
static void check_is_free(const struct config *config, const struct config_source *source,
			  struct config_problems *problems, const char *path)
{
	for (uint32_t s = 0; s < config->services_count; s++)
		if (same_address(config->services[s].endpoint.addr, source->addr)) {
			config_problem(problems, path, "%s is the address of services[%u].vip (give it one of its own)",
				       source->address, s);
			return;
		}
}

/* Reads an address that packets are sent from. */
static void check_source(const struct config *config, const struct config_service *service,
			 struct config_source *source, struct config_problems *problems, const char *path)
{
	if (address_parse_host(source->address, source->addr) < 0) {
		config_problem(problems, path, "\"%s\" is not an address (write 192.0.2.1 or 2001:db8::1)",
			       source->address);
		return;
	}
	address_format_host(source->addr, source->address);
	if (!address_is_unicast(source->addr) || address_is_loopback(source->addr))
		config_problem(problems, path, "%s is not an address backends can reply to (write one of this node's)",
			       source->address);
	if (address_is_ipv4(source->addr) != address_is_ipv4(service->endpoint.addr))
		config_problem(problems, path, "%s is not of the VIP's family: %s", source->address, service->vip);
	check_is_free(config, source, problems, path);
}

static void check_sources(const struct config *config, struct config_service *service, uint32_t s,
			  struct config_problems *problems)
{
	char path[CONFIG_PLACE_MAX];

	for (uint32_t i = 0; i < service->sources_count; i++) {
		struct config_source *source = &service->sources[i];

		snprintf(path, sizeof(path), "services[%u].source_addresses[%u]", s, i);
		check_source(config, service, source, problems, path);
		for (uint32_t j = 0; j < i; j++)
			if (same_address(service->sources[j].addr, source->addr))
				config_problem(problems, path, "%s is already source_addresses[%u] (remove one)",
					       source->address, j);
	}
}

/* What is in the tunnel stays as the client sent it. */
static void check_ports(const struct config_service *service, uint32_t s, struct config_problems *problems)
{
	char path[CONFIG_PLACE_MAX];

	for (uint32_t v = 0; v < service->versions_count; v++)
		for (uint32_t b = 0; b < service->versions[v].backends_count; b++) {
			const struct config_backend *backend = &service->versions[v].backends[b];

			if (backend->endpoint.port == service->endpoint.port)
				continue;
			snprintf(path, sizeof(path), "services[%u].versions[%u].backends[%u]", s, v, b);
			config_problem(problems, path, "%s is on another port than the VIP, %s: in mode dsr the server "
				       "gets what the client sent to the VIP (have it listen there, and write the VIP's "
				       "port)", backend->address, service->vip);
		}
}

static void check_tunnel(const struct config *config, struct config_service *service, uint32_t s,
			 struct config_problems *problems)
{
	char path[CONFIG_PLACE_MAX];

	snprintf(path, sizeof(path), "services[%u].tunnel_source", s);
	if (service->mode != CANARY_MODE_DSR && *service->tunnel_source.address)
		config_problem(problems, path, "mode %s has no tunnels (remove it, or write mode: dsr)",
			       config_mode_name(service->mode));
	if (service->mode != CANARY_MODE_DSR)
		return;
	if (*service->tunnel_source.address)
		check_source(config, service, &service->tunnel_source, problems, path);
	else
		config_problem(problems, path, "mode dsr sends in tunnels from an address of this node (name one)");
	check_ports(service, s, problems);
}

static void check_count(const struct config_service *service, struct config_problems *problems, const char *path)
{
	if (service->mode == CANARY_MODE_FULLNAT && !service->sources_count)
		config_problem(problems, path, "mode fullnat sends from addresses of this node (name one or more)");
	if (service->mode != CANARY_MODE_FULLNAT && service->sources_count)
		config_problem(problems, path, "mode %s keeps the client's address (remove them, or write mode: fullnat)",
			       config_mode_name(service->mode));
}

static uint32_t count_sources(const struct config *config)
{
	uint32_t count = 0;

	for (uint32_t s = 0; s < config->services_count; s++) {
		uint32_t n;

		config_sources(&config->services[s], &n);
		count += n;
	}
	return count;
}

void config_rules_modes(struct config *config, struct config_problems *problems)
{
	char path[CONFIG_PLACE_MAX];

	for (uint32_t s = 0; s < config->services_count; s++) {
		struct config_service *service = &config->services[s];

		snprintf(path, sizeof(path), "services[%u].source_addresses", s);
		check_count(service, problems, path);
		check_sources(config, service, s, problems);
		check_tunnel(config, service, s, problems);
	}
	if (count_sources(config) > CANARY_SOURCES)
		config_problem(problems, "services", "%u source_addresses and tunnel_sources in all, there is room for %d (use fewer)",
			       count_sources(config), CANARY_SOURCES);
}

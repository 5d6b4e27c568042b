/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the modes ask of a service: the addresses that packets are sent from. */
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

static void check_source(const struct config *config, struct config_service *service, uint32_t i,
			 struct config_problems *problems, const char *path)
{
	struct config_source *source = &service->sources[i];

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
	for (uint32_t j = 0; j < i; j++)
		if (same_address(service->sources[j].addr, source->addr))
			config_problem(problems, path, "%s is already source_addresses[%u] (remove one)",
				       source->address, j);
	check_is_free(config, source, problems, path);
}

static void check_count(const struct config_service *service, struct config_problems *problems, const char *path)
{
	if (service->mode == CANARY_MODE_FULLNAT && !service->sources_count)
		config_problem(problems, path, "mode fullnat sends from addresses of this node (name one or more)");
	if (service->mode == CANARY_MODE_DNAT && service->sources_count)
		config_problem(problems, path, "mode dnat keeps the client's address (remove them, or write mode: fullnat)");
}

static uint32_t count_sources(const struct config *config)
{
	uint32_t count = 0;

	for (uint32_t s = 0; s < config->services_count; s++)
		count += config->services[s].sources_count;
	return count;
}

void config_rules_modes(struct config *config, struct config_problems *problems)
{
	char path[CONFIG_PLACE_MAX];

	for (uint32_t s = 0; s < config->services_count; s++) {
		struct config_service *service = &config->services[s];

		snprintf(path, sizeof(path), "services[%u].source_addresses", s);
		check_count(service, problems, path);
		for (uint32_t i = 0; i < service->sources_count; i++) {
			snprintf(path, sizeof(path), "services[%u].source_addresses[%u]", s, i);
			check_source(config, service, i, problems, path);
		}
	}
	if (count_sources(config) > CANARY_SOURCES)
		config_problem(problems, "services", "%u source_addresses in all, there is room for %d (use fewer)",
			       count_sources(config), CANARY_SOURCES);
}

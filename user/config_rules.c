/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The rules between the keys of a loaded configuration: names, addresses and steps that have to fit together. What is
 * derived (endpoints, canonical addresses, parts per million) is filled in on the way.
 */
#include "user/config_reading.h"

#include <ctype.h>
#include <math.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

/* A backend and whose it is, to compare each with all the others. */
struct owned {
	const struct config_backend *backend;
	uint32_t service, ver, index;
	bool valid;
};

/* ---- names and paths ------------------------------------------------------------------------------------- */

void config_check_name(struct config_problems *problems, const char *name, const char *path)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789._-";

	if (strspn(name, allowed) != strlen(name) || strchr("._-", name[0]))
		config_problem(problems, path,
			       "\"%s\" is not a name (use a-z, 0-9, '.', '_', '-', a letter or digit first)", name);
}

static void check_path(struct config_problems *problems, const char *value, const char *path)
{
	if (value[0] != '/')
		config_problem(problems, path, "\"%s\" is not an absolute path (begin it with /)", value);
}

/* As the kernel does (dev_valid_name). */
static bool is_interface_name(const char *name)
{
	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return false;
	for (; *name; name++)
		if (*name == '/' || *name == ':' || isspace((unsigned char)*name))
			return false;
	return true;
}

static void check_interfaces(const struct config *config, struct config_problems *problems)
{
	char path[CONFIG_PLACE_MAX];

	for (uint32_t i = 0; i < config->interfaces_count; i++) {
		const char *name = config->interfaces[i].name;

		snprintf(path, sizeof(path), "interfaces[%u]", i);
		if (!is_interface_name(name))
			config_problem(problems, path, "\"%s\" is not an interface name (ip link lists them)", name);
		for (uint32_t j = 0; j < i; j++) {
			if (strcmp(config->interfaces[j].name, name) != 0)
				continue;
			config_problem(problems, path, "%s is already interfaces[%u] (remove one)", name, j);
			break;
		}
	}
}

/* ---- addresses ------------------------------------------------------------------------------------------- */

/* Reads an address and makes its text canonical. */
static bool resolve(struct config_problems *problems, char *address, int protocol, struct canary_endpoint *endpoint,
		    const char *path)
{
	if (address_parse(address, (uint8_t)protocol, endpoint) < 0) {
		config_problem(problems, path, "\"%s\" is not an address:port (write 192.0.2.1:80 or "
			       "\"[2001:db8::1]:80\")", address);
		return false;
	}
	if (!address_is_unicast(endpoint->addr)) {
		config_problem(problems, path, "%s is not the address of one host (write an address that a host has)",
			       address);
		return false;
	}
	address_format(endpoint, address);
	return true;
}

static bool check_backend(const struct config_service *service, struct config_backend *backend, bool vip_valid,
			  struct config_problems *problems, const char *path)
{
	if (!resolve(problems, backend->address, service->protocol, &backend->endpoint, path))
		return false;
	if (address_is_loopback(backend->endpoint.addr)) {
		config_problem(problems, path, "%s is a loopback address: a packet from the network is never delivered "
			       "there (have the server listen on an address of this host, and name that one)",
			       backend->address);
		return false;
	}
	if (vip_valid && address_is_ipv4(backend->endpoint.addr) != address_is_ipv4(service->endpoint.addr))
		config_problem(problems, path, "%s is not of the VIP's family: %s (make both IPv4 or both IPv6; a host "
			       "with two families is two services)", backend->address, service->vip);
	return true;
}

static void check_vip_unique(const struct config *config, uint32_t s, struct config_problems *problems,
			     const char *path)
{
	for (uint32_t i = 0; i < s; i++) {
		if (!address_equal(&config->services[i].endpoint, &config->services[s].endpoint))
			continue;
		config_problem(problems, path, "%s is already services[%u].vip, of %s (a VIP belongs to one service)",
			       config->services[s].vip, i, config->services[i].name);
		return;
	}
}

static void check_backend_is_no_vip(const struct config *config, const struct owned *owned,
				    struct config_problems *problems, const char *path)
{
	for (uint32_t i = 0; i < config->services_count; i++) {
		if (!address_equal(&config->services[i].endpoint, &owned->backend->endpoint))
			continue;
		config_problem(problems, path, "%s is services[%u].vip: its packets would be steered again (have the "
			       "server listen on another port or address)", owned->backend->address, i);
		return;
	}
}

static void check_backend_unique(const struct owned *all, const struct owned *owned, struct config_problems *problems,
				 const char *path)
{
	for (const struct owned *other = all; other < owned; other++) {
		if (!other->valid || !address_equal(&other->backend->endpoint, &owned->backend->endpoint))
			continue;
		config_problem(problems, path,
			       "%s is already services[%u].versions[%u].backends[%u]: its replies could "
			       "be of either, and a reply must say whose it is (give each version a port of its own)",
			       owned->backend->address, other->service, other->ver, other->index);
		return;
	}
}

/* Unlike a backend's, the address may be all of this host's: 0.0.0.0. */
static void check_listen(struct config *config, struct config_problems *problems)
{
	char path[CONFIG_PLACE_MAX];

	for (uint32_t i = 0; i < config->listen_count; i++) {
		struct config_listen *listen = &config->listen[i];

		snprintf(path, sizeof(path), "listen[%u]", i);
		if (address_parse(listen->address, IPPROTO_TCP, &listen->endpoint) < 0) {
			config_problem(problems, path, "\"%s\" is not an address:port (write 127.0.0.1:9464 or \"[::1]:9464\")",
				       listen->address);
			continue;
		}
		address_format(&listen->endpoint, listen->address);
		for (uint32_t j = 0; j < i; j++)
			if (address_equal(&config->listen[j].endpoint, &listen->endpoint))
				config_problem(problems, path, "%s is already listen[%u] (remove one)", listen->address, j);
	}
}

/* ---- versions, backends ---------------------------------------------------------------------------------- */

static uint64_t count_versions(const struct config *config)
{
	uint64_t count = 0;

	for (uint32_t i = 0; i < config->services_count; i++)
		count += config->services[i].versions_count;
	return count;
}

static uint64_t count_backends(const struct config *config)
{
	uint64_t count = 0;

	for (uint32_t i = 0; i < config->services_count; i++)
		for (uint32_t j = 0; j < config->services[i].versions_count; j++)
			count += config->services[i].versions[j].backends_count;
	return count;
}

static void check_counts(const struct config *config, struct config_problems *problems)
{
	uint64_t versions = count_versions(config), backends = count_backends(config);

	if (versions > config->max_versions)
		config_problem(problems, "services",
			       "%llu versions in all, there is room for %u (raise max_versions, at "
			       "most %d)",
			       (unsigned long long)versions, config->max_versions, CONFIG_VERSIONS_MAX);
	if (backends > config->max_backends)
		config_problem(problems, "services",
			       "%llu backends in all, there is room for %u (raise max_backends, at "
			       "most %d)",
			       (unsigned long long)backends, config->max_backends, CONFIG_BACKENDS_MAX);
}

static void format_backend_path(char path[static CONFIG_PLACE_MAX], const struct owned *owned)
{
	snprintf(path, CONFIG_PLACE_MAX, "services[%u].versions[%u].backends[%u]", owned->service, owned->ver,
		 owned->index);
}

/* Resolves the backends of a version and appends them to `all`. Returns how many. */
static size_t gather_version(struct config_service *service, uint32_t s, uint32_t v, bool vip_valid,
			     struct config_problems *problems, struct owned *all)
{
	struct config_version *version = &service->versions[v];
	char path[CONFIG_PLACE_MAX];

	for (uint32_t i = 0; i < version->backends_count; i++) {
		all[i] = (struct owned){ .backend = &version->backends[i], .service = s, .ver = v, .index = i };
		format_backend_path(path, &all[i]);
		all[i].valid = check_backend(service, &version->backends[i], vip_valid, problems, path);
	}
	return version->backends_count;
}

static size_t gather_service(struct config *config, uint32_t s, struct config_problems *problems, struct owned *all)
{
	struct config_service *service = &config->services[s];
	char path[CONFIG_PLACE_MAX];
	size_t count = 0;
	bool vip_valid;

	snprintf(path, sizeof(path), "services[%u].vip", s);
	vip_valid = resolve(problems, service->vip, service->protocol, &service->endpoint, path);
	if (vip_valid)
		check_vip_unique(config, s, problems, path);
	for (uint32_t v = 0; v < service->versions_count; v++)
		count += gather_version(service, s, v, vip_valid, problems, all + count);
	return count;
}

static void check_addresses(struct config *config, struct config_problems *problems)
{
	struct owned *all = calloc(count_backends(config), sizeof(*all));
	char path[CONFIG_PLACE_MAX];
	size_t count = 0;

	if (!all) {
		problems->no_memory = true;
		return;
	}
	for (uint32_t s = 0; s < config->services_count; s++)
		count += gather_service(config, s, problems, all + count);
	for (size_t i = 0; i < count; i++) {
		if (!all[i].valid)
			continue;
		format_backend_path(path, &all[i]);
		check_backend_is_no_vip(config, &all[i], problems, path);
		check_backend_unique(all, &all[i], problems, path);
	}
	free(all);
}

/* ---- services, steps ------------------------------------------------------------------------------------- */

static void check_versions(const struct config_service *service, uint32_t s, struct config_problems *problems)
{
	char path[CONFIG_PLACE_MAX];

	for (uint32_t i = 0; i < service->versions_count; i++) {
		const char *name = service->versions[i].name;
		uint32_t first = (uint32_t)(config_find_version(service, name) - service->versions);

		snprintf(path, sizeof(path), "services[%u].versions[%u].name", s, i);
		config_check_name(problems, name, path);
		if (first != i)
			config_problem(problems, path,
				       "%s is already services[%u].versions[%u] (give each version a name "
				       "of its own)",
				       name, s, first);
	}
	snprintf(path, sizeof(path), "services[%u].baseline", s);
	if (!config_find_version(service, service->baseline))
		config_problem(problems, path, "no version is named \"%s\" (name one of the service's versions)",
			       service->baseline);
}

static void check_steps(struct config_rollout *rollout, uint32_t s, struct config_problems *problems)
{
	double before_percent = 0;
	char path[CONFIG_PLACE_MAX];

	for (uint32_t i = 0; i < rollout->steps_count; i++) {
		struct config_step *step = &rollout->steps[i];

		step->weight_ppm = (uint32_t)lround(step->weight_percent * 10000);
		snprintf(path, sizeof(path), "services[%u].rollout.steps[%u]", s, i);
		if (step->weight_percent <= before_percent)
			config_problem(problems, path,
				       "weight %.10g does not go beyond the step before, %.10g (order the "
				       "steps by weight)",
				       step->weight_percent, before_percent);
		if (step->max_s < step->min_s)
			config_problem(problems, path, "max_s %.10g is shorter than min_s %.10g (make it longer)",
				       step->max_s, step->min_s);
		before_percent = step->weight_percent;
	}
}

/* What the budget has to tell apart must lie beyond what the judge puts up with. */
static void check_adaptive(const struct config *config, uint32_t s, struct config_problems *problems)
{
	const struct config_rollout *rollout = &config->services[s].rollout;
	char path[CONFIG_PLACE_MAX];

	if (!rollout->adaptive)
		return;
	snprintf(path, sizeof(path), "services[%u].rollout.adaptive", s);
	if (config->judge.budget_failures == 0)
		config_problem(problems, path, "there is no budget to adapt to (set judge.budget_failures)");
	snprintf(path, sizeof(path), "services[%u].rollout.adaptive_ratio", s);
	if (rollout->adaptive_ratio <= config->judge.margin)
		config_problem(problems, path, "a regression of %.10g times is within judge.margin, %.10g, and never found "
			       "(raise it)", rollout->adaptive_ratio, config->judge.margin);
}

static void check_blackouts(struct config_blackout *blackouts, uint32_t count, const char *parent,
			    struct config_problems *problems)
{
	for (uint32_t i = 0; i < count; i++) {
		struct config_blackout *b = &blackouts[i];
		char path[CONFIG_PLACE_MAX], reason[160];
		unsigned days = 0;

		snprintf(path, sizeof(path), "%sblackouts[%u]", parent, i);
		for (uint32_t d = 0; d < b->days_count; d++)
			days |= 1U << b->days[d].day;
		if (blackout_parse(b->from, b->to, days, reason, sizeof(reason), &b->window) < 0)
			config_problem(problems, path, "%s", reason);
	}
}

static void check_service(struct config *config, uint32_t s, struct config_problems *problems)
{
	struct config_service *service = &config->services[s];
	uint32_t first = (uint32_t)(config_find_service(config, service->name) - config->services);
	char path[CONFIG_PLACE_MAX];

	snprintf(path, sizeof(path), "services[%u].name", s);
	config_check_name(problems, service->name, path);
	if (first != s)
		config_problem(problems, path, "%s is already services[%u] (give each service a name of its own)",
			       service->name, first);
	check_versions(service, s, problems);
	check_steps(&service->rollout, s, problems);
	check_adaptive(config, s, problems);
	snprintf(path, sizeof(path), "services[%u].", s);
	check_blackouts(service->blackouts, service->blackouts_count, path, problems);
	config_rules_hooks(service, s, problems);
	config_rules_slis(config, s, problems);
	config_rules_cohorts(service, s, problems);
	config_rules_health(service, s, problems);
	config_rules_samples(service, s, problems);
}

static void check_judge(const struct judge_config *judge, struct config_problems *problems)
{
	if (fabs(judge->weight_errors + judge->weight_latency - 1) > 1e-9)
		config_problem(
			problems, "judge", "weight_errors %.10g and weight_latency %.10g add up to %.10g (make it 1)",
			judge->weight_errors, judge->weight_latency, judge->weight_errors + judge->weight_latency);
	if (judge->hold_evidence > 1 / judge->alpha)
		config_problem(problems, "judge", "hold_evidence %.10g is beyond 1 / alpha, %.10g, where the canary is "
			       "rolled back (lower it)", judge->hold_evidence, 1 / judge->alpha);
}

/* A tick that is late must not end it. */
#define LEASE_TICKS 4
static void check_lease(const struct config *config, struct config_problems *problems)
{
	if (config->lease.on_expiry == CONFIG_ON_EXPIRY_BASELINE && config->lease.s * 1e3 < LEASE_TICKS * config->tick_ms)
		config_problem(problems, "lease.s", "%.10g s is less than %d ticks of %u ms (make it %.10g at least)",
			       config->lease.s, LEASE_TICKS, config->tick_ms, LEASE_TICKS * config->tick_ms / 1e3);
}

void config_rules(struct config *config, struct config_problems *problems)
{
	check_interfaces(config, problems);
	check_path(problems, config->socket, "socket");
	check_listen(config, problems);
	check_path(problems, config->state_dir, "state_dir");
	check_path(problems, config->pin_dir, "pin_dir");
	if (*config->record)
		check_path(problems, config->record, "record");
	for (uint32_t s = 0; s < config->services_count; s++)
		check_service(config, s, problems);
	check_judge(&config->judge, problems);
	check_lease(config, problems);
	check_blackouts(config->blackouts, config->blackouts_count, "", problems);
	config_rules_alerts(config, problems);
	check_counts(config, problems);
	if (count_backends(config) <= CONFIG_BACKENDS_MAX)
		check_addresses(config, problems);
	config_rules_modes(config, problems); /* the addresses are read by now */
}

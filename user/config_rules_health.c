/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The rules of health checks and shadows: each type has what it needs, a status can be read, a copy can be sent. */
#include "user/config_reading.h"

#include <ctype.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

/* "200", or "200-399". False: it is neither. */
static bool read_status(struct config_health *health)
{
	const char *text = health->status;
	char *end;
	long low, high;

	if (!isdigit((unsigned char)*text))
		return false;
	low = high = strtol(text, &end, 10);
	if (*end == '-' && isdigit((unsigned char)end[1]))
		high = strtol(end + 1, &end, 10);
	if (*end || low < 100 || high > 599 || low > high)
		return false;
	health->status_low = low;
	health->status_high = high;
	return true;
}

static void check_http(struct config_health *health, struct config_problems *problems, const char *path)
{
	if (health->path[0] != '/')
		config_problem(problems, path, "path \"%s\" is not one (begin it with /)", health->path);
	if (!read_status(health))
		config_problem(problems, path, "status \"%s\" is not one (write \"200\", or \"200-399\")", health->status);
}

static void check_type(struct config_service *service, struct config_problems *problems, const char *path)
{
	struct config_health *health = &service->health;
	bool exec = health->type == CONFIG_HEALTH_EXEC;
	bool connects = health->type == CONFIG_HEALTH_TCP || health->type == CONFIG_HEALTH_HTTP;

	if (exec && !*health->command)
		config_problem(problems, path, "type exec has no command (name one)");
	if (!exec && *health->command)
		config_problem(problems, path, "has a command that nobody runs (write type: exec)");
	if (connects && service->protocol == IPPROTO_UDP && !health->port)
		config_problem(problems, path, "a datagram service takes no connections (name the port of one that does, "
			       "or write type: exec)");
	check_http(health, problems, path);
}

static void check_shadow(const struct config_service *service, struct config_problems *problems, const char *path)
{
	const char *name = service->shadow.version;

	if (!*name)
		return;
	if (!config_find_version(service, name))
		config_problem(problems, path, "%s is not one of the versions (name one of them)", name);
	if (!strcmp(name, service->baseline))
		config_problem(problems, path, "%s is the baseline: it gets the requests themselves (name another)", name);
	if (service->protocol != IPPROTO_UDP)
		config_problem(problems, path, "only datagrams can be copied: a TCP connection is none without its client (leave "
			       "shadow out)");
	if (service->mode != CANARY_MODE_DNAT)
		config_problem(problems, path, "is for mode dnat (leave it out, or write mode: dnat)");
}

void config_rules_health(struct config_service *service, uint32_t index, struct config_problems *problems)
{
	char path[CONFIG_PLACE_MAX];

	snprintf(path, sizeof(path), "services[%u].health", index);
	check_type(service, problems, path);
	snprintf(path, sizeof(path), "services[%u].outlier", index);
	if (service->outlier.max_ejection_s < service->outlier.ejection_s)
		config_problem(problems, path, "max_ejection_s %.10g is less than ejection_s %.10g (raise it)",
			       service->outlier.max_ejection_s, service->outlier.ejection_s);
	snprintf(path, sizeof(path), "services[%u].shadow.version", index);
	check_shadow(service, problems, path);
}

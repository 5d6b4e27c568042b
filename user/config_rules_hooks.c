/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The rules of hooks and alerts: each has one way to be reached, and a name of its own. */
#include "user/config_reading.h"

#include <string.h>

#include "user/url.h"

/* ---- hooks ----------------------------------------------------------------------------------------------- */

static const struct config_hook *find_hook(const struct config_service *service, uint32_t before, const char *name)
{
	for (uint32_t i = 0; i < before; i++)
		if (strcmp(service->hooks[i].name, name) == 0)
			return &service->hooks[i];
	return NULL;
}

static void check_way(const struct config_hook *hook, struct config_problems *problems, const char *path)
{
	const char *problem = *hook->url ? url_problem(hook->url) : NULL;

	int ways = !!*hook->command + !!hook->argv_count + !!*hook->url;

	if (!ways)
		config_problem(problems, path, "does nothing (give it a command, an argv or a url)");
	if (ways > 1)
		config_problem(problems, path, "has more than one of command, argv and url (make them hooks of their own)");
	if (hook->argv_count && !*hook->argv[0].text)
		config_problem(problems, path, "argv[0] is empty (name a program)");
	if (problem)
		config_problem(problems, path, "\"%.60s\" %s", hook->url, problem);
}

void config_rules_hooks(struct config_service *service, uint32_t index, struct config_problems *problems)
{
	char path[CONFIG_PLACE_MAX];

	for (uint32_t i = 0; i < service->hooks_count; i++) {
		struct config_hook *hook = &service->hooks[i];

		if (!*hook->name)
			snprintf(hook->name, sizeof(hook->name), "%s-%u", config_hook_on_name(hook->on), i + 1);
		snprintf(path, sizeof(path), "services[%u].hooks[%u]", index, i);
		config_check_name(problems, hook->name, path);
		if (find_hook(service, i, hook->name))
			config_problem(problems, path, "the name %s is already hooks[%td]'s (give each hook a name of its "
				       "own)", hook->name, find_hook(service, i, hook->name) - service->hooks);
		check_way(hook, problems, path);
	}
}

/* ---- alerts ---------------------------------------------------------------------------------------------- */

static void check_url(const char *url, struct config_problems *problems, const char *path)
{
	const char *problem = *url ? url_problem(url) : NULL;

	if (problem)
		config_problem(problems, path, "\"%.60s\" %s", url, problem);
}

static void check_receiver(const struct config *config, uint32_t i, struct config_problems *problems)
{
	const struct config_alert *alert = &config->alerts[i];
	char path[CONFIG_PLACE_MAX];

	snprintf(path, sizeof(path), "alerts[%u].url", i);
	check_url(alert->url, problems, path);
	if (alert->kind == CONFIG_ALERT_ALERTMANAGER && strstr(alert->url, "/api/v"))
		config_problem(problems, path, "\"%.60s\" names the API too (leave /api/v2/alerts out)", alert->url);
	for (uint32_t j = 0; j < i; j++)
		if (strcmp(config->alerts[j].url, alert->url) == 0)
			config_problem(problems, path, "%.60s is already alerts[%u].url (remove one)", alert->url, j);
}

void config_rules_alerts(const struct config *config, struct config_problems *problems)
{
	for (uint32_t i = 0; i < config->alerts_count; i++)
		check_receiver(config, i, problems);
	check_url(config->alert_rules.generator_url, problems, "alert_rules.generator_url");
	check_url(config->alert_rules.runbook_url, problems, "alert_rules.runbook_url");
}

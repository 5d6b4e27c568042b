/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The rules of cohorts: a name of its own, a rule that is complete, networks that are some. Files are read later. */
#include "user/config_reading.h"

#include <math.h>
#include <string.h>

static void check_action(const struct config_cohort *cohort, struct config_problems *problems, const char *path)
{
	bool weighted = cohort->action == CANARY_COHORT_WEIGHT;

	if (weighted && isnan(cohort->weight_percent))
		config_problem(problems, path, "has no weight (add weight: 20, the canary's share of its flows in percent)");
	if (!weighted && !isnan(cohort->weight_percent))
		config_problem(problems, path, "has a weight, and all its flows go one way (leave weight out, or write "
			       "action: weight)");
}

static void check_networks(struct config_cohort *cohort, struct config_problems *problems, const char *path)
{
	char place[CONFIG_PLACE_MAX];

	if (!cohort->prefixes_count && !*cohort->file)
		config_problem(problems, path, "has no clients (give it prefixes or a file)");
	if (*cohort->file && cohort->file[0] != '/')
		config_problem(problems, path, "\"%s\" is not an absolute path (begin it with /)", cohort->file);
	for (uint32_t i = 0; i < cohort->prefixes_count; i++) {
		struct config_prefix *prefix = &cohort->prefixes[i];
		const char *problem;

		snprintf(place, sizeof(place), "%.120s.prefixes[%u]", path, i);
		if (cohort_prefix_parse(prefix->text, &prefix->prefix, &problem))
			config_problem(problems, place, "\"%s\" %s", prefix->text, problem);
	}
}

void config_rules_cohorts(struct config_service *service, uint32_t index, struct config_problems *problems)
{
	char path[CONFIG_PLACE_MAX];

	for (uint32_t i = 0; i < service->cohorts_count; i++) {
		struct config_cohort *cohort = &service->cohorts[i];

		snprintf(path, sizeof(path), "services[%u].cohorts[%u]", index, i);
		config_check_name(problems, cohort->name, path);
		for (uint32_t j = 0; j < i; j++)
			if (!strcmp(service->cohorts[j].name, cohort->name))
				config_problem(problems, path, "the name %s is already cohorts[%u]'s (give each cohort a name of "
					       "its own)", cohort->name, j);
		check_action(cohort, problems, path);
		check_networks(cohort, problems, path);
	}
}

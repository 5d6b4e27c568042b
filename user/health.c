/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "user/health.h"

#include <stdio.h>

#include "user/text.h"

bool health_result(struct health *health, const struct config_health *config, bool good, const char *why)
{
	bool was_checked = health->checked;

	health->checked = true;
	if (!good)
		text_print(health->why, sizeof(health->why), "%s", why);
	if (good != health->down) {
		health->streak = 0;
		return false;
	}
	health->streak++;
	if (was_checked && health->streak < (good ? config->rise : config->fall))
		return false;
	health->streak = 0;
	health->down = !good;
	if (good)
		health->why[0] = 0;
	return true;
}

uint64_t health_next_ns(const struct config_health *config, uint64_t now_ns, uint32_t chance)
{
	double share = 2.0 * chance / UINT32_MAX - 1; /* -1 … 1 */

	return now_ns + (uint64_t)(config->interval_s * (1 + share * config->jitter_percent / 100) * 1e9);
}

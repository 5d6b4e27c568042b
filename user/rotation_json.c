/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is known of a service's backends, as text for the journal: it outlives the daemon, not the backend. */
#include "user/rotation.h"

#include <math.h>
#include <stdio.h>

/* A time of the monotonic clock as one of day, and back; 0 stays 0. */
static double to_unix(uint64_t ns, uint64_t now_ns, double unix_s)
{
	return ns ? unix_s + ((double)ns - (double)now_ns) / 1e9 : 0;
}

static uint64_t from_unix(double time_s, uint64_t now_ns, double unix_s, double longest_s)
{
	double in_s = fmin(time_s - unix_s, longest_s);

	if (!(time_s > 0))
		return 0;
	return in_s > 0 ? now_ns + (uint64_t)(in_s * 1e9) : now_ns ? now_ns : 1;
}

static json_t *entry_json(const struct rotation_entry *entry, uint64_t now_ns, double unix_s)
{
	const struct outlier *outlier = &entry->outlier;

	return json_pack("{s:s, s:b, s:b, s:s, s:b, s:f, s:I, s:s, s:b, s:b, s:f}", "version", entry->version, "checked",
			 entry->health.checked, "down", entry->health.down, "why", entry->health.why, "ejected",
			 outlier->ejected, "until", to_unix(outlier->until_ns, now_ns, unix_s), "ejections",
			 (json_int_t)outlier->ejections, "ejected_why", outlier->why, "draining", entry->drain.on, "expired",
			 entry->drain.expired, "deadline", to_unix(entry->drain.deadline_ns, now_ns, unix_s));
}

/* A backend of which nothing is known is not worth a line. */
static bool is_known(const struct rotation_entry *entry)
{
	return entry->health.checked || entry->outlier.ejections || entry->drain.on;
}

json_t *rotation_json(const struct rotation *rotation, uint64_t now_ns, double unix_s)
{
	json_t *json = json_object();

	for (size_t i = 0; i < rotation->n; i++)
		if (is_known(&rotation->entries[i]))
			json_object_set_new(json, rotation->entries[i].address,
					    entry_json(&rotation->entries[i], now_ns, unix_s));
	return json;
}

/* No ejection is longer than the longest, whatever has become of the time of day. */
static void restore(struct rotation_entry *entry, const struct config_service *config, json_t *json, uint64_t now_ns,
		    double unix_s)
{
	const char *version, *why, *ejected_why;
	int checked, down, ejected, draining, expired;
	double until, deadline;
	json_int_t ejections;

	if (json_unpack(json, "{s:s, s:b, s:b, s:s, s:b, s:F, s:I, s:s, s:b, s:b, s:F}", "version", &version, "checked",
			&checked, "down", &down, "why", &why, "ejected", &ejected, "until", &until, "ejections", &ejections,
			"ejected_why", &ejected_why, "draining", &draining, "expired", &expired, "deadline", &deadline))
		return;
	if (config->health.type != CONFIG_HEALTH_NONE) {
		entry->health.checked = checked;
		entry->health.down = down;
		snprintf(entry->health.why, sizeof(entry->health.why), "%s", why);
	}
	if (config->outlier.enabled) {
		entry->outlier.ejected = ejected;
		entry->outlier.ejections = (uint32_t)ejections;
		entry->outlier.until_ns = from_unix(until, now_ns, unix_s, config->outlier.max_ejection_s);
		snprintf(entry->outlier.why, sizeof(entry->outlier.why), "%s", ejected_why);
	}
	entry->drain = (struct rotation_drain){ .on = draining, .expired = expired, .sweep = 1 };
	if (draining)
		entry->drain.deadline_ns = from_unix(deadline, now_ns, unix_s, INFINITY);
}

void rotation_restore(struct rotation *rotation, const json_t *json, uint64_t now_ns, double unix_s)
{
	for (size_t i = 0; i < rotation->n; i++)
		restore(&rotation->entries[i], rotation->config,
			json_object_get(json, rotation->entries[i].address), now_ns, unix_s);
}

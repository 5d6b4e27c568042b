/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "user/rotation.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/finding.h"

/* ---- the object ------------------------------------------------------------------------------------------ */

struct rotation *rotation_new(const struct config_service *config)
{
	struct rotation *rotation = calloc(1, sizeof(*rotation));
	size_t n = 0;

	if (!rotation)
		return NULL;
	for (uint32_t v = 0; v < config->versions_count; v++)
		n += config->versions[v].backends_count;
	rotation->config = config;
	rotation->entries = calloc(n + 1, sizeof(*rotation->entries));
	if (!rotation->entries)
		return rotation_free(rotation);
	for (uint32_t v = 0; v < config->versions_count; v++)
		for (uint32_t b = 0; b < config->versions[v].backends_count; b++) {
			const struct config_backend *backend = &config->versions[v].backends[b];
			struct rotation_entry *entry = &rotation->entries[rotation->n++];

			memcpy(entry->version, config->versions[v].name, sizeof(entry->version));
			memcpy(entry->address, backend->address, sizeof(entry->address));
			entry->endpoint = backend->endpoint;
			entry->usable = true;
		}
	return rotation;
}

struct rotation *rotation_free(struct rotation *rotation)
{
	if (!rotation)
		return NULL;
	free(rotation->entries);
	free(rotation);
	return NULL;
}

struct rotation *rotation_with(const struct rotation *rotation, const struct config_service *config)
{
	struct rotation *with = rotation_new(config);

	for (size_t i = 0; with && i < with->n; i++) {
		struct rotation_entry *to = &with->entries[i];
		const struct rotation_entry *from = rotation_find(rotation, to->address);

		if (!from)
			continue;
		to->health = from->health;
		to->outlier = from->outlier;
		to->drain = from->drain;
		to->usable = from->usable;
	}
	return with;
}

struct rotation_entry *rotation_find(const struct rotation *rotation, const char *address)
{
	for (size_t i = 0; i < rotation->n; i++)
		if (!strcmp(rotation->entries[i].address, address))
			return &rotation->entries[i];
	return NULL;
}

/* ---- states ---------------------------------------------------------------------------------------------- */

bool rotation_is_well(const struct rotation_entry *entry)
{
	return !entry->drain.on && !entry->health.down && !entry->outlier.ejected;
}

enum rotation_state rotation_state(const struct rotation_entry *entry)
{
	if (entry->drain.on)
		return entry->drain.done ? ROTATION_DRAINED : ROTATION_DRAINING;
	if (entry->health.down)
		return ROTATION_UNHEALTHY;
	if (entry->outlier.ejected)
		return ROTATION_EJECTED;
	return entry->health.checked ? ROTATION_HEALTHY : ROTATION_UNCHECKED;
}

const char *rotation_state_name(enum rotation_state state)
{
	static const char *const names[] = { "unchecked", "healthy", "unhealthy", "ejected", "draining", "drained" };

	return names[state];
}

static const char *why_draining(const struct rotation_drain *drain, char *buf, size_t size, uint64_t now_ns)
{
	char left[32];

	if (drain->expired)
		snprintf(buf, size, "its deadline is over: flows that were left have been taken away");
	else if (drain->done || !drain->deadline_ns)
		snprintf(buf, size, "by an operator");
	else
		snprintf(buf, size, "by an operator, flows that are left in %s are taken away",
			 finding_print_duration(left, sizeof(left),
						drain->deadline_ns > now_ns ? (drain->deadline_ns - now_ns) / 1e9 : 0));
	return buf;
}

const char *rotation_why(const struct rotation_entry *entry, char *buf, size_t size, uint64_t now_ns)
{
	char left[32];

	buf[0] = 0;
	if (entry->drain.on)
		return why_draining(&entry->drain, buf, size, now_ns);
	if (entry->health.down)
		snprintf(buf, size, "%s", entry->health.why);
	else if (entry->outlier.ejected)
		snprintf(buf, size, "%s; back in %s", entry->outlier.why,
			 finding_print_duration(left, sizeof(left), entry->outlier.until_ns > now_ns ?
				(entry->outlier.until_ns - now_ns) / 1e9 : 0));
	return buf;
}

/* ---- who is usable --------------------------------------------------------------------------------------- */

struct rotation_count rotation_count(const struct rotation *rotation, const char *version)
{
	struct rotation_count count = { 0 };

	for (size_t i = 0; i < rotation->n; i++) {
		const struct rotation_entry *entry = &rotation->entries[i];

		if (strcmp(entry->version, version))
			continue;
		count.backends++;
		count.well += rotation_is_well(entry);
		count.usable += entry->usable;
	}
	count.panic = count.usable && !count.well;
	return count;
}

bool rotation_decide(struct rotation *rotation, const char *canary)
{
	bool changed = false;

	for (size_t i = 0; i < rotation->n; i++) {
		struct rotation_entry *entry = &rotation->entries[i];
		bool is_canary = canary && !strcmp(entry->version, canary);
		bool panic = !is_canary && !rotation_count(rotation, entry->version).well;
		bool usable = rotation_is_well(entry) || (panic && !entry->drain.on);

		changed = changed || usable != entry->usable;
		entry->usable = usable;
	}
	return changed;
}

/* ---- what its flows say ---------------------------------------------------------------------------------- */

static bool may_eject(const struct rotation *rotation, const struct rotation_entry *entry)
{
	unsigned backends = 0, ejected = 0;

	for (size_t i = 0; i < rotation->n; i++)
		if (!strcmp(rotation->entries[i].version, entry->version)) {
			backends++;
			ejected += rotation->entries[i].outlier.ejected;
		}
	return ejected < outlier_limit(&rotation->config->outlier, backends);
}

bool rotation_look(struct rotation *rotation, struct rotation_entry *entry, struct outlier_count counts,
		   uint64_t now_ns)
{
	const struct config_outlier *config = &rotation->config->outlier;
	char why[OUTLIER_WHY];
	bool is_outlier = outlier_look(&entry->outlier, config, counts, now_ns, why);

	if (outlier_returns(&entry->outlier, config, now_ns))
		return true;
	if (!config->enabled || !is_outlier || entry->drain.on || !may_eject(rotation, entry))
		return false;
	outlier_eject(&entry->outlier, config, why, now_ns);
	return true;
}

/* ---- drains ---------------------------------------------------------------------------------------------- */

/* A sweep that is under way may have passed by where a flow was opened since: it takes one that began later. */
void rotation_drain(struct rotation_entry *entry, double deadline_s, uint64_t now_ns, uint64_t sweeps)
{
	bool more = entry->drain.on;

	entry->drain.deadline_ns = isinf(deadline_s) ? 0 : now_ns + (uint64_t)(deadline_s * 1e9) + 1;
	entry->drain.expired = false;
	if (more)
		return;
	entry->drain.on = true;
	entry->drain.done = false;
	entry->drain.sweep = sweeps + 1;
}

void rotation_undrain(struct rotation_entry *entry)
{
	entry->drain = (struct rotation_drain){ 0 };
}

bool rotation_tick_drain(struct rotation_entry *entry, uint64_t flows, uint64_t now_ns, uint64_t sweeps)
{
	struct rotation_drain *drain = &entry->drain;
	bool done = drain->on && !flows && sweeps > drain->sweep, news = done && !drain->done;

	if (!drain->on)
		return false;
	drain->done = done; /* a flow on probation may still become one of the table's */
	if (done || drain->expired || !drain->deadline_ns || now_ns < drain->deadline_ns)
		return news;
	drain->expired = true;
	return true;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "user/outlier.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void forget(struct outlier *outlier)
{
	outlier->consecutive = 0;
	memset(outlier->slot, 0, sizeof(outlier->slot));
}

/* Slots whose time is over are left behind, empty, one after the other. */
static void move_window(struct outlier *outlier, const struct config_outlier *config, uint64_t now_ns)
{
	uint64_t slot_ns = (uint64_t)(config->window_s * 1e9 / OUTLIER_SLOTS);

	if (now_ns - outlier->slot_began_ns >= slot_ns * OUTLIER_SLOTS) {
		memset(outlier->slot, 0, sizeof(outlier->slot));
		outlier->slot_began_ns = now_ns;
	}
	while (now_ns - outlier->slot_began_ns >= slot_ns) {
		outlier->slot_began_ns += slot_ns;
		outlier->slot_now = (outlier->slot_now + 1) % OUTLIER_SLOTS;
		outlier->slot[outlier->slot_now] = (struct outlier_count){ 0 };
	}
}

/* Within one look nobody knows what came first: a success in it ends the row. */
static void add(struct outlier *outlier, struct outlier_count more)
{
	outlier->slot[outlier->slot_now].attempts += more.attempts;
	outlier->slot[outlier->slot_now].failed += more.failed;
	if (more.attempts > more.failed)
		outlier->consecutive = 0;
	else
		outlier->consecutive += more.failed;
}

static struct outlier_count window(const struct outlier *outlier)
{
	struct outlier_count sum = { 0 };

	for (unsigned i = 0; i < OUTLIER_SLOTS; i++) {
		sum.attempts += outlier->slot[i].attempts;
		sum.failed += outlier->slot[i].failed;
	}
	return sum;
}

static bool judge(const struct outlier *outlier, const struct config_outlier *config, char why[OUTLIER_WHY])
{
	struct outlier_count in = window(outlier);

	if (config->consecutive && outlier->consecutive >= config->consecutive) {
		snprintf(why, OUTLIER_WHY, "%" PRIu64 " failures without a success between them", outlier->consecutive);
		return true;
	}
	if (in.attempts < config->min_attempts || !in.failed || in.failed * 100.0 < config->ratio_percent * in.attempts)
		return false;
	snprintf(why, OUTLIER_WHY, "%" PRIu64 " of %" PRIu64 " attempts failed within %.10g s", in.failed, in.attempts,
		 config->window_s);
	return true;
}

/* An ejection that is long ago does not count any more. */
static void recover(struct outlier *outlier, const struct config_outlier *config, uint64_t now_ns)
{
	if (!outlier->ejections || now_ns < outlier->until_ns)
		return;
	outlier->ejections--;
	outlier->until_ns = now_ns + (uint64_t)(config->ejection_s * 1e9);
}

bool outlier_look(struct outlier *outlier, const struct config_outlier *config, struct outlier_count now,
		  uint64_t now_ns, char why[OUTLIER_WHY])
{
	struct outlier_count more = { now.attempts - outlier->last.attempts, now.failed - outlier->last.failed };
	bool fell = now.attempts < outlier->last.attempts || now.failed < outlier->last.failed;
	bool known = outlier->seen && !fell;

	outlier->seen = true;
	outlier->last = now;
	if (!known || outlier->ejected) {
		if (!known)
			forget(outlier);
		return false;
	}
	recover(outlier, config, now_ns);
	move_window(outlier, config, now_ns);
	add(outlier, more);
	return more.failed && judge(outlier, config, why); /* what is long ago ejects nobody */
}

void outlier_eject(struct outlier *outlier, const struct config_outlier *config, const char *why, uint64_t now_ns)
{
	double out_s;

	if (config->ejection_s * outlier->ejections < config->max_ejection_s)
		outlier->ejections++;
	out_s = config->ejection_s * outlier->ejections;
	if (out_s > config->max_ejection_s)
		out_s = config->max_ejection_s;
	outlier->ejected = true;
	outlier->until_ns = now_ns + (uint64_t)(out_s * 1e9);
	snprintf(outlier->why, sizeof(outlier->why), "%s", why);
}

bool outlier_returns(struct outlier *outlier, const struct config_outlier *config, uint64_t now_ns)
{
	if (!outlier->ejected || now_ns < outlier->until_ns)
		return false;
	outlier->ejected = false;
	outlier->until_ns = now_ns + (uint64_t)(config->ejection_s * 1e9);
	forget(outlier);
	return true;
}

unsigned outlier_limit(const struct config_outlier *config, unsigned backends)
{
	return (unsigned)(backends * config->max_ejected_percent / 100);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * canaryd --shadow has a journal of its own, so that a canaryd that steers never takes up what was only thought of. It begins
 * as a copy: baselines, cohorts, drains and versions that were added are as they are.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "user/daemon_internal.h"
#include "user/error.h"

static int refuse_unfinished(struct daemon *daemon, char **ret_error)
{
	for (uint32_t s = 0; s < daemon->config->services_count; s++) {
		const char *name = daemon->config->services[s].name;
		struct journal_rollouts rows = {};
		int r = journal_rollout_unfinished(daemon->journal, name, &rows);

		journal_rollouts_clear(&rows);
		if (!r)
			return error_set(ret_error, -EBUSY, "service %s has a rollout under way, and --shadow would take its canary's "
					 "flows away (start canaryd without --shadow, then canaryctl rollout abort %s)", name, name);
		if (r != -ENOENT)
			return error_set(ret_error, r, "%s", journal_error(daemon->journal));
	}
	return 0;
}

int daemon_open_shadow_journal(struct daemon *daemon, bool copy, char **ret_error)
{
	const char *dir = daemon->config->state_dir;
	char from[CONFIG_PATH_MAX + sizeof("/shadow/" JOURNAL_FILE)], to[sizeof(from)];
	int r = 0;

	snprintf(to, sizeof(to), "%s/shadow", dir);
	if (mkdir(to, 0700) && errno != EEXIST)
		return error_set(ret_error, -errno, "cannot make %s: %m", to);
	snprintf(from, sizeof(from), "%s/%s", dir, JOURNAL_FILE);
	snprintf(to, sizeof(to), "%s/shadow/%s", dir, JOURNAL_FILE);
	if (copy)
		r = journal_copy(from, to, ret_error);
	if (!r)
		r = journal_open(to, &daemon->journal, ret_error);
	return r || !copy ? r : refuse_unfinished(daemon, ret_error);
}

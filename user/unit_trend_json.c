/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "user/unit_trend_json.h"

#include <errno.h>
#include <math.h>
#include <string.h>

static json_t *number(double value)
{
	return isfinite(value) ? json_real(value) : json_null();
}

static double number_of(const json_t *json, const char *key, double if_null)
{
	const json_t *value = json_object_get(json, key);

	return json_is_number(value) ? json_number_value(value) : if_null;
}

json_t *unit_trend_json(const struct unit_trend *t)
{
	json_t *times = json_array(), *pids = json_array();

	for (unsigned i = 0; i < UNIT_RESTARTS; i++)
		json_array_append_new(times, number(t->restart_s[i]));
	for (unsigned i = 0; i < t->last.n_pids; i++)
		json_array_append_new(pids, json_integer(t->last.pids[i]));
	return json_pack("{s:b, s:o, s:o, s:o, s:o, s:I, s:o, s:o, s:o}", "begun", t->begun, "restarts", number(t->restarts),
			 "oom_kills", number(t->oom_kills), "restart_s", times, "last_s", number(t->last_s), "inode",
			 (json_int_t)t->last.inode, "pids", pids, "unit_restarts", number(t->last.restarts),
			 "cgroup_oom_kills", number(t->last.oom_kills));
}

/* The reading before the next: what was used since is not known, only what was killed and started. */
static void parse_last(const json_t *json, struct unit_trend *t)
{
	const json_t *pids = json_object_get(json, "pids"), *value;
	size_t i;

	t->begun = true;
	t->last_s = number_of(json, "last_s", 0);
	t->last = (struct unit_reading){ .cpu_s = NAN, .memory = NAN };
	t->last.oom_kills = number_of(json, "cgroup_oom_kills", NAN);
	t->last.restarts = number_of(json, "unit_restarts", NAN);
	t->last.inode = (uint64_t)json_integer_value(json_object_get(json, "inode"));
	json_array_foreach(pids, i, value)
		if (t->last.n_pids < UNIT_PIDS)
			t->last.pids[t->last.n_pids++] = (pid_t)json_integer_value(value);
}

int unit_trend_parse(const json_t *json, bool same_boot, struct unit_trend *ret)
{
	const json_t *times = json_object_get(json, "restart_s");
	struct unit_trend t = { 0 };

	t.restarts = number_of(json, "restarts", NAN);
	t.oom_kills = number_of(json, "oom_kills", NAN);
	if (!(t.restarts >= 0) || !(t.oom_kills >= 0) || json_array_size(times) != UNIT_RESTARTS)
		return -EINVAL;
	for (unsigned i = 0; i < UNIT_RESTARTS; i++) {
		const json_t *value = json_array_get(times, i);

		t.restart_s[i] = same_boot && json_is_number(value) ? json_number_value(value) : -INFINITY;
	}
	if (same_boot && json_is_true(json_object_get(json, "begun")))
		parse_last(json, &t);
	*ret = t;
	return 0;
}

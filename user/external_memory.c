/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What looks at units have counted outlives the daemon: it neither forgets a crash loop nor takes its own restart for one. */
#include "user/external_internal.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "user/unit_trend_json.h"

static const char *const role_names[ROLES] = { [BASELINE] = "baseline", [CANARY] = "canary" };

static bool is_counted(const struct indicator *x)
{
	return indicator_sli(x)->kind == CONFIG_SLI_UNIT;
}

double external_events(const struct external *external)
{
	double events = 0;

	for (unsigned i = 0; i < external->n_indicators; i++)
		for (unsigned role = 0; role < ROLES; role++)
			events += external->indicators[i].trend[role].restarts + external->indicators[i].trend[role].oom_kills;
	return events;
}

json_t *external_memory(const struct external *external)
{
	json_t *units = json_object();

	for (unsigned i = 0; i < external->n_indicators; i++) {
		const struct indicator *x = &external->indicators[i];

		if (is_counted(x))
			json_object_set_new(units, indicator_sli(x)->name,
					    json_pack("{s:o, s:o}", role_names[BASELINE], unit_trend_json(&x->trend[BASELINE]),
						      role_names[CANARY], unit_trend_json(&x->trend[CANARY])));
	}
	return json_pack("{s:s, s:s, s:o}", "baseline", external->baseline, "canary", external->canary, "units", units);
}

static int recall(struct indicator *x, const json_t *unit, bool same_boot)
{
	struct unit_trend trend[ROLES];

	for (unsigned role = 0; role < ROLES; role++)
		if (unit_trend_parse(json_object_get(unit, role_names[role]), same_boot, &trend[role]))
			return -EINVAL;
	memcpy(x->trend, trend, sizeof(trend));
	return 0;
}

int external_recall(struct external *external, const json_t *memory, int64_t rollout, bool same_boot)
{
	const json_t *units = json_object_get(memory, "units");
	const char *baseline, *canary;
	int r = 0;

	if (json_unpack((json_t *)memory, "{s:s, s:s}", "baseline", &baseline, "canary", &canary))
		return -EINVAL;
	external->rollout = rollout;
	snprintf(external->baseline, sizeof(external->baseline), "%s", baseline);
	snprintf(external->canary, sizeof(external->canary), "%s", canary);
	for (unsigned i = 0; i < external->n_indicators; i++) {
		struct indicator *x = &external->indicators[i];
		const json_t *unit = json_object_get(units, indicator_sli(x)->name);

		if (is_counted(x) && unit && recall(x, unit, same_boot))
			r = -EINVAL;
	}
	return r;
}

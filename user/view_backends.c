/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "user/view_backends.h"

#include <math.h>
#include <string.h>

#include "user/rollout_json.h"

#define WHY 256

json_t *view_counters(const struct canary_counters *counters)
{
	json_t *object = json_object();

#define X(name, help) json_object_set_new(object, #name, json_integer(counters->name));
	CANARY_COUNTERS(X)
#undef X
	return object;
}

json_t *view_quantiles(const struct histogram *histogram)
{
	if (!histogram_count(histogram))
		return json_null();
	return json_pack("{s:o, s:o, s:o, s:I}", "p50", rollout_json_number(histogram_quantile_mid_s(histogram, 0.50)),
			 "p95", rollout_json_number(histogram_quantile_mid_s(histogram, 0.95)), "p99",
			 rollout_json_number(histogram_quantile_mid_s(histogram, 0.99)), "count",
			 (json_int_t)histogram_count(histogram));
}

/* When the state ends by itself; NAN: it does not. */
static double ends_in_s(const struct rotation_entry *entry, uint64_t now_ns)
{
	enum rotation_state state = rotation_state(entry);
	uint64_t ns = state == ROTATION_EJECTED ? entry->outlier.until_ns :
		      state == ROTATION_DRAINING ? entry->drain.deadline_ns : 0;

	return !ns ? NAN : ns > now_ns ? (ns - now_ns) / 1e9 : 0;
}

json_t *view_backend(const struct daemon_service *service, const struct rotation_entry *entry)
{
	const struct sampler_backend_view *seen = sampler_backend(service->sampler, entry->version, entry->address);
	uint64_t now_ns = daemon_monotonic_ns();
	char why[WHY];

	rotation_why(entry, why, sizeof(why), now_ns);
	return json_pack("{s:s, s:s, s:s, s:b, s:o, s:o, s:I, s:o, s:o, s:o}", "address", entry->address, "version",
			 entry->version, "state", rotation_state_name(rotation_state(entry)), "usable", entry->usable, "why",
			 *why ? json_string(why) : json_null(), "ends_s", rollout_json_number(ends_in_s(entry, now_ns)),
			 "active_flows", (json_int_t)seen->active_flows, "counters", view_counters(&seen->counters),
			 "ttfb_seconds", view_quantiles(&seen->ttfb), "connect_seconds", view_quantiles(&seen->connect));
}

json_t *view_backends(const struct daemon_service *service, const char *version)
{
	json_t *backends = json_array();

	for (size_t i = 0; i < service->rotation->n; i++)
		if (!strcmp(service->rotation->entries[i].version, version))
			json_array_append_new(backends, view_backend(service, &service->rotation->entries[i]));
	return backends;
}

json_t *view_rotation(const struct daemon_service *service, const char *version)
{
	struct rotation_count count = rotation_count(service->rotation, version);

	return json_pack("{s:I, s:I, s:I, s:b}", "backends", (json_int_t)count.backends, "well", (json_int_t)count.well,
			 "usable", (json_int_t)count.usable, "panic", count.panic);
}

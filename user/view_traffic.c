/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A service's traffic, as a plan is held against it, and how long its versions take. */
#include "user/view.h"

#include <math.h>

#include "user/rollout_json.h"

static json_t *ttfb(const struct plan_traffic *t)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < CANARY_HISTOGRAM_BUCKETS; i++)
		if (t->ttfb[i] > 0)
			json_array_append_new(list, json_pack("[o, f]", rollout_json_number(histogram_upper_s(i)), t->ttfb[i]));
	return list;
}

static json_t *phi_latency(const struct plan_traffic *t)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < LATENCY_MARKS; i++)
		json_array_append_new(list, json_real(t->phi_latency[i]));
	return list;
}

json_t *view_traffic(const struct daemon_service *service)
{
	struct plan_traffic t;
	double watched_s;

	if (!rollout_traffic(service->rollout, &t, &watched_s))
		return json_pack("{s:f, s:n, s:n, s:n, s:n, s:n, s:n, s:n, s:n}", "watched_s", watched_s, "rate", "error_ratio",
				 "p50_s", "p95_s", "phi", "phi_latency", "samples", "ttfb");
	return json_pack("{s:f, s:f, s:f, s:o, s:o, s:f, s:o, s:f, s:o}", "watched_s", watched_s, "rate", t.rate,
			 "error_ratio", t.error_share, "p50_s", rollout_json_number(plan_traffic_quantile_s(&t, 0.50)), "p95_s",
			 rollout_json_number(plan_traffic_quantile_s(&t, 0.95)), "phi", t.phi, "phi_latency", phi_latency(&t),
			 "samples", t.samples, "ttfb", ttfb(&t));
}

static json_t *buckets(const struct histogram *h)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < CANARY_HISTOGRAM_BUCKETS; i++)
		if (h->bucket[i] > 0)
			json_array_append_new(list, json_pack("[o, I]", rollout_json_number(histogram_upper_s(i)),
							      (json_int_t)h->bucket[i]));
	return list;
}

json_t *view_latency(const struct daemon_service *service)
{
	json_t *versions = json_array();

	for (size_t v = 0; v < service->inventory->n_versions; v++) {
		const char *name = service->inventory->versions[v].name;
		const struct sampler_version_view *sampled = sampler_view(service->sampler, name);

		json_array_append_new(versions, json_pack("{s:s, s:o, s:o}", "name", name, "ttfb", buckets(&sampled->ttfb),
							  "connect", buckets(&sampled->connect)));
	}
	return json_pack("{s:s, s:o}", "service", service->config->name, "versions", versions);
}

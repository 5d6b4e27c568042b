/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Maps → sample. Once a tick it reads the counters of a service's versions and hands the judge the differences; beside
 * that it keeps what people look at: rates of the last 10 s, quantiles of the last 60 s, flows that are open.
 */
#ifndef CANARYD_SAMPLER_H
#define CANARYD_SAMPLER_H

#include "user/datapath.h"
#include "user/histogram.h"
#include "user/inventory.h"
#include "user/sample.h"

/* Completed requests, and those among them that failed, both counted on the same events (see abi.h). */
uint64_t sampler_attempts(const struct canary_counters *counters);
uint64_t sampler_failed(const struct canary_counters *counters);

/* The share of responses whose HTTP status could be read; NAN without responses. */
double sampler_http_coverage(const struct canary_counters *counters);

/* What people look at. Counters are cumulative since the maps were made. */
struct sampler_backend_view {
	struct canary_counters counters;
	struct histogram ttfb; /* cumulative */
	struct histogram connect;
	uint64_t active_flows;
};

struct sampler_version_view {
	struct canary_counters counters; /* of all flows */
	struct canary_counters judged;   /* of those opened in the present rollout or since the last one */
	struct histogram ttfb;           /* of the last 60 s */
	struct histogram connect;
	struct histogram ttfb_ever; /* cumulative, of all flows */
	struct histogram connect_ever;
	double rate;             /* attempts per second over the last 10 s; NAN before there is a difference */
	double connections_rate; /* flows opened per second over the last 10 s */
	uint64_t active_flows;
	uint64_t closed_flows; /* entries of the flow table not yet removed */
	size_t n_backends;
	struct sampler_backend_view *backends; /* in the order of the inventory's version */
};

struct sampler;

/* One for a service; `service` and `datapath` must outlive it. NULL when memory is short. */
struct sampler *sampler_new(struct datapath *datapath, const struct inventory_service *service);
struct sampler *sampler_free(struct sampler *sampler);

/*
 * Reads everything once. *ret is what happened since the last call to the two versions; `canary` may be NULL. Counters
 * that cannot be read or went backwards make it suspect; the next sample starts from what was read.
 */
void sampler_read(struct sampler *sampler, const char *baseline, const char *canary, double weight, uint64_t now_ns,
		  struct sample *ret);

/* NULL: no such version. Valid until the next sampler_read(). */
const struct sampler_version_view *sampler_view(const struct sampler *sampler, const char *version);

/* One of a version's backends; NULL: no such backend. Valid as long. */
const struct sampler_backend_view *sampler_backend(const struct sampler *sampler, const char *version,
						   const char *address);

/* The canary's share of the flows opened in the last 10 s; NAN: not known. Either may be NULL. */
double sampler_measured_weight(const struct sampler_version_view *canary, const struct sampler_version_view *baseline);

#endif

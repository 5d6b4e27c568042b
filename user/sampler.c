/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "user/sampler.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_S 1000000000ULL
#define RATE_EVERY_NS (NS_PER_S / 4)
#define RATE_MARKS 41 /* 10 s apart, first to last */
#define QUANTILE_EVERY_NS (10 * NS_PER_S)
#define QUANTILE_MARKS 7 /* 60 s apart */

struct rate_mark {
	uint64_t now_ns;
	uint64_t attempts;
	uint64_t connections;
};

struct quantile_mark {
	struct histogram ttfb;
	struct histogram connect;
};

struct series {
	bool read_before;
	struct canary_counters judged;
	struct histogram judged_ttfb;
	struct canary_counters *backends; /* by the order of the inventory */
	struct rate_mark rate[RATE_MARKS];
	size_t n_rate; /* marks ever made */
	struct quantile_mark quantile[QUANTILE_MARKS];
	size_t n_quantile;
	uint64_t last_quantile_ns;
	struct sampler_version_view view;
};

struct sampler {
	struct datapath *datapath;
	const struct inventory_service *service;
	struct series *series; /* one a version */
	uint64_t last_ns;
};

uint64_t sampler_failed(const struct canary_counters *c)
{
	return c->refused + c->syn_timeout + c->reset_before_response + c->reset_mid_response + c->empty_close +
	       c->abort_waiting + c->response_timeout + c->http_5xx;
}

uint64_t sampler_attempts(const struct canary_counters *c)
{
	return sampler_failed(c) + c->http_2xx + c->http_3xx + c->http_4xx + c->http_upgrade + c->unparsed +
	       c->answered;
}

double sampler_http_coverage(const struct canary_counters *c)
{
	uint64_t parsed = c->http_2xx + c->http_3xx + c->http_4xx + c->http_5xx + c->http_upgrade;

	return parsed + c->unparsed ? (double)parsed / (parsed + c->unparsed) : NAN;
}

struct sampler *sampler_new(struct datapath *datapath, const struct inventory_service *service)
{
	struct sampler *sampler = calloc(1, sizeof(*sampler));

	if (!sampler)
		return NULL;
	sampler->datapath = datapath;
	sampler->service = service;
	sampler->series = calloc(service->n_versions + 1, sizeof(*sampler->series));
	if (!sampler->series)
		return sampler_free(sampler);
	for (size_t v = 0; v < service->n_versions; v++) {
		struct series *series = &sampler->series[v];
		size_t n = service->versions[v].n_backends;

		series->backends = calloc(n + 1, sizeof(*series->backends));
		series->view.backends = calloc(n + 1, sizeof(*series->view.backends));
		series->view.n_backends = n;
		if (!series->backends || !series->view.backends)
			return sampler_free(sampler);
	}
	return sampler;
}

struct sampler *sampler_free(struct sampler *sampler)
{
	if (!sampler)
		return NULL;
	for (size_t v = 0; sampler->series && v < sampler->service->n_versions; v++) {
		free(sampler->series[v].backends);
		free(sampler->series[v].view.backends);
	}
	free(sampler->series);
	free(sampler);
	return NULL;
}

/* ---- reading ------------------------------------------------------------------------------------------------ */

_Static_assert(sizeof(struct histogram) == sizeof(struct canary_histogram), "one shape in kernel and user space");

static int read_latency(const struct sampler *sampler, uint32_t version, enum canary_latency kind,
			struct histogram *ret_judged, struct histogram *ret_all)
{
	struct histogram older;
	int r = datapath_latency(sampler->datapath, version, true, kind, (struct canary_histogram *)ret_judged);

	if (!r)
		r = datapath_latency(sampler->datapath, version, false, kind, (struct canary_histogram *)&older);
	if (r)
		return r;
	*ret_all = *ret_judged;
	histogram_add(ret_all, &older);
	return 0;
}

static void add_counters(struct canary_counters *sum, const struct canary_counters *other)
{
#define X(name, help) sum->name += other->name;
	CANARY_COUNTERS(X)
#undef X
}

static int read_backends(const struct sampler *sampler, const struct inventory_version *version,
			 struct sampler_version_view *view)
{
	int r = 0;

	view->active_flows = 0;
	view->closed_flows = 0;
	for (size_t b = 0; !r && b < version->n_backends; b++) {
		struct sampler_backend_view *backend = &view->backends[b];
		uint32_t index = version->backends[b].index;
		uint64_t closed = 0;

		r = datapath_backend_stats(sampler->datapath, index, &backend->counters);
		if (!r)
			r = datapath_backend_latency(sampler->datapath, index, CANARY_LATENCY_TTFB,
						     (struct canary_histogram *)&backend->ttfb);
		if (!r)
			r = datapath_backend_latency(sampler->datapath, index, CANARY_LATENCY_CONNECT,
						     (struct canary_histogram *)&backend->connect);
		if (!r)
			r = datapath_active_flows(sampler->datapath, index, &backend->active_flows, &closed);
		view->active_flows += backend->active_flows;
		view->closed_flows += closed;
	}
	return r;
}

/* What one version's maps hold now. */
struct reading {
	struct canary_counters judged;
	struct histogram judged_ttfb;
	struct histogram ttfb;
	struct histogram connect;
};

static int read_version(const struct sampler *sampler, size_t v, struct reading *ret)
{
	const struct inventory_version *version = &sampler->service->versions[v];
	struct sampler_version_view *view = &sampler->series[v].view;
	struct histogram judged_connect;
	int r = datapath_version_stats(sampler->datapath, version->index, true, &ret->judged);

	if (!r)
		r = datapath_version_stats(sampler->datapath, version->index, false, &view->counters);
	if (!r)
		r = read_latency(sampler, version->index, CANARY_LATENCY_TTFB, &ret->judged_ttfb, &ret->ttfb);
	if (!r)
		r = read_latency(sampler, version->index, CANARY_LATENCY_CONNECT, &judged_connect, &ret->connect);
	if (r)
		return r;
	view->judged = ret->judged;
	add_counters(&view->counters, &ret->judged);
	return read_backends(sampler, version, view);
}

/* ---- what people look at ------------------------------------------------------------------------------------ */

static void update_rates(struct series *series, uint64_t now_ns)
{
	const struct rate_mark *last = &series->rate[(series->n_rate + RATE_MARKS - 1) % RATE_MARKS];
	struct rate_mark now = { now_ns, sampler_attempts(&series->view.counters), series->view.counters.connections };
	const struct rate_mark *first;
	double elapsed_s;

	if (series->n_rate && (now.attempts < last->attempts || now.connections < last->connections))
		series->n_rate = 0; /* the counters began again, and so does the rate */
	if (!series->n_rate || now_ns - last->now_ns >= RATE_EVERY_NS)
		series->rate[series->n_rate++ % RATE_MARKS] = now;
	first = &series->rate[series->n_rate > RATE_MARKS ? series->n_rate % RATE_MARKS : 0];
	elapsed_s = (now_ns - first->now_ns) / 1e9;
	series->view.rate = elapsed_s > 0 ? (now.attempts - first->attempts) / elapsed_s : NAN;
	series->view.connections_rate = elapsed_s > 0 ? (now.connections - first->connections) / elapsed_s : NAN;
}

static void update_quantiles(struct series *series, const struct reading *reading, uint64_t now_ns)
{
	const struct quantile_mark *first;
	bool forward;

	if (!series->n_quantile || now_ns - series->last_quantile_ns >= QUANTILE_EVERY_NS) {
		struct quantile_mark *mark = &series->quantile[series->n_quantile++ % QUANTILE_MARKS];

		mark->ttfb = reading->ttfb;
		mark->connect = reading->connect;
		series->last_quantile_ns = now_ns;
	}
	first = &series->quantile[series->n_quantile > QUANTILE_MARKS ? series->n_quantile % QUANTILE_MARKS : 0];
	series->view.ttfb = series->view.ttfb_ever = reading->ttfb;
	series->view.connect = series->view.connect_ever = reading->connect;
	forward = histogram_subtract(&series->view.ttfb, &first->ttfb);
	forward = histogram_subtract(&series->view.connect, &first->connect) && forward;
	if (!forward)
		series->n_quantile = 0; /* as above */
}

/* ---- what the judge gets ------------------------------------------------------------------------------------ */

static uint64_t difference(uint64_t now, uint64_t before, bool *backwards)
{
	if (now < before)
		*backwards = true;
	return now < before ? 0 : now - before;
}

/* A sum may go on while what it is made of falls. */
static bool any_fell(const struct canary_counters *now, const struct canary_counters *before)
{
	bool fell = false;

#define X(name, help) fell = fell || now->name < before->name;
	CANARY_COUNTERS(X)
#undef X
	return fell;
}

static void count_difference(const struct canary_counters *now, const struct canary_counters *before,
			     uint64_t *ret_attempts, uint64_t *ret_failed, bool *backwards)
{
	*backwards = *backwards || any_fell(now, before);
	*ret_attempts = difference(sampler_attempts(now), sampler_attempts(before), backwards);
	*ret_failed = difference(sampler_failed(now), sampler_failed(before), backwards);
	if (*ret_failed > *ret_attempts)
		*ret_failed = *ret_attempts;
}

static void sample_backends(const struct inventory_version *version, struct series *series, struct sample_version *ret,
			    bool *backwards)
{
	for (size_t b = 0; b < version->n_backends; b++) {
		const struct canary_counters *now = &series->view.backends[b].counters;

		if (b < SAMPLE_BACKENDS) {
			struct sample_backend *backend = &ret->backend[ret->n_backends++];

			snprintf(backend->address, sizeof(backend->address), "%s", version->backends[b].address);
			count_difference(now, &series->backends[b], &backend->attempts, &backend->failed, backwards);
		}
		series->backends[b] = *now;
	}
}

/* Differences since the reading before; none, and nothing suspect, the first time. */
static void sample_version(const struct inventory_version *version, struct series *series,
			   const struct reading *reading, struct sample_version *ret, bool *backwards)
{
	struct sample_version sample = {};

	if (series->read_before) {
		count_difference(&reading->judged, &series->judged, &sample.attempts, &sample.failed, backwards);
		sample.ttfb = reading->judged_ttfb;
		if (!histogram_subtract(&sample.ttfb, &series->judged_ttfb))
			*backwards = true;
		sample_backends(version, series, &sample, backwards);
	} else {
		for (size_t b = 0; b < version->n_backends; b++)
			series->backends[b] = series->view.backends[b].counters;
	}
	series->judged = reading->judged;
	series->judged_ttfb = reading->judged_ttfb;
	series->read_before = true;
	if (ret)
		*ret = sample;
}

static void suspect(struct sample *sample, const char *version, const char *what)
{
	sample->suspect = true;
	snprintf(sample->suspect_why, sizeof(sample->suspect_why), "the counters of %.32s %s", version, what);
}

void sampler_read(struct sampler *sampler, const char *baseline, const char *canary, double weight, uint64_t now_ns,
		  struct sample *ret)
{
	const struct inventory_service *service = sampler->service;

	memset(ret, 0, sizeof(*ret));
	ret->now_ns = now_ns;
	ret->elapsed_ns = sampler->last_ns && now_ns > sampler->last_ns ? now_ns - sampler->last_ns : 0;
	ret->weight = weight;
	sampler->last_ns = now_ns;
	for (size_t v = 0; v < service->n_versions; v++) {
		const char *name = service->versions[v].name;
		struct sample_version *to = !strcmp(name, baseline)          ? &ret->baseline :
					    canary && !strcmp(name, canary) ? &ret->canary :
									      NULL;
		struct reading reading;
		bool backwards = false;

		if (read_version(sampler, v, &reading)) {
			if (to)
				suspect(ret, name, "cannot be read");
			continue;
		}
		update_rates(&sampler->series[v], now_ns);
		update_quantiles(&sampler->series[v], &reading, now_ns);
		sample_version(&service->versions[v], &sampler->series[v], &reading, to, &backwards);
		if (to && backwards)
			suspect(ret, name, "went backwards (a map was made anew?)");
	}
}

const struct sampler_version_view *sampler_view(const struct sampler *sampler, const char *version)
{
	for (size_t v = 0; v < sampler->service->n_versions; v++)
		if (!strcmp(sampler->service->versions[v].name, version))
			return &sampler->series[v].view;
	return NULL;
}

const struct sampler_backend_view *sampler_backend(const struct sampler *sampler, const char *version,
						   const char *address)
{
	for (size_t v = 0; v < sampler->service->n_versions; v++) {
		const struct inventory_version *of = &sampler->service->versions[v];

		for (size_t b = 0; b < of->n_backends && !strcmp(of->name, version); b++)
			if (!strcmp(of->backends[b].address, address))
				return &sampler->series[v].view.backends[b];
	}
	return NULL;
}

double sampler_measured_weight(const struct sampler_version_view *canary, const struct sampler_version_view *baseline)
{
	double rates = canary && baseline ? canary->connections_rate + baseline->connections_rate : NAN;

	return rates > 0 ? canary->connections_rate / rates : NAN;
}

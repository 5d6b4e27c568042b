/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel's events: samples of flows that failed or were slow. And what slow is, told to the kernel. */
#include "user/daemon_internal.h"

#include <errno.h>
#include <math.h>

#include "user/log.h"

#define RESPONSES_MIN 100 /* below, a 99th percentile says nothing */
#define SLOW_QUANTILE 0.99
#define SLOW_LEAST_S 1e-3 /* what nobody would notice is not slow: a handshake on this host takes microseconds */

static void count_left_out(struct daemon *daemon, struct daemon_service *service)
{
	uint64_t untold;

	for (enum flow_class c = 0; c < FLOW_CLASSES; c++)
		if (!datapath_events_untold(daemon->datapath, service->inventory->id, c == FLOW_SLOW, &untold))
			flow_samples_set_untold(service->samples, c, untold);
}

/* The next daemon's numbers are above this one's, however many there were: who goes on after a restart misses none. */
int daemon_open_samples(struct daemon *daemon, struct daemon_service *service)
{
	service->samples = flow_samples_new(daemon_unix_s() * 1e6);
	if (!service->samples)
		return -ENOMEM;
	count_left_out(daemon, service);
	return 0;
}

/* ---- events ------------------------------------------------------------------------------------------------- */

static struct flow_mask mask_of(const struct daemon_service *service)
{
	const struct config_samples *samples = &service->config->samples;

	return (struct flow_mask){ samples->ipv4_prefix, samples->ipv6_prefix };
}

static const char *version_name(const struct daemon_service *service, uint16_t index)
{
	for (size_t v = 0; v < service->inventory->n_versions; v++)
		if (service->inventory->versions[v].index == index)
			return service->inventory->versions[v].name;
	return NULL;
}

static const char *backend_address(const struct daemon_service *service, uint16_t index)
{
	for (size_t v = 0; v < service->inventory->n_versions; v++)
		for (size_t b = 0; b < service->inventory->versions[v].n_backends; b++)
			if (service->inventory->versions[v].backends[b].index == index)
				return service->inventory->versions[v].backends[b].address;
	return NULL;
}

/* What comes of it is the rollout's: its tick finds the trip in the kernel, also where this event was lost. */
static void say_tripped(const struct daemon_service *service, const struct canary_event *event)
{
	struct flow_mask mask = mask_of(service);
	char client[FLOW_SAMPLES_CLIENT];

	flow_samples_client(&event->key, &mask, client);
	log_warning("service %s: the kernel's breaker has tripped by the flow of %s: no new flows for the canary",
		    service->config->name, client);
}

/* Not the time it is read: what was sampled while no daemon ran is older. */
static double happened_s(const struct canary_event *event)
{
	uint64_t now_ns = daemon_monotonic_ns();

	return daemon_unix_s() - (now_ns > event->ns ? (now_ns - event->ns) / 1e9 : 0);
}

void daemon_on_event(const struct canary_event *event, void *context)
{
	struct daemon *daemon = context;

	for (size_t s = 0; s < daemon->n_services; s++) {
		struct daemon_service *service = &daemon->services[s];
		struct flow_mask mask = mask_of(service);

		if (service->inventory->id != event->service)
			continue;
		if (event->kind == CANARY_EVENT_TRIPPED)
			say_tripped(service, event);
		else
			flow_samples_add(service->samples, event, &mask, version_name(service, event->version),
					 backend_address(service, event->backend), happened_s(event));
	}
}

/* ---- slow --------------------------------------------------------------------------------------------------- */

/*
 * As configured, or what one in a hundred of the baseline's took longer than, if that is noticed at all. Where there are too few to tell it stays as it
 * is, also that of the daemon before.
 */
static uint64_t slow_ns(double configured_s, const struct histogram *baseline, uint64_t now_ns)
{
	double s = configured_s;

	if (isnan(s) && histogram_count(baseline) < RESPONSES_MIN)
		return now_ns;
	if (isnan(s))
		s = fmax(histogram_quantile_s(baseline, SLOW_QUANTILE), SLOW_LEAST_S);
	return isfinite(s) ? s * 1e9 : 0;
}

void daemon_tick_samples(struct daemon *daemon, struct daemon_service *service, const struct rollout_view *view)
{
	const struct config_samples *config = &service->config->samples;
	const struct sampler_version_view *baseline = sampler_view(service->sampler, view->baseline);
	struct canary_split *split = datapath_split(daemon->datapath, service->inventory->id);

	count_left_out(daemon, service);
	split->traces = config->traces;
	if (!baseline)
		return;
	split->slow_response_ns = slow_ns(config->slow_response_s, &baseline->ttfb, split->slow_response_ns);
	split->slow_connect_ns = slow_ns(config->slow_connect_s, &baseline->connect, split->slow_connect_ns);
}

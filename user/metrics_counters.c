/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Versions and backends: the kernel's counters. Those that are parts of one whole are one family with a label; each of the
 * others is a family of its own, with the name and the help of include/canaryd/counters.h.
 */
#include "user/metrics_internal.h"

#include <math.h>
#include <string.h>

#include "user/view_unavailable.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct counter {
	const char *name, *family, *help;
} counters[] = {
#define X(name, help) { #name, "canaryd_" #name "_total", help },
	CANARY_COUNTERS(X)
#undef X
};

/* What is one value of a label. */
struct part {
	enum canary_counter counter;
	const char *value;
};

struct whole {
	const char *family, *backend_family; /* of versions, and of backends */
	const char *help, *label;
	const struct part *parts;
	size_t n;
};

static const struct part classes[] = {
	{ CANARY_COUNTER_http_1xx, "1xx" },	      { CANARY_COUNTER_http_2xx, "2xx" },
	{ CANARY_COUNTER_http_3xx, "3xx" },	      { CANARY_COUNTER_http_4xx, "4xx" },
	{ CANARY_COUNTER_http_5xx, "5xx" },	      { CANARY_COUNTER_http_upgrade, "upgrade" },
	{ CANARY_COUNTER_unparsed, "unparsed" },      { CANARY_COUNTER_answered, "answered" },
};

/* Those of sampler_failed(). */
static const struct part reasons[] = {
	{ CANARY_COUNTER_refused, "refused" },
	{ CANARY_COUNTER_syn_timeout, "syn_timeout" },
	{ CANARY_COUNTER_reset_before_response, "reset_before_response" },
	{ CANARY_COUNTER_reset_mid_response, "reset_mid_response" },
	{ CANARY_COUNTER_empty_close, "empty_close" },
	{ CANARY_COUNTER_abort_waiting, "abort_waiting" },
	{ CANARY_COUNTER_response_timeout, "response_timeout" },
	{ CANARY_COUNTER_http_5xx, "http_5xx" },
};

static const struct part aborts[] = {
	{ CANARY_COUNTER_abort_connect, "connect" },
	{ CANARY_COUNTER_abort_waiting, "waiting" },
	{ CANARY_COUNTER_abort_data, "data" },
};

static const struct whole wholes[] = {
	{ "canaryd_responses_total", "canaryd_backend_responses_total",
	  "responses, by the class of their HTTP status; answered: known from the client's acknowledgement alone (dsr)", "class",
	  classes, COUNT(classes) },
	{ "canaryd_failures_total", "canaryd_backend_failures_total", "attempts that failed, by how", "reason", reasons,
	  COUNT(reasons) },
	{ "canaryd_client_aborts_total", "canaryd_backend_client_aborts_total",
	  "what clients gave up, by when: before a SYN-ACK, waiting for a response, during one", "when", aborts, COUNT(aborts) },
};

/* Families of their own for backends, too. */
static const enum canary_counter drill_down[] = {
	CANARY_COUNTER_connections, CANARY_COUNTER_requests, CANARY_COUNTER_request_retransmits,
	CANARY_COUNTER_response_retransmits,
};
static const char *const drill_down_families[] = {
	"canaryd_backend_connections_total", "canaryd_backend_requests_total", "canaryd_backend_request_retransmits_total",
	"canaryd_backend_response_retransmits_total",
};
_Static_assert(COUNT(drill_down) == COUNT(drill_down_families), "a name each");

static double value_of(const struct canary_counters *values, enum canary_counter counter)
{
	return ((const __u64 *)values)[counter];
}

static bool is_part(enum canary_counter counter)
{
	for (size_t w = 0; w < COUNT(wholes); w++)
		for (size_t p = 0; p < wholes[w].n; p++)
			if (wholes[w].parts[p].counter == counter)
				return true;
	return false;
}

/* ---- versions ----------------------------------------------------------------------------------------------- */

/* Each version of each service: what `visit` adds of it. */
static void each_version(struct metrics *metrics, const struct daemon *daemon, const void *what,
			 void (*visit)(struct metrics *, const struct daemon_service *, const char *version,
				       const struct sampler_version_view *, const void *what))
{
	for (size_t s = 0; s < daemon->n_services; s++) {
		const struct daemon_service *service = &daemon->services[s];

		for (size_t v = 0; v < service->inventory->n_versions; v++) {
			const char *version = service->inventory->versions[v].name;

			visit(metrics, service, version, sampler_view(service->sampler, version), what);
		}
	}
}

static void add_counter(struct metrics *metrics, const struct daemon_service *service, const char *version,
			const struct sampler_version_view *view, const void *what)
{
	enum canary_counter counter = *(const enum canary_counter *)what;

	if (view_is_available(service->config, counters[counter].name))
		metrics_add(metrics, value_of(&view->counters, counter), "service", service->config->name, "version", version,
			    NULL);
}

static void add_parts(struct metrics *metrics, const struct daemon_service *service, const char *version,
		      const struct sampler_version_view *view, const void *what)
{
	const struct whole *whole = what;

	for (size_t p = 0; p < whole->n; p++)
		if (view_is_available(service->config, counters[whole->parts[p].counter].name))
			metrics_add(metrics, value_of(&view->counters, whole->parts[p].counter), "service",
				    service->config->name, "version", version, whole->label, whole->parts[p].value, NULL);
}

static void add_attempts(struct metrics *metrics, const struct daemon_service *service, const char *version,
			 const struct sampler_version_view *view, const void *what)
{
	(void)what;
	metrics_add(metrics, sampler_attempts(&view->counters), "service", service->config->name, "version", version, NULL);
}

static void add_active(struct metrics *metrics, const struct daemon_service *service, const char *version,
		       const struct sampler_version_view *view, const void *what)
{
	(void)what;
	metrics_add(metrics, view->active_flows, "service", service->config->name, "version", version, NULL);
}

static void add_coverage(struct metrics *metrics, const struct daemon_service *service, const char *version,
			 const struct sampler_version_view *view, const void *what)
{
	(void)what;
	metrics_add(metrics, sampler_http_coverage(&view->counters), "service", service->config->name, "version", version, NULL);
}

static void add_ttfb(struct metrics *metrics, const struct daemon_service *service, const char *version,
		     const struct sampler_version_view *view, const void *what)
{
	(void)what;
	if (view_is_available(service->config, "ttfb_seconds"))
		metrics_add_histogram(metrics, &view->ttfb_ever, "service", service->config->name, "version", version, NULL);
}

static void add_connect(struct metrics *metrics, const struct daemon_service *service, const char *version,
			const struct sampler_version_view *view, const void *what)
{
	(void)what;
	if (view_is_available(service->config, "connect_seconds"))
		metrics_add_histogram(metrics, &view->connect_ever, "service", service->config->name, "version", version, NULL);
}

static void collect_versions(struct metrics *metrics, const struct daemon *daemon)
{
	metrics_family(metrics, METRICS_COUNTER, "canaryd_attempts_total", "what is judged: completed requests, and connections "
		       "that came to nothing");
	each_version(metrics, daemon, NULL, add_attempts);
	for (size_t w = 0; w < COUNT(wholes); w++) {
		metrics_family(metrics, METRICS_COUNTER, wholes[w].family, wholes[w].help);
		each_version(metrics, daemon, &wholes[w], add_parts);
	}
	for (enum canary_counter c = 0; c < CANARY_COUNTER_COUNT; c++) {
		if (is_part(c))
			continue;
		metrics_family(metrics, METRICS_COUNTER, counters[c].family, counters[c].help);
		each_version(metrics, daemon, &c, add_counter);
	}
	metrics_family(metrics, METRICS_GAUGE, "canaryd_active_flows", "open flows, by the last sweep of the flow table");
	each_version(metrics, daemon, NULL, add_active);
	metrics_family(metrics, METRICS_GAUGE, "canaryd_http_coverage_ratio", "share of the responses whose HTTP status could be "
		       "read, since the maps were made");
	each_version(metrics, daemon, NULL, add_coverage);
	metrics_family(metrics, METRICS_HISTOGRAM, "canaryd_ttfb_seconds", "from the last byte of a request to the first of its "
		       "response; the sum is of the buckets' middles");
	each_version(metrics, daemon, NULL, add_ttfb);
	metrics_family(metrics, METRICS_HISTOGRAM, "canaryd_connect_seconds", "from the first SYN to the first SYN-ACK; the sum is "
		       "of the buckets' middles");
	each_version(metrics, daemon, NULL, add_connect);
}

/* ---- backends ----------------------------------------------------------------------------------------------- */

/* Both are in the order of the configuration: the next one is nearly always it. */
static const struct rotation_entry *find_entry(const struct rotation *rotation, size_t *next, const char *address)
{
	for (size_t tries = 0; tries < rotation->n; tries++) {
		const struct rotation_entry *entry = &rotation->entries[(*next)++ % rotation->n];

		if (!strcmp(entry->address, address))
			return entry;
	}
	return NULL;
}

typedef void (*visit_backend)(struct metrics *metrics, const struct daemon_service *service,
			      const struct rotation_entry *entry, const struct sampler_backend_view *view, const void *what);

static void each_backend_of(struct metrics *metrics, const struct daemon_service *service,
			    const struct inventory_version *version, size_t *next, const void *what, visit_backend visit)
{
	const struct sampler_version_view *view = sampler_view(service->sampler, version->name);

	for (size_t b = 0; b < version->n_backends; b++) {
		const struct rotation_entry *entry = find_entry(service->rotation, next, version->backends[b].address);

		if (entry)
			visit(metrics, service, entry, &view->backends[b], what);
	}
}

static void each_backend(struct metrics *metrics, const struct daemon *daemon, const void *what, visit_backend visit)
{
	for (size_t s = 0; s < daemon->n_services; s++) {
		const struct daemon_service *service = &daemon->services[s];
		size_t next = 0;

		for (size_t v = 0; v < service->inventory->n_versions; v++)
			each_backend_of(metrics, service, &service->inventory->versions[v], &next, what, visit);
	}
}

#define OF_BACKEND(service, entry)                                                                                  \
	"service", (service)->config->name, "version", (entry)->version, "backend", (entry)->address

static void add_backend_counter(struct metrics *metrics, const struct daemon_service *service,
				const struct rotation_entry *entry, const struct sampler_backend_view *view, const void *what)
{
	enum canary_counter counter = *(const enum canary_counter *)what;

	if (view_is_available(service->config, counters[counter].name))
		metrics_add(metrics, value_of(&view->counters, counter), OF_BACKEND(service, entry), NULL);
}

static void add_backend_parts(struct metrics *metrics, const struct daemon_service *service,
			      const struct rotation_entry *entry, const struct sampler_backend_view *view, const void *what)
{
	const struct whole *whole = what;

	for (size_t p = 0; p < whole->n; p++)
		if (view_is_available(service->config, counters[whole->parts[p].counter].name))
			metrics_add(metrics, value_of(&view->counters, whole->parts[p].counter), OF_BACKEND(service, entry),
				    whole->label, whole->parts[p].value, NULL);
}

static void add_backend_attempts(struct metrics *metrics, const struct daemon_service *service,
				 const struct rotation_entry *entry, const struct sampler_backend_view *view, const void *what)
{
	(void)what;
	metrics_add(metrics, sampler_attempts(&view->counters), OF_BACKEND(service, entry), NULL);
}

static void add_backend_active(struct metrics *metrics, const struct daemon_service *service,
			       const struct rotation_entry *entry, const struct sampler_backend_view *view, const void *what)
{
	(void)what;
	metrics_add(metrics, view->active_flows, OF_BACKEND(service, entry), NULL);
}

static void add_backend_usable(struct metrics *metrics, const struct daemon_service *service,
			       const struct rotation_entry *entry, const struct sampler_backend_view *view, const void *what)
{
	(void)view;
	(void)what;
	metrics_add(metrics, entry->usable, OF_BACKEND(service, entry), NULL);
}

static void add_backend_state(struct metrics *metrics, const struct daemon_service *service,
			      const struct rotation_entry *entry, const struct sampler_backend_view *view, const void *what)
{
	(void)view;
	(void)what;
	for (enum rotation_state state = 0; state < ROTATION_STATES; state++)
		metrics_add(metrics, rotation_state(entry) == state, OF_BACKEND(service, entry), "state",
			    rotation_state_name(state), NULL);
}

static void add_backend_ttfb(struct metrics *metrics, const struct daemon_service *service,
			     const struct rotation_entry *entry, const struct sampler_backend_view *view, const void *what)
{
	(void)what;
	if (view_is_available(service->config, "ttfb_seconds"))
		metrics_add_histogram(metrics, &view->ttfb, OF_BACKEND(service, entry), NULL);
}

static void collect_backends(struct metrics *metrics, const struct daemon *daemon)
{
	metrics_family(metrics, METRICS_COUNTER, "canaryd_backend_attempts_total", "as canaryd_attempts_total, by backend");
	each_backend(metrics, daemon, NULL, add_backend_attempts);
	for (size_t w = 0; w < COUNT(wholes); w++) {
		metrics_family(metrics, METRICS_COUNTER, wholes[w].backend_family, wholes[w].help);
		each_backend(metrics, daemon, &wholes[w], add_backend_parts);
	}
	for (size_t i = 0; i < COUNT(drill_down); i++) {
		metrics_family(metrics, METRICS_COUNTER, drill_down_families[i], counters[drill_down[i]].help);
		each_backend(metrics, daemon, &drill_down[i], add_backend_counter);
	}
	metrics_family(metrics, METRICS_GAUGE, "canaryd_backend_active_flows", "open flows, by the last sweep of the flow table");
	each_backend(metrics, daemon, NULL, add_backend_active);
	metrics_family(metrics, METRICS_GAUGE, "canaryd_backend_usable", "1: it gets new flows");
	each_backend(metrics, daemon, NULL, add_backend_usable);
	metrics_family(metrics, METRICS_GAUGE, "canaryd_backend_state", "1 for the state it is in, by checks, flows and operators");
	each_backend(metrics, daemon, NULL, add_backend_state);
	metrics_family(metrics, METRICS_HISTOGRAM, "canaryd_backend_ttfb_seconds", "as canaryd_ttfb_seconds, by backend");
	each_backend(metrics, daemon, NULL, add_backend_ttfb);
}

void metrics_collect_counters(struct metrics *metrics, const struct daemon *daemon)
{
	collect_versions(metrics, daemon);
	collect_backends(metrics, daemon);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "user/metrics_daemon.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "user/alert_report.h"
#include "user/alert_rules.h"
#include "user/metrics_internal.h"

static void gauge(struct metrics *metrics, const char *name, const char *help, double value)
{
	metrics_family(metrics, METRICS_GAUGE, name, help);
	metrics_add(metrics, value, NULL);
}

static void counter(struct metrics *metrics, const char *name, const char *help, double value)
{
	metrics_family(metrics, METRICS_COUNTER, name, help);
	metrics_add(metrics, value, NULL);
}

/* ---- the process -------------------------------------------------------------------------------------------- */

static double resident_bytes(void)
{
	FILE *file = fopen("/proc/self/statm", "re");
	uint64_t pages = 0;
	int n = 0;

	if (!file)
		return NAN;
	n = fscanf(file, "%*u %" SCNu64, &pages);
	fclose(file);
	return n == 1 ? (double)pages * sysconf(_SC_PAGESIZE) : NAN;
}

static double cpu_seconds(void)
{
	struct rusage usage;

	if (getrusage(RUSAGE_SELF, &usage))
		return NAN;
	return usage.ru_utime.tv_sec + usage.ru_stime.tv_sec + (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void collect_process(struct metrics *metrics, const struct daemon *daemon)
{
	metrics_family(metrics, METRICS_GAUGE, "canaryd_build_info", "1, with the version of canaryd");
	metrics_add(metrics, 1, "version", CANARYD_VERSION, NULL);
	gauge(metrics, "canaryd_started_timestamp_seconds", "when canaryd took up its work, with this configuration",
	      daemon->started_unix_s);
	counter(metrics, "process_cpu_seconds_total", "CPU time of canaryd itself", cpu_seconds());
	gauge(metrics, "process_resident_memory_bytes", "resident memory of canaryd itself", resident_bytes());
}

/* ---- the tick and the data plane ---------------------------------------------------------------------------- */

static void collect_tick(struct metrics *metrics, const struct daemon *daemon)
{
	double left_s = ((double)daemon->lease_ns - (double)daemon_monotonic_ns()) / 1e9;

	gauge(metrics, "canaryd_tick_interval_seconds", "from one tick to the next", daemon->config->tick_ms / 1e3);
	metrics_family(metrics, METRICS_HISTOGRAM, "canaryd_tick_duration_seconds", "how long ticks took; the sum is of the "
		       "buckets' middles");
	metrics_add_histogram(metrics, &daemon->ticks, NULL);
	gauge(metrics, "canaryd_lease_seconds", "without a tick for so long, new flows go to the baseline alone",
	      daemon->lease_ns ? daemon->config->lease.s : NAN);
	gauge(metrics, "canaryd_lease_remaining_seconds", "what is left of it", daemon->lease_ns ? left_s : NAN);
}

static void collect_flow_table(struct metrics *metrics, const struct daemon *daemon)
{
	struct canary_flow_table table;

	gauge(metrics, "canaryd_flow_table_entries", "entries that the last sweep found", daemon->capacity.present);
	gauge(metrics, "canaryd_flow_table_capacity", "entries there is room for", datapath_flows_capacity(daemon->datapath));
	counter(metrics, "canaryd_flow_table_evicted_total", "flows that the kernel took out to make room; at least so many, since "
		"canaryd began", daemon->capacity.evicted);
	if (datapath_flow_table(daemon->datapath, &table))
		return;
	counter(metrics, "canaryd_flow_table_inserted_total", "flows put into the table", table.inserted);
	counter(metrics, "canaryd_flow_table_removed_total", "flows that ended, taken out by the sweep", table.removed);
	counter(metrics, "canaryd_flow_table_probation_total", "flows put on probation by a flood guard", table.probation);
	counter(metrics, "canaryd_flow_table_promoted_total", "of these, what has proven itself since", table.promoted);
}

static void collect_reasons(struct metrics *metrics, const struct daemon *daemon)
{
	struct canary_reasons reasons;

	if (datapath_reasons(daemon->datapath, &reasons))
		return;
	metrics_family(metrics, METRICS_COUNTER, "canaryd_unsteered_packets_total", "packets that were not steered, by why; "
		       "not_service: those that are none of canaryd's business");
#define X(name, help) metrics_add(metrics, reasons.name, "reason", #name, NULL);
	CANARY_REASONS(X)
#undef X
}

static void collect_maps(struct metrics *metrics, const struct daemon *daemon)
{
	const char *name;
	uint64_t bytes;
	int r;

	metrics_family(metrics, METRICS_GAUGE, "canaryd_map_memory_bytes", "memory of the kernel's maps; tables within maglev and "
		       "cohorts are not in it");
	for (size_t i = 0; (r = datapath_map_bytes(daemon->datapath, i, &name, &bytes)) != -ERANGE; i++)
		if (!r)
			metrics_add(metrics, bytes, "map", name, NULL);
}

static void collect_interfaces(struct metrics *metrics, const struct daemon *daemon)
{
	const struct datapath_interface *interfaces;
	size_t n = datapath_interfaces(daemon->datapath, &interfaces);

	metrics_family(metrics, METRICS_GAUGE, "canaryd_interface_info", "1, with how the programs are attached");
	for (size_t i = 0; i < n; i++)
		metrics_add(metrics, 1, "interface", interfaces[i].name, "xdp", interfaces[i].xdp_native ? "native" : "generic",
			    "tc", interfaces[i].tcx ? "tcx" : "clsact", NULL);
}

/* ---- alerts ------------------------------------------------------------------------------------------------- */

static bool is_text(const json_t *object, const char *key, const char *text)
{
	const char *value = json_string_value(json_object_get(object, key));

	return value && !strcmp(value, text);
}

static void add_firing(struct metrics *metrics, const json_t *firing, const char *service, const char *alert)
{
	unsigned count = 0;
	const json_t *one;
	size_t i;

	json_array_foreach(firing, i, one)
		count += is_text(one, "service", service) && is_text(one, "alertname", alert);
	metrics_add(metrics, count, "service", service, "alertname", alert, NULL);
}

/* A receiver's URL may be a secret: its place in the configuration stands for it. */
static void add_receivers(struct metrics *metrics, const json_t *receivers)
{
	static const char *const results[] = { "sent", "failed", "dropped" };
	const json_t *one;
	char place[24];
	size_t i;

	metrics_family(metrics, METRICS_COUNTER, "canaryd_alert_posts_total", "posts to the receivers in `alerts:`, by place and "
		       "what came of them; failed: tries");
	json_array_foreach(receivers, i, one) {
		snprintf(place, sizeof(place), "%zu", i);
		for (size_t r = 0; r < sizeof(results) / sizeof(*results); r++)
			metrics_add(metrics, json_integer_value(json_object_get(one, results[r])), "receiver",
				    metrics_keep(metrics, place), "result", results[r], NULL);
	}
}

static void collect_alerts(struct metrics *metrics, const struct daemon *daemon)
{
	json_t *view = alerts_view(daemon->alerts);
	const json_t *firing = json_object_get(view, "firing");

	metrics_family(metrics, METRICS_GAUGE, "canaryd_alerts_firing", "alerts of canaryd's own that fire");
	for (size_t s = 0; s < daemon->n_services; s++) {
		for (enum alert_rule rule = 0; rule < ALERT_RULES; rule++)
			add_firing(metrics, firing, daemon->services[s].config->name, alert_rule_name(rule));
		add_firing(metrics, firing, daemon->services[s].config->name, ALERT_REPORT_NAME);
	}
	add_receivers(metrics, json_object_get(view, "receivers"));
	json_decref(view);
}

void metrics_collect(struct metrics *metrics, struct daemon *daemon)
{
	collect_process(metrics, daemon);
	collect_tick(metrics, daemon);
	metrics_collect_rollouts(metrics, daemon);
	metrics_collect_slis(metrics, daemon);
	metrics_collect_counters(metrics, daemon);
	collect_flow_table(metrics, daemon);
	collect_reasons(metrics, daemon);
	collect_maps(metrics, daemon);
	collect_interfaces(metrics, daemon);
	collect_alerts(metrics, daemon);
}

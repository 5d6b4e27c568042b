/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "status_view.h"

#include <math.h>
#include <string.h>

#include "alert_view.h"
#include "backend_view.h"
#include "canaryd/abi.h"
#include "canaryd/api.h"
#include "field.h"
#include "flows_view.h"
#include "format.h"
#include "kinds.h"
#include "rollout_view.h"

/* Versions side by side in one table; more go into the next one. */
#define VERSIONS_ABREAST 4

/* ---- the host ---------------------------------------------------------------------------------------------- */

static void print_host(const struct page *page, const json_t *status)
{
	const json_t *table = json_object_get(status, "flow_table");
	double entries = field_number(table, "entries"), capacity = field_number(table, "capacity");
	json_t *interface;
	size_t i;

	page_print(page, TONE_BOLD, "canaryd %s", field_text(status, "version", "?"));
	page_print(page, TONE_PLAIN, "  up %s", format_duration(field_number(status, "uptime_s")).text);
	json_array_foreach(json_object_get(status, "interfaces"), i, interface) {
		page_print(page, TONE_PLAIN, "%s%s (%s XDP, %s)", i ? ", " : "  on ",
			   field_text(interface, "name", "?"), field_text(interface, "xdp", "?"),
			   field_text(interface, "tc", "?"));
	}
	if (json_is_true(json_object_get(status, "shadow")))
		page_print(page, TONE_WARN, "\nshadow: nothing is steered, every new flow goes to a baseline; decisions are what would be");
	page_print(page, TONE_PLAIN, "\nflow table %s of %s", format_count(entries).text, format_count(capacity).text);
	if (capacity > 0)
		page_print(page, entries > 0.9 * capacity ? TONE_WARN : TONE_PLAIN, " (%s)",
			   format_share(entries / capacity).text);
	if (field_number(table, "evicted") > 0)
		page_print(page, TONE_WARN, ", %s evicted", format_count(field_number(table, "evicted")).text);
	if (field_number(table, "probation") > 0)
		page_print(page, TONE_WARN, ", %s on probation in floods", format_count(field_number(table, "probation")).text);
	page_print(page, TONE_PLAIN, "\n");
}

static void print_reasons(const struct page *page, const json_t *status)
{
	static const struct {
		const char *name, *help;
	} reasons[] = {
#define X(name, help) { #name, help },
		CANARY_REASONS(X)
#undef X
	};
	struct table *table = table_new("rl");
	const json_t *counts = json_object_get(status, "reasons");
	bool any = false;

	for (size_t i = 0; i < sizeof(reasons) / sizeof(*reasons); i++) {
		double packets = field_number(counts, reasons[i].name);

		if (!(packets > 0))
			continue;
		any = true;
		table_cell(table, TONE_PLAIN, "%s", format_count(packets).text);
		table_cell(table, TONE_PLAIN, "%s", reasons[i].help);
	}
	if (any)
		page_print(page, TONE_BOLD, "\npackets passed on unsteered\n");
	table_print(table, page, 4);
}

/* ---- versions, side by side -------------------------------------------------------------------------------- */

struct block {
	const struct page *page;
	const json_t *versions[VERSIONS_ABREAST];
	size_t count;
	struct table *table;
};

static void row_label(struct block *block, const char *label, const char *code)
{
	if (code)
		table_cell(block->table, TONE_PLAIN, "%s [%s]", label, code);
	else
		table_cell(block->table, TONE_PLAIN, "%s", label);
}

static void row_numbers(struct block *block, const char *label, const char *field, struct format (*as)(double))
{
	row_label(block, label, NULL);
	for (size_t i = 0; i < block->count; i++)
		table_cell(block->table, TONE_PLAIN, "%s", as(field_number(block->versions[i], field)).text);
	table_end(block->table);
}

static void row_failed(struct block *block)
{
	row_label(block, "failed", NULL);
	for (size_t i = 0; i < block->count; i++) {
		double failed = field_number(block->versions[i], "failed");
		double attempts = field_number(block->versions[i], "attempts");

		if (attempts > 0)
			table_cell(block->table, TONE_PLAIN, "%s (%s)", format_count(failed).text,
				   format_share(failed / attempts).text);
		else
			table_cell(block->table, TONE_PLAIN, "%s", format_count(failed).text);
	}
	table_end(block->table);
}

static void rows_latency(struct block *block, const char *label, const char *field)
{
	static const char *const quantiles[] = { "p50", "p95", "p99" };
	bool any = false;

	for (size_t i = 0; i < block->count; i++)
		any |= json_is_object(json_object_get(block->versions[i], field));
	if (!any)
		return;
	for (size_t q = 0; q < sizeof(quantiles) / sizeof(*quantiles); q++) {
		table_cell(block->table, TONE_PLAIN, "%s %s", label, quantiles[q]);
		for (size_t i = 0; i < block->count; i++)
			table_cell(block->table, TONE_PLAIN, "%s",
				   format_seconds(field_number2(block->versions[i], field, quantiles[q])).text);
		table_end(block->table);
	}
}

static void rows_kinds(struct block *block, const struct kind *kinds, enum tone tone)
{
	for (size_t k = 0; kinds[k].name; k++) {
		bool any = false;

		for (size_t i = 0; i < block->count; i++)
			any |= field_number2(block->versions[i], "counters", kinds[k].name) > 0;
		if (!any)
			continue;
		row_label(block, kinds[k].words, kinds[k].code);
		for (size_t i = 0; i < block->count; i++) {
			double n = field_number2(block->versions[i], "counters", kinds[k].name);

			table_cell(block->table, n > 0 ? tone : TONE_DIM, "%s", format_count(n).text);
		}
		table_end(block->table);
	}
}

static void row_heads(struct block *block)
{
	table_cell(block->table, TONE_PLAIN, "%s", "");
	for (size_t i = 0; i < block->count; i++)
		table_cell(block->table, TONE_BOLD, "%s", field_text(block->versions[i], "name", "?"));
	table_end(block->table);
	table_cell(block->table, TONE_PLAIN, "%s", "");
	for (size_t i = 0; i < block->count; i++)
		table_cell(block->table, TONE_DIM, "%s", field_text(block->versions[i], "role", "?"));
	table_end(block->table);
}

static void print_block(struct block *block, bool verbose)
{
	block->table = table_new("lrrrr");
	row_heads(block);
	row_numbers(block, "rate", "rate", format_rate);
	row_numbers(block, "attempts", "attempts", format_count);
	row_failed(block);
	rows_kinds(block, kinds_failures, TONE_BAD);
	rows_kinds(block, kinds_aborts, TONE_WARN);
	rows_kinds(block, kinds_moves, TONE_WARN);
	if (verbose)
		rows_kinds(block, kinds_signs, TONE_PLAIN);
	rows_latency(block, "first byte", "ttfb_seconds");
	rows_latency(block, "connect", "connect_seconds");
	row_numbers(block, "active flows", "active_flows", format_count);
	if (verbose)
		row_numbers(block, "HTTP understood", "http_coverage", format_share);
	table_print(block->table, block->page, 2);
}

static void print_versions(const struct page *page, const json_t *versions, bool verbose)
{
	size_t total = json_array_size(versions);

	for (size_t first = 0; first < total; first += VERSIONS_ABREAST) {
		struct block block = { .page = page };

		for (size_t i = first; i < total && block.count < VERSIONS_ABREAST; i++)
			block.versions[block.count++] = json_array_get(versions, i);
		fputc('\n', page->out);
		print_block(&block, verbose);
	}
}

/* ---- details ----------------------------------------------------------------------------------------------- */

static double failed_of(const json_t *counters)
{
	double sum = 0;

	for (size_t k = 0; kinds_failures[k].name; k++) {
		double n = field_number(counters, kinds_failures[k].name);

		sum += n > 0 ? n : 0;
	}
	return sum;
}

static void backend_row(struct table *table, const char *version, const json_t *backend)
{
	const json_t *counters = json_object_get(backend, "counters");
	double failed = failed_of(counters);

	table_cell(table, TONE_PLAIN, "%s", version);
	table_cell(table, TONE_PLAIN, "%s", field_text(backend, "address", "?"));
	table_cell(table, TONE_PLAIN, "%s", format_count(field_number(counters, "connections")).text);
	table_cell(table, failed > 0 ? TONE_BAD : TONE_PLAIN, "%s", format_count(failed).text);
	table_cell(table, TONE_PLAIN, "%s", format_seconds(field_number2(backend, "ttfb_seconds", "p50")).text);
	table_cell(table, TONE_PLAIN, "%s", format_seconds(field_number2(backend, "ttfb_seconds", "p95")).text);
	table_cell(table, TONE_PLAIN, "%s", format_count(field_number(backend, "active_flows")).text);
}

static void print_backends(const struct page *page, const json_t *versions)
{
	static const char *const headings[] = { "version", "backend", "flows", "failed", "p50", "p95", "active" };
	struct table *table = table_new("llrrrrr");
	json_t *version, *backend;
	size_t i, j;

	for (i = 0; i < sizeof(headings) / sizeof(*headings); i++)
		table_cell(table, TONE_DIM, "%s", headings[i]);
	json_array_foreach(versions, i, version)
		json_array_foreach(json_object_get(version, "backends"), j, backend)
			backend_row(table, field_text(version, "name", "?"), backend);
	fputc('\n', page->out);
	table_print(table, page, 2);
}

static void print_failed_flows(const struct page *page, const json_t *flows, double now)
{
	struct flows_view view = { .indent = 2, .now = now };

	if (json_array_size(flows) == 0)
		return;
	page_print(page, TONE_BOLD, "\n  flows that failed, newest first (canaryctl flows has more)\n");
	flows_view_print(page, &view, flows);
}

/* ---- a service --------------------------------------------------------------------------------------------- */

static void print_weight(const struct page *page, const json_t *service, const char *canary)
{
	const json_t *weight = json_object_get(service, "weight");
	char bar[BAR_BYTES];

	page_bar(page, field_number(weight, "applied"), page->style.columns >= 110 ? 40 : 16, bar);
	page_print(page, TONE_PLAIN, "  weight of %s  %s  applied %s, wanted %s, measured %s\n", canary, bar,
		   format_weight(field_number(weight, "applied")).text,
		   format_weight(field_number(weight, "wanted")).text,
		   format_share(field_number(weight, "measured")).text);
}

static void print_trip(const struct page *page, const json_t *service, const char *canary)
{
	const json_t *trip = json_object_get(json_object_get(service, "breaker"), "tripped");

	if (!json_is_object(trip))
		return;
	page_print(page, TONE_BAD, "  the breaker has tripped %s ago", format_duration(field_number(trip, "seconds_ago")).text);
	page_print(page, TONE_PLAIN, ": %s of %s attempts failed within %s, the last: %s; no new flows for %s\n",
		   format_count(field_number(trip, "failures")).text, format_count(field_number(trip, "attempts")).text,
		   format_seconds(field_number(trip, "window_s")).text, kinds_words(field_text(trip, "kind", "?")), canary);
}

/* It comes before the numbers, as it is what is looked for; of one that is over its end suffices. */
static void print_rollout(const struct page *page, const json_t *rollout, bool verbose, double now)
{
	fputc('\n', page->out);
	if (verbose || !rollout_view_ended(rollout))
		rollout_view(page, rollout, now);
	else
		rollout_view_summary(page, rollout, now);
}

/* "latency is muted by root until 2024-05-01 14:02:11": what operators have said of indicators. */
static void print_mutes(const struct page *page, const json_t *service)
{
	json_t *mute;
	size_t i;

	json_array_foreach(json_object_get(service, "mutes"), i, mute) {
		const char *sli = field_text(mute, "sli", "?"), *by = field_text(mute, "by", "?");
		double until = field_number(mute, "until");

		if (json_is_true(json_object_get(mute, "muted")))
			page_print(page, TONE_WARN, "  %s is muted by %s%s%s\n", sli, by, isnan(until) ? "" : " until ",
				   isnan(until) ? "" : format_date(until).text);
		else
			page_print(page, TONE_PLAIN, "  %s has its say, by %s\n", sli, by);
	}
}

static void print_shadow(const struct page *page, const json_t *service)
{
	const json_t *shadow = json_object_get(service, "shadow");

	if (json_is_object(shadow))
		page_print(page, TONE_PLAIN, "  %s of the datagrams are copied to %s; what it answers is dropped\n",
			   format_weight(field_number(shadow, "share")).text, field_text(shadow, "version", "?"));
}

void status_view_starting(const struct page *page, const json_t *service)
{
	const json_t *starting = json_object_get(service, "starting");
	char sentence[384];

	if (!json_is_object(starting))
		return;
	snprintf(sentence, sizeof(sentence), "the start of %s waits: hook %s %s (canaryctl rollout abort %s gives it up)",
		 field_text(starting, "canary", "?"), field_text(starting, "hook", "?"), field_text(starting, "why", ""),
		 field_text(service, "name", ""));
	page_wrap(page, TONE_WARN, 2, sentence);
}

/* Missing is not zero. */
static void print_unavailable(const struct page *page, const json_t *service)
{
	const json_t *list = json_object_get(service, "unavailable");
	char line[768];
	size_t i, used = 0;
	json_t *name;

	if (json_array_size(list) == 0)
		return;
	used = snprintf(line, sizeof(line), "unavailable in mode %s:", field_text(service, "mode", "?"));
	json_array_foreach(list, i, name)
		if (used < sizeof(line))
			used += snprintf(line + used, sizeof(line) - used, "%s %s", i ? "," : "", json_string_value(name));
	page_wrap(page, TONE_DIM, 2, line);
}

static void print_service(const struct page *page, const json_t *service, const json_t *alerts, bool verbose, double now)
{
	const json_t *versions = json_object_get(service, "versions");
	const json_t *rollout = json_object_get(service, "rollout");
	const char *canary = field_text(service, "canary", NULL);

	page_print(page, TONE_BOLD, "\n%s", field_text(service, "name", "?"));
	page_print(page, TONE_PLAIN, "  %s %s, %s, affinity %s, epoch %.0f\n", field_text(service, "protocol", "?"),
		   field_text(service, "vip", "?"), field_text(service, "mode", "?"),
		   field_text(service, "affinity", "?"), field_number(service, "epoch"));
	alert_view_service(page, alerts, field_text(service, "name", ""), now);
	if (canary) {
		print_weight(page, service, canary);
		print_trip(page, service, canary);
	} else {
		page_print(page, TONE_PLAIN, "  every new flow goes to %s\n", field_text(service, "baseline", "?"));
	}
	print_mutes(page, service);
	print_shadow(page, service);
	backend_view_trouble(page, versions);
	status_view_starting(page, service);
	if (json_is_object(rollout))
		print_rollout(page, rollout, verbose, now);
	print_versions(page, versions, verbose);
	print_unavailable(page, service);
	if (verbose) {
		print_backends(page, versions);
		print_failed_flows(page, json_object_get(service, "failed_flows"), now);
	}
}

void status_view(const struct page *page, const json_t *status, const char *only, bool verbose, double now)
{
	const json_t *services = json_object_get(status, "services");
	json_t *service;
	size_t i;

	print_host(page, status);
	if (json_array_size(services) == 0)
		page_print(page, TONE_PLAIN, "\nno services: canaryctl config init prints a first configuration\n");
	json_array_foreach(services, i, service) {
		if (!only || strcmp(only, field_text(service, "name", "")) == 0)
			print_service(page, service, json_object_get(status, "alerts"), verbose, now);
	}
	if (verbose)
		print_reasons(page, status);
}

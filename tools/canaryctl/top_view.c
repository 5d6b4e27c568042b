/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "top_view.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "canaryd/api.h"
#include "field.h"
#include "flows_view.h"
#include "format.h"
#include "rollout_view.h"
#include "story.h"

#define LABEL 12   /* cells before a line of blocks */
#define NUMBERS 29 /* … and after it */
#define DECISIONS 5
#define COLUMNS_MAX 120
#define LEVELS 8

/* ---- the past ---------------------------------------------------------------------------------------------- */

static void shift(double *values, size_t n, double value)
{
	if (n == TOP_HISTORY)
		memmove(values, values + 1, (TOP_HISTORY - 1) * sizeof(*values));
	values[n < TOP_HISTORY ? n : TOP_HISTORY - 1] = value;
}

static void forget(struct top_history_version *v, const char *name)
{
	snprintf(v->name, sizeof(v->name), "%s", name);
	v->attempts = v->failed = NAN;
	for (size_t i = 0; i < TOP_HISTORY; i++)
		v->rate[i] = v->failed_ratio[i] = NAN;
}

static void add_version(struct top_history_version *v, size_t n, const json_t *version)
{
	double attempts = field_number(version, "attempts"), failed = field_number(version, "failed");

	if (strcmp(v->name, field_text(version, "name", "")))
		forget(v, field_text(version, "name", ""));
	shift(v->rate, n, field_number(version, "rate"));
	shift(v->failed_ratio, n, attempts > v->attempts ? (failed - v->failed) / (attempts - v->attempts) : NAN);
	v->attempts = attempts;
	v->failed = failed;
}

void top_history_add(struct top_history *history, const json_t *service)
{
	const json_t *versions = json_object_get(service, "versions");

	shift(history->weight, history->n, field_number2(service, "weight", "applied"));
	for (size_t i = 0; i < TOP_VERSIONS && i < json_array_size(versions); i++)
		add_version(&history->version[i], history->n, json_array_get(versions, i));
	if (history->n < TOP_HISTORY)
		history->n++;
}

/* ---- lines of blocks --------------------------------------------------------------------------------------- */

/* A share of 0 … 1 as the glyph of one cell; NAN is nothing, and what is more than 0 is never nothing. */
static const char *block(const struct page *page, double share)
{
	static const char *const utf8[] = { " ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" };
	static const char *const ascii[] = { " ", ".", ".", ":", ":", "|", "|", "#", "#" };
	int level = isnan(share) || share <= 0 ? 0 : (int)ceil(fmin(share, 1) * LEVELS - 1e-9);

	return (page->style.utf8 ? utf8 : ascii)[level];
}

static double largest(const double *values, size_t n, double least)
{
	for (size_t i = 0; i < n; i++)
		least = fmax(least, values[i]); /* fmax() passes over NAN */
	return least;
}

void top_sparkline(const struct page *page, const double *values, size_t n, unsigned width, double least, char *line)
{
	size_t shown = n < width ? n : width;
	double most;
	char *end = line;

	if (shown > TOP_HISTORY)
		shown = TOP_HISTORY;
	most = largest(values + n - shown, shown, least);
	for (size_t i = n - shown; i < n; i++)
		end = stpcpy(end, block(page, most > 0 ? values[i] / most : 0));
	*end = '\0';
}

static unsigned width_of(const struct page *page)
{
	unsigned columns = page->style.columns < COLUMNS_MAX ? page->style.columns : COLUMNS_MAX;

	return columns > LABEL + NUMBERS + 10 ? columns - LABEL - NUMBERS : 10;
}

/* "  LABEL    ▁▂▃▄   NUMBER": the newest value stands at the right. */
static void print_line(const struct page *page, enum tone tone, const char *label, const double *values, size_t n,
		       double least, const char *number)
{
	char line[TOP_LINE];
	unsigned width = width_of(page);

	top_sparkline(page, values, n, width, least, line);
	page_print(page, TONE_PLAIN, "  %-*.*s", LABEL - 2, LABEL - 3, label);
	page_print(page, tone, "%*s%s", (int)(width - page_width(line)), "", line);
	page_print(page, TONE_PLAIN, "  %s\n", number);
}

/* ---- the page ---------------------------------------------------------------------------------------------- */

static void print_head(const struct page *page, const struct top_view *view)
{
	const json_t *table = json_object_get(view->status, "flow_table");
	json_t *service;
	size_t i;

	page_print(page, TONE_BOLD, "canaryd %s", field_text(view->status, "version", "?"));
	page_print(page, TONE_DIM, "  %s  up %s, %s of %s flows", format_clock(view->now).text,
		   format_duration(field_number(view->status, "uptime_s")).text,
		   format_count(field_number(table, "entries")).text, format_count(field_number(table, "capacity")).text);
	page_print(page, TONE_PLAIN, "\n");
	json_array_foreach(json_object_get(view->status, "services"), i, service) {
		bool this = service == view->service;

		page_print(page, this ? TONE_BOLD : TONE_DIM, this ? "%s[%s]" : "%s %s ", i ? " " : "",
			   field_text(service, "name", "?"));
	}
	page_print(page, TONE_DIM, "  %s %s, %s\n\n", field_text(view->service, "protocol", "?"),
		   field_text(view->service, "vip", "?"), field_text(view->service, "mode", "?"));
}

static void print_split(const struct page *page, const struct top_view *view)
{
	const char *canary = field_text(view->service, "canary", NULL);
	char number[128];

	if (!canary) {
		page_print(page, TONE_PLAIN, "  every new flow goes to %s\n", field_text(view->service, "baseline", "?"));
		return;
	}
	snprintf(number, sizeof(number), "%s of new flows (%s)",
		 format_weight(field_number2(view->service, "weight", "applied")).text,
		 format_share(field_number2(view->service, "weight", "measured")).text);
	print_line(page, TONE_BOLD, canary, view->history->weight, view->history->n, 1, number);
}

static enum tone tone_of(const json_t *version)
{
	return !strcmp(field_text(version, "role", ""), "canary") ? TONE_WARN : TONE_PLAIN;
}

static void print_rates(const struct page *page, const struct top_view *view)
{
	const json_t *versions = json_object_get(view->service, "versions");
	const struct top_history *history = view->history;
	double most = 0, worst = 0.01;
	char number[128];

	for (size_t i = 0; i < TOP_VERSIONS; i++) {
		most = *history->version[i].name ? largest(history->version[i].rate, history->n, most) : most;
		worst = *history->version[i].name ? largest(history->version[i].failed_ratio, history->n, worst) : worst;
	}
	page_print(page, TONE_DIM, "\n  requests\n");
	for (size_t i = 0; i < TOP_VERSIONS && i < json_array_size(versions); i++) {
		const json_t *v = json_array_get(versions, i);

		snprintf(number, sizeof(number), "%s, %s open", format_rate(field_number(v, "rate")).text,
			 format_count(field_number(v, "active_flows")).text);
		print_line(page, tone_of(v), field_text(v, "name", "?"), history->version[i].rate, history->n, most, number);
	}
	page_print(page, TONE_DIM, "  failed\n");
	for (size_t i = 0; i < TOP_VERSIONS && i < json_array_size(versions); i++) {
		const json_t *v = json_array_get(versions, i);
		double attempts = field_number(v, "attempts"), failed = field_number(v, "failed");

		snprintf(number, sizeof(number), "%s of %s (%s)", format_count(failed).text, format_count(attempts).text,
			 format_share(attempts > 0 ? failed / attempts : NAN).text);
		print_line(page, failed > 0 ? TONE_BAD : TONE_PLAIN, field_text(v, "name", "?"),
			   history->version[i].failed_ratio, history->n, worst, number);
	}
}

/* ---- how long versions take, over each other on one logarithmic axis -------------------------------------- */

static double upper_of(const json_t *bucket)
{
	const json_t *upper = json_array_get(bucket, 0);

	return json_is_number(upper) ? json_number_value(upper) : NAN;
}

/* The shortest and the longest latency of any version; false: there is none. */
static bool range_of(const json_t *versions, double *ret_low, double *ret_high)
{
	json_t *version, *bucket;
	size_t i, j;

	*ret_low = INFINITY;
	*ret_high = 0;
	json_array_foreach(versions, i, version)
		json_array_foreach(json_object_get(version, "ttfb"), j, bucket) {
			*ret_low = fmin(*ret_low, upper_of(bucket));
			*ret_high = fmax(*ret_high, upper_of(bucket));
		}
	*ret_low *= 0.9;
	*ret_high *= 1.1;
	return *ret_high > *ret_low;
}

static void spread(const json_t *buckets, double low, double high, unsigned width, double *cells)
{
	json_t *bucket;
	size_t i;

	memset(cells, 0, width * sizeof(*cells));
	json_array_foreach(buckets, i, bucket) {
		double at = log(upper_of(bucket) / low) / log(high / low) * width;

		if (at >= 0)
			cells[at < width ? (unsigned)at : width - 1] += json_number_value(json_array_get(bucket, 1));
	}
}

static void print_axis(const struct page *page, double low, double high, unsigned width)
{
	double middle = sqrt(low * high);
	char left[40], centre[40], right[40];
	int gap;

	snprintf(left, sizeof(left), "%s", format_seconds(low).text);
	snprintf(centre, sizeof(centre), "%s", format_seconds(middle).text);
	snprintf(right, sizeof(right), "%s", format_seconds(high).text);
	gap = (int)width - (int)strlen(left) - (int)strlen(centre) - (int)strlen(right);
	page_print(page, TONE_DIM, "%*s%s%*s%s%*s%s\n", LABEL, "", left, gap > 0 ? gap / 2 : 1, "", centre,
		   gap > 0 ? gap - gap / 2 : 1, "", right);
}

static const json_t *named(const json_t *versions, const char *name)
{
	json_t *version;
	size_t i;

	json_array_foreach(versions, i, version)
		if (!strcmp(field_text(version, "name", ""), name))
			return version;
	return NULL;
}

static void print_latency(const struct page *page, const struct top_view *view)
{
	const json_t *versions = json_object_get(view->latency, "versions");
	unsigned width = width_of(page);
	double low, high, cells[COLUMNS_MAX];
	json_t *version;
	size_t i;

	if (!range_of(versions, &low, &high))
		return;
	page_print(page, TONE_DIM, "\n  first byte, of the last minute\n");
	json_array_foreach(versions, i, version) {
		const char *name = field_text(version, "name", "?");
		const json_t *seen = named(json_object_get(view->service, "versions"), name);
		char number[96];

		if (json_array_size(json_object_get(version, "ttfb")) == 0)
			continue;
		spread(json_object_get(version, "ttfb"), low, high, width, cells);
		snprintf(number, sizeof(number), "p50 %s, p95 %s", format_seconds(field_number2(seen, "ttfb_seconds", "p50")).text,
			 format_seconds(field_number2(seen, "ttfb_seconds", "p95")).text);
		print_line(page, tone_of(seen), name, cells, width, 0, number);
	}
	print_axis(page, low, high, width);
}

static void print_decisions(const struct page *page, const struct top_view *view)
{
	const json_t *decisions = json_object_get(view->rollout, "decisions");
	size_t n = json_array_size(decisions);

	if (n == 0)
		return;
	page_print(page, TONE_DIM, "\n  decisions\n");
	for (size_t i = n > DECISIONS ? n - DECISIONS : 0; i < n; i++) {
		const json_t *decision = json_array_get(decisions, i);

		story_print_line(page, format_clock(field_number(decision, "t")).text, decision);
	}
}

/* The last, where there is room: a terminal shows what fits. */
static void print_failed_flows(const struct page *page, const struct top_view *view)
{
	const json_t *flows = json_object_get(view->service, "failed_flows");
	struct flows_view lines = { .indent = 2, .now = view->now };

	if (json_array_size(flows) == 0)
		return;
	page_print(page, TONE_DIM, "\n  flows that failed, newest first (samples)\n");
	flows_view_print(page, &lines, flows);
}

void top_view(const struct page *page, const struct top_view *view)
{
	const json_t *rollout = json_object_get(view->service, "rollout");

	print_head(page, view);
	if (json_is_object(rollout) && !rollout_view_ended(rollout))
		rollout_view(page, rollout, view->now);
	else if (json_is_object(rollout))
		rollout_view_summary(page, rollout, view->now);
	page_print(page, TONE_PLAIN, "\n");
	print_split(page, view);
	print_rates(page, view);
	print_latency(page, view);
	print_decisions(page, view);
	print_failed_flows(page, view);
}

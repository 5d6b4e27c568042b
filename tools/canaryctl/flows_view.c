/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "flows_view.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "field.h"
#include "format.h"
#include "kinds.h"

#define CELL 64
#define GAP 2
#define OLD_S 43200
#define NOTHING_SLOW "nothing counts as slow: the baseline has had less than 100 responses in 60 s, or samples.slow_response_s is 0"

enum column { WHEN, SERVICE, WHAT, WAITED, VERSION, BACKEND, CLIENT, PLACE };
_Static_assert(PLACE + 1 == FLOWS_VIEW_COLUMNS, "one width a column");

struct row {
	char text[FLOWS_VIEW_COLUMNS][CELL];
};

/* Of a first request its flow says nothing more. */
static void set_place(const json_t *flow, char cell[static CELL])
{
	double request = field_number(flow, "request");

	if (request > 1)
		snprintf(cell, CELL, "request %.0f, flow %s old", request,
			 format_seconds(field_number(flow, "age_seconds")).text);
}

static struct row row_of(const struct flows_view *view, const json_t *flow)
{
	double t = field_number(flow, "t");
	struct format when = view->now - t > OLD_S ? format_date(t) : format_clock(t);
	struct row row = { 0 };

	snprintf(row.text[WHEN], CELL, "%s", when.text);
	snprintf(row.text[SERVICE], CELL, "%s", field_text(flow, "service", ""));
	snprintf(row.text[WHAT], CELL, "%s", kinds_words(field_text(flow, "kind", "?")));
	snprintf(row.text[WAITED], CELL, "%s", format_seconds(field_number(flow, "waited_seconds")).text);
	snprintf(row.text[VERSION], CELL, "%s", field_text(flow, "version", "?"));
	snprintf(row.text[BACKEND], CELL, "%s", field_text(flow, "backend", "?"));
	snprintf(row.text[CLIENT], CELL, "%s", field_text(flow, "client", "?"));
	set_place(flow, row.text[PLACE]);
	return row;
}

static enum tone tone_of(const json_t *flow, enum column column)
{
	if (column == WHEN || column == PLACE)
		return TONE_DIM;
	if (column != WHAT)
		return TONE_PLAIN;
	return strcmp(field_text(flow, "class", ""), "slow") ? TONE_BAD : TONE_WARN;
}

/* How many columns have room beside each other. */
static enum column fitting(const struct page *page, const struct flows_view *view)
{
	size_t used = view->indent;

	for (enum column c = 0; c < FLOWS_VIEW_COLUMNS; c++) {
		used += view->widths[c] + (view->widths[c] && c ? GAP : 0);
		if (c >= CLIENT && used > page->style.columns)
			return c;
	}
	return FLOWS_VIEW_COLUMNS;
}

/* `flow` NULL: the headings. */
static void print_cells(const struct page *page, const struct flows_view *view, const struct row *row, const json_t *flow)
{
	enum column end = fitting(page, view);
	int pending = (int)view->indent;

	for (enum column c = 0; c < end; c++) {
		int padding = (int)(view->widths[c] - page_width(row->text[c])), before = c == WAITED ? padding : 0;

		if (!view->widths[c])
			continue;
		if (*row->text[c]) {
			fprintf(page->out, "%*s", pending + before, "");
			page_print(page, flow ? tone_of(flow, c) : TONE_DIM, "%s", row->text[c]);
			pending = 0;
		}
		pending += padding - before + GAP;
	}
	fputc('\n', page->out);
}

/* What has no room beside the rest, and the trace, on lines of their own. */
static void print_below(const struct page *page, const struct flows_view *view, const struct row *row, const json_t *flow)
{
	const char *trace = field_text(flow, "trace_url", field_text(flow, "trace_id", NULL));
	int indent = (int)(view->indent + view->widths[WHEN] + GAP);
	enum column first = fitting(page, view);

	for (enum column c = first; c < FLOWS_VIEW_COLUMNS; c++)
		if (*row->text[c])
			page_print(page, tone_of(flow, c), "%*s%s", c == first || !*row->text[c - 1] ? indent : GAP, "",
				   row->text[c]);
	if (first == CLIENT || (first == PLACE && *row->text[PLACE]))
		fputc('\n', page->out);
	if (trace)
		page_print(page, TONE_PLAIN, "%*strace %s\n", indent, "", trace);
}

static void print_flow(const struct page *page, const struct flows_view *view, const json_t *flow)
{
	struct row row = row_of(view, flow);

	print_cells(page, view, &row, flow);
	print_below(page, view, &row, flow);
}

static void widen(struct flows_view *view, const struct row *row)
{
	for (enum column c = 0; c < FLOWS_VIEW_COLUMNS; c++)
		if (page_width(row->text[c]) > view->widths[c])
			view->widths[c] = page_width(row->text[c]);
}

void flows_view_print(const struct page *page, struct flows_view *view, const json_t *flows)
{
	static const struct row headings = { { [WHEN] = "time", [WHAT] = "what", [WAITED] = "waited", [VERSION] = "version",
					       [BACKEND] = "backend", [CLIENT] = "client" } };
	json_t *flow;
	size_t i;

	json_array_foreach(flows, i, flow) {
		struct row row = row_of(view, flow);

		widen(view, &row);
	}
	if (view->headings && json_array_size(flows) > 0) {
		widen(view, &headings);
		print_cells(page, view, &headings, NULL);
		view->headings = false;
	}
	json_array_foreach(flows, i, flow)
		print_flow(page, view, flow);
}

/* ---- beside them -------------------------------------------------------------------------------------------- */

static unsigned count_class(const json_t *answer, const char *class)
{
	unsigned count = 0;
	json_t *flow;
	size_t i;

	json_array_foreach(json_object_get(answer, "flows"), i, flow)
		count += strcmp(field_text(flow, "class", ""), class) == 0;
	return count;
}

/* "a response after 12.3 ms and a connection after 1.20 ms", or what of it is known; "" where nothing is. */
static void print_slow(const json_t *answer, char text[static 2 * CELL])
{
	double response = field_number(answer, "slow_response_s"), connect = field_number(answer, "slow_connect_s");
	bool both = !isnan(response) && !isnan(connect);

	text[0] = 0;
	if (!isnan(response))
		snprintf(text, CELL, "a response after %s%s", format_seconds(response).text, both ? " and " : "");
	if (!isnan(connect))
		snprintf(text + strlen(text), CELL, "a connection after %s", format_seconds(connect).text);
}

void flows_view_summary(const struct page *page, const json_t *answer)
{
	double failed = field_number2(answer, "left_out", "failed"), slow = field_number2(answer, "left_out", "slow");
	char slow_is[2 * CELL], line[6 * CELL];

	page_print(page, TONE_BOLD, "%s", field_text(answer, "service", "?"));
	page_print(page, TONE_PLAIN, "  %u failed, %u slow", count_class(answer, "failed"), count_class(answer, "slow"));
	if (failed > 0 || slow > 0)
		page_print(page, TONE_WARN, "; the kernel's rate limit left out %s failed, %s slow", format_count(failed).text,
			   format_count(slow).text);
	else
		page_print(page, TONE_PLAIN, "; none left out");
	fputc('\n', page->out);
	print_slow(answer, slow_is);
	snprintf(line, sizeof(line), "%s%s%s", *slow_is ? "slow is " : NOTHING_SLOW, slow_is,
		 json_is_true(json_object_get(answer, "traces")) ? "" : "; no traces: samples.traces is off");
	page_wrap(page, TONE_DIM, 2, line);
}

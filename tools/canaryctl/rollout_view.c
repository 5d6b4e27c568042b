/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rollout_view.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "canaryd/api.h"
#include "field.h"
#include "format.h"

static const struct {
	const char *state, *words;
	enum tone tone;
} states[] = {
	{ API_STATE_RUNNING, "running", TONE_BOLD },
	{ API_STATE_HELD, "held", TONE_WARN },
	{ API_STATE_PAUSED, "paused", TONE_WARN },
	{ API_STATE_PROMOTED, "promoted", TONE_GOOD },
	{ API_STATE_ROLLED_BACK, "rolled back", TONE_BAD },
	{ API_STATE_ABORTED, "aborted", TONE_WARN },
	{ API_STATE_UNDONE, "undone", TONE_WARN },
	{ API_STATE_COMPLETED, "completed", TONE_GOOD },
};

const char *rollout_view_state(const json_t *rollout, enum tone *ret_tone)
{
	const char *state = field_text(rollout, "state", "?");

	for (size_t i = 0; i < sizeof(states) / sizeof(*states); i++) {
		if (strcmp(state, states[i].state) == 0) {
			*ret_tone = states[i].tone;
			return states[i].words;
		}
	}
	*ret_tone = TONE_PLAIN;
	return state;
}

bool rollout_view_ended(const json_t *rollout)
{
	static const char *const under_way[] = { API_STATE_RUNNING, API_STATE_HELD, API_STATE_PAUSED };
	const char *state = field_text(rollout, "state", API_STATE_RUNNING);

	for (size_t i = 0; i < sizeof(under_way) / sizeof(*under_way); i++)
		if (strcmp(state, under_way[i]) == 0)
			return false;
	return true;
}

static double age(const json_t *rollout, double now)
{
	double ended = field_number(rollout, "ended");

	return (isnan(ended) ? now : ended) - field_number(rollout, "started");
}

static size_t step_count(const json_t *rollout)
{
	return json_array_size(json_object_get(rollout, "steps"));
}

/* "step 2 of 5", "warm-up", "bake" */
static void phase_words(const json_t *rollout, char *words, size_t size)
{
	const char *phase = field_text(rollout, "phase", "?");

	if (strcmp(phase, API_PHASE_STEP) == 0)
		snprintf(words, size, "step %.0f of %zu", field_number(rollout, "step") + 1, step_count(rollout));
	else if (strcmp(phase, API_PHASE_WARMUP) == 0)
		snprintf(words, size, "warm-up");
	else
		snprintf(words, size, "%s", phase);
}

void rollout_view_outcome(const json_t *rollout, double now, char *line, size_t size)
{
	enum tone tone;
	const char *state = rollout_view_state(rollout, &tone);

	snprintf(line, size, "%s: %s %s %s %s", field_text(rollout, "service", "?"), field_text(rollout, "canary", "?"),
		 state, rollout_view_ended(rollout) ? "after" : "for", format_duration(age(rollout, now)).text);
}

/* ---- evidence ---------------------------------------------------------------------------------------------- */

/* Evidence multiplies, so its way to the bound is drawn in logarithms: 1 is empty, the bound is full. */
static double evidence_share(double evidence, double bound)
{
	if (isnan(evidence) || evidence <= 1 || !(bound > 1))
		return 0;
	return fmin(log(evidence) / log(bound), 1);
}

/* Without a say, or without a value: that comes before any verdict. NULL: neither. */
static const char *no_say(const json_t *sli)
{
	const char *state = field_text(sli, "state", "ok");

	if (json_is_true(json_object_get(sli, "muted")))
		return "muted";
	if (strcmp(state, "ok") != 0)
		return state;
	return NULL;
}

/* The SLI that promotion waits for: the one that lags most. NULL: none is judged. */
static const json_t *lagging(const json_t *rollout)
{
	const json_t *best = NULL;
	double best_share = 0;
	json_t *sli;
	size_t i;

	json_array_foreach(json_object_get(rollout, "slis"), i, sli) {
		double evidence = field_number2(sli, "promotion", "evidence");
		double share = evidence_share(evidence, field_number2(sli, "promotion", "bound"));

		if (no_say(sli) || json_is_true(json_object_get(sli, "dry_run")) || isnan(evidence))
			continue;
		if (!best || share < best_share) {
			best = sli;
			best_share = share;
		}
	}
	return best;
}

/* "12 of 100" */
static void print_test(const json_t *test, char *text, size_t size)
{
	snprintf(text, size, "%s of %s", format_factor(field_number(test, "evidence")).text,
		 format_factor(field_number(test, "bound")).text);
}

static void evidence_words(const json_t *rollout, char *words, size_t size)
{
	const json_t *all = json_object_get(rollout, "rollback"), *sli = lagging(rollout);
	char test[80];
	int used = 0;

	*words = '\0';
	if (json_is_object(all)) {
		print_test(all, test, sizeof(test));
		used = snprintf(words, size, "; to roll back: %s", test);
	}
	if (sli && used >= 0 && (size_t)used < size) {
		print_test(json_object_get(sli, "promotion"), test, sizeof(test));
		snprintf(words + used, size - (size_t)used, "; to promote: %s %s", field_text(sli, "name", "?"), test);
	}
}

void rollout_view_progress(const json_t *rollout, char *line, size_t size)
{
	bool running = strcmp(field_text(rollout, "state", ""), API_STATE_RUNNING) == 0;
	enum tone tone;
	char phase[64], words[256];

	if (rollout_view_ended(rollout)) {
		snprintf(line, size, "%s", rollout_view_state(rollout, &tone));
		return;
	}
	phase_words(rollout, phase, sizeof(phase));
	evidence_words(rollout, words, sizeof(words));
	snprintf(line, size, "%s, %s%s%s%s", format_weight(field_number(rollout, "weight")).text, phase, running ? "" : ", ",
		 running ? "" : rollout_view_state(rollout, &tone), words);
}

static enum tone verdict_tone(const char *verdict)
{
	if (strcmp(verdict, "pass") == 0)
		return TONE_GOOD;
	if (strcmp(verdict, "fail") == 0)
		return TONE_BAD;
	return TONE_PLAIN;
}

static struct format measured(const json_t *sli, const char *version)
{
	double value = field_number(sli, version);
	const char *unit = field_text(sli, "unit", "ratio");

	if (strcmp(unit, "seconds") == 0)
		return format_seconds(value);
	if (strcmp(unit, "number") == 0)
		return format_number(value);
	return strcmp(unit, "bytes") == 0 ? format_bytes(value) : format_share(value);
}

/* "errors"; a latency says which quantile its values are: "latency p95". */
static void cell_name(struct table *table, const json_t *sli)
{
	double quantile = field_number(sli, "quantile");

	if (isnan(quantile))
		table_cell(table, TONE_PLAIN, "%s", field_text(sli, "name", "?"));
	else
		table_cell(table, TONE_PLAIN, "%s p%.4g", field_text(sli, "name", "?"), quantile * 100);
}

static void cell_interval(struct table *table, const struct page *page, const json_t *sli)
{
	const json_t *interval = json_object_get(sli, "interval");
	const json_t *low = json_array_get(interval, 0), *high = json_array_get(interval, 1);

	if (json_is_number(low) && json_is_number(high))
		table_cell(table, TONE_PLAIN, "%s %s %s", format_factor(json_number_value(low)).text,
			   page_glyph(page, GLYPH_DOTS), format_factor(json_number_value(high)).text);
	else
		table_cell(table, TONE_DIM, "-");
}

static bool is_gauge(const json_t *sli)
{
	return strcmp(field_text(sli, "kind", "count"), "gauge") == 0;
}

static void cell_verdict(struct table *table, const json_t *sli)
{
	const char *verdict = field_text(sli, "verdict", "?");
	double wait = field_number(sli, "time_to_verdict_s");
	const char *words = strcmp(verdict, "no_data") == 0 ? "no data" : verdict, *first = no_say(sli);
	bool crossed = is_gauge(sli) && strcmp(verdict, "inconclusive") == 0;
	char bare[32];

	if (first) {
		snprintf(bare, sizeof(bare), "%s", first);
		for (char *c = bare; *c; c++)
			*c = *c == '_' ? ' ' : *c;
		table_cell(table, strcmp(first, "muted") ? TONE_WARN : TONE_DIM, "%s", bare);
	} else if (json_is_true(json_object_get(sli, "dry_run"))) {
		table_cell(table, TONE_DIM, "dry run: %s", words);
	} else if (crossed) {
		table_cell(table, TONE_WARN, "beyond its bound");
	} else if (isnan(wait) || strcmp(verdict, "inconclusive") != 0) {
		table_cell(table, verdict_tone(verdict), "%s", words);
	} else {
		table_cell(table, TONE_PLAIN, "open, about %s more", format_duration(wait).text);
	}
}

/* What is wrong with a look, and which bound is crossed, in full: the table has no room for it. */
static void said_lines(const struct page *page, const json_t *rollout)
{
	char line[320];
	json_t *sli;
	size_t i;

	json_array_foreach(json_object_get(rollout, "slis"), i, sli) {
		if (!*field_text(sli, "said", ""))
			continue;
		snprintf(line, sizeof(line), "%s: %s", field_text(sli, "name", "?"), field_text(sli, "said", ""));
		page_wrap(page, no_say(sli) ? TONE_WARN : TONE_PLAIN, 4, line);
	}
}

static void measured_table(const struct page *page, const json_t *rollout)
{
	struct table *table = table_new("lrrll");
	json_t *sli;
	size_t i;

	table_cell(table, TONE_DIM, "indicator");
	table_cell(table, TONE_DIM, "%s", field_text(rollout, "baseline", "baseline"));
	table_cell(table, TONE_DIM, "%s", field_text(rollout, "canary", "canary"));
	table_cell(table, TONE_DIM, "ratio (95 %%)");
	table_cell(table, TONE_DIM, "verdict");
	json_array_foreach(json_object_get(rollout, "slis"), i, sli) {
		cell_name(table, sli);
		table_cell(table, TONE_PLAIN, "%s", measured(sli, "baseline").text);
		table_cell(table, TONE_PLAIN, "%s", measured(sli, "canary").text);
		cell_interval(table, page, sli);
		cell_verdict(table, sli);
	}
	table_print(table, page, 4);
}

static void cells_test(struct table *table, const struct page *page, const json_t *sli, const char *side,
		       enum tone full)
{
	const json_t *test = json_object_get(sli, side);
	double evidence = field_number(test, "evidence"), bound = field_number(test, "bound");
	double share = evidence_share(evidence, bound);
	unsigned width = page->style.columns >= 110 ? 24 : 12;
	char bar[BAR_BYTES];

	if (isnan(evidence)) {
		table_cell(table, TONE_DIM, "not judged");
		table_cell(table, TONE_DIM, "%s", "");
		return;
	}
	page_bar(page, share, width, bar);
	table_cell(table, share >= 1 ? full : TONE_PLAIN, "%s", bar);
	table_cell(table, share >= 1 ? full : TONE_PLAIN, "%s of %s", format_factor(evidence).text,
		   format_factor(bound).text);
}

/* What is decided from: one against the canary, all for it. */
static void row_together(struct table *table, const struct page *page, const json_t *rollout)
{
	if (!json_is_object(json_object_get(rollout, "rollback")))
		return;
	table_cell(table, TONE_BOLD, "together");
	cells_test(table, page, rollout, "rollback", TONE_BAD);
	table_cell(table, TONE_DIM, "needs all");
	table_end(table);
}

static void evidence_table(const struct page *page, const json_t *rollout)
{
	struct table *table = table_new("llrlr");
	json_t *sli;
	size_t i;

	table_cell(table, TONE_DIM, "evidence");
	table_cell(table, TONE_DIM, "to roll back");
	table_cell(table, TONE_DIM, "%s", "");
	table_cell(table, TONE_DIM, "to promote");
	table_end(table);
	json_array_foreach(json_object_get(rollout, "slis"), i, sli) {
		if (is_gauge(sli))
			continue;
		table_cell(table, TONE_PLAIN, "%s", field_text(sli, "name", "?"));
		cells_test(table, page, sli, "rollback", TONE_BAD);
		cells_test(table, page, sli, "promotion", TONE_GOOD);
	}
	row_together(table, page, rollout);
	table_print(table, page, 4);
}

/* ---- steps ------------------------------------------------------------------------------------------------- */

/* "1 % ✔  5 %  [25 %]  50 %  100 %  bake 10 min": where the rollout is and what lies ahead. */
static void steps_line(const struct page *page, const json_t *rollout)
{
	double at = field_number(rollout, "step"), bake_s = field_number(rollout, "bake_s");
	const char *phase = field_text(rollout, "phase", "");
	bool baking = !strcmp(phase, API_PHASE_BAKE), ended = rollout_view_ended(rollout);
	bool promoted = strcmp(field_text(rollout, "state", ""), API_STATE_PROMOTED) == 0;
	char paragraph[1024] = "";
	size_t used = 0, i;
	json_t *step;

	json_array_foreach(json_object_get(rollout, "steps"), i, step) {
		bool done = promoted || baking || (double)i < at, here = !ended && !baking && (double)i == at;
		struct format weight = format_weight(field_number(step, "weight"));

		if (used < sizeof(paragraph))
			used += (size_t)snprintf(paragraph + used, sizeof(paragraph) - used, "%s%s%s%s%s%s",
						 i ? ", " : "steps: ", here ? "[" : "", weight.text, here ? "]" : "",
						 done ? " " : "", done ? page_glyph(page, GLYPH_CHECK) : "");
	}
	if (used < sizeof(paragraph) && bake_s > 0)
		snprintf(paragraph + used, sizeof(paragraph) - used, ", %sbake %s%s", baking ? "[" : "",
			 format_duration(bake_s).text, baking ? "]" : "");
	page_wrap(page, TONE_PLAIN, 4, paragraph);
}

static void title(const struct page *page, const json_t *rollout, double now)
{
	enum tone tone;
	const char *state = rollout_view_state(rollout, &tone);
	char phase[64];

	page_print(page, TONE_BOLD, "  rollout %.0f", field_number(rollout, "id"));
	page_print(page, TONE_PLAIN, "  %s %s %s  ", field_text(rollout, "baseline", "?"),
		   page_glyph(page, GLYPH_ARROW), field_text(rollout, "canary", "?"));
	page_print(page, tone, "%s", state);
	if (rollout_view_ended(rollout)) {
		page_print(page, TONE_PLAIN, " after %s, at %s\n", format_duration(age(rollout, now)).text,
			   format_date(field_number(rollout, "ended")).text);
		return;
	}
	phase_words(rollout, phase, sizeof(phase));
	page_print(page, TONE_PLAIN, ", %s at %s, for %s\n", phase, format_weight(field_number(rollout, "weight")).text,
		   format_duration(age(rollout, now)).text);
}

void rollout_view_summary(const struct page *page, const json_t *rollout, double now)
{
	title(page, rollout, now);
	page_wrap(page, TONE_PLAIN, 4, field_text(rollout, "reason", ""));
	if (!rollout_view_ended(rollout))
		page_wrap(page, TONE_PLAIN, 4, field_text(rollout, "evidence", ""));
	steps_line(page, rollout);
}

void rollout_view(const struct page *page, const json_t *rollout, double now)
{
	rollout_view_summary(page, rollout, now);
	if (json_array_size(json_object_get(rollout, "slis")) > 0) {
		fputc('\n', page->out);
		measured_table(page, rollout);
		said_lines(page, rollout);
		fputc('\n', page->out);
		evidence_table(page, rollout);
	}
}

void rollout_view_history(const struct page *page, const json_t *rollouts)
{
	static const char *const headings[] = { "id", "service", "baseline", "canary", "started", "took", "outcome" };
	struct table *table = table_new("rllllrl");
	json_t *rollout;
	size_t i;

	for (i = 0; i < sizeof(headings) / sizeof(*headings); i++)
		table_cell(table, TONE_DIM, "%s", headings[i]);
	json_array_foreach(rollouts, i, rollout) {
		enum tone tone;
		const char *state = rollout_view_state(rollout, &tone);
		double ended = field_number(rollout, "ended");

		table_cell(table, TONE_PLAIN, "%.0f", field_number(rollout, "id"));
		table_cell(table, TONE_PLAIN, "%s", field_text(rollout, "service", "?"));
		table_cell(table, TONE_PLAIN, "%s", field_text(rollout, "baseline", "?"));
		table_cell(table, TONE_PLAIN, "%s", field_text(rollout, "canary", "?"));
		table_cell(table, TONE_PLAIN, "%s", format_date(field_number(rollout, "started")).text);
		table_cell(table, TONE_PLAIN, "%s", format_duration(ended - field_number(rollout, "started")).text);
		table_cell(table, tone, "%s", state);
	}
	table_print(table, page, 0);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "story.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "canaryd/api.h"
#include "field.h"
#include "format.h"
#include "rollout_view.h"

/* Where the sentences begin: below what was decided, right of the time of day. */
#define INDENT 10

static const struct {
	const char *decision, *words;
	enum tone tone;
} decisions[] = {
	{ API_DECISION_START, "started", TONE_BOLD },
	{ API_DECISION_ADVANCE, "advanced", TONE_BOLD },
	{ API_DECISION_HOLD, "held", TONE_WARN },
	{ API_DECISION_RESUME, "resumed", TONE_BOLD },
	{ API_DECISION_PAUSE, "paused", TONE_WARN },
	{ API_DECISION_ROLL_BACK, "rolled back", TONE_BAD },
	{ API_DECISION_PROMOTE, "promoted", TONE_GOOD },
	{ API_DECISION_ABORT, "aborted", TONE_WARN },
	{ API_DECISION_UNDO, "undone", TONE_WARN },
	{ API_DECISION_COMPLETE, "completed", TONE_GOOD },
	{ API_DECISION_NOTE, "noted", TONE_DIM },
	{ "promotable", "promotable", TONE_GOOD },
};

static const char *words_of(const char *decision, enum tone *ret_tone)
{
	for (size_t i = 0; i < sizeof(decisions) / sizeof(*decisions); i++) {
		if (strcmp(decision, decisions[i].decision) == 0) {
			*ret_tone = decisions[i].tone;
			return decisions[i].words;
		}
	}
	*ret_tone = TONE_PLAIN;
	return decision;
}

static struct format format_measured(const char *unit, double value)
{
	if (!strcmp(unit, "ratio"))
		return format_share(value);
	if (!strcmp(unit, "seconds"))
		return format_seconds(value);
	return strcmp(unit, "bytes") ? format_number(value) : format_bytes(value);
}

/* The comparison that was decided upon, against its bound. */
static void print_value(const json_t *decision, FILE *out)
{
	double value = field_number(decision, "value"), bound = field_number(decision, "bound");
	const char *unit = field_text(decision, "unit", API_UNIT_EVIDENCE), *sli = field_text(decision, "sli", "all");

	if (isnan(value) || isnan(bound))
		return;
	if (!strcmp(unit, API_UNIT_EVIDENCE))
		fprintf(out, "%s: evidence %s, bound %s; ", sli, format_factor(value).text, format_factor(bound).text);
	else
		fprintf(out, "%s: value %s, bound %s; ", sli, format_measured(unit, value).text,
			format_measured(unit, bound).text);
}

/* What the counts of a decision are of. */
static const char *bad_of(const json_t *decision)
{
	return strcmp(field_text(decision, "sli", ""), "latency") == 0 ? "too slow" : "failed";
}

static void print_counts(const json_t *counts, const char *bad, FILE *out)
{
	double attempts = field_number(counts, "attempts"), failed = field_number(counts, "failed");

	fprintf(out, "%s of %s %s", format_count(failed).text, format_count(attempts).text, bad);
	if (attempts > 0)
		fprintf(out, " (%s)", format_share(failed / attempts).text);
}

/* The numbers behind the reason, where there are any. */
static void print_numbers(const struct page *page, const json_t *decision)
{
	const json_t *counts = json_object_get(decision, "counts");
	const json_t *baseline = json_object_get(counts, "baseline"), *canary = json_object_get(counts, "canary");
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return;
	print_value(decision, out);
	if (field_number(baseline, "attempts") > 0 || field_number(canary, "attempts") > 0) {
		fputs("baseline ", out);
		print_counts(baseline, bad_of(decision), out);
		fputs(", canary ", out);
		print_counts(canary, bad_of(decision), out);
	}
	fclose(out);
	page_wrap(page, TONE_DIM, INDENT, text);
	free(text);
}

/* "14:02:11  advanced: 1 % → 5 %" */
static void print_what(const struct page *page, const char *when, const json_t *decision)
{
	double from = field_number(decision, "weight_from"), to = field_number(decision, "weight_to");
	enum tone tone;
	const char *words = words_of(field_text(decision, "decision", "?"), &tone);

	page_print(page, TONE_DIM, "%-8s  ", when);
	page_print(page, tone, "%s", words);
	if (from == to)
		page_print(page, TONE_PLAIN, " at %s", format_weight(to).text);
	else
		page_print(page, TONE_PLAIN, ": %s %s %s", format_weight(from).text, page_glyph(page, GLYPH_ARROW),
			   format_weight(to).text);
}

void story_print_line(const struct page *page, const char *when, const json_t *decision)
{
	page_print(page, TONE_PLAIN, "  ");
	print_what(page, when, decision);
	page_print(page, TONE_DIM, "  %s\n", field_text(decision, "reason", ""));
}

void story_print_decision(const struct page *page, const char *when, const json_t *decision)
{
	print_what(page, when, decision);
	page_print(page, TONE_PLAIN, "\n");
	page_wrap(page, TONE_PLAIN, INDENT, field_text(decision, "reason", ""));
	print_numbers(page, decision);
}

/* What it waits for; a daemon that does not say so says where it is. */
static void print_now(const struct page *page, const json_t *rollout)
{
	double expires_s = field_number(rollout, "expires_s");

	page_print(page, TONE_DIM, "%s  ", "now     ");
	page_print(page, TONE_PLAIN, "still under way");
	if (!isnan(expires_s))
		page_print(page, TONE_WARN, ", expires in %s", format_duration(expires_s).text);
	page_print(page, TONE_PLAIN, "\n");
	page_wrap(page, TONE_PLAIN, INDENT, field_text(rollout, "waiting", field_text(rollout, "reason", "")));
}

void story_print(const struct page *page, const json_t *rollout, double now)
{
	char outcome[256];
	json_t *decision;
	size_t i;

	rollout_view_outcome(rollout, now, outcome, sizeof(outcome));
	page_print(page, TONE_BOLD, "rollout %.0f of %s\n", field_number(rollout, "id"), outcome);
	page_print(page, TONE_PLAIN, "%s against %s, started %s\n\n", field_text(rollout, "canary", "?"),
		   field_text(rollout, "baseline", "?"), format_date(field_number(rollout, "started")).text);
	json_array_foreach(json_object_get(rollout, "decisions"), i, decision)
		story_print_decision(page, format_clock(field_number(decision, "t")).text, decision);
	if (!rollout_view_ended(rollout))
		print_now(page, rollout);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "doctor_report.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *name;
	enum tone tone;
} levels[] = {
	[DOCTOR_OK] = { "ok", TONE_GOOD },
	[DOCTOR_WARNING] = { "warning", TONE_WARN },
	[DOCTOR_PROBLEM] = { "problem", TONE_BAD },
};

void doctor_report_deinit(struct doctor_report *report)
{
	for (size_t i = 0; i < report->count; i++) {
		free(report->lines[i].says);
		free(report->lines[i].mend);
	}
	free(report->lines);
	*report = (struct doctor_report){ 0 };
}

static void add(struct doctor_report *report, enum doctor_level level, const char *mend, const char *format,
		va_list arguments)
{
	struct doctor_line *lines = reallocarray(report->lines, report->count + 1, sizeof(*lines)), *line;

	if (!lines)
		return;
	report->lines = lines;
	line = &lines[report->count];
	*line = (struct doctor_line){ .level = level, .mend = mend ? strdup(mend) : NULL };
	snprintf(line->subject, sizeof(line->subject), "%s", report->subject ?: "");
	if (vasprintf(&line->says, format, arguments) < 0) {
		free(line->mend);
		return;
	}
	report->count++;
}

void doctor_ok(struct doctor_report *report, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	add(report, DOCTOR_OK, NULL, format, arguments);
	va_end(arguments);
}

void doctor_say(struct doctor_report *report, enum doctor_level level, const char *mend, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	add(report, level, mend, format, arguments);
	va_end(arguments);
}

size_t doctor_count(const struct doctor_report *report, enum doctor_level level)
{
	size_t count = 0;

	for (size_t i = 0; i < report->count; i++)
		count += report->lines[i].level == level;
	return count;
}

/* ---- printing ---------------------------------------------------------------------------------------------- */

#define INDENT 9 /* of what follows the level */

static void print_line(const struct doctor_line *line, const struct page *page, int width)
{
	page_print(page, levels[line->level].tone, "%-*s", INDENT, levels[line->level].name);
	page_print(page, TONE_PLAIN, "%-*s  %s\n", width, line->subject, line->says);
	if (line->mend)
		page_wrap(page, TONE_BOLD, INDENT + (unsigned)width + 2, line->mend);
}

static void print_sum(const struct doctor_report *report, const struct page *page)
{
	size_t problems = doctor_count(report, DOCTOR_PROBLEM), warnings = doctor_count(report, DOCTOR_WARNING);

	page_print(page, problems ? TONE_BAD : warnings ? TONE_WARN : TONE_GOOD, "%zu problem%s, %zu warning%s", problems,
		   problems == 1 ? "" : "s", warnings, warnings == 1 ? "" : "s");
	page_print(page, TONE_PLAIN, " in %zu checks\n", report->count);
}

void doctor_print(const struct doctor_report *report, const struct page *page)
{
	size_t width = 0;

	for (size_t i = 0; i < report->count; i++)
		if (strlen(report->lines[i].subject) > width)
			width = strlen(report->lines[i].subject);
	for (size_t i = 0; i < report->count; i++)
		print_line(&report->lines[i], page, (int)width);
	print_sum(report, page);
}

json_t *doctor_json(const struct doctor_report *report)
{
	json_t *checks = json_array();

	for (size_t i = 0; i < report->count; i++) {
		const struct doctor_line *line = &report->lines[i];

		json_array_append_new(checks, json_pack("{s:s, s:s, s:s, s:s?}", "level", levels[line->level].name,
							"subject", line->subject, "says", line->says, "mend", line->mend));
	}
	return json_pack("{s:I, s:I, s:o}", "problems", (json_int_t)doctor_count(report, DOCTOR_PROBLEM), "warnings",
			 (json_int_t)doctor_count(report, DOCTOR_WARNING), "checks", checks);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What canaryctl doctor has found: lines, each with its mend, and how they are printed. */
#ifndef CANARYCTL_DOCTOR_REPORT_H
#define CANARYCTL_DOCTOR_REPORT_H

#include <jansson.h>
#include <stddef.h>

#include "page.h"

enum doctor_level {
	DOCTOR_OK = 0,
	DOCTOR_WARNING, /* canaryd runs, less well or less safely than it could; or this could not be looked at */
	DOCTOR_PROBLEM, /* it does not start, or does not do what the configuration asks for */
};

struct doctor_line {
	enum doctor_level level;
	char subject[64]; /* "kernel", "interface eth0", "service checkout" */
	char *says;
	char *mend; /* NULL: nothing to mend */
};

struct doctor_report {
	struct doctor_line *lines;
	size_t count;
	const char *subject; /* of the lines that follow */
};

void doctor_report_deinit(struct doctor_report *report);

/* Adds a line about report->subject; where memory is short there is none. */
void doctor_ok(struct doctor_report *report, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* `mend`: what to do, a sentence or a command line. */
void doctor_say(struct doctor_report *report, enum doctor_level level, const char *mend, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

size_t doctor_count(const struct doctor_report *report, enum doctor_level level);
void doctor_print(const struct doctor_report *report, const struct page *page);
/* {problems, warnings, checks: [{level, subject, says, mend|null}]} */
json_t *doctor_json(const struct doctor_report *report);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* canaryd's command line: one table, which parsing, --help, the manual and the completion come from. */
#ifndef CANARYD_OPTIONS_H
#define CANARYD_OPTIONS_H

#include <getopt.h>
#include <stdio.h>

struct options_entry {
	const char *name;
	char letter;
	const char *argument; /* the name of its value, or NULL */
	const char *help;     /* one line */
};

extern const struct options_entry options_table[]; /* ends with a NULL name */

#define OPTIONS_MAX 16
struct options_parser {
	struct option longs[OPTIONS_MAX + 1];
	char shorts[2 * OPTIONS_MAX + 1];
};

/* What getopt_long() wants; an option's value is its letter. */
void options_parser_init(struct options_parser *parser);

void options_print_help(FILE *out);

#endif

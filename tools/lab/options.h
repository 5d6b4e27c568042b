/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Command lines from a table: --help prints the table, a wrong value ends the program with exit code 2. */
#ifndef CANARYD_LAB_OPTIONS_H
#define CANARYD_LAB_OPTIONS_H

#include <stddef.h>

struct option_entry {
	const char *name;
	const char *argument; /* its word in the help; NULL: a flag */
	const char *help;
	/* exactly one of these takes the value */
	void (*take)(const char *option, const char *value); /* value is NULL for a flag */
	const char **text;
	double *number; /* in [low, high] */
	double low, high;
};

/* Reads the command line. Ends the program for --help, and with an error for what the table does not know. */
void options_read(const struct option_entry *table, size_t count, const char *summary, int argc, char **argv);

/* Prints "PROGRAM: --option: message" and ends the program with exit code 2. */
void options_fail(const char *option, const char *message, const char *value) __attribute__((noreturn));

#endif

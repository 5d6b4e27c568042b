/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/lab/options.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "canaryd/api.h"

#define OPTIONS_MAX 32

void options_fail(const char *option, const char *message, const char *value)
{
	fprintf(stderr, "%s: --%s: %s: '%s'\n", program_invocation_short_name, option, message, value);
	exit(API_EXIT_USAGE);
}

static void print_help(const struct option_entry *table, size_t count, const char *summary)
{
	char left[64];

	printf("%s: %s\n\n", program_invocation_short_name, summary);
	for (size_t i = 0; i < count; i++) {
		snprintf(left, sizeof(left), "--%s %s", table[i].name, table[i].argument ? table[i].argument : "");
		printf("  %-30s %s\n", left, table[i].help);
	}
	exit(API_EXIT_OK);
}

static void take(const struct option_entry *entry, const char *value)
{
	char *end, range[80];
	double number;

	if (entry->take) {
		entry->take(entry->name, value);
	} else if (entry->text) {
		*entry->text = value;
	} else {
		number = strtod(value, &end);
		snprintf(range, sizeof(range), "not a number from %g to %g", entry->low, entry->high);
		if (end == value || *end || isnan(number) || number < entry->low || number > entry->high)
			options_fail(entry->name, range, value);
		*entry->number = number;
	}
}

void options_read(const struct option_entry *table, size_t count, const char *summary, int argc, char **argv)
{
	struct option longs[OPTIONS_MAX + 2] = {0};
	int found;

	for (size_t i = 0; i < count && i < OPTIONS_MAX; i++) {
		longs[i].name = table[i].name;
		longs[i].has_arg = table[i].argument ? required_argument : no_argument;
		longs[i].val = (int)i;
	}
	longs[count < OPTIONS_MAX ? count : OPTIONS_MAX] = (struct option){.name = "help", .val = OPTIONS_MAX};
	while ((found = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (found == OPTIONS_MAX)
			print_help(table, count, summary);
		if (found == '?') {
			fprintf(stderr, "%s: --help lists the options\n", program_invocation_short_name);
			exit(API_EXIT_USAGE);
		}
		take(&table[found], optarg);
	}
	if (optind < argc) {
		fprintf(stderr, "%s: '%s' is not an option: --help lists them\n", program_invocation_short_name, argv[optind]);
		exit(API_EXIT_USAGE);
	}
}

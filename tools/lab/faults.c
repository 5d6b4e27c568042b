/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/lab/faults.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *name;
	size_t offset;
	double high;
} dials[] = {
	{"errors", offsetof(struct faults, errors), 1},
	{"reset", offsetof(struct faults, reset), 1},
	{"reset_mid", offsetof(struct faults, reset_mid), 1},
	{"empty", offsetof(struct faults, empty), 1},
	{"delay_ms", offsetof(struct faults, delay_ms), 60000},
	{"refuse", offsetof(struct faults, refuse), 1},
	{"blackhole", offsetof(struct faults, blackhole), 1},
};

static int turn_dial(struct faults *faults, size_t i, const char *value, char *message, size_t size)
{
	char *end;
	double number = strtod(value, &end);

	if (end == value || *end || isnan(number) || number < 0 || number > dials[i].high) {
		snprintf(message, size, "%s: '%s' is not a number from 0 to %g", dials[i].name, value, dials[i].high);
		return -EINVAL;
	}
	*(double *)((char *)faults + dials[i].offset) = number;
	return 0;
}

static int apply_word(struct faults *faults, const char *word, char *message, size_t size)
{
	const char *equals = strchr(word, '=');

	if (strcmp(word, "clear") == 0) {
		*faults = (struct faults){0};
		return 0;
	}
	for (size_t i = 0; equals && i < sizeof(dials) / sizeof(dials[0]); i++)
		if (strlen(dials[i].name) == (size_t)(equals - word) &&
		    strncmp(word, dials[i].name, (size_t)(equals - word)) == 0)
			return turn_dial(faults, i, equals + 1, message, size);
	snprintf(message, size, "'%s' is no fault: errors=, reset=, reset_mid=, empty=, delay_ms=, refuse=, blackhole=, clear",
		 word);
	return -EINVAL;
}

int faults_parse(struct faults *faults, const char *line, char *message, size_t size)
{
	struct faults next = *faults;
	char copy[256], *rest = NULL;

	if (strlen(line) >= sizeof(copy)) {
		snprintf(message, size, "the line is longer than %zu bytes", sizeof(copy) - 1);
		return -EINVAL;
	}
	strcpy(copy, line);
	for (char *word = strtok_r(copy, " \t\r\n", &rest); word; word = strtok_r(NULL, " \t\r\n", &rest)) {
		int r = apply_word(&next, word, message, size);

		if (r < 0)
			return r;
	}
	if (next.errors + next.reset + next.reset_mid + next.empty > 1 + 1e-9) {
		snprintf(message, size, "errors, reset, reset_mid and empty are more than 1 together");
		return -EINVAL;
	}
	*faults = next;
	return 0;
}

enum fault_outcome faults_choose(const struct faults *faults, double chance)
{
	if ((chance -= faults->errors) < 0)
		return FAULT_ERROR;
	if ((chance -= faults->reset) < 0)
		return FAULT_RESET;
	if ((chance -= faults->reset_mid) < 0)
		return FAULT_RESET_MID;
	return (chance - faults->empty) < 0 ? FAULT_EMPTY : FAULT_NONE;
}

double faults_random(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return (double)((*state * 2685821657736338717u) >> 11) / 9007199254740992.0;
}

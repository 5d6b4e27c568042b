/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Recorded answers of the daemon and what canaryctl draws from them: tests/unit/fixtures. For tests only. */
#ifndef TESTS_FIXTURE_H
#define TESTS_FIXTURE_H

#include <stdio.h>

/* The whole file, NUL-terminated; the caller frees. NULL: there is none. */
static char *fixture_read(const char *name, const char *suffix)
{
	char path[128], *text = NULL;
	size_t size;
	FILE *memory, *file;
	int c;

	snprintf(path, sizeof(path), "tests/unit/fixtures/%s%s", name, suffix);
	file = fopen(path, "re");
	if (!file)
		return NULL;
	memory = open_memstream(&text, &size);
	while ((c = fgetc(file)) != EOF)
		fputc(c, memory);
	fclose(memory);
	fclose(file);
	return text;
}

#endif

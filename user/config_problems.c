/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The problems of a configuration: gathered by the steps of reading, printed one a line. */
#include "user/config_reading.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define SHOWN_MAX 50

/* A file's text goes to terminals and logs: control characters must not. */
static void make_printable(char *text)
{
	for (char *c = text; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
}

static void add(struct config_problems *problems, size_t line, const char *path, const char *format, va_list args)
{
	struct config_problem *items = NULL;
	char *what = NULL, *text = NULL;

	if (problems->count >= SHOWN_MAX) {
		problems->more++;
		return;
	}
	if (vasprintf(&what, format, args) < 0)
		what = NULL;
	if (what && asprintf(&text, "%s%s%s", path, *path ? ": " : "", what) < 0)
		text = NULL;
	if (text)
		items = reallocarray(problems->items, problems->count + 1, sizeof(*items));
	free(what);
	if (!items) {
		problems->no_memory = true;
		free(text);
		return;
	}
	make_printable(text);
	problems->items = items;
	problems->items[problems->count++] = (struct config_problem){ .line = line, .text = text };
}

void config_problem_at(struct config_problems *problems, size_t line, const char *path, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	add(problems, line, path, format, args);
	va_end(args);
}

void config_problem(struct config_problems *problems, const char *path, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	add(problems, problems->document ? config_where(problems->document, path) : 0, path, format, args);
	va_end(args);
}

/* Stable and in place: there are few, and mostly they are in order. */
static void sort_by_line(struct config_problems *problems)
{
	for (size_t i = 1; i < problems->count; i++) {
		struct config_problem item = problems->items[i];
		size_t j = i;

		for (; j > 0 && problems->items[j - 1].line > item.line; j--)
			problems->items[j] = problems->items[j - 1];
		problems->items[j] = item;
	}
}

static void print_problem(const struct config_problems *problems, const struct config_problem *problem, FILE *out)
{
	if (problems->file && problem->line)
		fprintf(out, "%s:%zu: ", problems->file, problem->line);
	else if (problems->file)
		fprintf(out, "%s: ", problems->file);
	fputs(problem->text, out);
}

char *config_problems_text(struct config_problems *problems)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	sort_by_line(problems);
	for (size_t i = 0; i < problems->count; i++) {
		fputs(i ? "\n" : "", out);
		print_problem(problems, &problems->items[i], out);
	}
	if (problems->more)
		fprintf(out, "\n… and %zu more", problems->more);
	if (problems->no_memory)
		fprintf(out, "%sout of memory", problems->count ? "\n" : "");
	if (fclose(out) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

void config_problems_clear(struct config_problems *problems)
{
	for (size_t i = 0; i < problems->count; i++)
		free(problems->items[i].text);
	free(problems->items);
	*problems = (struct config_problems){ .file = problems->file };
}

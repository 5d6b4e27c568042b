/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "user/template.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *find(const struct template_variable *variables, size_t count, const char *name, size_t length)
{
	for (size_t i = 0; i < count; i++)
		if (strlen(variables[i].name) == length && memcmp(variables[i].name, name, length) == 0)
			return variables[i].value;
	return NULL;
}

/* Writes the placeholder that begins at `open`; *ret_rest is what follows it. */
static int print_placeholder(const char *open, const struct template_variable *variables, size_t count, FILE *out,
			     const char **ret_rest, char *problem, size_t problem_size)
{
	const char *close = strstr(open, "}}"), *name = open + 2, *value;
	size_t length;

	if (!close) {
		snprintf(problem, problem_size, "{{ has no }} (close the placeholder)");
		return -EINVAL;
	}
	name += strspn(name, " ");
	length = name < close ? (size_t)(close - name) : 0;
	while (length && name[length - 1] == ' ')
		length--;
	value = find(variables, count, name, length);
	if (!value) {
		snprintf(problem, problem_size, "{{%.*s}} is no placeholder", (int)(length > 40 ? 40 : length), name);
		return -ENOENT;
	}
	fputs(value, out);
	*ret_rest = close + 2;
	return 0;
}

static int print(const char *text, const struct template_variable *variables, size_t count, FILE *out, char *problem,
		 size_t problem_size)
{
	const char *open;
	int r = 0;

	while (!r && (open = strstr(text, "{{"))) {
		fwrite(text, 1, (size_t)(open - text), out);
		r = print_placeholder(open, variables, count, out, &text, problem, problem_size);
	}
	if (!r)
		fputs(text, out);
	return r;
}

int template_expand(const char *text, const struct template_variable *variables, size_t count, char **ret,
		    char *problem, size_t problem_size)
{
	char *expanded = NULL, ignored[1];
	size_t size;
	FILE *out = open_memstream(&expanded, &size);
	int r;

	if (!out)
		return -ENOMEM;
	r = print(text, variables, count, out, problem ? problem : ignored, problem ? problem_size : sizeof(ignored));
	if (fclose(out) && !r)
		r = -ENOMEM;
	if (r)
		free(expanded);
	else
		*ret = expanded;
	return r;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Texts with placeholders: {{name}}, blanks inside the braces allowed. Pure. */
#ifndef CANARYD_TEMPLATE_H
#define CANARYD_TEMPLATE_H

#include <stddef.h>

struct template_variable {
	const char *name;
	const char *value;
};

/*
 * Replaces every placeholder. 0, and *ret is the caller's to free; -ENOENT: a placeholder that is no variable's name;
 * -EINVAL: one that does not end; -ENOMEM. Where `problem` is not NULL it gets, on -ENOENT and -EINVAL, what is wrong.
 */
int template_expand(const char *text, const struct template_variable *variables, size_t count, char **ret,
		    char *problem, size_t problem_size);

#endif

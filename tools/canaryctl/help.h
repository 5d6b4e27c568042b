/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Help and suggestions, from the table of subcommands. */
#ifndef CANARYCTL_HELP_H
#define CANARYCTL_HELP_H

#include "command.h"
#include "page.h"

void help_program(const struct page *page);
/* The commands whose first word is `group`. */
void help_group(const struct page *page, const char *group);
void help_command(const struct page *page, const struct command *command);

/* "usage: canaryctl …", one line. */
void help_usage(const struct page *page, const struct command *command);

/*
 * The command nearest to `word` within `group` (NULL: the first words), for "did you mean"; NULL if nothing is near.
 * The answer is a word and the caller's to free.
 */
char *help_nearest_command(const char *group, const char *word);
/* The same among the options of `command` (NULL: the common ones); borrowed. */
const char *help_nearest_option(const struct command *command, const char *word);

#endif

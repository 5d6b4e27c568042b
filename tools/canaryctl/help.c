/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "help.h"

#include <stdlib.h>
#include <string.h>

#include "canaryd/api.h"

#define WORD_MAX 40

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Levenshtein's distance with neighbours swapped counting once (optimal string alignment). */
static size_t distance(const char *a, const char *b)
{
	size_t table[WORD_MAX + 1][WORD_MAX + 1];
	size_t n = strlen(a), m = strlen(b);

	if (n > WORD_MAX || m > WORD_MAX)
		return WORD_MAX;
	for (size_t i = 0; i <= n; i++)
		table[i][0] = i;
	for (size_t j = 0; j <= m; j++)
		table[0][j] = j;
	for (size_t i = 1; i <= n; i++) {
		for (size_t j = 1; j <= m; j++) {
			size_t cost = a[i - 1] != b[j - 1];

			table[i][j] = least(least(table[i - 1][j], table[i][j - 1]) + 1, table[i - 1][j - 1] + cost);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				table[i][j] = least(table[i][j], table[i - 2][j - 2] + 1);
		}
	}
	return table[n][m];
}

/* Near enough to be meant: a slip in three letters, or the beginning of the word. */
static size_t nearness(const char *given, const char *word)
{
	size_t slips = distance(given, word);

	if (strlen(given) >= 2 && strncmp(given, word, strlen(given)) == 0)
		return 0;
	return slips <= 1 + strlen(given) / 4 && slips < strlen(word) ? slips : WORD_MAX;
}

static size_t first_word(const char *name)
{
	return strcspn(name, " ");
}

static bool in_group(const struct command *command, const char *group)
{
	size_t length = strlen(group);

	return strncmp(command->name, group, length) == 0 && command->name[length] == ' ';
}

char *help_nearest_command(const char *group, const char *word)
{
	size_t best = WORD_MAX;
	char *nearest = NULL;

	for (const struct command *c = commands; c->name; c++) {
		const char *name = c->name + (group ? first_word(c->name) + 1 : 0);
		size_t near;
		char *other;

		if (group && !in_group(c, group))
			continue;
		other = strndup(name, first_word(name));
		near = other ? nearness(word, other) : WORD_MAX;
		if (near < best) {
			best = near;
			free(nearest);
			nearest = other;
		} else {
			free(other);
		}
	}
	return nearest;
}

static void nearest_in(const struct command_option *options, const char *word, size_t *best, const char **nearest)
{
	for (const struct command_option *o = options; o && o->name; o++) {
		size_t near = nearness(word, o->name);

		if (near < *best) {
			*best = near;
			*nearest = o->name;
		}
	}
}

const char *help_nearest_option(const struct command *command, const char *word)
{
	const char *nearest = NULL;
	size_t best = WORD_MAX;

	if (command)
		nearest_in(command->options, word, &best, &nearest);
	nearest_in(common_options, word, &best, &nearest);
	return nearest;
}

static void list_commands(const struct page *page, const char *group)
{
	struct table *table = table_new("ll");

	for (const struct command *c = commands; c->name; c++) {
		if (group && !in_group(c, group) && strcmp(c->name, group) != 0)
			continue;
		table_cell(table, TONE_PLAIN, "%s%s%s", c->name, *c->arguments ? " " : "", c->arguments);
		table_cell(table, TONE_PLAIN, "%s", c->summary);
		table_end(table);
	}
	table_print(table, page, 2);
}

static void list_options(const struct page *page, const char *title, const struct command_option *options)
{
	struct table *table = table_new("ll");

	if (!options || !options->name) {
		table_free(table);
		return;
	}
	page_print(page, TONE_BOLD, "\n%s\n", title);
	for (const struct command_option *o = options; o->name; o++) {
		char letter[] = "    ";

		if (o->letter)
			snprintf(letter, sizeof(letter), "-%c, ", o->letter);
		table_cell(table, TONE_PLAIN, "%s--%s%s%s", letter, o->name, o->argument ? " " : "",
			   o->argument ? o->argument : "");
		table_cell(table, TONE_PLAIN, "%s", o->help);
	}
	table_print(table, page, 2);
}

void help_usage(const struct page *page, const struct command *command)
{
	if (!command) {
		page_print(page, TONE_PLAIN, "usage: canaryctl [OPTION...] COMMAND [ARGUMENT...]\n");
		return;
	}
	page_print(page, TONE_PLAIN, "usage: canaryctl %s%s%s%s\n", command->name,
		   command->options ? " [OPTION...]" : "", *command->arguments ? " " : "", command->arguments);
}

#define EXIT_CODE(name, number, help) #number " " help "; "
static const char exit_codes[] = API_EXITS(EXIT_CODE) "see canaryctl(1)";

void help_program(const struct page *page)
{
	help_usage(page, NULL);
	page_print(page, TONE_PLAIN,
		   "Releases new versions safely: asks and tells canaryd, the splitter of this node.\n");
	page_print(page, TONE_BOLD, "\nCommands\n");
	list_commands(page, NULL);
	list_options(page, "Options of every command", common_options);
	page_print(page, TONE_BOLD, "\nExit codes\n");
	page_wrap(page, TONE_PLAIN, 2, exit_codes);
	page_print(page, TONE_PLAIN, "\ncanaryctl help COMMAND says more of one.\n");
}

void help_group(const struct page *page, const char *group)
{
	page_print(page, TONE_PLAIN, "usage: canaryctl %s COMMAND [ARGUMENT...]\n", group);
	page_print(page, TONE_BOLD, "\nCommands\n");
	list_commands(page, group);
	page_print(page, TONE_PLAIN, "\ncanaryctl help %s COMMAND says more of one.\n", group);
}

void help_command(const struct page *page, const struct command *command)
{
	help_usage(page, command);
	page_wrap(page, TONE_PLAIN, 0, command->summary);
	if (command->text) {
		fputc('\n', page->out);
		page_wrap(page, TONE_PLAIN, 0, command->text);
	}
	list_options(page, "Options", command->options);
	list_options(page, "Options of every command", common_options);
}

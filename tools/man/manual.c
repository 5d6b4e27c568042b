/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The manual out of the tables that the programs' help comes from: copies a page for scdoc(5), and puts in the place of a
 * line
 *   @daemon-options@   canaryd's options              @commands@        canaryctl's commands with their options
 *   @common-options@   canaryctl's options            @judge-options@   those of the judge's constants
 *   @exits@            the exit codes                 @daemon-exits@    those canaryd has
 *   @keys@             the keys of the configuration
 * what the table has.
 *   manual FILE.scd.in >FILE.scd
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "canaryd/api.h"
#include "tools/canaryctl/command.h"
#include "tools/canaryctl/judge_options.h"
#include "user/config.h"
#include "user/options.h"

#define KEYS_MAX 1024

/* Nothing in the text is markup. */
static void print(const char *text)
{
	for (; *text; text++) {
		if (strchr("\\*_", *text))
			putchar('\\');
		putchar(*text);
	}
}

/* ---- options and commands ----------------------------------------------------------------------------------- */

static void print_option(const char *indent, const struct command_option *option)
{
	fputs(indent, stdout);
	if (option->letter)
		printf("*-%c*, ", option->letter);
	fputs("*--", stdout);
	print(option->name);
	putchar('*');
	if (option->argument) {
		fputs(" _", stdout);
		print(option->argument);
		putchar('_');
	}
	printf("\n%s\t", indent);
	print(option->help);
	fputs("\n\n", stdout);
}

static void print_daemon_options(void)
{
	for (const struct options_entry *entry = options_table; entry->name; entry++)
		print_option("", &(struct command_option){ entry->name, entry->letter, entry->argument, entry->help });
}

static void print_common_options(void)
{
	for (const struct command_option *option = common_options; option->name; option++)
		print_option("", option);
}

static void print_judge_options(void)
{
	const struct command *command = commands;
	const struct command_option *option;

	while (strcmp(command->name, "replay") != 0)
		command++;
	for (option = command->options; option->name; option++) {
		if (judge_options_has(option))
			print_option("", option);
	}
}

static void print_command_options(const struct command_option *option)
{
	for (; option && option->name && !judge_options_has(option); option++)
		print_option("\t", option);
	if (option && option->name)
		fputs("\tAnd the judge's constants; see JUDGE OPTIONS.\n\n", stdout);
}

static void print_commands(void)
{
	for (const struct command *command = commands; command->name; command++) {
		printf("*%s*%s", command->name, command->options ? " [OPTION...]" : "");
		if (*command->arguments)
			putchar(' ');
		print(command->arguments);
		fputs("\n\t", stdout);
		print(command->summary);
		fputs(".\n\n", stdout);
		if (command->text) {
			putchar('\t');
			print(command->text);
			fputs("\n\n", stdout);
		}
		print_command_options(command->options);
	}
}

static void print_exits_to(int last)
{
#define EXIT(name, number, help)                                                                                    \
	if (number <= last)                                                                                         \
		printf("*%d*\n\t%s\n\n", number, help);
	API_EXITS(EXIT)
#undef EXIT
}

static void print_exits(void)
{
	print_exits_to(API_EXIT_UNDECIDED);
}

/* The others are canaryctl's alone. */
static void print_daemon_exits(void)
{
	print_exits_to(API_EXIT_KERNEL);
}

/* ---- the configuration's keys ------------------------------------------------------------------------------- */

struct keys {
	struct config_key_text key[KEYS_MAX];
	size_t count;
};

static char *copy(const char *text)
{
	char *own = strdup(text);

	if (!own)
		abort();
	return own;
}

static void keep_key(const struct config_key_text *key, void *context)
{
	struct keys *keys = context;
	struct config_key_text *kept = &keys->key[keys->count];

	if (++keys->count == KEYS_MAX)
		abort();
	*kept = *key;
	kept->path = copy(key->path);
	kept->range = copy(key->range);
}

static bool is_in(const struct config_key_text *key, const char *parent)
{
	const char *dot = strrchr(key->path, '.');
	size_t length = dot ? (size_t)(dot - key->path) : 0;

	return strlen(parent) == length && strncmp(key->path, parent, length) == 0;
}

static void print_key(const struct config_key_text *key)
{
	putchar('*');
	print(key->path);
	fputs("*\n\t", stdout);
	print(key->help);
	fputs(key->required ? "; required" : "", stdout);
	if (!key->required && key->fallback) {
		fputs("; default *", stdout);
		print(*key->fallback ? key->fallback : "\"\"");
		putchar('*');
	}
	if (*key->range) {
		fputs("; ", stdout);
		print(key->range);
	}
	fputs("\n\n", stdout);
}

static void print_keys_of(const struct keys *keys, const char *parent)
{
	for (size_t i = 0; i < keys->count; i++) {
		if (is_in(&keys->key[i], parent))
			print_key(&keys->key[i]);
	}
}

/* The keys of one mapping stand together, under its name. */
static void print_keys(void)
{
	static struct keys keys;

	config_each_key(keep_key, &keys);
	print_keys_of(&keys, "");
	for (size_t i = 0; i < keys.count; i++) {
		if (!keys.key[i].is_mapping)
			continue;
		fputs("## ", stdout);
		print(keys.key[i].path);
		fputs("\n\n", stdout);
		print_keys_of(&keys, keys.key[i].path);
	}
	for (size_t i = 0; i < keys.count; i++) {
		free((char *)keys.key[i].path);
		free((char *)keys.key[i].range);
	}
}

/* ---- the page ----------------------------------------------------------------------------------------------- */

static const struct {
	const char *line;
	void (*print)(void);
} tables[] = {
	{ "@daemon-options@\n", print_daemon_options }, { "@commands@\n", print_commands },
	{ "@common-options@\n", print_common_options }, { "@judge-options@\n", print_judge_options },
	{ "@exits@\n", print_exits },			{ "@daemon-exits@\n", print_daemon_exits },
	{ "@keys@\n", print_keys },
};

static int print_line(const char *line)
{
	for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++) {
		if (strcmp(tables[i].line, line) == 0) {
			tables[i].print();
			return 0;
		}
	}
	if (line[0] == '@') {
		fprintf(stderr, "manual: there is no table %s", line);
		return -EINVAL;
	}
	fputs(line, stdout);
	return 0;
}

int main(int argc, char **argv)
{
	char line[4096];
	FILE *page;
	int r = 0;

	if (argc != 2 || !(page = fopen(argv[1], "re"))) {
		fprintf(stderr, "usage: manual FILE.scd.in >FILE.scd\n");
		return 2;
	}
	commands_complete();
	while (!r && fgets(line, sizeof(line), page))
		r = print_line(line);
	fclose(page);
	return r || fflush(stdout) ? 1 : 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "command.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "canaryd/api.h"
#include "client.h"
#include "complete.h"
#include "ctl.h"
#include "help.h"

const struct command_option common_options[] = {
	{ "json", 'j', NULL, "print the daemon's JSON, for scripts" },
	{ "socket", 0, "PATH", "canaryd's socket (CANARYD_SOCKET; " API_SOCKET_DEFAULT ")" },
	{ "no-color", 0, NULL, "no colours (also: NO_COLOR; not a terminal, unless CLICOLOR_FORCE)" },
	{ "help", 'h', NULL, "this help" },
	{ "version", 'V', NULL, "the version of canaryctl" },
	{ 0 },
};

#define OPTIONS_MAX 96

/* What getopt_long() wants. An option's value is 256 + its place here. */
struct getopt_tables {
	struct option longs[OPTIONS_MAX + 1];
	char shorts[2 + 2 * OPTIONS_MAX + 1];
	const struct command_option *options[OPTIONS_MAX];
	int count;
};

/* ---- what a command asks of its call ----------------------------------------------------------------------- */

const char *call_next(const struct call *call, const char *option, unsigned *position)
{
	while (*position < call->given) {
		unsigned i = (*position)++;

		if (strcmp(call->options[i].option->name, option) == 0)
			return call->options[i].value ? call->options[i].value : "";
	}
	return NULL;
}

const char *call_value(const struct call *call, const char *option, const char *otherwise)
{
	unsigned position = 0;
	const char *value;

	while ((value = call_next(call, option, &position)))
		otherwise = value;
	return otherwise;
}

bool call_has(const struct call *call, const char *option)
{
	return call_value(call, option, NULL) != NULL;
}

int call_seconds(struct ctl *ctl, const struct call *call, const char *option, double *ret_seconds)
{
	const char *text = call_value(call, option, NULL);
	double seconds, unit = 1;
	char *end;

	if (!text)
		return -ENOENT;
	seconds = strtod(text, &end);
	if (end != text && *end && strchr("smh", *end) && !end[1])
		unit = *end == 'h' ? 3600 : *end == 'm' ? 60 : 1;
	else if (end == text || *end)
		seconds = NAN;
	if (!(seconds > 0 && seconds * unit < 1e9)) {
		ctl_error(ctl, API_EXIT_USAGE, "give a time above 0: 90, 90s, 15m, 2h", "--%s '%s' is not a time",
			  option, text);
		return -EINVAL;
	}
	*ret_seconds = seconds * unit;
	return 0;
}

const char *call_argument(const struct call *call, unsigned index)
{
	return index < call->count ? call->arguments[index] : NULL;
}

const char *call_verb(const struct call *call)
{
	const char *space = strchr(call->command->name, ' ');

	return space ? space + 1 : call->command->name;
}

/* ---- parsing ----------------------------------------------------------------------------------------------- */

static int usage(struct ctl *ctl, const struct command *command)
{
	struct page page = { .out = ctl->err, .style = ctl->out.style };

	fputs("  ", ctl->err);
	help_usage(&page, command);
	if (command)
		page_print(&page, TONE_PLAIN, "  more: canaryctl help %s\n", command->name);
	else
		page_print(&page, TONE_PLAIN, "  more: canaryctl --help\n");
	return API_EXIT_USAGE;
}

static void tables_add(struct getopt_tables *tables, const struct command_option *options)
{
	for (; options && options->name && tables->count < OPTIONS_MAX; options++) {
		struct option *o = &tables->longs[tables->count];

		o->name = options->name;
		o->has_arg = options->argument ? required_argument : no_argument;
		o->val = 256 + tables->count;
		if (options->letter) {
			size_t used = strlen(tables->shorts);

			snprintf(tables->shorts + used, sizeof(tables->shorts) - used, "%c%s", options->letter,
				 options->argument ? ":" : "");
		}
		tables->options[tables->count++] = options;
	}
}

static const struct command_option *tables_find(const struct getopt_tables *tables, int c)
{
	if (c >= 256)
		return tables->options[c - 256];
	for (int i = 0; i < tables->count; i++) {
		if (tables->options[i]->letter == c)
			return tables->options[i];
	}
	return NULL;
}

static int unknown_option(struct ctl *ctl, const struct command *command, int c, const char *text)
{
	const char *nearest = NULL;
	char name[64] = "", mend[128] = "";

	if (strncmp(text, "--", 2) == 0) {
		snprintf(name, sizeof(name), "%.*s", (int)strcspn(text + 2, "="), text + 2);
		nearest = help_nearest_option(command, name);
	}
	if (nearest)
		snprintf(mend, sizeof(mend), "did you mean --%s?", nearest);
	if (c == ':')
		ctl_error(ctl, API_EXIT_USAGE, NULL, "%s needs a value", text);
	else if (strncmp(text, "--", 2) == 0)
		ctl_error(ctl, API_EXIT_USAGE, mend, "there is no option %s here", text);
	else
		ctl_error(ctl, API_EXIT_USAGE, NULL, "there is no option -%c here", optopt);
	return usage(ctl, command);
}

/* Options from argv[1] on into `call`; `stop_early`: only those before the first argument. 0 or an exit code. */
static int parse(struct ctl *ctl, struct call *call, int argc, char **argv, bool stop_early)
{
	struct getopt_tables tables = { .shorts = "" };
	int c;

	strcpy(tables.shorts, stop_early ? "+:" : ":");
	tables_add(&tables, call->command ? call->command->options : NULL);
	tables_add(&tables, common_options);
	opterr = 0;
	optind = 0;
	while ((c = getopt_long(argc, argv, tables.shorts, tables.longs, NULL)) != -1) {
		const struct command_option *option = tables_find(&tables, c);

		if (!option)
			return unknown_option(ctl, call->command, c, argv[optind - 1]);
		if (call->given == CALL_OPTIONS_MAX)
			return ctl_error(ctl, API_EXIT_USAGE, NULL, "more than %d options", CALL_OPTIONS_MAX);
		call->options[call->given].option = option;
		call->options[call->given++].value = optarg;
	}
	call->arguments = argv + optind;
	call->count = (unsigned)(argc - optind);
	return API_EXIT_OK;
}

static bool is_group(const char *word)
{
	size_t length = strlen(word);

	for (const struct command *c = commands; c->name; c++) {
		if (strncmp(c->name, word, length) == 0 && c->name[length] == ' ')
			return true;
	}
	return false;
}

const struct command *command_find(const char *const *words, unsigned count, unsigned *ret_words)
{
	char name[64];

	for (*ret_words = count < 2 ? count : 2; *ret_words > 0; (*ret_words)--) {
		snprintf(name, sizeof(name), "%s%s%s", words[0], *ret_words == 2 ? " " : "",
			 *ret_words == 2 ? words[1] : "");
		for (const struct command *c = commands; c->name; c++) {
			if (strcmp(c->name, name) == 0)
				return c;
		}
	}
	return NULL;
}

static int unknown_command(struct ctl *ctl, char **words, unsigned count)
{
	const char *group = is_group(words[0]) ? words[0] : NULL;
	const char *word = group && count > 1 ? words[1] : words[0];
	struct page page = { .out = ctl->err, .style = ctl->out.style };
	char *nearest, mend[128] = "see canaryctl --help";

	if (group && count == 1) {
		help_group(&page, group);
		return API_EXIT_USAGE;
	}
	nearest = help_nearest_command(group, word);
	if (nearest)
		snprintf(mend, sizeof(mend), "did you mean: canaryctl %s%s%s?", group ? group : "", group ? " " : "",
			 nearest);
	else if (group)
		snprintf(mend, sizeof(mend), "see canaryctl help %s", group);
	free(nearest);
	return ctl_error(ctl, API_EXIT_USAGE, mend, "there is no command '%s%s%s'", group ? group : "",
			 group ? " " : "", word);
}

static int help(struct ctl *ctl, char **words, unsigned count)
{
	unsigned used;
	const struct command *command =
		count > 0 ? command_find((const char *const *)words, count, &used) : NULL;

	if (command)
		help_command(&ctl->out, command);
	else if (count == 0)
		help_program(&ctl->out);
	else if (count == 1 && is_group(words[0]))
		help_group(&ctl->out, words[0]);
	else
		return unknown_command(ctl, words, count);
	return API_EXIT_OK;
}

static int check_count(struct ctl *ctl, const struct call *call)
{
	const struct command *command = call->command;

	if (call->count < command->least)
		ctl_error(ctl, API_EXIT_USAGE, NULL, "%s needs %s", command->name, command->arguments);
	else if (call->count > command->most)
		ctl_error(ctl, API_EXIT_USAGE, NULL, "%s: '%s' is one argument too many", command->name,
			  call->arguments[command->most]);
	else
		return API_EXIT_OK;
	return usage(ctl, command);
}

static void apply_common(struct ctl *ctl, const struct call *call)
{
	const char *environment = getenv("CANARYD_SOCKET");

	ctl->json |= call_has(call, "json");
	if (call_has(call, "no-color"))
		ctl->out.style.color = false;
	if (!ctl->socket)
		ctl->socket = environment && *environment ? environment : API_SOCKET_DEFAULT;
	ctl->socket = call_value(call, "socket", ctl->socket);
}

static int print_version(struct ctl *ctl)
{
	page_print(&ctl->out, TONE_PLAIN, "canaryctl %s\n", CANARYD_VERSION);
	return API_EXIT_OK;
}

/* argv[0] is any word, then come the command's words, then its own options and arguments. */
static int run(struct ctl *ctl, struct call *call, int argc, char **argv)
{
	unsigned words;
	int code;

	call->command = command_find((const char *const *)argv + 1, (unsigned)argc - 1, &words);
	if (!call->command && is_group(argv[1]) && argc == 3 && (!strcmp(argv[2], "-h") || !strcmp(argv[2], "--help")))
		return help(ctl, argv + 1, 1);
	if (!call->command)
		return unknown_command(ctl, argv + 1, (unsigned)argc - 1);
	code = parse(ctl, call, argc - (int)words, argv + words, false);
	if (code)
		return code;
	apply_common(ctl, call);
	if (call_has(call, "version"))
		return print_version(ctl);
	if (call_has(call, "help")) {
		help_command(&ctl->out, call->command);
		return API_EXIT_OK;
	}
	code = check_count(ctl, call);
	return code ? code : call->command->run(ctl, call);
}

int command_main(struct ctl *ctl, int argc, char **argv)
{
	struct call call = { 0 };
	int code;

	commands_complete();
	if (argc > 1 && strcmp(argv[1], COMPLETE_VERB) == 0) {
		code = complete(ctl, argv + 2, (unsigned)argc - 2);
		ctl->client = client_free(ctl->client);
		return code;
	}
	code = parse(ctl, &call, argc, argv, true);
	if (code)
		return code;
	apply_common(ctl, &call);
	if (call_has(&call, "version")) {
		code = print_version(ctl);
	} else if (call.count == 0 && call_has(&call, "help")) {
		help_program(&ctl->out);
	} else if (call.count == 0) {
		struct page page = { .out = ctl->err, .style = ctl->out.style };

		help_program(&page);
		code = API_EXIT_USAGE;
	} else if (strcmp(call.arguments[0], "help") == 0) {
		code = help(ctl, call.arguments + 1, call.count - 1);
	} else {
		if (call_has(&call, "help"))
			code = help(ctl, call.arguments, call.count);
		else
			code = run(ctl, &call, argc - optind + 1, argv + optind - 1);
	}
	ctl->client = client_free(ctl->client);
	return code;
}

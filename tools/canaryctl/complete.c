/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "complete.h"

#include <ctype.h>
#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "canaryd/api.h"
#include "client.h"
#include "command.h"
#include "ctl.h"
#include "field.h"

#define KIND_MAX 64
#define WORDS_MAX 64

/* The words as far as they are understood. */
struct completion {
	struct ctl *ctl;
	const char *typed; /* the beginning of what is offered */
	const struct command *command;
	const char *arguments[WORDS_MAX]; /* those before the last word, behind the command's name */
	unsigned count;
	json_t *status;
};

static void offer(const struct completion *completion, const char *candidate)
{
	if (strncmp(candidate, completion->typed, strlen(completion->typed)) == 0)
		fprintf(completion->ctl->out.out, "%s\n", candidate);
}

/* ---- what the daemon has ----------------------------------------------------------------------------------- */

static const json_t *services_of(struct completion *completion)
{
	int error;

	if (!completion->status && ctl_try(completion->ctl, API_STATUS, &completion->status, &error))
		completion->status = json_object();
	return json_object_get(completion->status, "services");
}

/* The service that the words before name, or the only one. */
static const json_t *service_of(struct completion *completion)
{
	const json_t *services = services_of(completion);
	json_t *service;
	size_t i;

	json_array_foreach(services, i, service) {
		if (completion->count > 0 && strcmp(field_text(service, "name", ""), completion->arguments[0]) == 0)
			return service;
	}
	return json_array_size(services) == 1 ? json_array_get(services, 0) : NULL;
}

static void offer_names(const struct completion *completion, const json_t *array, const char *field)
{
	json_t *element;
	size_t i;

	json_array_foreach(array, i, element)
		offer(completion, field_text(element, field, ""));
}

static void offer_services(struct completion *completion)
{
	offer_names(completion, services_of(completion), "name");
}

static void offer_versions(struct completion *completion)
{
	offer_names(completion, json_object_get(service_of(completion), "versions"), "name");
}

static void offer_backends(struct completion *completion)
{
	const json_t *versions = json_object_get(service_of(completion), "versions");
	json_t *version;
	size_t i;

	json_array_foreach(versions, i, version)
		offer_names(completion, json_object_get(version, "backends"), "address");
}

static void offer_cohorts(struct completion *completion)
{
	offer_names(completion, json_object_get(service_of(completion), "cohorts"), "name");
}

static void offer_slis(struct completion *completion)
{
	const json_t *rollout = json_object_get(service_of(completion), "rollout");

	offer_names(completion, json_object_get(rollout, "slis"), "name");
}

/* ---- what the host has ------------------------------------------------------------------------------------- */

static void offer_interfaces(struct completion *completion)
{
	DIR *directory = opendir("/sys/class/net");
	const struct dirent *entry;

	while (directory && (entry = readdir(directory))) {
		if (entry->d_name[0] != '.')
			offer(completion, entry->d_name);
	}
	if (directory)
		closedir(directory);
}

static void offer_file(struct completion *completion)
{
	fputs(COMPLETE_FILE "\n", completion->ctl->out.out);
}

static void offer_rules(struct completion *completion)
{
	static const char *const rules[] = { "canary", "baseline", "exclude" };

	for (size_t i = 0; i < sizeof(rules) / sizeof(*rules); i++)
		offer(completion, rules[i]);
}

/* ---- values by the name they have in the help --------------------------------------------------------------- */

static const struct {
	const char *kind;
	void (*offer)(struct completion *completion);
} values[] = {
	{ "SERVICE", offer_services },   { "SERVICE|ID", offer_services }, { "VERSION", offer_versions },
	{ "ADDR:PORT", offer_backends }, { "COHORT", offer_cohorts },      { "SLI", offer_slis },
	{ "RULE", offer_rules },         { "INTERFACE", offer_interfaces }, { "FILE", offer_file },
	{ "PATH", offer_file },
};

/* "page|ticket" is a choice. */
static void offer_choice(struct completion *completion, const char *kind)
{
	char copy[KIND_MAX], *rest = copy, *word;

	snprintf(copy, sizeof(copy), "%s", kind);
	while (islower((unsigned char)*kind) && (word = strsep(&rest, "|")))
		offer(completion, word);
}

static void offer_value(struct completion *completion, const char *kind)
{
	for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++) {
		if (strcmp(values[i].kind, kind) == 0) {
			values[i].offer(completion);
			return;
		}
	}
	offer_choice(completion, kind);
}

/* The next argument, by its word in "SERVICE [VERSION]". */
static void offer_argument(struct completion *completion)
{
	char copy[KIND_MAX], *rest = copy, *word;

	snprintf(copy, sizeof(copy), "%s", completion->command->arguments);
	for (unsigned i = 0; (word = strsep(&rest, " ")); i++) {
		word += *word == '[';
		word[strcspn(word, "].")] = '\0';
		if (i == completion->count)
			offer_value(completion, word);
	}
}

/* ---- options and commands ----------------------------------------------------------------------------------- */

static void offer_options_of(struct completion *completion, const struct command_option *options)
{
	char name[KIND_MAX];

	for (; options && options->name; options++) {
		snprintf(name, sizeof(name), "--%s%s", options->name, options->argument ? "=" : "");
		offer(completion, name);
	}
}

static void offer_options(struct completion *completion)
{
	offer_options_of(completion, completion->command ? completion->command->options : NULL);
	offer_options_of(completion, common_options);
}

/* First words without `group`, else the words behind it; each once, since those of a group stand together. */
static void offer_commands(struct completion *completion, const char *group)
{
	char word[KIND_MAX], last[KIND_MAX] = "";

	for (const struct command *c = commands; c->name; c++) {
		const char *space = strchr(c->name, ' ');
		size_t length = space ? (size_t)(space - c->name) : strlen(c->name);

		if (!group)
			snprintf(word, sizeof(word), "%.*s", (int)length, c->name);
		else if (space && strlen(group) == length && strncmp(c->name, group, length) == 0)
			snprintf(word, sizeof(word), "%s", space + 1);
		else
			continue;
		if (strcmp(word, last) != 0)
			offer(completion, word);
		strcpy(last, word);
	}
}

/* ---- the words before ---------------------------------------------------------------------------------------- */

/* By "--name", or by "-x" alone; `length` of the name in "--name=value". */
static const struct command_option *find_in(const struct command_option *options, const char *word, size_t length)
{
	for (; options && options->name; options++) {
		if (word[1] == '-' && strlen(options->name) == length - 2 && !strncmp(options->name, word + 2, length - 2))
			return options;
		if (word[1] != '-' && options->letter && word[1] == options->letter && !word[2])
			return options;
	}
	return NULL;
}

static const struct command_option *find_option(const struct completion *completion, const char *word, size_t length)
{
	const struct command_option *option = NULL;

	if (length < 2 || word[0] != '-')
		return NULL;
	if (completion->command)
		option = find_in(completion->command->options, word, length);
	return option ? option : find_in(common_options, word, length);
}

/* The option that waits for its value at the end of the words, or NULL. */
static const struct command_option *understand(struct completion *completion, char **words, unsigned count)
{
	const struct command_option *waiting = NULL;
	unsigned used = 0;

	for (unsigned i = 0; i < count; i++) {
		if (waiting) {
			if (strcmp(waiting->name, "socket") == 0)
				completion->ctl->socket = words[i];
			waiting = NULL;
		} else if (words[i][0] == '-') {
			waiting = find_option(completion, words[i], strlen(words[i]));
			if (waiting && !waiting->argument)
				waiting = NULL;
			if (strncmp(words[i], "--socket=", 9) == 0)
				completion->ctl->socket = words[i] + 9;
		} else if (!completion->command) {
			completion->arguments[completion->count++] = words[i];
			completion->command = command_find(completion->arguments, completion->count, &used);
			if (completion->command)
				completion->count = 0;
		} else if (completion->count < WORDS_MAX) {
			completion->arguments[completion->count++] = words[i];
		}
		if (!completion->command && completion->count > 2)
			break;
	}
	return waiting;
}

static void offer_for(struct completion *completion, const struct command_option *waiting)
{
	const char *equals = strchr(completion->typed, '=');
	const struct command_option *option =
		equals ? find_option(completion, completion->typed, (size_t)(equals - completion->typed)) : NULL;

	if (waiting) {
		offer_value(completion, waiting->argument);
	} else if (option && option->argument) {
		completion->typed = equals + 1;
		offer_value(completion, option->argument);
	} else if (completion->typed[0] == '-') {
		offer_options(completion);
	} else if (completion->command) {
		offer_argument(completion);
	} else if (completion->count < 2) {
		offer_commands(completion, completion->count ? completion->arguments[0] : NULL);
		if (completion->count == 0)
			offer(completion, "help");
	}
}

int complete(struct ctl *ctl, char **words, unsigned count)
{
	struct completion completion = { .ctl = ctl, .typed = count ? words[count - 1] : "" };
	bool help = count > 1 && strcmp(words[0], "help") == 0;
	const char *environment = getenv("CANARYD_SOCKET");

	if (!ctl->socket)
		ctl->socket = environment && *environment ? environment : API_SOCKET_DEFAULT;
	offer_for(&completion, understand(&completion, words + help, count > 1u + help ? count - 1 - help : 0));
	json_decref(completion.status);
	return API_EXIT_OK;
}

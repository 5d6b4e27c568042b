/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table of subcommands and what is made of it: parsing, help, usage errors. A command's name has one or two words
 * ("rollout start"); those with the same first word form a group.
 */
#ifndef CANARYCTL_COMMAND_H
#define CANARYCTL_COMMAND_H

#include <stdbool.h>

struct ctl;
struct call;

struct command_option {
	const char *name;     /* the long option; NULL ends a table */
	char letter;          /* the short one, or 0 */
	const char *argument; /* the name of its value in the help, "one|other" for a choice, or NULL for a flag */
	const char *help;
};

struct command {
	const char *name;      /* NULL ends the table */
	const char *arguments; /* as in the help: "SERVICE", "[SERVICE]" */
	unsigned least, most;  /* how many of them */
	const char *summary;   /* one line */
	const char *text;      /* a paragraph, or NULL */
	const struct command_option *options; /* or NULL */
	int (*run)(struct ctl *ctl, const struct call *call); /* returns one of enum api_exit */
};

extern const struct command commands[];
/* Adds to the tables what is not known when they are compiled; to be called before anything uses them. */
void commands_complete(void);
extern const struct command_option common_options[];

/* The command named by the first one or two of the words, *ret_words of them; NULL: none. */
const struct command *command_find(const char *const *words, unsigned count, unsigned *ret_words);

#define CALL_OPTIONS_MAX 128
struct call {
	const struct command *command;
	char **arguments;
	unsigned count;
	unsigned given; /* options, in the order given */
	struct {
		const struct command_option *option;
		const char *value;
	} options[CALL_OPTIONS_MAX];
};

bool call_has(const struct call *call, const char *option);
/* The last value given for `option`, or `otherwise`. */
const char *call_value(const struct call *call, const char *option, const char *otherwise);
/* The next value of `option` at or after *position, which is moved on; NULL at the end. */
const char *call_next(const struct call *call, const char *option, unsigned *position);
/* The value of `option`, a number above 0 or with s, m, h, in seconds. -ENOENT: not given; -EINVAL: after a complaint. */
int call_seconds(struct ctl *ctl, const struct call *call, const char *option, double *ret_seconds);
/* The argument `index`, or NULL. */
const char *call_argument(const struct call *call, unsigned index);
/* The last word of the command's name. */
const char *call_verb(const struct call *call);

/*
 * The whole program: parses `argv`, runs the command, returns one of enum api_exit. `ctl` needs out and err set. Not
 * reentrant (getopt).
 */
int command_main(struct ctl *ctl, int argc, char **argv);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What every subcommand works with: where the daemon is, how to print, and how to ask and to complain. */
#ifndef CANARYCTL_CTL_H
#define CANARYCTL_CTL_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "page.h"

struct client;

struct ctl {
	const char *socket;
	bool json;
	struct page out; /* the answer */
	FILE *err;       /* complaints and progress */
	struct client *client;
};

/*
 * Asks the daemon and parses its answer. `body` may be NULL. Prints what went wrong. Returns one of enum api_exit;
 * *ret_answer, which the caller frees with json_decref(), is written on API_EXIT_OK.
 */
int ctl_request(struct ctl *ctl, const char *method, const char *path, const json_t *body, json_t **ret_answer);

/* As ctl_request() with GET, and silent where the daemon is not reachable: *ret_error has the negative errno then. */
int ctl_try(struct ctl *ctl, const char *path, json_t **ret_answer, int *ret_error);

/* The text of GET `path`, which is not JSON. The caller frees *ret_text. */
int ctl_text(struct ctl *ctl, const char *path, char **ret_text);

/* One line for people: why the daemon did not answer, `error` being a negative errno. */
const char *ctl_unreachable(int error);

/* Prints "canaryctl: MESSAGE" and below it the mend (may be NULL); returns `code`. */
int ctl_error(struct ctl *ctl, int code, const char *mend, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
int ctl_no_memory(struct ctl *ctl);

/* The time of day in Unix seconds. */
double ctl_now(void);

/* `value` as -j prints it. */
void ctl_print_json(struct ctl *ctl, const json_t *value);

/* printf into a path; `%s` are escaped by the caller. The caller frees. NULL: no memory. */
char *ctl_path(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The service `name` of a status answer, borrowed; NULL after a complaint that names those there are. */
const json_t *ctl_service(struct ctl *ctl, const json_t *status, const char *name);

#endif

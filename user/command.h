/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Runs other programs inside the daemon's event loop: text on stdin, what they print captured, a deadline. Each runs in a
 * process group of its own, of which nothing is left when it has ended; past its deadline the group gets SIGTERM, two
 * seconds later SIGKILL. Nothing here waits.
 */
#ifndef CANARYD_COMMAND_H
#define CANARYD_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#define COMMAND_MAX 64            /* at a time; one more is -EBUSY */
#define COMMAND_OUTPUT_MAX 65536  /* bytes kept of stdout; the rest is read and dropped */
#define COMMAND_ERRORS_MAX 4096   /* bytes kept of stderr */
#define COMMAND_TIMEOUT_MS_DEFAULT 5000

enum command_ending {
	COMMAND_EXITED = 0, /* see code: 0 is success */
	COMMAND_KILLED,     /* by a signal that was not ours: see code */
	COMMAND_TIMEOUT,    /* it was ended for its deadline, however it then exited */
};

/* All of it is copied by command_start(). */
struct command_request {
	const char *line;               /* for /bin/sh -c; or */
	const char *const *argv;        /* a program, looked for in PATH, and its arguments, NULL at the end */
	const char *const *environment; /* "NAME=value" beside the daemon's own, NULL at the end; NULL: none */
	const char *input;              /* its stdin; NULL: empty */
	size_t input_size;
	uint64_t timeout_ms; /* 0: COMMAND_TIMEOUT_MS_DEFAULT */
};

/* Valid while the callback runs. */
struct command_result {
	enum command_ending ending;
	int code;           /* exit status, or the signal */
	const char *output; /* stdout, NUL-terminated */
	size_t output_size;
	bool output_cut;    /* it printed more than is kept */
	const char *errors; /* stderr, NUL-terminated */
	size_t errors_size;
	double seconds;       /* it took */
	const char *sentence; /* what became of it: "exit status 3: no such host", "no end within 5 s: killed", … */
};

struct command_runner;
struct command; /* one that runs; ends with its callback or command_cancel() */

/*
 * Called once for every command that was started, from the event loop, never from within command_start(). It may start
 * and cancel commands; it must not free the runner.
 */
typedef void (*command_callback)(const struct command_result *result, void *context);

int command_runner_new(sd_event *event, struct command_runner **ret);

/* Kills what runs, without a callback. */
struct command_runner *command_runner_free(struct command_runner *runner);

/*
 * Starts a command in /. *ret, where it is not NULL, is valid until the callback is called. -EBUSY: COMMAND_MAX run; or
 * why no process could be made (-ENOENT: no such program in argv; a line that names none ends with exit status 127).
 */
int command_start(struct command_runner *runner, const struct command_request *request, command_callback callback,
		  void *context, struct command **ret);

/* Kills a command with its whole group: its callback is not called. NULL is fine. Returns NULL. */
struct command *command_cancel(struct command *command);

/* The last line of a text that is not blank, cut at `size`, without control characters; "" where there is none. */
const char *command_last_line(const char *text, char *buf, size_t size);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "user/command.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/queue.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "user/text.h"

#define GRACE_US 2000000 /* from SIGTERM to SIGKILL */
#define READS_A_TURN 17  /* all that a pipe holds and its end; one that prints without end must not keep the loop */
#define LINE_MAX_SHOWN 120
#define SENTENCE_MAX 256

/* What a command prints on one of its streams. */
struct stream {
	sd_event_source *io;
	int fd; /* -1: closed */
	char *text;
	size_t size;
	size_t max;
	bool cut;
};

struct command_runner {
	sd_event *event;
	LIST_HEAD(, command) commands;
	unsigned count;
};

struct command {
	LIST_ENTRY(command) link;
	struct command_runner *runner;
	pid_t pid;
	int pidfd;
	sd_event_source *exit;
	sd_event_source *deadline;
	struct stream output;
	struct stream errors;
	uint64_t timeout_ms;
	uint64_t began_us;
	bool late;
	command_callback callback; /* NULL: cancelled, or done */
	void *context;
};

/* ---- streams --------------------------------------------------------------------------------------------- */

static void stream_close(struct stream *stream)
{
	stream->io = sd_event_source_disable_unref(stream->io);
	if (stream->fd >= 0)
		close(stream->fd);
	stream->fd = -1;
}

static void stream_keep(struct stream *stream, const char *data, size_t size)
{
	size_t room = stream->max - stream->size;
	char *text;

	if (size > room) {
		size = room;
		stream->cut = true;
	}
	text = size ? realloc(stream->text, stream->size + size + 1) : NULL;
	if (!text)
		return;
	memcpy(text + stream->size, data, size);
	stream->text = text;
	stream->size += size;
	text[stream->size] = '\0';
}

static void stream_read(struct stream *stream)
{
	char data[4096];
	ssize_t n = -1;

	for (int i = 0; i < READS_A_TURN && stream->fd >= 0; i++) {
		n = read(stream->fd, data, sizeof(data));
		if (n <= 0)
			break;
		stream_keep(stream, data, (size_t)n);
	}
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		stream_close(stream);
}

static int on_readable(sd_event_source *source, int fd, uint32_t events, void *context)
{
	(void)source;
	(void)fd;
	(void)events;
	stream_read(context);
	return 0;
}

static const char *stream_text(const struct stream *stream)
{
	return stream->text ?: "";
}

/* Makes a pipe; the caller closes *ret_child once the command has it. */
static int stream_open(struct stream *stream, sd_event *event, size_t max, int *ret_child)
{
	int fds[2], r;

	stream->max = max;
	if (pipe2(fds, O_CLOEXEC))
		return -errno;
	stream->fd = fds[0];
	r = fcntl(fds[0], F_SETFL, O_NONBLOCK) ? -errno : 0;
	if (!r)
		r = sd_event_add_io(event, &stream->io, fds[0], EPOLLIN, on_readable, stream);
	if (r < 0) {
		close(fds[1]);
		return r;
	}
	*ret_child = fds[1];
	return 0;
}

/* ---- endings --------------------------------------------------------------------------------------------- */

const char *command_last_line(const char *text, char *buf, size_t size)
{
	size_t end = strlen(text), begin, length = 0;

	while (end && (unsigned char)text[end - 1] <= ' ')
		end--;
	for (begin = end; begin && text[begin - 1] != '\n';)
		begin--;
	for (size_t i = begin; i < end && length + 1 < size; i++)
		if ((unsigned char)text[i] >= ' ' && text[i] != 0x7f)
			buf[length++] = text[i];
	/* Not in the middle of a UTF-8 character. */
	while (begin + length < end && length && ((unsigned char)text[begin + length] & 0xc0) == 0x80)
		length--;
	buf[length] = '\0';
	return text_repair(buf);
}

static void command_free(struct command *command)
{
	LIST_REMOVE(command, link);
	command->runner->count--;
	sd_event_source_disable_unref(command->exit);
	sd_event_source_disable_unref(command->deadline);
	stream_close(&command->output);
	stream_close(&command->errors);
	free(command->output.text);
	free(command->errors.text);
	if (command->pidfd >= 0)
		close(command->pidfd);
	free(command);
}

/* The group's number stays its own as long as its leader is not reaped. */
static void kill_group(const struct command *command, int signal)
{
	if (command->pid > 0)
		kill(-command->pid, signal);
}

static void print_sentence(char buf[SENTENCE_MAX], const struct command *command, const struct command_result *result)
{
	char line[LINE_MAX_SHOWN], what[80];

	command_last_line(*result->errors ? result->errors : result->output, line, sizeof(line));
	if (result->ending == COMMAND_TIMEOUT)
		snprintf(what, sizeof(what), "no end within %g s: killed", command->timeout_ms / 1e3);
	else if (result->ending == COMMAND_KILLED)
		snprintf(what, sizeof(what), "killed by signal %d (%s)", result->code, strsignal(result->code));
	else
		snprintf(what, sizeof(what), "exit status %d", result->code);
	snprintf(buf, SENTENCE_MAX, "%s%s%s", what, *line ? ": " : "", line);
}

static void report(struct command *command, const siginfo_t *info)
{
	struct command_result result = {
		.ending = command->late ? COMMAND_TIMEOUT : info->si_code == CLD_EXITED ? COMMAND_EXITED : COMMAND_KILLED,
		.code = info->si_status,
		.output = stream_text(&command->output),
		.output_size = command->output.size,
		.output_cut = command->output.cut,
		.errors = stream_text(&command->errors),
		.errors_size = command->errors.size,
	};
	command_callback callback = command->callback;
	char sentence[SENTENCE_MAX];
	uint64_t now_us = command->began_us;

	if (!callback)
		return;
	sd_event_now(command->runner->event, CLOCK_MONOTONIC, &now_us);
	result.seconds = (now_us - command->began_us) / 1e6;
	print_sentence(sentence, command, &result);
	result.sentence = sentence;
	/* A callback that cancels its own command changes nothing. */
	command->callback = NULL;
	callback(&result, command->context);
}

/* What the leader has left running goes with it; what it printed is read first. */
static int on_exit_of(sd_event_source *source, int fd, uint32_t events, void *context)
{
	struct command *command = context;
	siginfo_t info = {};

	(void)source;
	(void)fd;
	(void)events;
	kill_group(command, SIGKILL);
	if (waitid(P_PIDFD, (id_t)command->pidfd, &info, WEXITED | WNOHANG) || !info.si_pid)
		return 0;
	command->pid = 0;
	stream_read(&command->output);
	stream_read(&command->errors);
	report(command, &info);
	command_free(command);
	return 0;
}

static int on_deadline(sd_event_source *source, uint64_t due_us, void *context)
{
	struct command *command = context;

	kill_group(command, command->late ? SIGKILL : SIGTERM);
	if (command->late)
		return 0;
	command->late = true;
	sd_event_source_set_time(source, due_us + GRACE_US);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

struct command *command_cancel(struct command *command)
{
	if (!command || !command->callback)
		return NULL;
	command->callback = NULL;
	kill_group(command, SIGKILL);
	return NULL;
}

/* ---- starting -------------------------------------------------------------------------------------------- */

/* A file, not a pipe: it is written before the command begins, whether or not the command will read it. */
static int make_input(const struct command_request *request)
{
	int fd = memfd_create("stdin", MFD_CLOEXEC);
	size_t done = 0;

	if (fd < 0)
		return -errno;
	while (done < request->input_size) {
		ssize_t n = write(fd, request->input + done, request->input_size - done);

		if (n < 0) {
			int r = -errno;

			close(fd);
			return r;
		}
		done += (size_t)n;
	}
	lseek(fd, 0, SEEK_SET);
	return fd;
}

/* What systemd says to the daemon is not said to its children. */
static bool is_private(const char *variable)
{
	static const char *const names[] = { "NOTIFY_SOCKET=", "LISTEN_FDS=",   "LISTEN_PID=",    "LISTEN_FDNAMES=",
					     "WATCHDOG_USEC=", "WATCHDOG_PID=", "JOURNAL_STREAM=" };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (!strncmp(variable, names[i], strlen(names[i])))
			return true;
	return false;
}

static size_t count_strings(const char *const *strings)
{
	size_t count = 0;

	while (strings && strings[count])
		count++;
	return count;
}

/* The strings are not copied; of two with one name the first counts. */
static char **make_environment(const char *const *more)
{
	size_t n_more = count_strings(more), n = 0;
	char **variables = calloc(n_more + count_strings((const char *const *)environ) + 1, sizeof(*variables));

	if (!variables)
		return NULL;
	for (; n < n_more; n++)
		variables[n] = (char *)more[n];
	for (char **variable = environ; variable && *variable; variable++)
		if (!is_private(*variable))
			variables[n++] = *variable;
	return variables;
}

static int set_attributes(posix_spawnattr_t *attributes)
{
	sigset_t none, standard;

	sigemptyset(&none);
	sigfillset(&standard);
	posix_spawnattr_setsigmask(attributes, &none);
	posix_spawnattr_setsigdefault(attributes, &standard);
	posix_spawnattr_setpgroup(attributes, 0);
	return -posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
							     POSIX_SPAWN_SETSIGDEF);
}

/* The daemon's own 0, 1 and 2 are open, so that fds are all above them. */
static int set_files(posix_spawn_file_actions_t *actions, const int fds[3])
{
	int r = 0;

	for (int i = 0; i < 3 && !r; i++)
		r = posix_spawn_file_actions_adddup2(actions, fds[i], i);
	if (!r)
		r = posix_spawn_file_actions_addclosefrom_np(actions, 3);
	if (!r)
		r = posix_spawn_file_actions_addchdir_np(actions, "/");
	return -r;
}

static int spawn(const struct command_request *request, const int fds[3], pid_t *ret)
{
	const char *shell[] = { "/bin/sh", "-c", request->line, NULL };
	const char *const *argv = request->line ? shell : request->argv;
	char **environment = make_environment(request->environment);
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	int r;

	if (!environment)
		return -ENOMEM;
	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attributes);
	r = set_files(&actions, fds);
	if (!r)
		r = set_attributes(&attributes);
	if (!r)
		r = -posix_spawnp(ret, argv[0], &actions, &attributes, (char *const *)argv, environment);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	free(environment);
	return r;
}

static void close_all(int *fds, int count)
{
	for (int i = 0; i < count; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

static int open_and_spawn(struct command *command, const struct command_request *request)
{
	sd_event *event = command->runner->event;
	int fds[3] = { -1, -1, -1 };
	int r = make_input(request);

	if (r >= 0) {
		fds[0] = r;
		r = stream_open(&command->output, event, COMMAND_OUTPUT_MAX, &fds[1]);
	}
	if (r >= 0)
		r = stream_open(&command->errors, event, COMMAND_ERRORS_MAX, &fds[2]);
	if (r >= 0)
		r = spawn(request, fds, &command->pid);
	close_all(fds, 3);
	return r;
}

static int watch(struct command *command)
{
	sd_event *event = command->runner->event;
	int r;

	command->pidfd = (int)syscall(SYS_pidfd_open, command->pid, 0);
	if (command->pidfd < 0)
		return -errno;
	fcntl(command->pidfd, F_SETFD, FD_CLOEXEC);
	r = sd_event_add_io(event, &command->exit, command->pidfd, EPOLLIN, on_exit_of, command);
	if (r >= 0)
		r = sd_event_add_time_relative(event, &command->deadline, CLOCK_MONOTONIC, command->timeout_ms * 1000, 1000,
					       on_deadline, command);
	sd_event_now(event, CLOCK_MONOTONIC, &command->began_us);
	return r < 0 ? r : 0;
}

/* Waits for a process that has been killed: only where it cannot be watched, and when the loop has ended. */
static void reap(struct command *command)
{
	if (command->pid <= 0)
		return;
	kill_group(command, SIGKILL);
	waitpid(command->pid, NULL, 0);
	command->pid = 0;
}

int command_start(struct command_runner *runner, const struct command_request *request, command_callback callback,
		  void *context, struct command **ret)
{
	struct command *command;
	int r;

	if (runner->count >= COMMAND_MAX)
		return -EBUSY;
	command = calloc(1, sizeof(*command));
	if (!command)
		return -ENOMEM;
	command->runner = runner;
	command->pidfd = command->output.fd = command->errors.fd = -1;
	command->timeout_ms = request->timeout_ms ?: COMMAND_TIMEOUT_MS_DEFAULT;
	command->callback = callback;
	command->context = context;
	LIST_INSERT_HEAD(&runner->commands, command, link);
	runner->count++;
	r = open_and_spawn(command, request);
	if (r >= 0)
		r = watch(command);
	if (r < 0) {
		reap(command);
		command_free(command);
		return r;
	}
	if (ret)
		*ret = command;
	return 0;
}

int command_runner_new(sd_event *event, struct command_runner **ret)
{
	struct command_runner *runner = calloc(1, sizeof(*runner));

	if (!runner)
		return -ENOMEM;
	runner->event = sd_event_ref(event);
	LIST_INIT(&runner->commands);
	*ret = runner;
	return 0;
}

struct command_runner *command_runner_free(struct command_runner *runner)
{
	if (!runner)
		return NULL;
	while (!LIST_EMPTY(&runner->commands)) {
		reap(LIST_FIRST(&runner->commands));
		command_free(LIST_FIRST(&runner->commands));
	}
	sd_event_unref(runner->event);
	free(runner);
	return NULL;
}

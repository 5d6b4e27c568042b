/* SPDX-License-Identifier: GPL-2.0-or-later */
/* canaryctl config …: a first configuration, the check of a file, the running one. */
#include "run.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "canaryd/api.h"
#include "command.h"
#include "ctl.h"
#include "user/config.h"

extern char **environ;

/* ---- init -------------------------------------------------------------------------------------------------- */

static int needed(struct ctl *ctl, const struct call *call, const char *option)
{
	char mend[64];

	if (call_has(call, option))
		return API_EXIT_OK;
	snprintf(mend, sizeof(mend), "add --%s ADDR:PORT", option);
	return ctl_error(ctl, API_EXIT_USAGE, mend, "config init needs --%s", option);
}

static int print_as_json(struct ctl *ctl, const char *name, const char *text)
{
	json_t *object = json_pack("{s:s}", name, text);

	if (!object)
		return ctl_no_memory(ctl);
	ctl_print_json(ctl, object);
	json_decref(object);
	return API_EXIT_OK;
}

static int init(const struct call *call, FILE *out, char **ret_problems)
{
	return config_init(out, call_value(call, "name", NULL), call_value(call, "vip", NULL),
			   call_value(call, "baseline", NULL), call_value(call, "canary", NULL),
			   call_value(call, "interface", NULL), call_value(call, "strategy", NULL), ret_problems);
}

static int complain(struct ctl *ctl, char *problems)
{
	struct page page = { .out = ctl->err, .style = ctl->out.style };

	ctl_error(ctl, API_EXIT_CONFIG, NULL, "these options make no valid configuration");
	for (char *line = strtok(problems, "\n"); line; line = strtok(NULL, "\n"))
		page_print(&page, TONE_PLAIN, "  %s\n", line);
	return API_EXIT_CONFIG;
}

int run_config_init(struct ctl *ctl, const struct call *call)
{
	char *problems = NULL, *text = NULL;
	size_t size;
	FILE *memory;
	int r, code;

	code = needed(ctl, call, "vip");
	if (!code)
		code = needed(ctl, call, "baseline");
	if (code)
		return code;
	memory = open_memstream(&text, &size);
	if (!memory)
		return ctl_no_memory(ctl);
	r = init(call, memory, &problems);
	fclose(memory);
	if (r < 0)
		code = complain(ctl, problems ? problems : strerror(-r));
	else if (ctl->json)
		code = print_as_json(ctl, "config", text);
	else
		fputs(text, ctl->out.out);
	free(problems);
	free(text);
	return code;
}

/* ---- check ------------------------------------------------------------------------------------------------- */

/* The canaryd beside this program, or in sbin beside its directory; else the one in PATH, which posix_spawnp() finds. */
static void find_canaryd(char path[PATH_MAX])
{
	static const char *const places[] = { "canaryd", "../sbin/canaryd" };
	ssize_t length = readlink("/proc/self/exe", path, PATH_MAX - sizeof("../sbin/canaryd"));
	char *slash;

	if (length > 0) {
		path[length] = '\0';
		slash = strrchr(path, '/');
		for (size_t i = 0; slash && i < sizeof(places) / sizeof(*places); i++) {
			strcpy(slash + 1, places[i]);
			if (access(path, X_OK) == 0)
				return;
		}
	}
	strcpy(path, "canaryd");
}

/* Both outputs of the child come through the pipe. 0 or a negative errno. */
static int spawn_check(const char *file, const char *program, int out, pid_t *ret_pid)
{
	const char *const arguments[] = { "canaryd", "-t", "-c", file, NULL };
	posix_spawn_file_actions_t actions;
	int r;

	r = posix_spawn_file_actions_init(&actions);
	if (r != 0)
		return -r;
	posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&actions, out, STDERR_FILENO);
	r = posix_spawnp(ret_pid, program, &actions, NULL, (char *const *)arguments, environ);
	posix_spawn_file_actions_destroy(&actions);
	return -r;
}

static char *read_all(int fd)
{
	char *text = NULL, buffer[4096];
	size_t size;
	FILE *memory = open_memstream(&text, &size);
	ssize_t n;

	if (!memory)
		return NULL;
	while ((n = read(fd, buffer, sizeof(buffer))) > 0 || (n < 0 && errno == EINTR)) {
		if (n > 0)
			fwrite(buffer, 1, (size_t)n, memory);
	}
	fclose(memory);
	return text;
}

/* canaryd's exit code and words. 0 or a negative errno; the caller frees *ret_words. */
static int ask_canaryd(const char *file, int *ret_exit, char **ret_words)
{
	char program[PATH_MAX];
	int pipes[2], r, status = 0;
	pid_t pid;

	find_canaryd(program);
	if (pipe2(pipes, O_CLOEXEC) < 0)
		return -errno;
	r = spawn_check(file, program, pipes[1], &pid);
	close(pipes[1]);
	if (r == 0) {
		*ret_words = read_all(pipes[0]);
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
		*ret_exit = WIFEXITED(status) ? WEXITSTATUS(status) : API_EXIT_FAILED;
	}
	close(pipes[0]);
	return r;
}

int run_config_check(struct ctl *ctl, const struct call *call)
{
	char *words = NULL;
	int r, code = API_EXIT_FAILED;

	r = ask_canaryd(call_argument(call, 0), &code, &words);
	if (r < 0)
		return ctl_error(ctl, API_EXIT_FAILED, "install it beside canaryctl or into a directory of PATH",
				 "canaryd could not be started: %s", strerror(-r));
	if (ctl->json) {
		json_t *answer = json_pack("{s:s, s:b, s:s}", "file", call_argument(call, 0), "valid",
					   code == API_EXIT_OK, "message", words ? words : "");

		ctl_print_json(ctl, answer);
		json_decref(answer);
	} else {
		fputs(words ? words : "", code == API_EXIT_OK ? ctl->out.out : ctl->err);
	}
	free(words);
	return code;
}

/* ---- show -------------------------------------------------------------------------------------------------- */

int run_config_show(struct ctl *ctl, const struct call *call)
{
	char *text;
	int code;

	(void)call;
	code = ctl_text(ctl, API_CONFIG, &text);
	if (code)
		return code;
	if (ctl->json)
		code = print_as_json(ctl, "config", text);
	else
		fputs(text, ctl->out.out);
	free(text);
	return code;
}

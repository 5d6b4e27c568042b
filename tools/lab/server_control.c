/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Faults changed and counts read while the server runs: a Unix socket of packets, one line in, one line out. A path
 * works across network namespaces, which an abstract address does not.
 */
#include "tools/lab/server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "canaryd/api.h"

#define LINE_MAX_BYTES 4096
#define TELL_TIMEOUT_S 5

static struct loop_watch control = {.fd = -1};
static struct server *control_server;
static char control_path[sizeof(((struct sockaddr_un *)0)->sun_path)];
static int (*control_apply)(struct server *server);

static int socket_address(const char *path, struct sockaddr_un *address)
{
	if (strlen(path) >= sizeof(address->sun_path))
		return -ENAMETOOLONG;
	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	strcpy(address->sun_path, path);
	return 0;
}

/* ---- the server's side ---- */

static char *answer_stats(void)
{
	json_t *report = server_report(control_server);
	char *text = report ? json_dumps(report, JSON_COMPACT | JSON_REAL_PRECISION(9)) : NULL;

	json_decref(report);
	return text;
}

static char *answer(const char *line)
{
	struct faults before = control_server->faults;
	char message[200], *text = NULL;
	int r;

	if (strcmp(line, "stats") == 0)
		return answer_stats();
	if (faults_parse(&control_server->faults, line, message, sizeof(message)) == 0) {
		r = control_apply(control_server);
		if (r == 0)
			return strdup("ok");
		control_server->faults = before;
		snprintf(message, sizeof(message), "cannot apply it: %s", strerror(-r));
	}
	return asprintf(&text, "error: %s", message) < 0 ? NULL : text;
}

static void on_caller(struct loop_watch *watch, uint32_t events)
{
	char line[LINE_MAX_BYTES], *text = NULL;
	ssize_t n = recv(watch->fd, line, sizeof(line) - 1, MSG_DONTWAIT);

	(void)events;
	if (n > 0) {
		line[n] = '\0';
		line[strcspn(line, "\n")] = '\0';
		text = answer(line);
	}
	if (text)
		send(watch->fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT);
	free(text);
	loop_close(&control_server->loop, watch);
	free(watch);
}

static void on_control(struct loop_watch *watch, uint32_t events)
{
	int fd = accept4(watch->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct loop_watch *caller = fd >= 0 ? malloc(sizeof(*caller)) : NULL;

	(void)events;
	if (!caller) {
		if (fd >= 0)
			close(fd);
		return;
	}
	*caller = (struct loop_watch){.fd = fd, .on_ready = on_caller};
	if (loop_watch(&control_server->loop, caller, EPOLLIN) == 0)
		return;
	loop_close(&control_server->loop, caller);
	free(caller);
}

/* A socket file nobody listens on was left by a server that was killed. */
static void remove_abandoned(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return;
	if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 && errno == ECONNREFUSED)
		unlink(address->sun_path);
	close(fd);
}

int control_open(struct server *server, const char *path, int (*apply)(struct server *server))
{
	struct sockaddr_un address;
	int fd, r = socket_address(path, &address);

	if (r < 0)
		return r;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	control = (struct loop_watch){.fd = fd, .on_ready = on_control};
	remove_abandoned(&address);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 16) < 0)
		r = -errno;
	else
		r = loop_watch(&server->loop, &control, EPOLLIN);
	if (r < 0) {
		loop_close(&server->loop, &control);
		return r;
	}
	strcpy(control_path, address.sun_path);
	control_server = server;
	control_apply = apply;
	return 0;
}

void control_close(struct server *server)
{
	if (control.fd < 0)
		return;
	loop_close(&server->loop, &control);
	unlink(control_path);
}

/* ---- the other side ---- */

static int ask(int fd, const char *line, char *reply, size_t size)
{
	struct timeval timeout = {.tv_sec = TELL_TIMEOUT_S};
	ssize_t n;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	if (send(fd, line, strlen(line), MSG_NOSIGNAL) < 0)
		return -errno;
	n = recv(fd, reply, size - 1, 0);
	if (n <= 0)
		return n < 0 ? -errno : -EPIPE;
	reply[n] = '\0';
	return 0;
}

int control_tell(const char *path, const char *line)
{
	struct sockaddr_un address;
	char reply[LINE_MAX_BYTES];
	int r = socket_address(path, &address), fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (fd < 0)
		r = -errno;
	if (r == 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		r = -errno;
	if (r == 0)
		r = ask(fd, line, reply, sizeof(reply));
	if (fd >= 0)
		close(fd);
	if (r < 0) {
		fprintf(stderr, "lab-server: no answer on %s: %s: is the server running?\n", path, strerror(-r));
		return API_EXIT_UNREACHABLE;
	}
	puts(reply);
	return strncmp(reply, "error:", 6) == 0 ? API_EXIT_FAILED : API_EXIT_OK;
}

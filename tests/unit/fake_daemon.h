/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A daemon that only remembers: a thread that answers HTTP on a Unix socket from files in tests/unit/fixtures, so that
 * canaryctl can be tested without a kernel. For tests only.
 */
#ifndef TESTS_FAKE_DAEMON_H
#define TESTS_FAKE_DAEMON_H

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/unit/fixture.h"

#define FAKE_GONE_MS 700

/* `replies`: one per request, the last one again and again; "gone" stops listening for a moment, unanswered. */
struct fake_route {
	const char *request; /* "GET /v1/status" */
	int status;
	const char *replies[4]; /* fixtures; those without a suffix are .json */
	unsigned used;
};

struct fake_daemon {
	char directory[32];
	char socket[64];
	struct fake_route *routes; /* ends with request NULL */
	int listener;
	atomic_bool stopping;
	pthread_t thread;
	char last_request[1024]; /* the first line; valid when the client has its answer */
	char last_body[1024];
};

static void fake_listen(struct fake_daemon *fake)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", fake->socket);
	fake->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(fake->listener, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fake->listener, 8) < 0)
		abort();
}

static void fake_vanish(struct fake_daemon *fake)
{
	unlink(fake->socket);
	close(fake->listener);
	usleep(FAKE_GONE_MS * 1000);
	fake_listen(fake);
}

/* The head and, by Content-Length, the body of a request, NUL-terminated. */
static void fake_read(int fd, char *text, size_t size)
{
	size_t used = 0, wanted = size - 1;

	while (used < wanted) {
		ssize_t n = read(fd, text + used, wanted - used);
		char *end, *length;

		if (n <= 0)
			break;
		used += (size_t)n;
		text[used] = '\0';
		end = strstr(text, "\r\n\r\n");
		length = strstr(text, "Content-Length: ");
		if (end)
			wanted = (size_t)(end + 4 - text) + (length ? strtoul(length + 16, NULL, 10) : 0);
	}
	text[used] = '\0';
}

static void fake_remember(struct fake_daemon *fake, const char *text)
{
	const char *body = strstr(text, "\r\n\r\n");

	snprintf(fake->last_request, sizeof(fake->last_request), "%.*s", (int)strcspn(text, "\r"), text);
	snprintf(fake->last_body, sizeof(fake->last_body), "%s", body ? body + 4 : "");
}

static struct fake_route *fake_route(struct fake_daemon *fake, const char *text)
{
	for (struct fake_route *r = fake->routes; r->request; r++) {
		size_t length = strlen(r->request);

		if (strncmp(text, r->request, length) == 0 && (text[length] == ' ' || text[length] == '?'))
			return r;
	}
	return NULL;
}

static const char *fake_next(struct fake_route *route)
{
	const char *reply = route->replies[route->used];

	if (route->used + 1 < 4 && route->replies[route->used + 1])
		route->used++;
	return reply;
}

static void fake_serve(struct fake_daemon *fake, int fd)
{
	char text[4096] = "";
	struct fake_route *route;
	const char *name;
	char *body;

	fake_read(fd, text, sizeof(text));
	route = fake_route(fake, text);
	name = route ? fake_next(route) : NULL;
	if (name && strcmp(name, "gone") == 0) {
		fake_vanish(fake);
		return;
	}
	fake_remember(fake, text);
	body = name ? fixture_read(name, strchr(name, '.') ? "" : ".json")
		    : strdup("{\"error\": {\"code\": \"not_found\", \"message\": \"no such route\"}}");
	dprintf(fd, "HTTP/1.1 %d X\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s", route ? route->status : 404,
		strlen(body), body);
	free(body);
}

static void *fake_loop(void *context)
{
	struct fake_daemon *fake = context;

	for (;;) {
		int fd = accept4(fake->listener, NULL, NULL, SOCK_CLOEXEC);

		if (atomic_load(&fake->stopping)) {
			close(fd);
			return NULL;
		}
		if (fd < 0)
			continue;
		fake_serve(fake, fd);
		close(fd);
	}
}

static struct fake_daemon *fake_start(struct fake_route *routes)
{
	struct fake_daemon *fake = calloc(1, sizeof(*fake));

	fake->routes = routes;
	strcpy(fake->directory, "/tmp/canaryctl-test-XXXXXX");
	if (!mkdtemp(fake->directory))
		abort();
	snprintf(fake->socket, sizeof(fake->socket), "%s/socket", fake->directory);
	fake_listen(fake);
	if (pthread_create(&fake->thread, NULL, fake_loop, fake) != 0)
		abort();
	return fake;
}

static void fake_stop(struct fake_daemon *fake)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", fake->socket);
	atomic_store(&fake->stopping, true);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		abort();
	pthread_join(fake->thread, NULL);
	close(fd);
	close(fake->listener);
	unlink(fake->socket);
	rmdir(fake->directory);
	free(fake);
}

#endif

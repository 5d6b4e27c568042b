/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A connection of the lab's server: read a request, wait its service time out, do to it what the faults say.
 * Descriptors are edge-triggered and watched for everything, so each state reads or writes until the kernel says no.
 * A client that closes before its response has given up (as nginx's 499 has it).
 */
#include "tools/lab/server.h"

#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define REQUEST_MAX 4096         /* head and body; a longer request gets a 400 */
#define ACK_POLL_NS 200000u      /* how often it is asked whether the half of a response was acknowledged */

enum http_state {
	HTTP_READING,
	HTTP_SERVING,  /* the timer is the service time */
	HTTP_SENDING,  /* the socket was full */
	HTTP_DRAINING, /* half a response sent: the timer asks whether it was acknowledged */
};

struct http_connection {
	LIST_ENTRY(http_connection) entry;
	struct server *server;
	struct loop_watch watch;
	struct loop_timer timer;
	enum http_state state;
	enum fault_outcome outcome;
	unsigned int status;
	bool close_after;
	uint64_t asked_ns;
	size_t used, request_bytes; /* of `request`: read, and belonging to the request in hand */
	size_t head_bytes, sent, total;
	char head[192];
	char request[REQUEST_MAX + 1];
};

static void finish(struct http_connection *c)
{
	loop_disarm(&c->server->loop, &c->timer);
	loop_close(&c->server->loop, &c->watch);
	LIST_REMOVE(c, entry);
	c->server->counts.open--;
	free(c);
}

static void finish_with_reset(struct http_connection *c)
{
	struct linger now = {.l_onoff = 1, .l_linger = 0};

	setsockopt(c->watch.fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	finish(c);
}

static void abandon(struct http_connection *c)
{
	c->server->counts.client_aborts++;
	finish(c);
}

/* ---- reading ---- */

static const char *header(const char *head, const char *name)
{
	const char *line = strcasestr(head, name);

	return line ? line + strlen(name) : NULL;
}

/* True when c->request holds a request to its end, or one that never will be: its status says which. */
static bool request_is_whole(struct http_connection *c)
{
	char *end = memmem(c->request, c->used, "\r\n\r\n", 4);
	const char *value;
	size_t body_bytes = 0;

	c->status = 200;
	c->close_after = false;
	if (end) {
		*end = '\0';
		value = header(c->request, "\r\nContent-Length:");
		body_bytes = value ? strtoul(value, NULL, 10) : 0;
		value = header(c->request, "\r\nConnection:");
		c->close_after = strstr(c->request, " HTTP/1.0") || (value && strcasestr(value, "close"));
		*end = '\r';
		c->request_bytes = (size_t)(end + 4 - c->request) + body_bytes;
		if (body_bytes <= REQUEST_MAX && c->request_bytes <= REQUEST_MAX && strncmp(c->request, "\r\n", 2) != 0)
			return c->used >= c->request_bytes;
	} else if (c->used < REQUEST_MAX) {
		return false;
	}
	c->status = 400;
	c->close_after = true;
	c->request_bytes = c->used;
	return true;
}

static void begin_request(struct http_connection *c)
{
	struct server *s = c->server;

	s->counts.requests++;
	c->asked_ns = loop_now_ns();
	c->outcome = c->status == 200 ? faults_choose(&s->faults, faults_random(&s->random)) : FAULT_NONE;
	if (c->outcome == FAULT_ERROR)
		c->status = 503;
	c->state = HTTP_SERVING;
	if (loop_arm(&s->loop, &c->timer, c->asked_ns + server_service_ns(s)) < 0)
		finish_with_reset(c);
}

static void read_request(struct http_connection *c)
{
	ssize_t n;

	c->state = HTTP_READING;
	while (!request_is_whole(c)) {
		n = recv(c->watch.fd, c->request + c->used, REQUEST_MAX - c->used, 0);
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0) {
			finish(c);
			return;
		}
		c->used += (size_t)n;
		c->request[c->used] = '\0';
	}
	begin_request(c);
}

/* ---- answering ---- */

static void count_response(struct http_connection *c)
{
	struct server_counts *counts = &c->server->counts;

	*(c->status == 200 ? &counts->status_200 : c->status == 503 ? &counts->status_503 : &counts->status_400) += 1;
}

static void begin_draining(struct http_connection *c)
{
	c->state = HTTP_DRAINING;
	if (loop_arm(&c->server->loop, &c->timer, loop_now_ns() + ACK_POLL_NS) < 0)
		abandon(c);
}

static void response_sent(struct http_connection *c)
{
	if (c->outcome == FAULT_RESET_MID) {
		begin_draining(c);
		return;
	}
	count_response(c);
	if (c->close_after) {
		finish(c);
		return;
	}
	c->used -= c->request_bytes;
	memmove(c->request, c->request + c->request_bytes, c->used + 1);
	read_request(c);
}

static void send_response(struct http_connection *c)
{
	while (c->sent < c->total) {
		size_t head_left = c->sent < c->head_bytes ? c->head_bytes - c->sent : 0;
		size_t body_sent = c->sent > c->head_bytes ? c->sent - c->head_bytes : 0;
		struct iovec parts[2] = {
			{.iov_base = c->head + c->head_bytes - head_left, .iov_len = head_left},
			{.iov_base = c->server->body + body_sent, .iov_len = c->total - c->head_bytes - body_sent},
		};
		ssize_t n = writev(c->watch.fd, parts, 2);

		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0) {
			abandon(c);
			return;
		}
		c->sent += (size_t)n;
	}
	response_sent(c);
}

static const char *status_text(unsigned int status)
{
	return status == 200 ? "OK" : status == 503 ? "Service Unavailable" : "Bad Request";
}

static void begin_response(struct http_connection *c, uint64_t now_ns)
{
	struct server *s = c->server;
	size_t body_bytes = c->outcome == FAULT_RESET_MID ? s->body_bytes / 2 : s->body_bytes;

	c->head_bytes = (size_t)snprintf(c->head, sizeof(c->head),
					 "HTTP/1.1 %u %s\r\nContent-Length: %zu\r\nX-Version: %.32s\r\n%s\r\n", c->status,
					 status_text(c->status), s->body_bytes, s->name,
					 c->close_after ? "Connection: close\r\n" : "");
	c->sent = 0;
	c->total = c->head_bytes + body_bytes;
	c->state = HTTP_SENDING;
	samples_add(&s->service, now_ns - c->asked_ns);
	send_response(c);
}

/* The half was acknowledged: the reset cannot overtake it. */
static void reset_when_acknowledged(struct http_connection *c)
{
	int waiting = 0;

	if (ioctl(c->watch.fd, SIOCOUTQ, &waiting) < 0 || waiting > 0) {
		begin_draining(c);
		return;
	}
	c->server->counts.resets_mid++;
	finish_with_reset(c);
}

static void on_due(struct loop_timer *timer, uint64_t now_ns)
{
	struct http_connection *c = loop_owner(timer, struct http_connection, timer);

	if (c->state == HTTP_DRAINING) {
		reset_when_acknowledged(c);
	} else if (c->outcome == FAULT_RESET) {
		c->server->counts.resets_before++;
		finish_with_reset(c);
	} else if (c->outcome == FAULT_EMPTY) {
		c->server->counts.empty_closes++;
		finish(c);
	} else {
		begin_response(c, now_ns);
	}
}

/* ---- the connection ---- */

static void on_ready(struct loop_watch *watch, uint32_t events)
{
	struct http_connection *c = loop_owner(watch, struct http_connection, watch);

	if (c->state == HTTP_READING)
		read_request(c);
	else if (events & (EPOLLERR | EPOLLHUP | EPOLLRDHUP))
		abandon(c);
	else if (c->state == HTTP_SENDING)
		send_response(c);
}

void http_accept(struct server *server, int fd)
{
	struct http_connection *c = malloc(sizeof(*c));
	struct loop_watch watch = {.fd = fd, .on_ready = on_ready};
	int on = 1;

	if (!c) {
		loop_close(&server->loop, &watch);
		return;
	}
	*c = (struct http_connection){.server = server, .watch = watch, .timer.on_due = on_due};
	LIST_INSERT_HEAD(&server->connections, c, entry);
	server->counts.connections++;
	server->counts.open++;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (loop_watch(&server->loop, &c->watch, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET) < 0)
		finish_with_reset(c);
}

void http_close_all(struct server *server)
{
	while (!LIST_EMPTY(&server->connections))
		finish(LIST_FIRST(&server->connections));
}

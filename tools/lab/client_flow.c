/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A flow of the load generator: a connection with its requests, or with --udp a socket with its datagrams. The
 * descriptor is edge-triggered and watched for everything; the timer is the timeout of what is waited for, or the pause
 * between two requests.
 */
#include "tools/lab/client.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tools/lab/response.h"
#include "tools/lab/socket_address.h"
#include "user/address.h"

#define SCRATCH_BYTES 65536
#define VERSION_NONE (CLIENT_VERSIONS_MAX + 1)

enum flow_state {
	FLOW_CONNECTING,
	FLOW_WAITING, /* for the first byte of a response */
	FLOW_READING, /* for the rest of it */
	FLOW_THINKING,
	FLOW_CLOSING, /* the last response is here; for the server to close */
};

struct flow {
	LIST_ENTRY(flow) entry;
	struct client *client;
	struct loop_watch watch;
	struct loop_timer timer;
	enum flow_state state;
	unsigned int requests_left;
	unsigned int version;
	uint64_t began_ns; /* the connect or the request */
	struct canary_endpoint source;
	struct response response;
};

static const char request_keep[] = "GET / HTTP/1.1\r\nHost: lab\r\nUser-Agent: lab-client\r\n\r\n";
static const char request_last[] =
	"GET / HTTP/1.1\r\nHost: lab\r\nUser-Agent: lab-client\r\nConnection: close\r\n\r\n";

static char scratch[SCRATCH_BYTES];

/* ---- the end of a flow ---- */

static void write_line(const struct flow *f, const char *outcome)
{
	char text[ADDRESS_MAX];
	const char *version = f->version == VERSION_NONE ? "-" : f->client->counts.versions[f->version].name;

	if (!f->client->flow_file)
		return;
	address_format(&f->source, text);
	fprintf(f->client->flow_file, "%s %s %s\n", text, version, outcome);
}

/* `count` is raised by one, or NULL for a good end. */
static void finish(struct flow *f, uint64_t *count, const char *outcome)
{
	struct client *client = f->client;

	if (count)
		++*count;
	write_line(f, outcome);
	loop_disarm(&client->loop, &f->timer);
	loop_close(&client->loop, &f->watch);
	LIST_REMOVE(f, entry);
	free(f);
	if (--client->in_flight == 0)
		client->on_idle(client);
}

#define FINISH(flow, name) finish(flow, &(flow)->client->counts.name, #name)

static void finish_with_error(struct flow *f, int error)
{
	if (f->state == FLOW_CONNECTING) {
		if (error == ECONNREFUSED)
			FINISH(f, refused);
		else if (error == ETIMEDOUT)
			FINISH(f, connect_timeouts);
		else
			FINISH(f, unreachable);
	} else if (f->client->udp) {
		if (error == ECONNREFUSED)
			FINISH(f, refused);
		else
			FINISH(f, unreachable);
	} else if (f->state == FLOW_WAITING) {
		FINISH(f, resets_before);
	} else if (f->state == FLOW_READING) {
		FINISH(f, resets_mid);
	} else {
		FINISH(f, resets_after);
	}
}

/* ---- requests ---- */

static void wait_until(struct flow *f, uint64_t due_ns)
{
	if (loop_arm(&f->client->loop, &f->timer, due_ns) < 0)
		FINISH(f, local_errors);
}

static ssize_t send_bytes(const struct flow *f)
{
	bool last = f->requests_left == 1;

	if (f->client->udp)
		return send(f->watch.fd, f->client->datagram, f->client->datagram_bytes, MSG_NOSIGNAL);
	return send(f->watch.fd, last ? request_last : request_keep,
		    last ? sizeof(request_last) - 1 : sizeof(request_keep) - 1, MSG_NOSIGNAL);
}

static void send_request(struct flow *f)
{
	f->state = FLOW_WAITING;
	f->client->counts.requests++;
	f->began_ns = loop_now_ns();
	response_init(&f->response);
	if (send_bytes(f) < 0)
		finish_with_error(f, errno);
	else
		wait_until(f, f->began_ns + f->client->timeout_ns);
}

static void count_version(struct flow *f, const char *name)
{
	unsigned int version = *name ? report_version(f->client, name) : VERSION_NONE;

	if (version == VERSION_NONE)
		return;
	f->client->counts.versions[version].responses++;
	if (f->version != VERSION_NONE && f->version != version)
		f->client->counts.version_changes++;
	f->version = version;
}

static void think(struct flow *f)
{
	if (f->client->draining) {
		finish(f, NULL, "ok");
		return;
	}
	if (!f->client->think_ns) {
		send_request(f);
		return;
	}
	f->state = FLOW_THINKING;
	wait_until(f, loop_now_ns() + f->client->think_ns);
}

/* A response is here whole: what next? */
static void response_done(struct flow *f, bool closed)
{
	f->client->counts.status_class[f->response.status / 100]++;
	count_version(f, f->response.version);
	f->requests_left--;
	if (closed) {
		finish(f, NULL, "ok");
	} else if (!f->requests_left || f->response.close_after) {
		f->state = FLOW_CLOSING;
	} else {
		think(f);
	}
}

static void take_first_byte(struct flow *f)
{
	if (f->state != FLOW_WAITING)
		return;
	samples_add(&f->client->ttfb, loop_now_ns() - f->began_ns);
	f->state = FLOW_READING;
}

/* "NAME PAYLOAD": what came back from lab-server, all of it. */
static void take_datagram(struct flow *f, size_t bytes)
{
	char *space = memchr(scratch, ' ', bytes);

	take_first_byte(f);
	if (!space || bytes != (size_t)(space + 1 - scratch) + f->client->datagram_bytes ||
	    memcmp(space + 1, f->client->datagram, f->client->datagram_bytes)) {
		FINISH(f, malformed);
		return;
	}
	*space = '\0';
	count_version(f, scratch);
	f->client->counts.status_class[2]++;
	if (--f->requests_left == 0)
		finish(f, NULL, "ok");
	else
		think(f);
}

static void take_bytes(struct flow *f, size_t bytes)
{
	f->client->counts.bytes += bytes;
	if (f->state != FLOW_WAITING && f->state != FLOW_READING) {
		FINISH(f, malformed);
		return;
	}
	take_first_byte(f);
	switch (response_feed(&f->response, scratch, bytes)) {
	case RESPONSE_DONE:
		response_done(f, false);
		break;
	case RESPONSE_MALFORMED:
		FINISH(f, malformed);
		break;
	case RESPONSE_MORE:
		break;
	}
}

static void take_end(struct flow *f)
{
	if (f->state == FLOW_WAITING)
		FINISH(f, empty_closes);
	else if (f->state == FLOW_READING && f->response.head_done && f->response.until_close)
		response_done(f, true);
	else if (f->state == FLOW_READING)
		FINISH(f, truncated);
	else if (f->state == FLOW_THINKING)
		FINISH(f, idle_closes);
	else
		finish(f, NULL, "ok");
}

/* ---- the socket ---- */

static void count_syns(struct flow *f)
{
	struct tcp_info info = {0};
	socklen_t length = sizeof(info);

	if (getsockopt(f->watch.fd, IPPROTO_TCP, TCP_INFO, &info, &length) == 0)
		f->client->counts.syn_retransmits += info.tcpi_total_retrans;
}

static void connected(struct flow *f)
{
	samples_add(&f->client->connect, loop_now_ns() - f->began_ns);
	f->client->counts.connected++;
	count_syns(f);
	send_request(f);
}

static void check_connect(struct flow *f)
{
	int error = 0;
	socklen_t length = sizeof(error);

	if (getsockopt(f->watch.fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0)
		error = errno;
	if (error)
		finish_with_error(f, error);
	else
		connected(f);
}

/*
 * Reads what is there. At most one response is, since the next request is sent only afterwards: a short read
 * empties the socket, except of an end or an error, which `more` announces.
 */
static void read_some(struct flow *f, bool more)
{
	struct client *client = f->client;
	uint64_t in_flight = client->in_flight;
	ssize_t n;

	do {
		n = recv(f->watch.fd, scratch, sizeof(scratch), 0);
		if (n < 0 && errno != EAGAIN)
			finish_with_error(f, errno);
		else if (n == 0 && !client->udp)
			take_end(f);
		else if (n >= 0 && client->udp)
			take_datagram(f, (size_t)n);
		else if (n > 0)
			take_bytes(f, (size_t)n);
	} while (client->in_flight == in_flight && n > 0 && (more || n == SCRATCH_BYTES));
}

static void on_ready(struct loop_watch *watch, uint32_t events)
{
	struct flow *f = loop_owner(watch, struct flow, watch);

	if (f->state == FLOW_CONNECTING)
		check_connect(f);
	else if (events & (EPOLLIN | EPOLLERR | EPOLLHUP | EPOLLRDHUP))
		read_some(f, events & (EPOLLERR | EPOLLHUP | EPOLLRDHUP));
}

static void on_due(struct loop_timer *timer, uint64_t now_ns)
{
	struct flow *f = loop_owner(timer, struct flow, timer);

	(void)now_ns;
	switch (f->state) {
	case FLOW_THINKING:
		send_request(f);
		break;
	case FLOW_CONNECTING:
		count_syns(f);
		FINISH(f, connect_timeouts);
		break;
	case FLOW_CLOSING:
		finish(f, NULL, "ok");
		break;
	default:
		FINISH(f, response_timeouts);
	}
}

static int bind_source(const struct client *client, int fd, uint64_t number)
{
	struct sockaddr_storage address;
	struct canary_endpoint source;
	socklen_t length;
	uint64_t port_count = (uint64_t)(client->port_high - client->port_low) + 1;
	int on = 1;

	if (!client->source_count)
		return 0;
	source = client->sources[number % client->source_count];
	if (client->port_low)
		source.port = htons((uint16_t)(client->port_low + number / client->source_count % port_count));
	length = socket_address(&source, &address);
	setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
	if (client->port_low)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	return bind(fd, (struct sockaddr *)&address, length) < 0 ? -errno : 0;
}

/* A socket on its way to the server, or negative errno. */
static int open_socket(const struct client *client, uint64_t number)
{
	struct sockaddr_storage to;
	socklen_t length = socket_address(&client->to, &to);
	int on = 1, r;
	int fd = socket(to.ss_family, (client->udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	if (!client->udp)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (client->fast_open)
		setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &on, sizeof(on));
	r = bind_source(client, fd, number);
	if (r == 0 && connect(fd, (struct sockaddr *)&to, length) < 0 && errno != EINPROGRESS)
		r = -errno;
	if (r == 0)
		return fd;
	close(fd);
	return r;
}

static void note_source(struct flow *f)
{
	struct sockaddr_storage address = {.ss_family = AF_INET};
	socklen_t length = sizeof(address);

	getsockname(f->watch.fd, (struct sockaddr *)&address, &length);
	f->source = socket_endpoint(&address);
}

void flow_launch(struct client *client, uint64_t number)
{
	uint64_t now_ns = loop_now_ns();
	int fd = open_socket(client, number);
	struct flow *f = fd >= 0 ? malloc(sizeof(*f)) : NULL;

	if (!f) {
		if (fd >= 0)
			close(fd);
		client->counts.local_errors++;
		return;
	}
	memset(f, 0, offsetof(struct flow, response));
	f->client = client;
	f->watch = (struct loop_watch){.fd = fd, .on_ready = on_ready};
	f->timer.on_due = on_due;
	f->requests_left = client->requests_per_connection;
	f->version = VERSION_NONE;
	f->began_ns = now_ns;
	LIST_INSERT_HEAD(&client->flows, f, entry);
	client->in_flight++;
	client->counts.attempts++;
	note_source(f);
	if (loop_watch(&client->loop, &f->watch, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET) < 0)
		FINISH(f, local_errors);
	else if (client->udp)
		send_request(f);
	else
		wait_until(f, now_ns + client->timeout_ns);
}

void flow_drain_all(struct client *client)
{
	struct flow *f, *next;

	client->draining = true;
	for (f = LIST_FIRST(&client->flows); f; f = next) {
		next = LIST_NEXT(f, entry);
		if (f->state == FLOW_THINKING)
			finish(f, NULL, "ok");
	}
}

void flow_stop_all(struct client *client)
{
	while (!LIST_EMPTY(&client->flows))
		FINISH(LIST_FIRST(&client->flows), unfinished);
}

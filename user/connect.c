/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "user/connect.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "user/address.h"

struct connect_job {
	sd_event_source *source; /* of the socket, or of an error that was there at once */
	sd_event_source *timer;
	int fd;
	int error;
	connect_callback callback;
	void *context;
};

struct connect_job *connect_cancel(struct connect_job *job)
{
	if (!job)
		return NULL;
	sd_event_source_disable_unref(job->source);
	sd_event_source_disable_unref(job->timer);
	if (job->fd >= 0)
		close(job->fd);
	free(job);
	return NULL;
}

static int finish(struct connect_job *job, int error)
{
	connect_callback callback = job->callback;
	void *context = job->context;

	connect_cancel(job);
	callback(error, context);
	return 0;
}

static int on_ready(sd_event_source *source, int fd, uint32_t events, void *context)
{
	socklen_t size = sizeof(int);
	int error = 0;

	(void)source;
	(void)events;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size))
		error = errno;
	return finish(context, -error);
}

static int on_timeout(sd_event_source *source, uint64_t now_us, void *context)
{
	(void)source;
	(void)now_us;
	return finish(context, -ETIMEDOUT);
}

static int on_error(sd_event_source *source, void *context)
{
	struct connect_job *job = context;

	(void)source;
	return finish(job, job->error);
}

static socklen_t socket_address_of(const struct canary_endpoint *endpoint, struct sockaddr_storage *ret)
{
	struct sockaddr_in *four = (struct sockaddr_in *)ret;
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)ret;

	memset(ret, 0, sizeof(*ret));
	if (address_is_ipv4(endpoint->addr)) {
		four->sin_family = AF_INET;
		four->sin_port = endpoint->port;
		four->sin_addr.s_addr = endpoint->addr[3];
		return sizeof(*four);
	}
	six->sin6_family = AF_INET6;
	six->sin6_port = endpoint->port;
	memcpy(&six->sin6_addr, endpoint->addr, sizeof(six->sin6_addr));
	return sizeof(*six);
}

/* Closing resets: a backend is not left with a connection in TIME_WAIT by every check. */
static int open_socket(struct connect_job *job, const struct canary_endpoint *endpoint)
{
	struct linger reset = { .l_onoff = 1 };
	struct sockaddr_storage address;
	socklen_t size = socket_address_of(endpoint, &address);

	job->fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
	if (job->fd < 0)
		return -errno;
	setsockopt(job->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	if (connect(job->fd, (struct sockaddr *)&address, size) && errno != EINPROGRESS)
		job->error = -errno;
	return 0;
}

int connect_start(sd_event *event, const struct canary_endpoint *endpoint, uint64_t timeout_ms,
		  connect_callback callback, void *context, struct connect_job **ret)
{
	struct connect_job *job = calloc(1, sizeof(*job));
	int r;

	if (!job)
		return -ENOMEM;
	*job = (struct connect_job){ .fd = -1, .callback = callback, .context = context };
	r = open_socket(job, endpoint);
	if (r >= 0 && job->error)
		r = sd_event_add_defer(event, &job->source, on_error, job);
	else if (r >= 0)
		r = sd_event_add_io(event, &job->source, job->fd, EPOLLOUT, on_ready, job);
	if (r >= 0)
		r = sd_event_add_time_relative(event, &job->timer, CLOCK_MONOTONIC, timeout_ms * 1000, 1000, on_timeout, job);
	if (r < 0) {
		connect_cancel(job);
		return r;
	}
	*ret = job;
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An event loop for a test, and an HTTP server on loopback, in a thread of its own, that keeps what it was sent. */
#ifndef CANARYD_TESTS_EVENT_FIXTURE_H
#define CANARYD_TESTS_EVENT_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <microhttpd.h>
#include <pthread.h>
#include <sys/socket.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#define GUARD_US 30000000 /* a condition that has not come by then will not come */
#define SINK_KEPT 64

/* ---- loop ---- */

/* Turns the loop until *done, or fails. */
static inline void run_until(sd_event *event, const bool *done)
{
	uint64_t began_us, now_us;

	sd_event_now(event, CLOCK_MONOTONIC, &began_us);
	while (!*done) {
		assert_true(sd_event_run(event, 100000) >= 0);
		sd_event_now(event, CLOCK_MONOTONIC, &now_us);
		if (now_us - began_us > GUARD_US)
			fail_msg("what was waited for did not come");
	}
}

/* Turns the loop as long as something is to be done at once. */
static inline void run_dry(sd_event *event)
{
	while (sd_event_run(event, 0) > 0)
		;
}

/* ---- server ---- */

struct sink_request {
	char method[16];
	char path[128];
	char type[64]; /* Content-Type */
	char *body;
};

struct sink {
	struct MHD_Daemon *daemon;
	pthread_mutex_t lock;
	unsigned port;
	unsigned status;     /* of the next answers */
	const char *answer;  /* body of the next answers */
	const char *location; /* NULL: none */
	const char *type; /* of the answer; NULL: text/plain */
	const char *(*choose)(const char *query); /* the body by ?query=; NULL: `answer` */
	struct sink_request requests[SINK_KEPT];
	size_t count;
	char url[64]; /* "http://127.0.0.1:PORT" */
};

static inline enum MHD_Result sink_answer(struct sink *sink, struct MHD_Connection *connection)
{
	const char *query = MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, "query");
	const char *body = sink->choose ? sink->choose(query ?: "") : sink->answer;
	struct MHD_Response *response = MHD_create_response_from_buffer(strlen(body), (void *)body,
									MHD_RESPMEM_MUST_COPY);
	enum MHD_Result r;

	if (sink->location)
		MHD_add_response_header(response, "Location", sink->location);
	MHD_add_response_header(response, "Content-Type", sink->type ?: "text/plain");
	r = MHD_queue_response(connection, sink->status, response);
	MHD_destroy_response(response);
	return r;
}

static inline void sink_keep(struct sink *sink, struct MHD_Connection *connection, const char *method, const char *path,
			     char *body)
{
	struct sink_request *request = &sink->requests[sink->count % SINK_KEPT];

	free(request->body);
	snprintf(request->method, sizeof(request->method), "%s", method);
	snprintf(request->path, sizeof(request->path), "%s", path);
	snprintf(request->type, sizeof(request->type), "%s",
		 MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Content-Type") ?: "");
	request->body = body;
	sink->count++;
}

static inline enum MHD_Result sink_on_request(void *context, struct MHD_Connection *connection, const char *path,
					      const char *method, const char *version, const char *data, size_t *size,
					      void **state)
{
	struct sink *sink = context;
	char **body = *state;
	size_t had;
	enum MHD_Result r;

	(void)version;
	if (!body) {
		*state = body = calloc(1, sizeof(*body));
		*body = strdup("");
		return MHD_YES;
	}
	if (*size) {
		had = strlen(*body);
		*body = realloc(*body, had + *size + 1);
		memcpy(*body + had, data, *size);
		(*body)[had + *size] = '\0';
		*size = 0;
		return MHD_YES;
	}
	pthread_mutex_lock(&sink->lock);
	sink_keep(sink, connection, method, path, *body);
	*body = NULL;
	r = sink_answer(sink, connection);
	pthread_mutex_unlock(&sink->lock);
	return r;
}

static inline void sink_on_completed(void *context, struct MHD_Connection *connection, void **state,
				     enum MHD_RequestTerminationCode why)
{
	char **body = *state;

	(void)context;
	(void)connection;
	(void)why;
	if (body)
		free(*body);
	free(body);
	*state = NULL;
}

static inline struct sink *sink_new(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sink *sink = calloc(1, sizeof(*sink));

	pthread_mutex_init(&sink->lock, NULL);
	sink->status = 200;
	sink->answer = "";
	sink->daemon = MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD, 0, NULL, NULL, sink_on_request, sink,
					MHD_OPTION_SOCK_ADDR, &address, MHD_OPTION_NOTIFY_COMPLETED, sink_on_completed,
					NULL, MHD_OPTION_END);
	assert_non_null(sink->daemon);
	sink->port = MHD_get_daemon_info(sink->daemon, MHD_DAEMON_INFO_BIND_PORT)->port;
	snprintf(sink->url, sizeof(sink->url), "http://127.0.0.1:%u", sink->port);
	return sink;
}

static inline void sink_set(struct sink *sink, unsigned status, const char *answer)
{
	pthread_mutex_lock(&sink->lock);
	sink->status = status;
	sink->answer = answer;
	pthread_mutex_unlock(&sink->lock);
}

static inline void sink_free(struct sink *sink)
{
	MHD_stop_daemon(sink->daemon);
	for (size_t i = 0; i < SINK_KEPT; i++)
		free(sink->requests[i].body);
	pthread_mutex_destroy(&sink->lock);
	free(sink);
}

/* A socket on loopback; where it does not listen, connections to it are refused. The caller closes it. */
static inline int bound_socket(bool listens, unsigned *ret_port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_return_code(bind(fd, (struct sockaddr *)&address, size), 0);
	assert_return_code(getsockname(fd, (struct sockaddr *)&address, &size), 0);
	if (listens)
		assert_return_code(listen(fd, 16), 0);
	*ret_port = ntohs(address.sin_port);
	return fd;
}

#endif

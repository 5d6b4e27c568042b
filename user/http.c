/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "user/http.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <microhttpd.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/queue.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>

#include "user/error.h"
#include "user/http_socket.h"
#include "user/log.h"

#define CONNECTIONS_MAX 64
#define CONNECTIONS_OF_AN_ADDRESS_MAX 16
#define CONNECTION_TIMEOUT_S 30
#define COMPLAINT_S 60
#define BROWSER_MAY "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'" /* no inline script or style */
#define FORBIDDEN                                                                                                   \
	"{\"error\": {\"code\": \"forbidden\", \"message\": \"only root and members of group canaryd may talk to "  \
	"canaryd\", \"mend\": \"run as root, or add your user to the group and log in again\"}}\n"
#define TOO_LARGE                                                                                                   \
	"{\"error\": {\"code\": \"too_large\", \"message\": \"the request's body is larger than 64 KiB (PUT: 64 MiB)\", \"mend\": " \
	"\"send less\"}}\n"
#define READ_ONLY                                                                                                   \
	"{\"error\": {\"code\": \"method\", \"message\": \"this address is for reading: GET and HEAD\", \"mend\": \"use " \
	"canaryctl, or the Unix socket\"}}\n"
#define ENDING "{\"error\": {\"code\": \"ending\", \"message\": \"canaryd is ending\", \"mend\": \"try again\"}}\n"
#define OUT_OF_MEMORY "{\"error\": {\"code\": \"internal\", \"message\": \"out of memory\", \"mend\": \"try again\"}}\n"

struct http {
	struct MHD_Daemon *daemon;
	LIST_HEAD(, http_later) later;
	sd_event_source *io;
	sd_event_source *timer;
	http_handler handler;
	void *context;
	bool read_only; /* for everybody: TCP has no peer credentials */
	char path[108]; /* "" where systemd made the socket, and for TCP */
	gid_t group;    /* (gid_t)-1: none */
	time_t complained_s;
};

/* A request whose connection is suspended. */
struct http_later {
	LIST_ENTRY(http_later) link;
	struct http *http;
	struct MHD_Connection *connection;
	bool suspended;
	struct http_response response; /* status 0: not yet */
};

/* A request while it comes in, and while its answer is still to come. */
struct body {
	struct http *http;
	struct MHD_Connection *connection;
	char *text;
	size_t size;
	size_t most; /* bytes that are taken */
	bool too_large;
	struct http_later *later;
};

/* ---- peers -------------------------------------------------------------------------------------------------- */

/* As the kernel knows the peer: a name service that does not answer would keep the loop waiting. */
static bool is_member(int fd, gid_t primary, gid_t group)
{
	socklen_t size = NGROUPS_MAX * sizeof(gid_t);
	gid_t *groups = malloc(size);
	bool found = primary == group;

	if (groups && !getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size))
		for (size_t i = 0; !found && i < size / sizeof(*groups); i++)
			found = groups[i] == group;
	free(groups);
	return found;
}

static bool is_allowed(const struct http *http, struct MHD_Connection *connection, uid_t *ret_uid)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct ucred peer;
	socklen_t size = sizeof(peer);

	if (!info || getsockopt(info->connect_fd, SOL_SOCKET, SO_PEERCRED, &peer, &size))
		return false;
	*ret_uid = peer.uid;
	if (peer.uid == 0 || peer.uid == geteuid())
		return true;
	return http->group != (gid_t)-1 && is_member(info->connect_fd, peer.gid, http->group);
}

/* ---- requests ----------------------------------------------------------------------------------------------- */

static enum MHD_Result respond(struct MHD_Connection *connection, const struct http_response *answer,
			       enum MHD_ResponseMemoryMode mode)
{
	size_t size = answer->body_size ? answer->body_size : strlen(answer->body);
	struct MHD_Response *response = MHD_create_response_from_buffer(size, answer->body, mode);
	enum MHD_Result r;

	if (!response)
		return MHD_NO;
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, answer->content_type);
	MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
	MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_SECURITY_POLICY, BROWSER_MAY);
	r = MHD_queue_response(connection, answer->status, response);
	MHD_destroy_response(response);
	return r;
}

static enum MHD_Result refuse(struct MHD_Connection *connection, unsigned status, const char *body)
{
	const struct http_response answer = { .status = status, .content_type = "application/json", .body = (char *)body };

	return respond(connection, &answer, MHD_RESPMEM_PERSISTENT);
}

static void add_to_body(struct body *body, const char *data, size_t size)
{
	char *text;

	if (body->too_large || body->size + size > body->most) {
		body->too_large = true;
		return;
	}
	text = realloc(body->text, body->size + size + 1);
	if (!text) {
		body->too_large = true;
		return;
	}
	memcpy(text + body->size, data, size);
	body->text = text;
	body->size += size;
	text[body->size] = 0;
}

static enum MHD_Result send_answer(struct MHD_Connection *connection, const struct http_response *response)
{
	if (!response->body)
		return refuse(connection, MHD_HTTP_INTERNAL_SERVER_ERROR, OUT_OF_MEMORY);
	return respond(connection, response, MHD_RESPMEM_MUST_FREE);
}

static enum MHD_Result answer_later(struct MHD_Connection *connection, struct body *body)
{
	struct http_later *later = body->later;
	enum MHD_Result r = send_answer(connection, &later->response);

	LIST_REMOVE(later, link);
	free(later);
	body->later = NULL;
	return r;
}

/* The server sends the headers of a GET, and leaves the body out by itself. */
static bool is_head(const char *method)
{
	return !strcmp(method, MHD_HTTP_METHOD_HEAD);
}

static enum MHD_Result handle(struct http *http, struct MHD_Connection *connection, const char *path,
			      const char *method, struct body *body)
{
	struct http_request request = { .method = is_head(method) ? "GET" : method, .path = path, .body = body->text ?: "",
					.body_size = body->size, .uid = (uid_t)-1, .read_only = http->read_only,
					.arguments = connection, .state = body };
	struct http_response response = { .status = MHD_HTTP_OK, .content_type = "application/json" };

	if (http->read_only && strcmp(request.method, "GET") != 0)
		return refuse(connection, MHD_HTTP_METHOD_NOT_ALLOWED, READ_ONLY);
	if (!http->read_only && !is_allowed(http, connection, &request.uid))
		return refuse(connection, MHD_HTTP_FORBIDDEN, FORBIDDEN);
	if (body->too_large)
		return refuse(connection, MHD_HTTP_CONTENT_TOO_LARGE, TOO_LARGE);
	http->handler(&request, &response, http->context);
	if (!body->later)
		return send_answer(connection, &response);
	free(response.body);
	if (body->later->response.status)
		return answer_later(connection, body);
	body->later->suspended = true;
	MHD_suspend_connection(connection);
	return MHD_YES;
}

/* Lists are put; nobody gets memory who will be refused. */
static size_t most_of(const struct http *http, struct MHD_Connection *connection, const char *method)
{
	uid_t uid;

	return !http->read_only && !strcmp(method, "PUT") && is_allowed(http, connection, &uid) ? HTTP_PUT_MAX : HTTP_BODY_MAX;
}

/* Called first with the headers, then with pieces of the body, last without any. */
static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *path,
				  const char *method, const char *version, const char *data, size_t *size, void **state)
{
	struct body *body = *state;

	(void)version;
	if (!body) {
		*state = body = calloc(1, sizeof(*body));
		if (!body)
			return MHD_NO;
		body->http = context;
		body->connection = connection;
		body->most = most_of(context, connection, method);
		return MHD_YES;
	}
	if (body->later)
		return answer_later(connection, body);
	if (*size) {
		add_to_body(body, data, *size);
		*size = 0;
		return MHD_YES;
	}
	return handle(context, connection, path, method, body);
}

static void on_completed(void *context, struct MHD_Connection *connection, void **state,
			 enum MHD_RequestTerminationCode why)
{
	struct body *body = *state;

	(void)context;
	(void)connection;
	(void)why;
	if (!body)
		return;
	if (body->later) {
		free(body->later->response.body);
		LIST_REMOVE(body->later, link);
		free(body->later);
	}
	free(body->text);
	free(body);
	*state = NULL;
}

struct http_later *http_defer(const struct http_request *request)
{
	struct body *body = request->state;
	struct http_later *later = calloc(1, sizeof(*later));

	if (!later)
		return NULL;
	later->http = body->http;
	later->connection = body->connection;
	LIST_INSERT_HEAD(&body->http->later, later, link);
	body->later = later;
	return later;
}

/* The server takes the connection up again in its next turn, and finds the answer there. */
void http_answer(struct http_later *later, const struct http_response *response)
{
	later->response = *response;
	if (!later->suspended)
		return;
	MHD_resume_connection(later->connection);
	sd_event_source_set_time_relative(later->http->timer, 0);
	sd_event_source_set_enabled(later->http->timer, SD_EVENT_ONESHOT);
}

const char *http_argument(const struct http_request *request, const char *name)
{
	return MHD_lookup_connection_value(request->arguments, MHD_GET_ARGUMENT_KIND, name);
}

const char *http_header(const struct http_request *request, const char *name)
{
	return MHD_lookup_connection_value(request->arguments, MHD_HEADER_KIND, name);
}

/* ---- event loop --------------------------------------------------------------------------------------------- */

/* Exact: what a turn left of a connection is to go on now. (An accuracy of 0 would stand for a quarter of a second.) */
static int arm_timer(struct http *http)
{
	MHD_UNSIGNED_LONG_LONG timeout_ms;

	if (MHD_get_timeout(http->daemon, &timeout_ms) != MHD_YES)
		return sd_event_source_set_enabled(http->timer, SD_EVENT_OFF);
	sd_event_source_set_time_relative(http->timer, timeout_ms * 1000);
	return sd_event_source_set_enabled(http->timer, SD_EVENT_ONESHOT);
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *context)
{
	struct http *http = context;

	(void)source;
	(void)fd;
	(void)events;
	MHD_run(http->daemon);
	return arm_timer(http);
}

static int on_timer(sd_event_source *source, uint64_t now_us, void *context)
{
	(void)now_us;
	return on_io(source, -1, 0, context);
}

/* The library's, of peers: one a minute, or whoever likes could fill the log. */
static void complain(void *context, const char *format, va_list arguments)
{
	struct http *http = context;
	char sentence[160];
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (http->complained_s && now.tv_sec - http->complained_s < COMPLAINT_S)
		return;
	http->complained_s = now.tv_sec;
	vsnprintf(sentence, sizeof(sentence), format, arguments);
	log_warning("%s: %.*s (the next of these is told in %d s at the soonest)", http->read_only ? "listen" : "socket",
		    (int)strcspn(sentence, "\n"), sentence, COMPLAINT_S);
}

static int start(struct http *http, sd_event *event, int fd)
{
	const union MHD_DaemonInfo *info;
	unsigned of_an_address = http->read_only ? CONNECTIONS_OF_AN_ADDRESS_MAX : 0;
	int r;

	http->daemon = MHD_start_daemon(MHD_USE_EPOLL | MHD_USE_ERROR_LOG | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, on_request, http,
					MHD_OPTION_EXTERNAL_LOGGER, complain, http, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
					(unsigned)CONNECTIONS_MAX, MHD_OPTION_PER_IP_CONNECTION_LIMIT, of_an_address,
					MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)CONNECTION_TIMEOUT_S,
					MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL, MHD_OPTION_END);
	if (!http->daemon) {
		close(fd);
		return -EIO;
	}
	info = MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	r = sd_event_add_io(event, &http->io, info->epoll_fd, EPOLLIN, on_io, http);
	if (r >= 0)
		r = sd_event_add_time_relative(event, &http->timer, CLOCK_MONOTONIC, 0, 1, on_timer, http);
	return r < 0 ? r : 0;
}

/* The socket that systemd listens on for `path`, as a descriptor of our own: systemd's is for the next server. -1: none. */
static int activated(const char *path)
{
	if (sd_listen_fds(0) < 1)
		return -1;
	if (sd_is_socket_unix(SD_LISTEN_FDS_START, SOCK_STREAM, 1, path, 0) <= 0) {
		log_warning("systemd's socket is not %s: nobody will answer there (systemctl edit canaryd.socket, "
			    "ListenStream=)", path);
		return -1;
	}
	return fcntl(SD_LISTEN_FDS_START, F_DUPFD_CLOEXEC, SD_LISTEN_FDS_START);
}

/* Serves `fd`, or passes on why there is none. Takes over http and fd. */
static int serve(struct http *http, sd_event *event, int fd, const char *name, struct http **ret, char **ret_error)
{
	int r;

	if (fd < 0) {
		http_free(http);
		return fd;
	}
	r = start(http, event, fd);
	if (r) {
		http_free(http);
		return error_set(ret_error, r, "cannot serve %s: %s", name, strerror(-r));
	}
	*ret = http;
	return 0;
}

int http_new(sd_event *event, const char *path, const char *group, http_handler handler, void *context,
	     struct http **ret, char **ret_error)
{
	struct group *entry = getgrnam(group);
	struct http *http = calloc(1, sizeof(*http));
	int fd;

	if (!http)
		return error_set(ret_error, -ENOMEM, "out of memory");
	http->handler = handler;
	http->context = context;
	http->group = entry ? entry->gr_gid : (gid_t)-1;
	fd = activated(path);
	if (fd < 0) {
		fd = http_socket_unix(path, http->group, CONNECTIONS_MAX, ret_error);
		if (fd >= 0)
			snprintf(http->path, sizeof(http->path), "%s", path);
	}
	return serve(http, event, fd, path, ret, ret_error);
}

int http_new_read_only(sd_event *event, const char *address, const struct canary_endpoint *endpoint, http_handler handler,
		       void *context, struct http **ret, char **ret_error)
{
	struct http *http = calloc(1, sizeof(*http));

	if (!http)
		return error_set(ret_error, -ENOMEM, "out of memory");
	http->handler = handler;
	http->context = context;
	http->group = (gid_t)-1;
	http->read_only = true;
	return serve(http, event, http_socket_tcp(address, endpoint, CONNECTIONS_MAX, ret_error), address, ret, ret_error);
}

/* A server does not stop with connections that are suspended. */
static void answer_all(struct http *http)
{
	struct http_later *later;

	LIST_FOREACH(later, &http->later, link)
		if (!later->response.status)
			http_answer(later, &(struct http_response){ .status = MHD_HTTP_SERVICE_UNAVAILABLE,
								    .content_type = "application/json",
								    .body = strdup(ENDING) });
	MHD_run(http->daemon);
}

struct http *http_free(struct http *http)
{
	if (!http)
		return NULL;
	if (http->daemon)
		answer_all(http);
	sd_event_source_unref(http->io);
	sd_event_source_unref(http->timer);
	if (http->daemon)
		MHD_stop_daemon(http->daemon);
	if (*http->path)
		unlink(http->path);
	free(http);
	return NULL;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lab-sink: an HTTP server that stands for whatever canaryd talks to: a hook, an Alertmanager, a Prometheus. Each request
 * is a line of JSON in --log: {t, method, path, query, body}; body is a value where it is JSON, else a string. The
 * answer is what is in --answers/PATH now (slashes as dots), or --answers/default: its first line the status, the rest
 * the body. A status of 0: no answer at all. Without a file: 200, "".
 */
#include <arpa/inet.h>
#include <errno.h>
#include <jansson.h>
#include <microhttpd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tools/lab/options.h"

#define ANSWER_MAX (1 << 20)
#define PATH_SHOWN 200

struct received {
	char *body;
	size_t size;
};

static const char *log_path = "/dev/stdout";
static const char *answers;
static const char *address = "127.0.0.1";
static double port;

static const struct option_entry options[] = {
	{ "address", "ADDR", "listen there (default: 127.0.0.1)", .text = &address },
	{ "port", "PORT", "and on this port", .number = &port, .low = 1, .high = 65535 },
	{ "log", "FILE", "a line for every request", .text = &log_path },
	{ "answers", "DIR", "what is answered, by path", .text = &answers },
};

/* ---- log ------------------------------------------------------------------------------------------------- */

static int add_argument(void *context, enum MHD_ValueKind kind, const char *key, const char *value)
{
	(void)kind;
	json_object_set_new(context, key, json_string(value ? value : ""));
	return MHD_YES;
}

static json_t *value_of(const struct received *received)
{
	json_t *value = json_loadb(received->body ? received->body : "", received->size, JSON_DECODE_ANY, NULL);

	return value ? value : json_stringn(received->body ? received->body : "", received->size);
}

static void keep(struct MHD_Connection *connection, const char *method, const char *path, const struct received *received)
{
	json_t *query = json_object(), *line;
	struct timespec now;
	FILE *out = fopen(log_path, "ae");

	clock_gettime(CLOCK_REALTIME, &now);
	MHD_get_connection_values(connection, MHD_GET_ARGUMENT_KIND, (MHD_KeyValueIterator)(void *)add_argument, query);
	line = json_pack("{s:f, s:s, s:s, s:o, s:o}", "t", now.tv_sec + now.tv_nsec / 1e9, "method", method, "path", path,
			 "query", query, "body", value_of(received));
	if (out && line) {
		json_dumpf(line, out, JSON_COMPACT);
		fputc('\n', out);
	}
	if (out)
		fclose(out);
	json_decref(line);
}

/* ---- answers --------------------------------------------------------------------------------------------- */

static FILE *open_answer(const char *path)
{
	char name[4096];
	FILE *file;
	int used = snprintf(name, sizeof(name), "%s/", answers);

	snprintf(name + used, sizeof(name) - used, "%.*s", PATH_SHOWN, *path == '/' ? path + 1 : path);
	for (char *c = name + used; *c; c++)
		if (*c == '/')
			*c = '.';
	file = name[used] ? fopen(name, "re") : NULL;
	if (file)
		return file;
	snprintf(name + used, sizeof(name) - used, "default");
	return fopen(name, "re");
}

/* The body is the caller's to free. */
static unsigned read_answer(const char *path, char **ret_body, size_t *ret_size)
{
	FILE *file = answers ? open_answer(path) : NULL;
	char status[16] = "200";

	*ret_body = malloc(ANSWER_MAX);
	*ret_size = 0;
	if (!file || !*ret_body)
		return 200;
	if (fgets(status, sizeof(status), file))
		*ret_size = fread(*ret_body, 1, ANSWER_MAX, file);
	fclose(file);
	return (unsigned)strtoul(status, NULL, 10);
}

static enum MHD_Result respond(struct MHD_Connection *connection, const char *path)
{
	struct MHD_Response *response;
	char *body;
	size_t size;
	unsigned status = read_answer(path, &body, &size);
	enum MHD_Result r;

	if (!status || !body) {
		free(body);
		MHD_suspend_connection(connection);
		return MHD_YES;
	}
	response = MHD_create_response_from_buffer(size, body, MHD_RESPMEM_MUST_FREE);
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/json");
	r = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return r;
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *path, const char *method,
				  const char *version, const char *data, size_t *size, void **state)
{
	struct received *received = *state;
	char *body;

	(void)context;
	(void)version;
	if (!received) {
		*state = calloc(1, sizeof(*received));
		return *state ? MHD_YES : MHD_NO;
	}
	if (*size) {
		body = realloc(received->body, received->size + *size);
		if (!body || received->size + *size > ANSWER_MAX)
			return MHD_NO;
		memcpy(body + received->size, data, *size);
		received->body = body;
		received->size += *size;
		*size = 0;
		return MHD_YES;
	}
	keep(connection, method, path, received);
	return respond(connection, path);
}

static void on_completed(void *context, struct MHD_Connection *connection, void **state,
			 enum MHD_RequestTerminationCode why)
{
	struct received *received = *state;

	(void)context;
	(void)connection;
	(void)why;
	if (received)
		free(received->body);
	free(received);
	*state = NULL;
}

/* What hangs goes with the process. */
int main(int argc, char **argv)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	sigset_t signals;
	int caught;

	options_read(options, sizeof(options) / sizeof(*options), "keeps every request, answers as it is told", argc, argv);
	if (!port)
		options_fail("port", "is missing", "");
	if (!inet_aton(address, &at.sin_addr))
		options_fail("address", "is not an IPv4 address", address);
	at.sin_port = htons((uint16_t)port);
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	if (!MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, on_request, NULL,
			      MHD_OPTION_SOCK_ADDR, &at, MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL, MHD_OPTION_END)) {
		fprintf(stderr, "lab-sink: cannot listen on %s:%.0f: %s\n", address, port, strerror(errno));
		return 1;
	}
	sigwait(&signals, &caught);
	return 0;
}

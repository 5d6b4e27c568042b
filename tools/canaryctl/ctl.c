/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ctl.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "canaryd/api.h"
#include "client.h"
#include "field.h"

static const char not_canaryd[] =
	"is another program listening there? name canaryd's socket with --socket PATH or CANARYD_SOCKET";

int ctl_error(struct ctl *ctl, int code, const char *mend, const char *format, ...)
{
	struct page page = { .out = ctl->err, .style = ctl->out.style };
	va_list arguments;
	char message[1024];

	va_start(arguments, format);
	vsnprintf(message, sizeof(message), format, arguments);
	va_end(arguments);
	page_print(&page, TONE_PLAIN, "canaryctl: %s\n", message);
	if (mend && *mend)
		page_print(&page, TONE_PLAIN, "  %s\n", mend);
	return code;
}

int ctl_no_memory(struct ctl *ctl)
{
	return ctl_error(ctl, API_EXIT_FAILED, NULL, "out of memory");
}

const char *ctl_unreachable(int error)
{
	switch (error) {
	case -ENOENT:
		return "there is no such socket";
	case -ECONNREFUSED:
		return "nobody listens on it";
	case -EACCES:
	case -EPERM:
		return "permission denied";
	case -ETIMEDOUT:
		return "no answer within 30 s";
	case -ECONNRESET:
		return "the connection broke off";
	case -EMSGSIZE:
		return "the answer is too long";
	case -ENAMETOOLONG:
		return "the path is too long for a Unix socket";
	default:
		return strerror(-error);
	}
}

static int complain_unreachable(struct ctl *ctl, int error)
{
	const char *mend =
		"is canaryd running? systemctl status canaryd; or name its socket with --socket PATH / CANARYD_SOCKET";

	if (error == -ENOMEM)
		return ctl_no_memory(ctl);
	if (error == -EACCES || error == -EPERM)
		mend = "root and the members of the group canaryd may: use sudo, or: usermod -aG canaryd USER";
	return ctl_error(ctl, API_EXIT_UNREACHABLE, mend, "canaryd does not answer on %s: %s", ctl->socket,
			 ctl_unreachable(error));
}

/* The exit code for {error: {code, …}}: what a script can act upon. */
static int complain_refused(struct ctl *ctl, const json_t *answer, long status)
{
	const json_t *error = json_object_get(answer, "error");
	const char *code = field_text(error, "code", "");
	int exit_code = API_EXIT_FAILED;

	if (!error)
		return ctl_error(ctl, API_EXIT_FAILED, not_canaryd, "the answer to the request was HTTP %ld", status);
	if (strcmp(code, "config") == 0)
		exit_code = API_EXIT_CONFIG;
	else if (strcmp(code, "kernel") == 0)
		exit_code = API_EXIT_KERNEL;
	return ctl_error(ctl, exit_code, field_text(error, "mend", NULL), "%s", field_text(error, "message", code));
}

static int ask(struct ctl *ctl, const char *method, const char *path, const json_t *body, struct reply *ret_reply)
{
	char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
	int r = 0;

	if (body && !text)
		return -ENOMEM;
	if (!ctl->client)
		r = client_new(ctl->socket, &ctl->client);
	if (r == 0)
		r = client_request(ctl->client, method, path, text, ret_reply);
	free(text);
	return r;
}

static int understand(struct ctl *ctl, const struct reply *reply, json_t **ret_answer)
{
	json_error_t error;
	json_t *answer = json_loadb(reply->text, reply->size, JSON_DECODE_ANY, &error);

	if (reply->status < 200 || reply->status >= 300) {
		int code = complain_refused(ctl, answer, reply->status);

		json_decref(answer);
		return code;
	}
	if (!answer)
		return ctl_error(ctl, API_EXIT_FAILED, not_canaryd, "the answer is not JSON: %s", error.text);
	*ret_answer = answer;
	return API_EXIT_OK;
}

int ctl_request(struct ctl *ctl, const char *method, const char *path, const json_t *body, json_t **ret_answer)
{
	struct reply reply;
	int r, code;

	r = ask(ctl, method, path, body, &reply);
	if (r < 0)
		return complain_unreachable(ctl, r);
	code = understand(ctl, &reply, ret_answer);
	reply_deinit(&reply);
	return code;
}

int ctl_try(struct ctl *ctl, const char *path, json_t **ret_answer, int *ret_error)
{
	struct reply reply;
	int r, code;

	r = ask(ctl, "GET", path, NULL, &reply);
	if (r < 0) {
		*ret_error = r;
		return API_EXIT_UNREACHABLE;
	}
	code = understand(ctl, &reply, ret_answer);
	reply_deinit(&reply);
	return code;
}

int ctl_text(struct ctl *ctl, const char *path, char **ret_text)
{
	struct reply reply;
	json_t *answer = NULL;
	int r, code = API_EXIT_OK;

	r = ask(ctl, "GET", path, NULL, &reply);
	if (r < 0)
		return complain_unreachable(ctl, r);
	if (reply.status == 200) {
		*ret_text = reply.text;
		return API_EXIT_OK;
	}
	code = understand(ctl, &reply, &answer);
	json_decref(answer);
	reply_deinit(&reply);
	return code ? code : API_EXIT_FAILED;
}

double ctl_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

void ctl_print_json(struct ctl *ctl, const json_t *value)
{
	json_dumpf(value, ctl->out.out, JSON_INDENT(2) | JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
	fputc('\n', ctl->out.out);
}

char *ctl_path(const char *format, ...)
{
	va_list arguments;
	char *path;
	int r;

	va_start(arguments, format);
	r = vasprintf(&path, format, arguments);
	va_end(arguments);
	return r < 0 ? NULL : path;
}

const json_t *ctl_service(struct ctl *ctl, const json_t *status, const char *name)
{
	const json_t *services = json_object_get(status, "services");
	char names[512] = "";
	size_t i, used = 0;
	json_t *service;

	json_array_foreach(services, i, service) {
		const char *other = field_text(service, "name", "?");

		if (strcmp(other, name) == 0)
			return service;
		if (used < sizeof(names))
			used += (size_t)snprintf(names + used, sizeof(names) - used, "%s%s",
						 i ? ", " : "services: ", other);
	}
	ctl_error(ctl, API_EXIT_FAILED, used ? names : "canaryd has no service: see canaryctl config show",
		  "no service is called '%s'", name);
	return NULL;
}

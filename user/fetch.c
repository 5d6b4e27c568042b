/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "user/fetch.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/queue.h>

#include "user/text.h"

#define REDIRECTS_MAX 3L
#define SENTENCE_MAX 320

struct fetch {
	sd_event *event;
	sd_event_source *timer;
	CURLM *multi;
	LIST_HEAD(, fetch_job) jobs;
	unsigned count;
};

struct fetch_job {
	LIST_ENTRY(fetch_job) link;
	struct fetch *fetch;
	CURL *easy;
	struct curl_slist *headers;
	char *sent;
	char *body; /* what has come, NUL-terminated; NULL: nothing */
	size_t body_size;
	size_t max_bytes;
	uint64_t timeout_ms;
	bool too_large;
	bool no_memory;
	char problem[CURL_ERROR_SIZE];
	fetch_callback callback;
	void *context;
};

const char *fetch_ending_name(enum fetch_ending ending)
{
	static const char *const names[] = { "ok",  "timeout", "refused",   "unreachable",
					     "dns", "tls",     "too_large", "broken" };

	return (size_t)ending < sizeof(names) / sizeof(*names) ? names[ending] : "broken";
}

/* ---- jobs ------------------------------------------------------------------------------------------------ */

static void job_free(struct fetch_job *job)
{
	LIST_REMOVE(job, link);
	job->fetch->count--;
	if (job->easy) {
		curl_multi_remove_handle(job->fetch->multi, job->easy);
		curl_easy_cleanup(job->easy);
	}
	curl_slist_free_all(job->headers);
	free(job->sent);
	free(job->body);
	free(job);
}

static size_t keep_body(char *data, size_t one, size_t size, void *context)
{
	struct fetch_job *job = context;
	char *body;

	(void)one;
	if (size > job->max_bytes - job->body_size) {
		job->too_large = true;
		return 0;
	}
	body = realloc(job->body, job->body_size + size + 1);
	if (!body) {
		job->no_memory = true;
		return 0;
	}
	memcpy(body + job->body_size, data, size);
	job->body = body;
	job->body_size += size;
	body[job->body_size] = '\0';
	return size;
}

static int copy_headers(struct fetch_job *job, const char *const *headers)
{
	/* Without this, a larger body would wait a second for "100 Continue". */
	struct curl_slist *list = curl_slist_append(NULL, "Expect:");

	for (; list && headers && *headers; headers++) {
		struct curl_slist *longer = curl_slist_append(list, *headers);

		if (!longer)
			curl_slist_free_all(list);
		list = longer;
	}
	job->headers = list;
	return list ? 0 : -ENOMEM;
}

static int copy_body(struct fetch_job *job, const struct fetch_request *request)
{
	if (!request->body)
		return 0;
	job->sent = malloc(request->body_size + 1);
	if (!job->sent)
		return -ENOMEM;
	memcpy(job->sent, request->body, request->body_size);
	curl_easy_setopt(job->easy, CURLOPT_POST, 1L);
	curl_easy_setopt(job->easy, CURLOPT_POSTFIELDS, job->sent);
	curl_easy_setopt(job->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_size);
	return 0;
}

static int set_method(struct fetch_job *job, const struct fetch_request *request)
{
	bool is_get = request->method ? !strcmp(request->method, "GET") : !request->body;
	bool is_https = !strncasecmp(request->url, "https:", 6);

	if (is_get && !request->body && request->stays)
		return 0;
	if (is_get && !request->body) {
		curl_easy_setopt(job->easy, CURLOPT_FOLLOWLOCATION, 1L);
		curl_easy_setopt(job->easy, CURLOPT_MAXREDIRS, REDIRECTS_MAX);
		curl_easy_setopt(job->easy, CURLOPT_REDIR_PROTOCOLS_STR, is_https ? "https" : "http,https");
		return 0;
	}
	if (!request->method)
		return 0;
	return curl_easy_setopt(job->easy, CURLOPT_CUSTOMREQUEST, request->method) == CURLE_OK ? 0 : -ENOMEM;
}

/* CURLOPT_QUICK_EXIT: without it, giving up a request whose name is being looked up waits for the resolver. */
static int set_limits(struct fetch_job *job)
{
	CURL *easy = job->easy;

	curl_easy_setopt(easy, CURLOPT_PRIVATE, job);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_PROXY, "");
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
	curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)job->timeout_ms);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)job->timeout_ms);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, keep_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, job);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, job->problem);
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, job->headers);
	return curl_easy_setopt(easy, CURLOPT_USERAGENT, "canaryd/" CANARYD_VERSION) == CURLE_OK ? 0 : -ENOMEM;
}

static bool is_http(const char *url)
{
	return !strncasecmp(url, "http://", 7) || !strncasecmp(url, "https://", 8);
}

static int set_url(struct fetch_job *job, const char *url)
{
	CURLU *parsed = curl_url();
	CURLUcode code = parsed ? curl_url_set(parsed, CURLUPART_URL, url, 0) : CURLUE_OUT_OF_MEMORY;

	curl_url_cleanup(parsed);
	if (code == CURLUE_OUT_OF_MEMORY)
		return -ENOMEM;
	if (code != CURLUE_OK || !is_http(url))
		return -EINVAL;
	return curl_easy_setopt(job->easy, CURLOPT_URL, url) == CURLE_OK ? 0 : -ENOMEM;
}

static int job_fill(struct fetch_job *job, const struct fetch_request *request)
{
	int r;

	job->easy = curl_easy_init();
	if (!job->easy)
		return -ENOMEM;
	r = set_url(job, request->url);
	if (!r)
		r = copy_headers(job, request->headers);
	if (!r)
		r = set_limits(job);
	if (!r)
		r = copy_body(job, request);
	return r ? r : set_method(job, request);
}

int fetch_start(struct fetch *fetch, const struct fetch_request *request, fetch_callback callback, void *context,
		struct fetch_job **ret)
{
	struct fetch_job *job;
	int r;

	if (fetch->count >= FETCH_MAX)
		return -EBUSY;
	job = calloc(1, sizeof(*job));
	if (!job)
		return -ENOMEM;
	job->fetch = fetch;
	job->callback = callback;
	job->context = context;
	job->timeout_ms = request->timeout_ms ?: FETCH_TIMEOUT_MS_DEFAULT;
	job->max_bytes = request->max_bytes ?: FETCH_BYTES_DEFAULT;
	LIST_INSERT_HEAD(&fetch->jobs, job, link);
	fetch->count++;
	r = job_fill(job, request);
	if (!r && curl_multi_add_handle(fetch->multi, job->easy) != CURLM_OK)
		r = -ENOMEM;
	if (r) {
		job_free(job);
		return r;
	}
	if (ret)
		*ret = job;
	return 0;
}

struct fetch_job *fetch_cancel(struct fetch_job *job)
{
	if (job && job->callback)
		job_free(job);
	return NULL;
}

/* ---- endings --------------------------------------------------------------------------------------------- */

static enum fetch_ending connect_ending(CURL *easy)
{
	long error = 0;

	curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &error);
	return error == ECONNREFUSED ? FETCH_REFUSED : FETCH_UNREACHABLE;
}

static enum fetch_ending ending_of(const struct fetch_job *job, CURLcode code)
{
	switch (code) {
	case CURLE_OK: return FETCH_OK;
	case CURLE_OPERATION_TIMEDOUT: return FETCH_TIMEOUT;
	case CURLE_COULDNT_CONNECT: return connect_ending(job->easy);
	case CURLE_COULDNT_RESOLVE_HOST: return FETCH_DNS;
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CIPHER:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_ISSUER_ERROR:
	case CURLE_SSL_INVALIDCERTSTATUS: return FETCH_TLS;
	case CURLE_WRITE_ERROR: return job->too_large ? FETCH_TOO_LARGE : FETCH_BROKEN;
	default: return FETCH_BROKEN;
	}
}

static void print_sentence(char buf[SENTENCE_MAX], const struct fetch_job *job, const struct fetch_result *result,
			   CURLcode code)
{
	const char *problem = *job->problem ? job->problem : curl_easy_strerror(code);

	switch (result->ending) {
	case FETCH_OK: snprintf(buf, SENTENCE_MAX, "answered %u", result->status); break;
	case FETCH_TIMEOUT: snprintf(buf, SENTENCE_MAX, "no answer within %g s", job->timeout_ms / 1e3); break;
	case FETCH_REFUSED: snprintf(buf, SENTENCE_MAX, "connection refused: nobody listens there"); break;
	case FETCH_UNREACHABLE: snprintf(buf, SENTENCE_MAX, "cannot be reached: %.200s", problem); break;
	case FETCH_DNS: snprintf(buf, SENTENCE_MAX, "its name has no address: %.200s", problem); break;
	case FETCH_TLS: snprintf(buf, SENTENCE_MAX, "TLS failed: %.200s", problem); break;
	case FETCH_TOO_LARGE: snprintf(buf, SENTENCE_MAX, "answered more than %zu bytes", job->max_bytes); break;
	case FETCH_BROKEN: snprintf(buf, SENTENCE_MAX, "%.200s", job->no_memory ? "out of memory" : problem); break;
	}
	text_repair(buf);
}

static void finish(struct fetch_job *job, CURLcode code)
{
	struct fetch_result result = { .ending = ending_of(job, code), .body = "" };
	fetch_callback callback = job->callback;
	char sentence[SENTENCE_MAX];
	char *content_type = NULL;
	long status = 0;

	curl_easy_getinfo(job->easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(job->easy, CURLINFO_CONTENT_TYPE, &content_type);
	curl_easy_getinfo(job->easy, CURLINFO_TOTAL_TIME, &result.seconds);
	result.status = (unsigned)status;
	result.content_type = content_type ?: "";
	if (result.ending == FETCH_OK && job->body) {
		result.body = job->body;
		result.body_size = job->body_size;
	}
	print_sentence(sentence, job, &result, code);
	result.sentence = sentence;
	/* A callback that cancels its own request changes nothing. */
	job->callback = NULL;
	callback(&result, job->context);
	job_free(job);
}

static void finish_ended(struct fetch *fetch)
{
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(fetch->multi, &left))) {
		struct fetch_job *job = NULL;

		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&job);
		finish(job, message->data.result);
	}
}

/* ---- event loop ------------------------------------------------------------------------------------------ */

static int on_timer(sd_event_source *source, uint64_t due_us, void *context)
{
	struct fetch *fetch = context;
	int running;

	(void)source;
	(void)due_us;
	curl_multi_socket_action(fetch->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	finish_ended(fetch);
	return 0;
}

static int on_socket(sd_event_source *source, int fd, uint32_t events, void *context)
{
	struct fetch *fetch = context;
	int mask = 0, running;

	(void)source;
	if (events & (EPOLLIN | EPOLLHUP))
		mask |= CURL_CSELECT_IN;
	if (events & EPOLLOUT)
		mask |= CURL_CSELECT_OUT;
	if (events & EPOLLERR)
		mask |= CURL_CSELECT_ERR;
	curl_multi_socket_action(fetch->multi, fd, mask, &running);
	finish_ended(fetch);
	return 0;
}

static int watch_socket(CURL *easy, curl_socket_t fd, int what, void *context, void *source_of_fd)
{
	static const uint32_t events[] = { [CURL_POLL_IN] = EPOLLIN, [CURL_POLL_OUT] = EPOLLOUT,
					   [CURL_POLL_INOUT] = EPOLLIN | EPOLLOUT };
	sd_event_source *source = source_of_fd;
	struct fetch *fetch = context;

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		curl_multi_assign(fetch->multi, fd, NULL);
		sd_event_source_disable_unref(source);
		return 0;
	}
	if (what < CURL_POLL_IN || what > CURL_POLL_INOUT)
		return 0;
	if (source)
		return sd_event_source_set_io_events(source, events[what]) < 0 ? -1 : 0;
	if (sd_event_add_io(fetch->event, &source, fd, events[what], on_socket, fetch) < 0)
		return -1;
	curl_multi_assign(fetch->multi, fd, source);
	return 0;
}

static int set_timer(CURLM *multi, long timeout_ms, void *context)
{
	struct fetch *fetch = context;

	(void)multi;
	if (timeout_ms < 0)
		return sd_event_source_set_enabled(fetch->timer, SD_EVENT_OFF) < 0 ? -1 : 0;
	if (sd_event_source_set_time_relative(fetch->timer, (uint64_t)timeout_ms * 1000) < 0)
		return -1;
	return sd_event_source_set_enabled(fetch->timer, SD_EVENT_ONESHOT) < 0 ? -1 : 0;
}

static int build(struct fetch *fetch)
{
	int r = sd_event_add_time_relative(fetch->event, &fetch->timer, CLOCK_MONOTONIC, 0, 1000, on_timer, fetch);

	if (r < 0)
		return r;
	r = sd_event_source_set_enabled(fetch->timer, SD_EVENT_OFF);
	fetch->multi = curl_multi_init();
	if (r < 0 || !fetch->multi)
		return r < 0 ? r : -ENOMEM;
	curl_multi_setopt(fetch->multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
	curl_multi_setopt(fetch->multi, CURLMOPT_SOCKETDATA, fetch);
	curl_multi_setopt(fetch->multi, CURLMOPT_TIMERFUNCTION, set_timer);
	curl_multi_setopt(fetch->multi, CURLMOPT_TIMERDATA, fetch);
	return 0;
}

int fetch_new(sd_event *event, struct fetch **ret)
{
	struct fetch *fetch;
	int r;

	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return -ENOMEM;
	fetch = calloc(1, sizeof(*fetch));
	if (!fetch) {
		curl_global_cleanup();
		return -ENOMEM;
	}
	fetch->event = sd_event_ref(event);
	LIST_INIT(&fetch->jobs);
	r = build(fetch);
	if (r < 0) {
		fetch_free(fetch);
		return r;
	}
	*ret = fetch;
	return 0;
}

struct fetch *fetch_free(struct fetch *fetch)
{
	if (!fetch)
		return NULL;
	while (!LIST_EMPTY(&fetch->jobs))
		job_free(LIST_FIRST(&fetch->jobs));
	curl_multi_cleanup(fetch->multi);
	sd_event_source_disable_unref(fetch->timer);
	sd_event_unref(fetch->event);
	free(fetch);
	curl_global_cleanup();
	return NULL;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The HTTP client against a real server on loopback: what comes back, and every way in which nothing does. */
#include "user/fetch.h"

#include <errno.h>

#include "tests/unit/event_fixture.h"

struct answer {
	bool done;
	unsigned calls;
	enum fetch_ending ending;
	unsigned status;
	char body[256];
	char sentence[256];
};

struct fixture {
	sd_event *event;
	struct fetch *fetch;
	struct sink *sink;
	struct answer answer;
	char url[128];
};

static int set_up(void **state)
{
	struct fixture *x = calloc(1, sizeof(*x));

	assert_true(sd_event_new(&x->event) >= 0);
	assert_int_equal(fetch_new(x->event, &x->fetch), 0);
	x->sink = sink_new();
	*state = x;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *x = *state;

	fetch_free(x->fetch);
	sd_event_unref(x->event);
	sink_free(x->sink);
	free(x);
	return 0;
}

static void keep(const struct fetch_result *result, void *context)
{
	struct answer *answer = context;

	answer->done = true;
	answer->calls++;
	answer->ending = result->ending;
	answer->status = result->status;
	snprintf(answer->body, sizeof(answer->body), "%s", result->body);
	snprintf(answer->sentence, sizeof(answer->sentence), "%s", result->sentence);
	assert_int_equal(strlen(result->body), result->body_size);
}

static void ask(struct fixture *x, const struct fetch_request *request)
{
	x->answer = (struct answer){};
	assert_int_equal(fetch_start(x->fetch, request, keep, &x->answer, NULL), 0);
	assert_false(x->answer.done);
	run_until(x->event, &x->answer.done);
	run_dry(x->event);
	assert_int_equal(x->answer.calls, 1);
}

static const char *at(struct fixture *x, unsigned port, const char *path)
{
	snprintf(x->url, sizeof(x->url), "http://127.0.0.1:%u%s", port, path);
	return x->url;
}

static void test_get(void **state)
{
	struct fixture *x = *state;

	sink_set(x->sink, 200, "{\"status\": \"success\"}");
	ask(x, &(struct fetch_request){ .url = at(x, x->sink->port, "/api/v1/query") });
	assert_int_equal(x->answer.ending, FETCH_OK);
	assert_int_equal(x->answer.status, 200);
	assert_string_equal(x->answer.body, "{\"status\": \"success\"}");
	assert_string_equal(x->answer.sentence, "answered 200");
	assert_string_equal(x->sink->requests[0].method, "GET");
	assert_string_equal(x->sink->requests[0].path, "/api/v1/query");
}

static void test_post(void **state)
{
	struct fixture *x = *state;
	const char *headers[] = { "Content-Type: application/json", NULL };
	char *large = malloc(200001);

	sink_set(x->sink, 503, "later");
	ask(x, &(struct fetch_request){ .url = at(x, x->sink->port, "/hook"), .headers = headers, .body = "{}",
					.body_size = 2 });
	assert_int_equal(x->answer.ending, FETCH_OK);
	assert_int_equal(x->answer.status, 503);
	assert_string_equal(x->answer.body, "later");
	assert_string_equal(x->sink->requests[0].method, "POST");
	assert_string_equal(x->sink->requests[0].type, "application/json");
	assert_string_equal(x->sink->requests[0].body, "{}");

	memset(large, 'x', 200000);
	large[200000] = '\0';
	ask(x, &(struct fetch_request){ .url = x->url, .method = "PUT", .body = large, .body_size = 200000 });
	assert_string_equal(x->sink->requests[1].method, "PUT");
	assert_string_equal(x->sink->requests[1].body, large);
	free(large);
}

static void test_no_answer(void **state)
{
	struct fixture *x = *state;
	unsigned port;
	int fd = bound_socket(true, &port);

	ask(x, &(struct fetch_request){ .url = at(x, port, "/"), .timeout_ms = 200 });
	assert_int_equal(x->answer.ending, FETCH_TIMEOUT);
	assert_string_equal(x->answer.sentence, "no answer within 0.2 s");
	close(fd);
}

static void test_refused(void **state)
{
	struct fixture *x = *state;
	unsigned port;
	int fd = bound_socket(false, &port);

	ask(x, &(struct fetch_request){ .url = at(x, port, "/") });
	assert_int_equal(x->answer.ending, FETCH_REFUSED);
	assert_int_equal(x->answer.status, 0);
	close(fd);
}

static void test_no_name(void **state)
{
	struct fixture *x = *state;

	ask(x, &(struct fetch_request){ .url = "http://canaryd-test.invalid/" });
	assert_true(x->answer.ending == FETCH_DNS || x->answer.ending == FETCH_TIMEOUT);
}

static void test_no_tls(void **state)
{
	struct fixture *x = *state;
	char url[64];

	snprintf(url, sizeof(url), "https://127.0.0.1:%u/", x->sink->port);
	ask(x, &(struct fetch_request){ .url = url });
	assert_int_equal(x->answer.ending, FETCH_TLS);
}

static void test_too_large(void **state)
{
	struct fixture *x = *state;

	sink_set(x->sink, 200, "0123456789");
	ask(x, &(struct fetch_request){ .url = at(x, x->sink->port, "/"), .max_bytes = 9 });
	assert_int_equal(x->answer.ending, FETCH_TOO_LARGE);
	assert_string_equal(x->answer.body, "");
	assert_string_equal(x->answer.sentence, "answered more than 9 bytes");
	ask(x, &(struct fetch_request){ .url = x->url, .max_bytes = 10 });
	assert_int_equal(x->answer.ending, FETCH_OK);
	assert_string_equal(x->answer.body, "0123456789");
}

static void *answer_garbage(void *context)
{
	int fd = accept(*(int *)context, NULL, NULL);
	char request[512];

	assert_true(read(fd, request, sizeof(request)) > 0);
	assert_int_equal(write(fd, "\x01\x02 what?\r\n\r\n", 11), 11);
	close(fd);
	return NULL;
}

static void test_garbage(void **state)
{
	struct fixture *x = *state;
	unsigned port;
	int fd = bound_socket(true, &port);
	pthread_t thread;

	pthread_create(&thread, NULL, answer_garbage, &fd);
	ask(x, &(struct fetch_request){ .url = at(x, port, "/") });
	pthread_join(thread, NULL);
	close(fd);
	assert_int_equal(x->answer.ending, FETCH_BROKEN);
	assert_true(*x->answer.sentence);
}

static void test_redirects(void **state)
{
	struct fixture *x = *state;

	x->sink->location = "file:///etc/passwd";
	sink_set(x->sink, 302, "");
	ask(x, &(struct fetch_request){ .url = at(x, x->sink->port, "/") });
	assert_int_equal(x->answer.ending, FETCH_BROKEN);
	assert_string_equal(x->answer.body, "");

	x->sink->location = x->url;
	ask(x, &(struct fetch_request){ .url = x->url });
	assert_int_equal(x->answer.ending, FETCH_BROKEN);
	assert_int_equal(x->sink->count, 1 + 4);

	ask(x, &(struct fetch_request){ .url = x->url, .body = "{}", .body_size = 2 });
	assert_int_equal(x->answer.ending, FETCH_OK);
	assert_int_equal(x->answer.status, 302);
}

static void test_bad_urls(void **state)
{
	static const char *const urls[] = { "", "example.com", "ftp://example.com/", "file:///etc/passwd", "http://",
					    "http://a b/", "http://[::1/", "http://h:99999/", "gopher://h/" };
	struct fixture *x = *state;

	for (size_t i = 0; i < sizeof(urls) / sizeof(*urls); i++)
		assert_int_equal(fetch_start(x->fetch, &(struct fetch_request){ .url = urls[i] }, keep, &x->answer, NULL),
				 -EINVAL);
	run_dry(x->event);
	assert_int_equal(x->answer.calls, 0);
}

static void test_cancel(void **state)
{
	struct fixture *x = *state;
	struct fetch_job *job;
	unsigned port;
	int fd = bound_socket(true, &port);

	assert_int_equal(fetch_start(x->fetch, &(struct fetch_request){ .url = at(x, port, "/") }, keep, &x->answer,
				     &job), 0);
	run_dry(x->event);
	assert_null(fetch_cancel(job));
	assert_int_equal(fetch_start(x->fetch, &(struct fetch_request){ .url = "http://canaryd-test.invalid/" }, keep,
				     &x->answer, &job), 0);
	run_dry(x->event);
	if (!x->answer.calls) /* else the name was found not to be by then */
		assert_null(fetch_cancel(job));
	assert_null(fetch_cancel(NULL));
	ask(x, &(struct fetch_request){ .url = at(x, x->sink->port, "/") });
	close(fd);
}

/* Each answer starts the next request, as a poller does, and cancels itself, which means nothing any more. */
struct chain {
	struct fixture *x;
	struct fetch_job *job;
	unsigned left;
	bool done;
};

static void go_on(const struct fetch_result *result, void *context)
{
	struct chain *chain = context;

	assert_int_equal(result->ending, FETCH_OK);
	fetch_cancel(chain->job);
	if (!chain->left--)
		chain->done = true;
	else
		assert_int_equal(fetch_start(chain->x->fetch, &(struct fetch_request){ .url = chain->x->url }, go_on, chain,
					     &chain->job), 0);
}

static void test_from_callback(void **state)
{
	struct fixture *x = *state;
	struct chain chain = { .x = x, .left = 5 };

	at(x, x->sink->port, "/");
	assert_int_equal(fetch_start(x->fetch, &(struct fetch_request){ .url = x->url }, go_on, &chain, &chain.job), 0);
	run_until(x->event, &chain.done);
	assert_int_equal(x->sink->count, 6);
}

static void test_bounded(void **state)
{
	struct fixture *x = *state;
	unsigned port;
	int fd = bound_socket(true, &port);

	at(x, port, "/");
	for (int i = 0; i < FETCH_MAX; i++)
		assert_int_equal(fetch_start(x->fetch, &(struct fetch_request){ .url = x->url }, keep, &x->answer, NULL), 0);
	assert_int_equal(fetch_start(x->fetch, &(struct fetch_request){ .url = x->url }, keep, &x->answer, NULL), -EBUSY);
	close(fd);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_get),      TEST(test_post),	   TEST(test_no_answer), TEST(test_refused),
		TEST(test_no_name),  TEST(test_no_tls),	   TEST(test_too_large), TEST(test_garbage),
		TEST(test_redirects), TEST(test_bad_urls), TEST(test_cancel),	 TEST(test_from_callback),
		TEST(test_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

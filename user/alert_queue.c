/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "user/alert_queue.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "user/log.h"

#define PAUSE_MAX_S 60.0
#define ANSWER_MAX 65536

struct alert_queue {
	struct fetch *fetch;
	char *url;
	uint64_t timeout_ms;
	char *body[ALERT_QUEUE_MAX]; /* a ring */
	unsigned first, waiting;
	struct fetch_job *job; /* of the first; NULL: not now */
	unsigned tries;        /* of the first */
	double now_s, next_s;
	bool unreachable; /* said so already */
	struct alert_queue_counts counts;
};

static void remove_first(struct alert_queue *queue)
{
	free(queue->body[queue->first]);
	queue->body[queue->first] = NULL;
	queue->first = (queue->first + 1) % ALERT_QUEUE_MAX;
	queue->waiting--;
	queue->tries = 0;
	queue->next_s = 0;
}

/* What the receiver does not want now it will not want later; but for these. */
static bool is_final(const struct fetch_result *result)
{
	return result->ending == FETCH_OK && result->status >= 300 && result->status < 500 && result->status != 408 &&
	       result->status != 429;
}

static void say_unreachable(struct alert_queue *queue, const char *sentence, bool final)
{
	if (!queue->unreachable)
		log_warning("alerts to %s: %s (%s)", queue->url, sentence, final ? "given up" : "tried again with pauses");
	queue->unreachable = true;
}

static void fail(struct alert_queue *queue, const char *sentence, bool final)
{
	queue->counts.failed++;
	say_unreachable(queue, sentence, final);
	if (final || queue->tries >= ALERT_TRIES_MAX) {
		queue->counts.dropped++;
		remove_first(queue);
	} else {
		queue->next_s = queue->now_s + fmin(ldexp(1, (int)queue->tries - 1), PAUSE_MAX_S);
	}
}

static void on_answer(const struct fetch_result *result, void *context)
{
	struct alert_queue *queue = context;

	queue->job = NULL;
	if (result->ending != FETCH_OK || result->status < 200 || result->status >= 300) {
		fail(queue, result->sentence, is_final(result));
		return;
	}
	if (queue->unreachable)
		log_notice("alerts to %s are taken again", queue->url);
	queue->unreachable = false;
	queue->counts.sent++;
	remove_first(queue);
}

void alert_queue_turn(struct alert_queue *queue, double now_s)
{
	static const char *const headers[] = { "Content-Type: application/json", NULL };
	struct fetch_request request = {
		.url = queue->url, .headers = headers, .timeout_ms = queue->timeout_ms, .max_bytes = ANSWER_MAX,
	};
	int r;

	queue->now_s = now_s;
	if (!queue->waiting || queue->job || now_s < queue->next_s)
		return;
	queue->tries++;
	request.body = queue->body[queue->first];
	request.body_size = strlen(request.body);
	r = fetch_start(queue->fetch, &request, on_answer, queue, &queue->job);
	if (r)
		fail(queue, strerror(-r), r == -EINVAL);
}

void alert_queue_add(struct alert_queue *queue, char *body)
{
	if (queue->waiting == ALERT_QUEUE_MAX) {
		queue->job = fetch_cancel(queue->job);
		queue->counts.dropped++;
		remove_first(queue);
	}
	queue->body[(queue->first + queue->waiting++) % ALERT_QUEUE_MAX] = body;
}

struct alert_queue_counts alert_queue_counts(const struct alert_queue *queue)
{
	struct alert_queue_counts counts = queue->counts;

	counts.waiting = queue->waiting;
	return counts;
}

const char *alert_queue_url(const struct alert_queue *queue)
{
	return queue->url;
}

int alert_queue_new(struct fetch *fetch, const char *url, uint64_t timeout_ms, struct alert_queue **ret)
{
	struct alert_queue *queue = calloc(1, sizeof(*queue));

	if (!queue)
		return -ENOMEM;
	queue->fetch = fetch;
	queue->timeout_ms = timeout_ms;
	queue->url = strdup(url);
	if (!queue->url) {
		free(queue);
		return -ENOMEM;
	}
	*ret = queue;
	return 0;
}

struct alert_queue *alert_queue_free(struct alert_queue *queue)
{
	if (!queue)
		return NULL;
	fetch_cancel(queue->job);
	while (queue->waiting)
		remove_first(queue);
	free(queue->url);
	free(queue);
	return NULL;
}

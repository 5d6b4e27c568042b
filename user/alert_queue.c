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

struct post {
	char *body;
	int64_t id; /* in the journal; 0: it is not there */
};

struct alert_queue {
	struct fetch *fetch;
	struct journal *journal; /* NULL: none */
	char *url;
	uint64_t timeout_ms;
	struct post posts[ALERT_QUEUE_MAX]; /* a ring */
	unsigned first, waiting;
	struct fetch_job *job; /* of the first; NULL: not now */
	unsigned tries;        /* of the first */
	unsigned answers;      /* and how many of them had one */
	double now_s, next_s;
	bool unreachable; /* said so already */
	bool unkept;      /* the same */
	struct alert_queue_counts counts;
};

static void drop_first(struct alert_queue *queue)
{
	free(queue->posts[queue->first].body);
	queue->posts[queue->first] = (struct post){ 0 };
	queue->first = (queue->first + 1) % ALERT_QUEUE_MAX;
	queue->waiting--;
	queue->tries = queue->answers = 0;
	queue->next_s = 0;
}

static void remove_first(struct alert_queue *queue)
{
	if (queue->posts[queue->first].id)
		journal_post_delete(queue->journal, queue->posts[queue->first].id);
	drop_first(queue);
}

/* The journal may be full: the alert goes out all the same. */
static int64_t keep(struct alert_queue *queue, const char *body)
{
	int64_t id = 0;
	int r = queue->journal ? journal_post_add(queue->journal, queue->url, body, &id) : 0;

	if (r && !queue->unkept)
		log_warning("alerts to %s: would be lost with this daemon: %s", queue->url, journal_error(queue->journal));
	queue->unkept = r;
	return id;
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
	if (final || queue->answers >= ALERT_TRIES_MAX || queue->tries >= ALERT_SILENT_TRIES_MAX) {
		queue->counts.dropped++;
		remove_first(queue);
	} else {
		queue->next_s = queue->now_s + fmin(ldexp(1, (int)fmin(queue->tries, 10) - 1), PAUSE_MAX_S);
	}
}

static void on_answer(const struct fetch_result *result, void *context)
{
	struct alert_queue *queue = context;

	queue->job = NULL;
	queue->answers += result->ending == FETCH_OK;
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
	request.body = queue->posts[queue->first].body;
	request.body_size = strlen(request.body);
	r = fetch_start(queue->fetch, &request, on_answer, queue, &queue->job);
	if (r)
		fail(queue, strerror(-r), r == -EINVAL);
}

static void add(struct alert_queue *queue, char *body, int64_t id)
{
	if (queue->waiting == ALERT_QUEUE_MAX) {
		queue->job = fetch_cancel(queue->job);
		queue->counts.dropped++;
		remove_first(queue);
	}
	queue->posts[(queue->first + queue->waiting++) % ALERT_QUEUE_MAX] = (struct post){ body, id };
}

void alert_queue_add(struct alert_queue *queue, char *body)
{
	add(queue, body, keep(queue, body));
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

static int load(struct alert_queue *queue)
{
	struct journal_posts posts = { 0 };
	int r = journal_posts_load(queue->journal, queue->url, &posts);

	for (size_t i = 0; !r && i < posts.count; i++) {
		char *body = strdup(posts.items[i].body);

		if (body)
			add(queue, body, posts.items[i].id);
	}
	journal_posts_clear(&posts);
	return r;
}

int alert_queue_new(struct fetch *fetch, struct journal *journal, const char *url, uint64_t timeout_ms,
		    struct alert_queue **ret)
{
	struct alert_queue *queue = calloc(1, sizeof(*queue));
	int r = 0;

	if (!queue)
		return -ENOMEM;
	queue->fetch = fetch;
	queue->journal = journal;
	queue->timeout_ms = timeout_ms;
	queue->url = strdup(url);
	if (!queue->url)
		r = -ENOMEM;
	else if (journal)
		r = load(queue);
	if (r) {
		alert_queue_free(queue);
		return r;
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
		drop_first(queue);
	free(queue->url);
	free(queue);
	return NULL;
}

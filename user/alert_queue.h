/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a receiver of alerts is still to be sent: one POST after the other, again with growing pauses while it cannot be
 * reached. Bounded; what is dropped is counted. With a journal, what is waiting outlives the daemon; a post may then arrive
 * twice, where the daemon ends between the answer and the journal.
 */
#ifndef CANARYD_ALERT_QUEUE_H
#define CANARYD_ALERT_QUEUE_H

#include <stdint.h>

#include "user/fetch.h"
#include "user/journal_alerts.h"

#define ALERT_QUEUE_MAX 64
#define ALERT_TRIES_MAX 10        /* with an answer that is no yes: about eight minutes */
#define ALERT_SILENT_TRIES_MAX 1440 /* without one: about a day */

struct alert_queue;

struct alert_queue_counts {
	uint64_t sent;
	uint64_t failed;  /* tries */
	uint64_t dropped; /* given up: refused for good, tried too often, or too many waiting */
	unsigned waiting;
};

/*
 * Copies `url`. With a journal, begins with what the daemon before has left there; it must outlive the queue. -ENOMEM, or
 * the journal's errors.
 */
int alert_queue_new(struct fetch *fetch, struct journal *journal, const char *url, uint64_t timeout_ms,
		    struct alert_queue **ret);

/* What is waiting stays in the journal. */
struct alert_queue *alert_queue_free(struct alert_queue *queue);

/* Takes over `body`, JSON; the oldest is dropped where there is no room. */
void alert_queue_add(struct alert_queue *queue, char *body);

/* Sends what is due; now_s is of a clock that does not step. */
void alert_queue_turn(struct alert_queue *queue, double now_s);

struct alert_queue_counts alert_queue_counts(const struct alert_queue *queue);
const char *alert_queue_url(const struct alert_queue *queue);

#endif

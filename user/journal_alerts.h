/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the next daemon is to know of alerts: the incidents that receivers know of, what others have reported, and the
 * posts that a webhook has not taken yet. Rows as in journal.h, errors too.
 *
 * Only what is `synced` outlives a loss of power; the others a crash of the daemon.
 */
#ifndef CANARYD_JOURNAL_ALERTS_H
#define CANARYD_JOURNAL_ALERTS_H

#include <stdbool.h>

#include "user/journal.h"

/* An incident; one of a service, name, version and key. */
struct journal_alert {
	const char *service;
	const char *name;    /* the alertname */
	const char *version; /* "": none */
	const char *key;     /* "": none */
	const char *severity;
	const char *action; /* of a report; NULL: a rule of canaryd's own */
	const char *summary;
	const char *description;
	double began; /* Unix seconds */
	double until; /* 0: no end is known */
	int64_t uid;  /* who reported it; -1: nobody */
	bool told;    /* the receivers know */
};

struct journal_alerts {
	struct journal_alert *items;
	size_t count;
};

/* Keeps the row as given, new or not; deletes it (0 also when there was none); all of them, the oldest first. */
int journal_alert_save(struct journal *journal, const struct journal_alert *alert, bool synced);
int journal_alert_delete(struct journal *journal, const struct journal_alert *alert, bool synced);
int journal_alerts_load(struct journal *journal, struct journal_alerts *ret);
void journal_alerts_clear(struct journal_alerts *alerts);

struct journal_post {
	int64_t id;
	const char *body;
};

struct journal_posts {
	struct journal_post *items;
	size_t count;
};

/* Keeps a body that is to be sent to `url`; deletes it when it is sent, or given up; those to `url`, the oldest first. */
int journal_post_add(struct journal *journal, const char *url, const char *body, int64_t *ret_id);
int journal_post_delete(struct journal *journal, int64_t id);
int journal_posts_load(struct journal *journal, const char *url, struct journal_posts *ret);
void journal_posts_clear(struct journal_posts *posts);

/* Deletes those to other URLs than these. */
int journal_posts_prune(struct journal *journal, const char *const *urls, size_t count);

#endif

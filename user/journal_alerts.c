/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "user/journal_alerts.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>

#include "user/journal_read.h"

/* ---- alerts ---------------------------------------------------------------------------------------------- */

int journal_alert_save(struct journal *journal, const struct journal_alert *a, bool synced)
{
	int r = journal_begin(journal, synced);

	if (r < 0)
		return r;
	r = journal_run(journal,
			"INSERT OR REPLACE INTO alerts (service, name, version, key, severity, action, summary, "
			"description, began, until, uid, told) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
			NULL, "ttttttttrpii", a->service, a->name, a->version, a->key, a->severity, a->action, a->summary,
			a->description, a->began, a->until, a->uid, (int64_t)a->told);
	return journal_end(journal, r);
}

int journal_alert_delete(struct journal *journal, const struct journal_alert *a, bool synced)
{
	int r = journal_begin(journal, synced);

	if (r < 0)
		return r;
	r = journal_run(journal, "DELETE FROM alerts WHERE service = ? AND name = ? AND version = ? AND key = ?", NULL,
			"tttt", a->service, a->name, a->version, a->key);
	return journal_end(journal, r);
}

static void read_alert(struct journal_reader *reader, void *item)
{
	struct journal_alert *alert = item;

	alert->service = journal_read_text(reader);
	alert->name = journal_read_text(reader);
	alert->version = journal_read_text(reader);
	alert->key = journal_read_text(reader);
	alert->severity = journal_read_text(reader);
	alert->action = journal_read_text(reader);
	alert->summary = journal_read_text(reader);
	alert->description = journal_read_text(reader);
	alert->began = journal_read_real(reader, 0);
	alert->until = journal_read_real(reader, 0);
	alert->uid = journal_read_integer(reader);
	alert->told = journal_read_integer(reader);
}

int journal_alerts_load(struct journal *journal, struct journal_alerts *ret)
{
	struct journal_alerts list = { 0 };
	sqlite3_stmt *statement = NULL;
	void *items = NULL;
	int r = journal_prepare(journal,
				"SELECT service, name, version, key, severity, action, summary, description, began, "
				"until, uid, told FROM alerts ORDER BY began, name, version, key", &statement, "");

	if (r < 0)
		return r;
	r = journal_read_rows(journal, statement, &items, &list.count, sizeof(*list.items), read_alert);
	list.items = items;
	sqlite3_finalize(statement);
	if (r < 0)
		journal_alerts_clear(&list);
	else
		*ret = list;
	return r;
}

void journal_alerts_clear(struct journal_alerts *alerts)
{
	for (size_t i = 0; i < alerts->count; i++) {
		struct journal_alert *a = &alerts->items[i];

		JOURNAL_FREE_TEXTS(a->service, a->name, a->version, a->key, a->severity, a->action, a->summary,
				   a->description);
	}
	free(alerts->items);
	*alerts = (struct journal_alerts){ 0 };
}

/* ---- posts ----------------------------------------------------------------------------------------------- */

int journal_post_add(struct journal *journal, const char *url, const char *body, int64_t *ret_id)
{
	int64_t id = 0;
	int r = journal_begin(journal, false);

	if (r < 0)
		return r;
	r = journal_run(journal, "INSERT INTO posts (url, body) VALUES (?, ?)", NULL, "tt", url, body);
	if (r == 0)
		id = sqlite3_last_insert_rowid(journal->db);
	r = journal_end(journal, r);
	if (r == 0)
		*ret_id = id;
	return r;
}

int journal_post_delete(struct journal *journal, int64_t id)
{
	int r = journal_begin(journal, false);

	if (r < 0)
		return r;
	return journal_end(journal, journal_run(journal, "DELETE FROM posts WHERE id = ?", NULL, "i", id));
}

static void read_post(struct journal_reader *reader, void *item)
{
	struct journal_post *post = item;

	post->id = journal_read_integer(reader);
	post->body = journal_read_text(reader);
}

int journal_posts_load(struct journal *journal, const char *url, struct journal_posts *ret)
{
	struct journal_posts list = { 0 };
	sqlite3_stmt *statement = NULL;
	void *items = NULL;
	int r = journal_prepare(journal, "SELECT id, body FROM posts WHERE url = ? ORDER BY id", &statement, "t", url);

	if (r < 0)
		return r;
	r = journal_read_rows(journal, statement, &items, &list.count, sizeof(*list.items), read_post);
	list.items = items;
	sqlite3_finalize(statement);
	if (r < 0)
		journal_posts_clear(&list);
	else
		*ret = list;
	return r;
}

void journal_posts_clear(struct journal_posts *posts)
{
	for (size_t i = 0; i < posts->count; i++)
		JOURNAL_FREE_TEXTS(posts->items[i].body);
	free(posts->items);
	*posts = (struct journal_posts){ 0 };
}

int journal_posts_prune(struct journal *journal, const char *const *urls, size_t count)
{
	json_t *list = json_array();
	char *text;
	int r;

	for (size_t i = 0; i < count; i++)
		json_array_append_new(list, json_string(urls[i]));
	text = json_dumps(list, JSON_COMPACT);
	json_decref(list);
	r = text ? journal_begin(journal, false) : journal_refuse(journal, -ENOMEM, "out of memory");
	if (r == 0)
		r = journal_end(journal, journal_run(journal, "DELETE FROM posts WHERE url NOT IN (SELECT value FROM json_each(?))",
						     NULL, "t", text));
	free(text);
	return r;
}

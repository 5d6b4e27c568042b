/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The rows of the journal: written in transactions, read into lists. */
#include "user/journal.h"

#include <canaryd/api.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "user/journal_file.h"

#define TEXT(x) #x
#define NUMBER(x) TEXT(x)

/* ---- reading columns ------------------------------------------------------------------------------------- */

/* Reads a row's columns from left to right. */
struct reader {
	sqlite3_stmt *statement;
	int column;
	bool no_memory;
};

static const char *read_text(struct reader *reader)
{
	const char *text = (const char *)sqlite3_column_text(reader->statement, reader->column++);
	char *copy = text ? strdup(text) : NULL;

	reader->no_memory |= text && !copy;
	return copy;
}

static int64_t read_integer(struct reader *reader)
{
	return sqlite3_column_int64(reader->statement, reader->column++);
}

static double read_real(struct reader *reader, double if_null)
{
	int column = reader->column++;

	if (sqlite3_column_type(reader->statement, column) == SQLITE_NULL)
		return if_null;
	return sqlite3_column_double(reader->statement, column);
}

static const void *read_blob(struct reader *reader, size_t *ret_size)
{
	int column = reader->column++;
	const void *data = sqlite3_column_blob(reader->statement, column);
	size_t size = (size_t)sqlite3_column_bytes(reader->statement, column);
	void *copy = data ? malloc(size) : NULL;

	reader->no_memory |= data && !copy;
	*ret_size = copy ? size : 0;
	return copy ? memcpy(copy, data, size) : NULL;
}

static void free_texts(const char *const *texts, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free((void *)texts[i]);
}
#define FREE_TEXTS(...)                                                                                             \
	free_texts((const char *const[]){ __VA_ARGS__ }, sizeof((const char *[]){ __VA_ARGS__ }) / sizeof(char *))

/*
 * Adds a row to a list: `items` and `count` are the list's, `size` an item's, `read` fills a zeroed item. What it
 * has read of an item stays in the list also when the memory runs out, so that clearing the list frees it.
 */
static int read_rows(struct journal *journal, sqlite3_stmt *statement, void **items, size_t *count, size_t size,
		     void (*read)(struct reader *reader, void *item))
{
	struct reader reader = { .statement = statement };
	int code;

	while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
		char *grown = reallocarray(*items, *count + 1, size);

		if (grown) {
			*items = grown;
			memset(grown + *count * size, 0, size);
			reader.column = 0;
			read(&reader, grown + (*count)++ * size);
		}
		if (!grown || reader.no_memory)
			return journal_refuse(journal, -ENOMEM, "out of memory (free some and try again)");
	}
	return code == SQLITE_DONE ? 0 : journal_fail(journal);
}

/* ---- services -------------------------------------------------------------------------------------------- */

int journal_service_save(struct journal *journal, const struct journal_service *service)
{
	return journal_run(journal,
			   "INSERT OR REPLACE INTO services (name, baseline, canary, generation, epoch, weight_ppm) "
			   "VALUES (?, ?, ?, ?, ?, ?)",
			   NULL, "tttiii", service->name, service->baseline, service->canary,
			   (int64_t)service->generation, (int64_t)service->epoch, (int64_t)service->weight_ppm);
}

static void read_service(struct reader *reader, void *item)
{
	struct journal_service *service = item;

	service->name = read_text(reader);
	service->baseline = read_text(reader);
	service->canary = read_text(reader);
	service->generation = (uint32_t)read_integer(reader);
	service->epoch = (uint32_t)read_integer(reader);
	service->weight_ppm = (uint32_t)read_integer(reader);
}

int journal_service_load(struct journal *journal, const char *name, struct journal_service **ret)
{
	sqlite3_stmt *statement = NULL;
	void *service = NULL;
	size_t count = 0;
	int r = journal_prepare(journal,
				"SELECT name, baseline, canary, generation, epoch, weight_ppm FROM services WHERE name "
				"= ?",
				&statement, "t", name);

	if (r < 0)
		return r;
	r = read_rows(journal, statement, &service, &count, sizeof(struct journal_service), read_service);
	sqlite3_finalize(statement);
	if (r == 0 && count == 0)
		r = journal_refuse(journal, -ENOENT, "the service %s is not in it", name);
	if (r < 0) {
		journal_service_free(service);
		return r;
	}
	*ret = service;
	return 0;
}

struct journal_service *journal_service_free(struct journal_service *service)
{
	if (!service)
		return NULL;
	FREE_TEXTS(service->name, service->baseline, service->canary);
	free(service);
	return NULL;
}

/* ---- versions -------------------------------------------------------------------------------------------- */

int journal_version_save(struct journal *journal, const struct journal_version *version)
{
	return journal_run(journal,
			   "INSERT OR REPLACE INTO versions (service, name, backends, source) VALUES (?, ?, ?, ?)",
			   NULL, "tttt", version->service, version->name, version->backends, version->source);
}

int journal_version_delete(struct journal *journal, const char *service, const char *name)
{
	return journal_run(journal, "DELETE FROM versions WHERE service = ? AND name = ?", NULL, "tt", service, name);
}

static void read_version(struct reader *reader, void *item)
{
	struct journal_version *version = item;

	version->service = read_text(reader);
	version->name = read_text(reader);
	version->backends = read_text(reader);
	version->source = read_text(reader);
}

int journal_versions_load(struct journal *journal, const char *service, struct journal_versions *ret)
{
	struct journal_versions list = { 0 };
	sqlite3_stmt *statement = NULL;
	void *items = NULL;
	int r = journal_prepare(journal,
				"SELECT service, name, backends, source FROM versions WHERE service = ? ORDER BY name",
				&statement, "t", service);

	if (r < 0)
		return r;
	r = read_rows(journal, statement, &items, &list.count, sizeof(*list.items), read_version);
	list.items = items;
	sqlite3_finalize(statement);
	if (r < 0)
		journal_versions_clear(&list);
	else
		*ret = list;
	return r;
}

void journal_versions_clear(struct journal_versions *versions)
{
	for (size_t i = 0; i < versions->count; i++) {
		struct journal_version *v = &versions->items[i];

		FREE_TEXTS(v->service, v->name, v->backends, v->source);
	}
	free(versions->items);
	*versions = (struct journal_versions){ 0 };
}

/* ---- decisions ------------------------------------------------------------------------------------------- */

static int add_decision(struct journal *journal, int64_t rollout, const struct journal_decision *d)
{
	int r = journal_run(journal,
			    "INSERT INTO decisions (rollout, t, decision, state, step, weight_from_ppm, weight_to_ppm, "
			    "sli, "
			    "value, bound, counts, reason) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
			    NULL, "irttiiitrrtt", rollout, d->t, d->decision, d->state, (int64_t)d->step,
			    (int64_t)d->weight_from_ppm, (int64_t)d->weight_to_ppm, d->sli, d->value, d->bound,
			    d->counts, d->reason);

	if (r < 0)
		return r;
	return journal_run(journal,
			   "DELETE FROM decisions WHERE rollout = ?1 AND id <= (SELECT id FROM decisions WHERE rollout "
			   "= ?1 "
			   "ORDER BY id DESC LIMIT 1 OFFSET " NUMBER(JOURNAL_DECISIONS_KEPT) ")",
			   NULL, "i", rollout);
}

int journal_decision_add(struct journal *journal, const struct journal_decision *decision)
{
	int r = journal_begin(journal, true);

	return r < 0 ? r : journal_end(journal, add_decision(journal, decision->rollout, decision));
}

static void read_decision(struct reader *reader, void *item)
{
	struct journal_decision *decision = item;

	decision->rollout = read_integer(reader);
	decision->t = read_real(reader, 0);
	decision->decision = read_text(reader);
	decision->state = read_text(reader);
	decision->step = (int32_t)read_integer(reader);
	decision->weight_from_ppm = (uint32_t)read_integer(reader);
	decision->weight_to_ppm = (uint32_t)read_integer(reader);
	decision->sli = read_text(reader);
	decision->value = read_real(reader, NAN);
	decision->bound = read_real(reader, NAN);
	decision->counts = read_text(reader);
	decision->reason = read_text(reader);
}

int journal_decisions_load(struct journal *journal, int64_t rollout, size_t limit, struct journal_decisions *ret)
{
	struct journal_decisions list = { 0 };
	sqlite3_stmt *statement = NULL;
	void *items = NULL;
	int r = journal_prepare(journal,
				"SELECT rollout, t, decision, state, step, weight_from_ppm, weight_to_ppm, sli, value, "
				"bound, "
				"counts, reason FROM (SELECT * FROM decisions WHERE rollout = ? ORDER BY id DESC LIMIT "
				"?) "
				"ORDER BY id",
				&statement, "ii", rollout, (int64_t)limit);

	if (r < 0)
		return r;
	r = read_rows(journal, statement, &items, &list.count, sizeof(*list.items), read_decision);
	list.items = items;
	sqlite3_finalize(statement);
	if (r < 0)
		journal_decisions_clear(&list);
	else
		*ret = list;
	return r;
}

void journal_decisions_clear(struct journal_decisions *decisions)
{
	for (size_t i = 0; i < decisions->count; i++) {
		struct journal_decision *d = &decisions->items[i];

		FREE_TEXTS(d->decision, d->state, d->sli, d->counts, d->reason);
	}
	free(decisions->items);
	*decisions = (struct journal_decisions){ 0 };
}

/* ---- rollouts -------------------------------------------------------------------------------------------- */

static int insert_rollout(struct journal *journal, const struct journal_rollout *rollout)
{
	int r = journal_run(journal,
			    "INSERT INTO rollouts (service, canary, baseline, state, phase, step, weight_ppm, plan, "
			    "policy, "
			    "judge, boot_id, started, ended, reason) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
			    NULL, "tttttiittbtrpt", rollout->service, rollout->canary, rollout->baseline,
			    rollout->state, rollout->phase, (int64_t)rollout->step, (int64_t)rollout->weight_ppm,
			    rollout->plan, rollout->policy, rollout->judge, rollout->judge_size, rollout->boot_id,
			    rollout->started, rollout->ended, rollout->reason);

	if (r == -EINVAL && sqlite3_extended_errcode(journal->db) == SQLITE_CONSTRAINT_UNIQUE)
		r = journal_refuse(journal, -EEXIST, "%s has a rollout that has not ended (abort or promote it first)",
				   rollout->service);
	return r;
}

/* Forgets the oldest ended rollouts, their decisions with them. */
static int forget_rollouts(struct journal *journal)
{
	return journal_execute(journal,
			       "DELETE FROM rollouts WHERE ended IS NOT NULL AND id <= (SELECT id FROM rollouts WHERE "
			       "ended "
			       "IS NOT NULL ORDER BY id DESC LIMIT 1 OFFSET " NUMBER(JOURNAL_ROLLOUTS_KEPT) ")");
}

int journal_rollout_create(struct journal *journal, const struct journal_rollout *rollout,
			   const struct journal_service *service, const struct journal_decision *decision,
			   int64_t *ret_id)
{
	int64_t id = 0;
	int r = journal_begin(journal, true);

	if (r < 0)
		return r;
	r = insert_rollout(journal, rollout);
	if (r == 0) {
		id = sqlite3_last_insert_rowid(journal->db);
		r = add_decision(journal, id, decision);
	}
	if (r == 0)
		r = journal_service_save(journal, service);
	if (r == 0)
		r = forget_rollouts(journal);
	r = journal_end(journal, r);
	if (r == 0)
		*ret_id = id;
	return r;
}

static int update_rollout(struct journal *journal, const struct journal_rollout *rollout)
{
	const void *judge = rollout->ended > 0 ? NULL : rollout->judge;
	int changes = 0;
	int r = journal_run(journal,
			    "UPDATE rollouts SET state = ?, phase = ?, step = ?, weight_ppm = ?, policy = ?, judge = "
			    "?, "
			    "boot_id = ?, ended = ?, reason = ? WHERE id = ? AND ended IS NULL",
			    &changes, "ttiitbtpti", rollout->state, rollout->phase, (int64_t)rollout->step,
			    (int64_t)rollout->weight_ppm, rollout->policy, judge, rollout->judge_size, rollout->boot_id,
			    rollout->ended, rollout->reason, rollout->id);

	if (r == 0 && changes == 0)
		r = journal_refuse(journal, -ENOENT, "no unfinished rollout %lld is in it", (long long)rollout->id);
	return r;
}

static int undo_rollout(struct journal *journal, const struct journal_rollout *rollout)
{
	int changes = 0;
	int r = journal_run(journal,
			    "UPDATE rollouts SET state = ?, weight_ppm = ?, policy = ?, ended = ?, reason = ? WHERE id = ? "
			    "AND state = '" API_STATE_PROMOTED "'",
			    &changes, "titpti", rollout->state, (int64_t)rollout->weight_ppm, rollout->policy, rollout->ended,
			    rollout->reason, rollout->id);

	if (r == 0 && changes == 0)
		r = journal_refuse(journal, -ENOENT, "no promoted rollout %lld is in it", (long long)rollout->id);
	return r;
}

int journal_rollout_undo(struct journal *journal, const struct journal_rollout *rollout,
			 const struct journal_service *service, const struct journal_decision *decision)
{
	int r = journal_begin(journal, true);

	if (r < 0)
		return r;
	r = undo_rollout(journal, rollout);
	if (r == 0)
		r = add_decision(journal, rollout->id, decision);
	if (r == 0)
		r = journal_service_save(journal, service);
	return journal_end(journal, r);
}

int journal_rollout_update(struct journal *journal, const struct journal_rollout *rollout,
			   const struct journal_service *service, const struct journal_decision *decision)
{
	int r = journal_begin(journal, decision != NULL);

	if (r < 0)
		return r;
	r = update_rollout(journal, rollout);
	if (r == 0 && decision)
		r = add_decision(journal, rollout->id, decision);
	if (r == 0 && service)
		r = journal_service_save(journal, service);
	return journal_end(journal, r);
}

static void read_rollout(struct reader *reader, void *item)
{
	struct journal_rollout *rollout = item;

	rollout->id = read_integer(reader);
	rollout->service = read_text(reader);
	rollout->canary = read_text(reader);
	rollout->baseline = read_text(reader);
	rollout->state = read_text(reader);
	rollout->phase = read_text(reader);
	rollout->step = (int32_t)read_integer(reader);
	rollout->weight_ppm = (uint32_t)read_integer(reader);
	rollout->plan = read_text(reader);
	rollout->policy = read_text(reader);
	rollout->judge = read_blob(reader, &rollout->judge_size);
	rollout->boot_id = read_text(reader);
	rollout->started = read_real(reader, 0);
	rollout->ended = read_real(reader, 0);
	rollout->reason = read_text(reader);
}

#define SELECT_ROLLOUTS                                                                                             \
	"SELECT id, service, canary, baseline, state, phase, step, weight_ppm, plan, policy, judge, boot_id, started, "\
	"ended, reason FROM rollouts "

/* Reads what the statement gives, and finalizes it. */
static int read_rollouts(struct journal *journal, sqlite3_stmt *statement, struct journal_rollouts *ret)
{
	struct journal_rollouts list = { 0 };
	void *items = NULL;
	int r = read_rows(journal, statement, &items, &list.count, sizeof(*list.items), read_rollout);

	list.items = items;
	sqlite3_finalize(statement);
	if (r < 0)
		journal_rollouts_clear(&list);
	else
		*ret = list;
	return r;
}

int journal_rollouts_list(struct journal *journal, const char *service, size_t limit, struct journal_rollouts *ret)
{
	sqlite3_stmt *statement = NULL;
	int r;

	if (service)
		r = journal_prepare(journal, SELECT_ROLLOUTS "WHERE service = ? ORDER BY id DESC LIMIT ?", &statement,
				    "ti", service, (int64_t)limit);
	else
		r = journal_prepare(journal, SELECT_ROLLOUTS "ORDER BY id DESC LIMIT ?", &statement, "i",
				    (int64_t)limit);
	return r < 0 ? r : read_rollouts(journal, statement, ret);
}

int journal_rollout_load(struct journal *journal, int64_t id, struct journal_rollouts *ret)
{
	struct journal_rollouts list;
	sqlite3_stmt *statement = NULL;
	int r = journal_prepare(journal, SELECT_ROLLOUTS "WHERE id = ?", &statement, "i", id);

	if (r == 0)
		r = read_rollouts(journal, statement, &list);
	if (r < 0)
		return r;
	if (list.count == 0)
		return journal_refuse(journal, -ENOENT, "no rollout %lld is in it", (long long)id);
	*ret = list;
	return 0;
}

int journal_rollout_unfinished(struct journal *journal, const char *service, struct journal_rollouts *ret)
{
	struct journal_rollouts list;
	sqlite3_stmt *statement = NULL;
	int r = journal_prepare(journal, SELECT_ROLLOUTS "WHERE service = ? AND ended IS NULL", &statement, "t",
				service);

	if (r == 0)
		r = read_rollouts(journal, statement, &list);
	if (r < 0)
		return r;
	if (list.count == 0)
		return journal_refuse(journal, -ENOENT, "no unfinished rollout of %s is in it", service);
	*ret = list;
	return 0;
}

void journal_rollouts_clear(struct journal_rollouts *rollouts)
{
	for (size_t i = 0; i < rollouts->count; i++) {
		struct journal_rollout *r = &rollouts->items[i];

		FREE_TEXTS(r->service, r->canary, r->baseline, r->state, r->phase, r->plan, r->policy, r->judge,
			   r->boot_id, r->reason);
	}
	free(rollouts->items);
	*rollouts = (struct journal_rollouts){ 0 };
}

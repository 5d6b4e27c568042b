/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The rows of the journal: written in transactions, read into lists. */
#include "user/journal.h"

#include <canaryd/api.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "user/journal_file.h"
#include "user/journal_read.h"

#define TEXT(x) #x
#define NUMBER(x) TEXT(x)

/* ---- services -------------------------------------------------------------------------------------------- */

int journal_service_save(struct journal *journal, const struct journal_service *service)
{
	return journal_run(journal,
			   "INSERT OR REPLACE INTO services (name, baseline, canary, generation, epoch, weight_ppm) "
			   "VALUES (?, ?, ?, ?, ?, ?)",
			   NULL, "tttiii", service->name, service->baseline, service->canary,
			   (int64_t)service->generation, (int64_t)service->epoch, (int64_t)service->weight_ppm);
}

static void read_service(struct journal_reader *reader, void *item)
{
	struct journal_service *service = item;

	service->name = journal_read_text(reader);
	service->baseline = journal_read_text(reader);
	service->canary = journal_read_text(reader);
	service->generation = (uint32_t)journal_read_integer(reader);
	service->epoch = (uint32_t)journal_read_integer(reader);
	service->weight_ppm = (uint32_t)journal_read_integer(reader);
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
	r = journal_read_rows(journal, statement, &service, &count, sizeof(struct journal_service), read_service);
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
	JOURNAL_FREE_TEXTS(service->name, service->baseline, service->canary);
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

static void read_version(struct journal_reader *reader, void *item)
{
	struct journal_version *version = item;

	version->service = journal_read_text(reader);
	version->name = journal_read_text(reader);
	version->backends = journal_read_text(reader);
	version->source = journal_read_text(reader);
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
	r = journal_read_rows(journal, statement, &items, &list.count, sizeof(*list.items), read_version);
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

		JOURNAL_FREE_TEXTS(v->service, v->name, v->backends, v->source);
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
			    "value, bound, unit, counts, reason) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
			    NULL, "irttiiitrrttt", rollout, d->t, d->decision, d->state, (int64_t)d->step,
			    (int64_t)d->weight_from_ppm, (int64_t)d->weight_to_ppm, d->sli, d->value, d->bound,
			    d->unit, d->counts, d->reason);

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

static void read_decision(struct journal_reader *reader, void *item)
{
	struct journal_decision *decision = item;

	decision->rollout = journal_read_integer(reader);
	decision->t = journal_read_real(reader, 0);
	decision->decision = journal_read_text(reader);
	decision->state = journal_read_text(reader);
	decision->step = (int32_t)journal_read_integer(reader);
	decision->weight_from_ppm = (uint32_t)journal_read_integer(reader);
	decision->weight_to_ppm = (uint32_t)journal_read_integer(reader);
	decision->sli = journal_read_text(reader);
	decision->value = journal_read_real(reader, NAN);
	decision->bound = journal_read_real(reader, NAN);
	decision->unit = journal_read_text(reader);
	decision->counts = journal_read_text(reader);
	decision->reason = journal_read_text(reader);
}

int journal_decisions_load(struct journal *journal, int64_t rollout, size_t limit, struct journal_decisions *ret)
{
	struct journal_decisions list = { 0 };
	sqlite3_stmt *statement = NULL;
	void *items = NULL;
	int r = journal_prepare(journal,
				"SELECT rollout, t, decision, state, step, weight_from_ppm, weight_to_ppm, sli, value, "
				"bound, "
				"unit, counts, reason FROM (SELECT * FROM decisions WHERE rollout = ? ORDER BY id DESC LIMIT "
				"?) "
				"ORDER BY id",
				&statement, "ii", rollout, (int64_t)limit);

	if (r < 0)
		return r;
	r = journal_read_rows(journal, statement, &items, &list.count, sizeof(*list.items), read_decision);
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

		JOURNAL_FREE_TEXTS(d->decision, d->state, d->sli, d->unit, d->counts, d->reason);
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

static void read_rollout(struct journal_reader *reader, void *item)
{
	struct journal_rollout *rollout = item;

	rollout->id = journal_read_integer(reader);
	rollout->service = journal_read_text(reader);
	rollout->canary = journal_read_text(reader);
	rollout->baseline = journal_read_text(reader);
	rollout->state = journal_read_text(reader);
	rollout->phase = journal_read_text(reader);
	rollout->step = (int32_t)journal_read_integer(reader);
	rollout->weight_ppm = (uint32_t)journal_read_integer(reader);
	rollout->plan = journal_read_text(reader);
	rollout->policy = journal_read_text(reader);
	rollout->judge = journal_read_blob(reader, &rollout->judge_size);
	rollout->boot_id = journal_read_text(reader);
	rollout->started = journal_read_real(reader, 0);
	rollout->ended = journal_read_real(reader, 0);
	rollout->reason = journal_read_text(reader);
}

#define SELECT_ROLLOUTS                                                                                             \
	"SELECT id, service, canary, baseline, state, phase, step, weight_ppm, plan, policy, judge, boot_id, started, "\
	"ended, reason FROM rollouts "

/* Reads what the statement gives, and finalizes it. */
static int read_rollouts(struct journal *journal, sqlite3_stmt *statement, struct journal_rollouts *ret)
{
	struct journal_rollouts list = { 0 };
	void *items = NULL;
	int r = journal_read_rows(journal, statement, &items, &list.count, sizeof(*list.items), read_rollout);

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

		JOURNAL_FREE_TEXTS(r->service, r->canary, r->baseline, r->state, r->phase, r->plan, r->policy, r->judge,
			   r->boot_id, r->reason);
	}
	free(rollouts->items);
	*rollouts = (struct journal_rollouts){ 0 };
}

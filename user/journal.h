/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The journal: every decision, its evidence and the state to go on from, in one SQLite file (WAL). A decision is in
 * the file, synced, before it takes effect; what belongs to one decision is one transaction. JSON columns pass
 * through as text. Single-threaded; other processes may read the file meanwhile.
 *
 * Times are Unix seconds with a fraction, weights are parts per million of the new flows. State, phase and decision
 * are the words of canaryd/api.h.
 *
 * Every function returns 0 or a negative errno: -ENOENT (no such row), -EINVAL (the row is not one of a journal),
 * -ENOSPC, -EROFS, -EACCES, -EBUSY (another process holds it), -EBADMSG (damaged), -EIO, -ENOMEM; after one,
 * journal_error() says it in a sentence with the mend, and nothing of what was asked is in the file.
 */
#ifndef CANARYD_JOURNAL_H
#define CANARYD_JOURNAL_H

#include <stddef.h>
#include <stdint.h>

#define JOURNAL_FILE "journal.db"     /* its name below state_dir */
#define JOURNAL_SCHEMA 5              /* PRAGMA user_version */
#define JOURNAL_ROLLOUTS_KEPT 1000    /* ended rollouts beyond these are forgotten, the oldest first */
#define JOURNAL_DECISIONS_KEPT 10000  /* of a rollout: the same */

struct journal;

/*
 * The rows. Strings written are the caller's and only read; strings of rows that were read belong to the list they
 * came in. A string may be NULL where a comment says so.
 */
struct journal_service {
	const char *name;
	const char *baseline;
	const char *canary; /* NULL: none */
	uint32_t generation;
	uint32_t epoch;
	uint32_t weight_ppm; /* of the canary */
};

struct journal_version {
	const char *service;
	const char *name;
	const char *backends; /* JSON: ["ADDR:PORT", …] */
	const char *source;   /* JOURNAL_SOURCE_… */
};
#define JOURNAL_SOURCE_CONFIG "config"
#define JOURNAL_SOURCE_API "api"

struct journal_rollout {
	int64_t id;
	const char *service;
	const char *canary;
	const char *baseline;
	const char *state;
	const char *phase;
	int32_t step;
	uint32_t weight_ppm;
	const char *plan;   /* JSON: the steps as they were when it began */
	const char *policy; /* JSON: what the policy goes on from; NULL: nothing yet */
	const void *judge;  /* what the judge goes on from; NULL: nothing yet; not kept once ended */
	size_t judge_size;
	const char *boot_id; /* the boot it last moved in */
	double started;
	double ended; /* 0: unfinished; else the state is an ended one, and nothing changes the row any more */
	const char *reason;
};

struct journal_decision {
	int64_t rollout;
	double t;
	const char *decision;
	const char *state; /* after it */
	int32_t step;
	uint32_t weight_from_ppm;
	uint32_t weight_to_ppm;
	const char *sli;    /* NULL: none */
	double value;       /* NaN: none */
	double bound;       /* NaN: none */
	const char *unit;   /* of both; NULL: none */
	const char *counts; /* JSON; NULL: none */
	const char *reason;
};

struct journal_versions {
	struct journal_version *items;
	size_t count;
};

struct journal_rollouts {
	struct journal_rollout *items;
	size_t count;
};

struct journal_decisions {
	struct journal_decision *items;
	size_t count;
};

/*
 * Opens or creates the file `path`; its directory must exist. A file of a newer schema, or of something else, is
 * refused (-EPROTONOSUPPORT) and left as it is. On failure *ret is untouched and *ret_error is a sentence, the
 * caller's to free.
 */
int journal_open(const char *path, struct journal **ret, char **ret_error);

/*
 * Copies the journal `from`, which nobody writes, to `to`; what was there goes by the name "TO.before". 0 also where there is
 * none. *ret_error is a sentence.
 */
int journal_copy(const char *from, const char *to, char **ret_error);

/* Closes; NULL is fine. Returns NULL. */
struct journal *journal_close(struct journal *journal);

/* What went wrong last, with file and mend; "" when nothing did. Belongs to the journal, until its next call. */
const char *journal_error(const struct journal *journal);

/* Keeps a service's row as given, new or not. -ENOENT on loading: never seen. *ret is freed by journal_service_free. */
int journal_service_save(struct journal *journal, const struct journal_service *service);
int journal_service_load(struct journal *journal, const char *name, struct journal_service **ret);
struct journal_service *journal_service_free(struct journal_service *service);

/* Keeps a version's row as given, new or not; deletes it (0 also when there was none); all of a service, by name. */
int journal_version_save(struct journal *journal, const struct journal_version *version);
int journal_version_delete(struct journal *journal, const char *service, const char *name);
int journal_versions_load(struct journal *journal, const char *service, struct journal_versions *ret);
void journal_versions_clear(struct journal_versions *versions);

/*
 * Begins a rollout: its row (the id given is ignored), its first decision (its rollout is ignored) and the service's
 * row, in one transaction. -EEXIST: the service has an unfinished rollout.
 */
int journal_rollout_create(struct journal *journal, const struct journal_rollout *rollout,
			   const struct journal_service *service, const struct journal_decision *decision,
			   int64_t *ret_id);

/*
 * Moves a rollout: the columns state, phase, step, weight_ppm, policy, judge, boot_id, ended, reason of row
 * rollout->id, the decision (its rollout is ignored) and the service's row, in one transaction. `service` and
 * `decision` may be NULL. Without a decision it is a checkpoint: atomic, but not synced, so a loss of power may lose
 * it. -ENOENT: there is no unfinished rollout of that id.
 */
int journal_rollout_update(struct journal *journal, const struct journal_rollout *rollout,
			   const struct journal_service *service, const struct journal_decision *decision);

/*
 * Takes a promotion back: as journal_rollout_update(), of a row whose state is promoted; it stays an ended one. -ENOENT:
 * there is no promoted rollout of that id.
 */
int journal_rollout_undo(struct journal *journal, const struct journal_rollout *rollout,
			 const struct journal_service *service, const struct journal_decision *decision);

/* Adds a row to the decisions of decision->rollout, ended or not. -EINVAL: there is no such rollout. */
int journal_decision_add(struct journal *journal, const struct journal_decision *decision);

/* The newest `limit` rollouts, newest first; of one service, or of all for NULL. */
int journal_rollouts_list(struct journal *journal, const char *service, size_t limit, struct journal_rollouts *ret);

/* One rollout, a list of one; -ENOENT when there is none. */
int journal_rollout_load(struct journal *journal, int64_t id, struct journal_rollouts *ret);

/* The rollout of a service that has not ended, a list of one; -ENOENT when there is none. */
int journal_rollout_unfinished(struct journal *journal, const char *service, struct journal_rollouts *ret);

/* The newest `limit` decisions of a rollout, oldest first. */
int journal_decisions_load(struct journal *journal, int64_t rollout, size_t limit, struct journal_decisions *ret);

/* Free what a list holds and leave it empty. */
void journal_rollouts_clear(struct journal_rollouts *rollouts);
void journal_decisions_clear(struct journal_decisions *decisions);

#endif

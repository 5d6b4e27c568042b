/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The life of a service's rollout: joins judge, policy, journal and weights. A decision is in the journal before it is
 * in the kernel; what the journal cannot take does not happen, except the way back, which never waits for a disk.
 */
#ifndef CANARYD_ROLLOUT_H
#define CANARYD_ROLLOUT_H

#include "user/breaker.h"
#include "user/config.h"
#include "user/consent.h"
#include "user/inventory.h"
#include "user/journal.h"
#include "user/judge.h"
#include "user/plan.h"
#include "user/policy.h"

struct rollout;

struct rollout_view;

/* Who else has a say, or is to know: the hooks. */
struct rollout_gates {
	/*
	 * May the rollout move on? Asked in every tick in which it would. Who does not agree, and what of them, is
	 * written as struct finding has it. NULL: nobody is asked.
	 */
	enum consent_verdict (*ask)(const struct rollout_view *view, const struct policy_decision *move, char gate[64],
				    char why[CONSENT_WHY], void *context);
	/* A decision has taken effect; must not change the rollout. NULL: nobody is told. */
	void (*decided)(const struct rollout_view *view, const struct policy_decision *decision, void *context);
	/* A sentence is among the decisions of the rollout. NULL: nobody is told. */
	void (*noted)(int64_t rollout, const char *sentence, void *context);
	void *context;
};

/* What a rollout works with. All of it must outlive the rollout. */
struct rollout_environment {
	struct journal *journal;
	struct canary_split *split; /* the service's, in the kernel */
	struct canary_breaker *breaker;
	const char *boot_id;
	struct rollout_gates gates;
	bool shadow; /* decides, and steers nothing: the baseline it was opened with gets every flow */
};

/* What there is to see. Strings are valid until the next call that changes the rollout. */
struct rollout_view {
	int64_t id; /* 0: there has been none */
	const char *baseline;
	const char *canary; /* NULL: none now; an ended rollout's is in `last_canary` */
	const char *last_canary;
	const char *last_baseline;
	double weight_wanted;
	double weight_applied; /* of the kernel */
	uint32_t epoch;
	uint32_t generation;
	double started; /* Unix seconds */
	double ended;   /* 0: not yet */
	const struct policy_plan *plan;
	const struct policy_state *policy;
	const struct finding *finding; /* of the last tick; n_slis == 0 where nothing was judged yet */
	const char *reason;
	bool tripped;           /* the kernel's breaker has taken the canary's new flows away: */
	struct breaker_trip trip; /* by this */
	bool kept;      /* the journal has all of it */
	bool forgot;    /* what the daemon before knew of the canary could not be read */
	int unwritten; /* the last decision took effect, but the journal could not take it yet: a negative errno */
};

/*
 * The rollout of a service, from where the journal has it: the baseline it had, and an unfinished rollout goes on,
 * held where the host was restarted meanwhile. Publishes the split. *ret_error is a sentence, the caller's to free.
 */
int rollout_open(const struct rollout_environment *environment, const struct config *config,
		 const struct config_service *service, const struct inventory_service *inventory, double unix_s,
		 struct rollout **ret, char **ret_error);

/* Writes a checkpoint and frees it; the split stays as it is. */
struct rollout *rollout_close(struct rollout *rollout);

/* The versions of the service have changed: indices are looked up anew. `config` must outlive the rollout. */
void rollout_set_inventory(struct rollout *rollout, const struct config *config, const struct config_service *service,
			   const struct inventory_service *inventory);

/*
 * Begins a rollout of `canary`. -EBUSY: one is under way, or a blackout window is open; -ENOENT: no such version; -EINVAL: it is the baseline, or has
 * no backends; or the journal's errors.
 */
int rollout_start(struct rollout *rollout, const char *canary, double unix_s, char **ret_error);

/*
 * Ends the rollout that is under way in favour of `canary`, which rollout_start() could begin then; 0 also where none
 * is. Errors as rollout_start(); nothing has ended then.
 */
int rollout_supersede(struct rollout *rollout, const char *canary, double unix_s, char **ret_error);

/*
 * Takes the last promotion back: its baseline is the baseline again, at once. -EBUSY: another rollout is under way;
 * -EINVAL: the last rollout was not promoted, or too long ago; -ENOENT: the version before is gone.
 */
int rollout_undo(struct rollout *rollout, double unix_s, char **ret_error);

/*
 * What rollout_start() would decide, after rollout_supersede() where `replace` is set, and in how many steps; nothing is
 * changed. Errors as there.
 */
int rollout_propose(const struct rollout *rollout, const char *canary, bool replace, double unix_s,
		    struct policy_decision *ret, unsigned *ret_steps, char **ret_error);

/*
 * What the service's traffic is, as far as it is known: false, and only *ret_watched_s written, where none has been seen
 * for at least a few seconds. *ret_watched_s: for how long there has been traffic, at most a minute.
 */
bool rollout_traffic(const struct rollout *rollout, struct plan_traffic *ret, double *ret_watched_s);

/*
 * Whether the plan of a start could decide at the traffic of now: 0; 1: that traffic is not known; -EDOM: it could not,
 * and *ret says why and what could. No other function asks.
 */
int rollout_check_plan(const struct rollout *rollout, struct plan_refusal *ret);

/* Writes why the traffic is not known: since when it is measured, and what there was. */
void rollout_print_unknown(const struct rollout *rollout, char *buf, size_t size);

enum rollout_verb {
	ROLLOUT_PAUSE,
	ROLLOUT_RESUME,
	ROLLOUT_PROMOTE,
	ROLLOUT_ABORT,
};

/* An operator's word. -EINVAL: not in this state; or the journal's errors, but for an abort: that one happens. */
int rollout_operate(struct rollout *rollout, enum rollout_verb verb, double unix_s, char **ret_error);

/*
 * An operator's word that new flows may go to the canary again, for as long as the breaker does not trip anew. -EINVAL: it
 * had not tripped; or the journal's errors.
 */
int rollout_reset_breaker(struct rollout *rollout, double unix_s, char **ret_error);

/*
 * One tick. Returns 1 where a decision was made (rollout_view() has its reason), 0, or a negative errno where the
 * journal refused it; then nothing has changed, and the next tick tries again. A rollback happens all the same, and is
 * written later.
 */
int rollout_tick(struct rollout *rollout, const struct sample *sample, double unix_s, char **ret_error);

/*
 * What others report of the version that is being released: FINDING_SAYS_HOLD, _FAIL (it is rolled back), or _NOTHING (any
 * more). Holds from the next tick on; a promotion is refused at once.
 */
void rollout_set_alert(struct rollout *rollout, enum finding_say says, const char *why);

/*
 * What has become of the canary's backends: FINDING_SAYS_HOLD: none gets new flows; _FAIL: so for too long, it fails as
 * the plan has it; _NOTHING. As rollout_set_alert().
 */
void rollout_set_backends(struct rollout *rollout, enum finding_say says, const char *why);

/* Writes a sentence among the decisions of the service's last rollout, ended or not. Errors as the journal's. */
int rollout_note(struct rollout *rollout, const char *sentence, double unix_s, char **ret_error);

struct rollout_view rollout_view(const struct rollout *rollout);
bool rollout_is_active(const struct rollout *rollout);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The rollout's state machine: finding + state + time passed → decision. Pure: no clock, no I/O. The caller journals
 * a decision before it applies it, and saves the state with it.
 *
 * Nothing but policy_tick() with every condition met, or an operator, moves the weight up. A rollout that is held or
 * paused is judged all the same: a canary found worse is taken back from any state.
 */
#ifndef CANARYD_POLICY_H
#define CANARYD_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "user/finding.h"

#define POLICY_STEPS 16
#define POLICY_WARN_S 3600.0 /* a rollout says so long before that it is going to expire, or a quarter of its time */

enum policy_on_fail {
	POLICY_FAIL_ROLL_BACK = 0,
	POLICY_FAIL_HOLD, /* hold and wait for an operator */
};

struct policy_step {
	double weight; /* 0 … 1 */
	double min_s;  /* at least this long */
	double max_s;  /* without enough evidence by then: hold, inconclusive; 0: no limit */
	bool manual;   /* an operator's `resume` is wanted before it is left */
};

/*
 * Steps of the error budget's making. A regression of `ratio` times the baseline's failures costs so many failures
 * beyond the baseline's until it is found; the next weight is the largest at which they are within what is left of the
 * budget. See policy_adaptive.h.
 */
struct policy_adaptive {
	bool on;
	double ratio;  /* the regression to reckon with, above `margin` */
	double growth; /* no weight is more than so many times the one before */
	double margin; /* the judge's m */
	double floor;  /* a share of failures up to this is no regression: the least a baseline is reckoned with */
};

struct policy_plan {
	unsigned n_steps;
	struct policy_step step[POLICY_STEPS];
	double bake_s; /* watched at the last step's weight before it is promoted */
	enum policy_on_fail on_fail;
	bool promote_never;   /* the last step lasts its max_s, then the rollout is complete: A/B */
	double undo_window_s; /* after a promotion; 0: none */
	double expire_s;      /* held or paused for so long in one step: aborted; 0: never */
	struct policy_adaptive adaptive;
};

enum policy_phase {
	POLICY_WARMUP = 0,
	POLICY_STEP,
	POLICY_BAKE,
	POLICY_ENDED,
	POLICY_PHASES,
};

enum policy_status {
	POLICY_RUNNING = 0,
	POLICY_HELD,
	POLICY_PAUSED,
	POLICY_PROMOTED,
	POLICY_ROLLED_BACK,
	POLICY_ABORTED,
	POLICY_UNDONE,    /* promoted, and taken back by an operator */
	POLICY_COMPLETED, /* never to be promoted, and its time is over */
	POLICY_STATUSES,
};

/* Why a rollout is held. Every cause but MANUAL, FAILED and OTHER lifts itself when it is over. The words are saved. */
enum policy_held {
	POLICY_HELD_NOT = 0,
	POLICY_HELD_EVIDENCE, /* E ≥ 5 */
	POLICY_HELD_NO_DATA,
	POLICY_HELD_ERROR,    /* a sample that cannot be used, or a clock that stepped; lifts after 10 s without */
	POLICY_HELD_AA,       /* baseline against baseline differs */
	POLICY_HELD_SLI,      /* an SLI is beyond its bound, or cannot be measured */
	POLICY_HELD_DEADLINE, /* no verdict in the step's time; lifts when the evidence is there after all */
	POLICY_HELD_MANUAL,   /* the step's gate waits for an operator */
	POLICY_HELD_FAILED,   /* the canary is worse and on_fail is hold: waits for an operator */
	POLICY_HELD_GATE,     /* a gate does not agree */
	POLICY_HELD_OTHER,    /* policy_hold(): by the caller, e.g. after a reboot; waits for an operator */
	POLICY_HELD_BLACKOUT, /* a blackout window is open */
	POLICY_HELD_ALERT,    /* others report that the canary is a security problem; lifts when that is resolved */
	POLICY_HELD_BACKENDS, /* no backend of the canary gets new flows; lifts when one does */
	POLICY_HELD_CAUSES,
};

/* Plain data; all of it is to be saved. */
struct policy_state {
	enum policy_phase phase;
	enum policy_status status;
	unsigned step;        /* index into the plan's steps */
	double weight;        /* wanted now */
	double step_s;        /* in this step since it began, warm-up, pauses and blackouts left out */
	double bake_s;        /* watched in the bake: running, with data */
	double deadline_s;    /* step_s at which the step is called inconclusive; 0: never */
	enum policy_held held;
	double held_s;        /* since it was held or paused */
	double quiet_s;       /* since the last error */
	double idle_s;        /* held or paused in this step in all, blackouts left out */
	uint64_t ticks;       /* of this rollout so far */
	bool expiry_warned;
	bool gate_passed;     /* an operator has let this step's manual gate pass */
	uint32_t named;       /* the causes, as policy_rules_cause() has them, that this hold has been named for */
	char reason[FINDING_REASON]; /* of the last decision */
};

enum policy_kind {
	POLICY_NONE = 0,
	POLICY_START,
	POLICY_ADVANCE, /* to the next step, or from the last one into the bake */
	POLICY_HOLD,
	POLICY_RESUME,
	POLICY_PAUSE,
	POLICY_ROLL_BACK,
	POLICY_PROMOTE, /* the canary is to become the baseline */
	POLICY_ABORT,
	POLICY_NOTE, /* nothing was decided: something to be told with the decisions */
	POLICY_UNDO,     /* the baseline from before the promotion is the baseline again */
	POLICY_COMPLETE, /* the end of a rollout that is never promoted */
	POLICY_KINDS,
};

/* What a decision's value and bound are: evidence, or what an SLI measures. */
enum policy_unit {
	POLICY_UNIT_NONE = 0,
	POLICY_UNIT_EVIDENCE,
	POLICY_UNIT_MEASURED, /* + an enum finding_unit */
};

struct policy_decision {
	enum policy_kind kind;
	unsigned step; /* the step it leads to */
	double weight_from;
	double weight_to;
	char sli[FINDING_NAME]; /* "" where no SLI decided */
	double value;           /* NAN where none decided; of evidence not its logarithm */
	double bound;
	unsigned unit;          /* enum policy_unit */
	struct finding_counts counts;
	char reason[FINDING_REASON];
};

/*
 * 1 %, 5 %, 25 %, 50 %, 100 %; at least 60 s and at most 1 h each; bake 5 min; rolls back; undo for 1 h; expires after
 * 24 h.
 */
struct policy_plan policy_default_plan(void);

/* 0, or -EINVAL with what is wrong and the mend in `reason`. */
int policy_plan_check(const struct policy_plan *plan, char reason[FINDING_REASON]);

/* Begins a rollout at the plan's first weight. -EINVAL: the plan is not valid. */
int policy_start(const struct policy_plan *plan, struct policy_state *state, struct policy_decision *ret);

/*
 * One tick: writes at most one decision to *ret (kind POLICY_NONE when nothing changes) and moves the state along.
 * elapsed_s is the time since the tick before; a stall counts as a minute at most. After POLICY_START and
 * POLICY_ADVANCE the caller calls judge_step_begin().
 */
void policy_tick(const struct policy_plan *plan, struct policy_state *state, const struct finding *finding,
		 double elapsed_s, struct policy_decision *ret);

/*
 * The operator's verbs. -EINVAL, and nothing changed, where the state does not allow it: nothing after the end; no
 * pause when paused; resume only when held or paused. A paused rollout is resumed into what the next tick finds;
 * resume lets a manual gate pass and gives a step past its deadline its whole time again.
 */
int policy_pause(const struct policy_plan *plan, struct policy_state *state, struct policy_decision *ret);
int policy_resume(const struct policy_plan *plan, struct policy_state *state, struct policy_decision *ret);
int policy_promote(const struct policy_plan *plan, struct policy_state *state, struct policy_decision *ret);
int policy_abort(const struct policy_plan *plan, struct policy_state *state, struct policy_decision *ret);

/*
 * Takes a promotion back, since_s after it: the old baseline is to be the baseline again, at once. -EINVAL: it was not
 * promoted; -ETIME: the plan's window is over. Nothing is changed then.
 */
int policy_undo(const struct policy_plan *plan, struct policy_state *state, double since_s,
		struct policy_decision *ret);

/* Ends a rollout in favour of the version `by`. -EINVAL: it has ended. */
int policy_supersede(const struct policy_plan *plan, struct policy_state *state, const char *by,
		     struct policy_decision *ret);

/*
 * One sentence: what the rollout waits for before its next step, with the evidence so far and the time it may take.
 * For the views; policy_tick() decides by the same conditions.
 */
void policy_print_waiting(const struct policy_plan *plan, const struct policy_state *state,
			  const struct finding *finding, char reason[FINDING_REASON]);

/* The caller's own: hold for `why` until an operator resumes, and roll back for `why`. */
int policy_hold(const struct policy_plan *plan, struct policy_state *state, const char *why,
		struct policy_decision *ret);
int policy_roll_back(const struct policy_plan *plan, struct policy_state *state, const char *why,
		     struct policy_decision *ret);

/* The words of api.h. */
const char *policy_phase_name(enum policy_phase phase);
const char *policy_status_name(enum policy_status status);
const char *policy_kind_name(enum policy_kind kind); /* "none" for POLICY_NONE */
const char *policy_held_name(enum policy_held held);
const char *policy_unit_name(unsigned unit); /* NULL for POLICY_UNIT_NONE */

/* The other way. 0, or -EINVAL for a word that is none. */
int policy_phase_parse(const char *word, enum policy_phase *ret);
int policy_status_parse(const char *word, enum policy_status *ret);
int policy_held_parse(const char *word, enum policy_held *ret);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A replay is the daemon's rollout_tick() without journal and kernel. Without a plan there is one step with a manual
 * gate: the policy stops before it with every condition met, which is what "promotable" means, and goes on watching.
 */
#include "user/replay.h"

#include <canaryd/api.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/judge.h"
#include "user/policy_gates.h"
#include "user/policy_moves.h"
#include "user/policy_rules.h"

#define RISE 1.001 /* a weight this many times the step's begins another */
#define SMALLEST 1e-9
#define ENOUGH_SAMPLES 1000.0 /* to know by which buckets a record counts */

struct replay {
	struct replay_options options;
	struct judge *judge;
	struct policy_plan plan;
	struct policy_state state;
	struct finding finding;
	bool began;  /* there has been a rollout */
	bool active; /* one is under way */
	int64_t rollout;
	char canary[RECORD_NAME];
	void *blank; /* judge_state_size() bytes: a judge that knows nothing */
	void *kept;  /* the same: what a restart goes back to, */
	struct policy_state kept_state;
	bool has_kept;
	double t; /* of the last tick; NAN before the first */
	double outcome_t;
};

struct replay *replay_new(const struct replay_options *options)
{
	struct replay *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->options = *options;
	r->judge = judge_new(&options->judge);
	r->blank = malloc(judge_state_size());
	r->kept = malloc(judge_state_size());
	r->t = r->outcome_t = NAN;
	if (!r->judge || !r->blank || !r->kept)
		return replay_free(r);
	judge_save(r->judge, r->blank);
	return r;
}

struct replay *replay_free(struct replay *r)
{
	if (r) {
		judge_free(r->judge);
		free(r->blank);
		free(r->kept);
	}
	free(r);
	return NULL;
}

static bool has_plan(const struct replay *r)
{
	return r->options.plan.n_steps > 0;
}

static struct replay_decision name(const struct replay *r, const struct policy_decision *d)
{
	struct replay_decision named = {
		.name = policy_kind_name(d->kind),
		.state = policy_status_name(r->state.status),
		.decision = *d,
	};

	if (has_plan(r) || d->kind != POLICY_HOLD || r->state.held != POLICY_HELD_MANUAL)
		return named;
	named.name = replay_outcome_name(REPLAY_PROMOTABLE);
	named.state = API_STATE_RUNNING;
	snprintf(named.decision.reason, sizeof(named.decision.reason), "the evidence would let the canary pass");
	return named;
}

/* ---- a rollout begins ------------------------------------------------------------------------------------ */

/* The one step there is without a plan. */
static struct policy_plan watch(double weight)
{
	return (struct policy_plan){
		.n_steps = 1,
		.step = { { .weight = fmin(1, fmax(SMALLEST, weight)), .manual = true } },
	};
}

static void begin(struct replay *r, int64_t rollout, double weight, struct policy_decision *d)
{
	r->plan = has_plan(r) ? r->options.plan : watch(weight);
	r->began = r->active = true;
	r->rollout = rollout;
	r->canary[0] = 0;
	memset(&r->finding, 0, sizeof(r->finding));
	judge_rollout_begin(r->judge);
	policy_start(&r->plan, &r->state, d);
	judge_step_begin(r->judge, 0);
	if (!has_plan(r))
		snprintf(d->reason, sizeof(d->reason), "the record has a canary from here on");
}

static bool is_another(const struct replay *r, const struct record *record)
{
	if (record->rollout != RECORD_ROLLOUT_UNKNOWN && r->rollout != RECORD_ROLLOUT_UNKNOWN)
		return record->rollout != r->rollout;
	return *record->canary && strcmp(record->canary, r->canary) != 0;
}

/* Whether the tick belongs to a rollout. */
static bool is_rollout(const struct replay *r, const struct record *record)
{
	bool wanted = (*record->canary && record->sample.weight > 0) || record->sample.canary.attempts > 0;

	if (record->rollout != RECORD_ROLLOUT_UNKNOWN)
		return record->rollout != RECORD_NO_ROLLOUT;
	return r->active || wanted;
}

/* The record's weight rises: its next step. */
static bool rises(struct replay *r, const struct record *record, struct policy_decision *d)
{
	double before = r->plan.step[0].weight;
	uint64_t ticks = r->state.ticks;

	if (has_plan(r) || record->sample.weight <= before * RISE)
		return false;
	r->plan = watch(record->sample.weight);
	policy_start(&r->plan, &r->state, d);
	judge_step_begin(r->judge, 0);
	r->state.phase = POLICY_STEP;
	r->state.ticks = ticks;
	d->kind = POLICY_ADVANCE;
	d->weight_from = before;
	snprintf(d->reason, sizeof(d->reason), "the weight of the record rises");
	return true;
}

/* ---- what others did ------------------------------------------------------------------------------------- */

static void keep(struct replay *r)
{
	judge_save(r->judge, r->kept);
	r->kept_state = r->state;
	r->has_kept = true;
}

/*
 * The daemon began anew with what its journal had. What it had not is forgotten here, too; where the record lacks ticks
 * that the journal knew of, what is known is better than nothing.
 */
static void restart(struct replay *r, const struct record_restart *restart)
{
	bool known = restart->under_way && r->active, whole = r->state.ticks == restart->ticks;

	if (known && !whole && r->has_kept && r->kept_state.ticks == restart->ticks) {
		r->state = r->kept_state;
		judge_restore(r->judge, r->kept, judge_state_size());
	}
	if (!restart->evidence)
		judge_restore(r->judge, r->blank, judge_state_size());
	keep(r);
}

/* False where the replay has come elsewhere than the record, and it cannot be done there. */
static bool repeat(struct replay *r, const struct record_decided *from, struct policy_decision *d)
{
	switch (from->kind) {
	case POLICY_PAUSE: return policy_pause(&r->plan, &r->state, d) == 0;
	case POLICY_RESUME: return policy_resume(&r->plan, &r->state, d) == 0;
	case POLICY_PROMOTE: return policy_promote(&r->plan, &r->state, d) == 0;
	case POLICY_ABORT: return policy_abort(&r->plan, &r->state, d) == 0;
	case POLICY_UNDO: return policy_undo(&r->plan, &r->state, 0, d) == 0;
	case POLICY_HOLD: return policy_hold(&r->plan, &r->state, from->reason, d) == 0;
	case POLICY_ROLL_BACK: return policy_roll_back(&r->plan, &r->state, from->reason, d) == 0;
	case POLICY_NOTE: *d = policy_moves_decision(&r->state, POLICY_NOTE); return true;
	default: return false;
	}
}

/* An operator's word about the plan's rollout; without a plan there is nothing that it could be about. */
static unsigned obey(struct replay *r, const struct record *record, struct replay_decision *ret)
{
	unsigned n = 0;

	for (unsigned i = 0; has_plan(r) && i < record->n_decided; i++) {
		const struct record_decided *from = &record->decided[i];
		struct policy_decision d;

		if (from->rollout != r->rollout && (from->kind == POLICY_START || from->rollout == record->rollout)) {
			begin(r, from->rollout, record->sample.weight, &d);
			ret[n++] = name(r, &d);
		}
		if (from->rollout != r->rollout || from->kind == POLICY_START || !repeat(r, from, &d))
			continue;
		memcpy(d.reason, from->reason, sizeof(d.reason));
		if (d.kind != POLICY_NOTE)
			memcpy(r->state.reason, from->reason, sizeof(r->state.reason));
		ret[n++] = name(r, &d);
	}
	return n;
}

/* The journal got the state with it. */
static bool is_written(const struct record *record)
{
	for (unsigned i = 0; i < record->n_decided; i++)
		if (record->decided[i].kind != POLICY_NOTE)
			return true;
	return false;
}

/* ---- a tick ---------------------------------------------------------------------------------------------- */

static void fill_time(struct replay *r, struct record *record)
{
	double elapsed_s = !isnan(record->elapsed_s) ? record->elapsed_s : isnan(r->t) ? 0 : record->t - r->t;

	record->sample.now_ns = (uint64_t)(fmax(0, record->t) * 1e9);
	record->sample.elapsed_ns = (uint64_t)llround(elapsed_s * 1e9);
	r->t = record->t;
}

/* What the others said to a move at that time; they are not there to be asked about another. */
static enum consent_verdict answer(const struct policy_decision *move, struct finding *finding, void *context)
{
	const struct record_outside *outside = context;

	(void)move;
	memcpy(finding->gate, outside->gate, sizeof(finding->gate));
	memcpy(finding->gate_why, outside->gate_why, sizeof(finding->gate_why));
	if (!outside->gates_closed)
		return CONSENT_AGREED;
	return outside->gate_failed ? CONSENT_FAILED : outside->gate_refused ? CONSENT_REFUSED : CONSENT_ASKING;
}

/* A rollout or a step begins with this tick. */
static bool turns(struct replay *r, const struct record *record, struct policy_decision *d)
{
	if (r->active && !is_another(r, record))
		return rises(r, record, d);
	begin(r, record->rollout, record->sample.weight, d);
	return true;
}

static unsigned judge(struct replay *r, const struct record *record, struct replay_decision *ret)
{
	struct policy_state before;
	struct policy_decision d;
	unsigned n = 0;

	if (turns(r, record, &d))
		ret[n++] = name(r, &d);
	if (!*r->canary)
		memcpy(r->canary, record->canary, sizeof(r->canary));
	before = r->state;
	judge_tick(r->judge, &record->sample, &r->finding);
	record_give_outside(&record->outside, &r->finding);
	policy_tick_asking(&r->plan, &r->state, &r->finding, (double)record->sample.elapsed_ns / 1e9, answer,
			   (void *)(uintptr_t)&record->outside, &d);
	if (d.kind != POLICY_NONE && record->refused)
		r->state = before;
	if (d.kind == POLICY_NONE || record->refused)
		return n;
	if (d.kind == POLICY_ADVANCE)
		judge_step_begin(r->judge, 0);
	ret[n++] = name(r, &d);
	return n;
}

static unsigned tick(struct replay *r, const struct record *record, struct replay_decision *ret)
{
	bool ended = r->began && r->state.phase == POLICY_ENDED;

	if (!is_rollout(r, record) || (ended && !is_another(r, record))) {
		r->active = r->active && record->rollout == RECORD_ROLLOUT_UNKNOWN;
		judge_history(r->judge, &record->sample);
		return 0;
	}
	r->outcome_t = r->t;
	return judge(r, record, ret);
}

unsigned replay_tick(struct replay *r, struct record *record, struct replay_decision ret[REPLAY_DECISIONS])
{
	unsigned before, n;

	fill_time(r, record);
	if (record->restart.restarted)
		restart(r, &record->restart);
	before = obey(r, record, ret);
	if (before > 0)
		r->outcome_t = r->t;
	if (is_written(record))
		keep(r);
	n = tick(r, record, ret + before);
	if (n > 0 || record->kept)
		keep(r);
	return before + n;
}

/* ---- the outcome ----------------------------------------------------------------------------------------- */

static bool is_promotable(const struct replay *r)
{
	enum policy_wait wait;
	unsigned sli;

	if (has_plan(r))
		return r->state.status == POLICY_PROMOTED;
	wait = policy_rules_wait(&r->plan, &r->state, &r->finding, &sli);
	return wait == POLICY_WAIT_NOT || wait == POLICY_WAIT_MANUAL;
}

/*
 * Whether the record's buckets are so wide at the baseline's q-quantile that none ends between it and what promotion has
 * to exclude: what is slower than the one is then always slower than the other, too.
 */
static bool is_coarse(const struct replay *r, double q, double *ret_from_s, double *ret_to_s)
{
	const struct past *past = judge_baseline(r->judge).past;
	unsigned tau, last;

	if (past->samples < ENOUGH_SAMPLES || !past_quantile_bucket(past, q, &tau))
		return false;
	*ret_from_s = histogram_upper_s(tau);
	*ret_to_s = *ret_from_s * (1 + r->options.judge.delta_promotion);
	last = histogram_edge_at_most(*ret_to_s);
	while (last > tau && past->latency[last] == 0)
		last--;
	return last == tau;
}

static bool say_coarse(const struct replay *r, char reason[FINDING_REASON])
{
	char from[32], to[32], share[32];
	double from_s, to_s;
	unsigned sli = FINDING_ERRORS;

	if (policy_rules_wait(&r->plan, &r->state, &r->finding, &sli) != POLICY_WAIT_EVIDENCE || sli != FINDING_LATENCY)
		return false;
	if (!is_coarse(r, 0.5, &from_s, &to_s) && !is_coarse(r, 0.95, &from_s, &to_s))
		return false;
	snprintf(reason, FINDING_REASON, "latency: no bucket of the record ends between %s and %s, so that it cannot show that "
		 "the canary is not slower by %s (record finer ones, or give a larger --delta-promotion)",
		 finding_print_duration(from, sizeof(from), from_s), finding_print_duration(to, sizeof(to), to_s),
		 finding_print_share(share, sizeof(share), r->options.judge.delta_promotion));
	return true;
}

static void say_undecided(const struct replay *r, char reason[FINDING_REASON])
{
	if (r->state.phase == POLICY_ENDED)
		snprintf(reason, FINDING_REASON, "%s", r->state.reason);
	else if (r->state.status == POLICY_HELD && r->state.held != POLICY_HELD_MANUAL)
		snprintf(reason, FINDING_REASON, "held: %.240s", r->state.reason);
	else if (!say_coarse(r, reason))
		policy_print_waiting(&r->plan, &r->state, &r->finding, reason);
}

enum replay_outcome replay_outcome(const struct replay *r, double *ret_t, char reason[FINDING_REASON])
{
	*ret_t = r->began ? r->outcome_t : r->t;
	if (!r->began) {
		snprintf(reason, FINDING_REASON, "the record has no canary traffic");
		return REPLAY_UNDECIDED;
	}
	if (r->state.status == POLICY_ROLLED_BACK) {
		snprintf(reason, FINDING_REASON, "%s", r->state.reason);
		return REPLAY_ROLLED_BACK;
	}
	if (is_promotable(r)) {
		snprintf(reason, FINDING_REASON, "%s", has_plan(r) ? r->state.reason :
							 "the evidence at the end would let the canary pass");
		return REPLAY_PROMOTABLE;
	}
	say_undecided(r, reason);
	return REPLAY_UNDECIDED;
}

const char *replay_outcome_name(enum replay_outcome outcome)
{
	static const char *const words[] = {
		[REPLAY_UNDECIDED] = "undecided",
		[REPLAY_ROLLED_BACK] = API_STATE_ROLLED_BACK,
		[REPLAY_PROMOTABLE] = "promotable",
	};

	return words[outcome];
}

const struct finding *replay_finding(const struct replay *r)
{
	return &r->finding;
}

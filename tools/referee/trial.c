/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/referee/trial.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tools/referee/world.h"
#include "user/replay.h"

struct run {
	const struct cell *cell;
	struct world world;
	struct record record;
	struct rivals rivals;
	struct replay *replay;
	double failed; /* of the canary's requests since the onset */
	struct trial *trial;
};

static bool has_decided(const struct trial *t, unsigned method)
{
	return !isnan(t->delay_s[method]) || t->early[method];
}

/* A rollback that is new is written down. */
static void note(struct run *x, unsigned method, bool rolled_back)
{
	struct trial *t = x->trial;
	double since_s = x->world.now_s - x->cell->onset_s;

	if (!rolled_back || has_decided(t, method))
		return;
	if (since_s <= 0) {
		t->early[method] = true;
		return;
	}
	t->delay_s[method] = since_s;
	t->failed[method] = x->failed;
}

/* After a rollback there is nothing to judge: the rivals go on alone. */
static void judge(struct run *x)
{
	struct replay_decision decisions[REPLAY_DECISIONS];
	unsigned n = has_decided(x->trial, TRIAL_JUDGE) ? 0 : replay_tick(x->replay, &x->record, decisions);

	for (unsigned i = 0; i < n; i++) {
		note(x, TRIAL_JUDGE, decisions[i].decision.kind == POLICY_ROLL_BACK);
		if (x->world.now_s > x->cell->onset_s && !strcmp(decisions[i].name, "promotable"))
			x->trial->promotable = true;
	}
}

static bool is_over(const struct trial *t)
{
	for (unsigned i = 0; i < TRIAL_METHODS; i++)
		if (!has_decided(t, i))
			return false;
	return true;
}

static void go(struct run *x)
{
	while (x->world.now_s < x->cell->rollout_s && !is_over(x->trial)) {
		world_tick(&x->world, &x->record);
		if (x->world.now_s > x->cell->onset_s)
			x->failed += (double)x->record.sample.canary.failed;
		judge(x);
		if (!*x->record.canary)
			continue;
		rivals_tick(&x->rivals, &x->record.sample);
		for (unsigned i = 0; i < RIVALS; i++)
			note(x, TRIAL_FLAGGER + i, !isnan(x->rivals.rolled_back_s[i]));
	}
}

int trial_run(const struct cell *cell, uint64_t seed, struct trial *ret)
{
	struct replay_options options = { .judge = judge_config_default() };
	struct run *x = calloc(1, sizeof(*x));
	int r;

	if (!x)
		return -ENOMEM;
	options.judge.warmup_s = cell->warmup_s;
	*ret = (struct trial){ 0 };
	for (unsigned i = 0; i < TRIAL_METHODS; i++)
		ret->delay_s[i] = ret->failed[i] = NAN;
	x->cell = cell;
	x->trial = ret;
	x->replay = replay_new(&options);
	world_init(&x->world, cell, seed);
	rivals_init(&x->rivals);
	r = x->replay ? 0 : -ENOMEM;
	if (!r)
		go(x);
	replay_free(x->replay);
	free(x);
	return r;
}

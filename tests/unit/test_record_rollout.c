/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A rollout with a journal, into whose way come operators, the breaker, gates, reports, a full disk, restarts, kills and
 * reboots, is recorded as the daemon records it; the replay of that file decides what the journal has.
 */
#include "tests/unit/rollout_fixture.h"
#include "tests/unit/traffic.h"
#include "user/daemon_internal.h"
#include "user/replay.h"

#define SEEDS 4
#define TICKS 1200
#define DECISIONS 4000
#define TEXT 320

struct life {
	struct world *w;
	struct daemon daemon;
	struct daemon_service service;
	struct traffic traffic;
	char path[112];
	const char *boot;
	bool full; /* the disk */
	double bad_until; /* what goes wrong for a while, in ticks */
	unsigned what;
	unsigned seen[POLICY_COMPLETE + 1];
	unsigned n;
	char (*decided)[TEXT]; /* by the journal */
};

static bool chance(struct life *x, double p)
{
	return traffic_uniform(&x->traffic) < p;
}

/* ---- what user/daemon*.c do -------------------------------------------------------------------------------- */

static enum consent_verdict ask(const struct rollout_view *view, const struct policy_decision *move, char gate[64],
				char why[CONSENT_WHY], void *context)
{
	struct life *x = context;
	double u = traffic_uniform(&x->traffic);

	(void)view;
	(void)move;
	strcpy(gate, "tickets");
	strcpy(why, "does not agree: no");
	return u < 0.5 ? CONSENT_AGREED : u < 0.8 ? CONSENT_ASKING : u < 0.98 ? CONSENT_REFUSED : CONSENT_FAILED;
}

static void on_decided(const struct rollout_view *view, const struct policy_decision *decision, void *context)
{
	struct life *x = context;

	x->seen[decision->kind]++;
	if (!x->service.in_tick)
		daemon_record_decided(&x->service, view->id, decision->kind, decision->reason);
}

static void on_noted(int64_t rollout, const char *sentence, void *context)
{
	daemon_record_decided(&((struct life *)context)->service, rollout, POLICY_NOTE, sentence);
}

/* What is left over of the daemon before is not much. */
static void begin_daemon(struct life *x)
{
	x->service = (struct daemon_service){ .daemon = &x->daemon, .config = &x->w->config->services[0] };
	x->daemon.recorder = recorder_new(x->path, 1000000000);
	x->w->gates = (struct rollout_gates){ ask, on_decided, on_noted, x };
	open_rollout_at(x->w, x->boot);
	x->service.rollout = x->w->rollout;
	daemon_record_restart(&x->service);
}

static void end_daemon(struct life *x, bool killed)
{
	refuse_writes(x->w, killed || x->full);
	x->w->rollout = rollout_close(x->w->rollout);
	x->daemon.recorder = recorder_free(x->daemon.recorder);
	reopen(x->w->disk);
	x->full = false;
}

static void tick_daemon(struct life *x, unsigned i)
{
	struct rollout_view view = rollout_view(x->w->rollout);
	uint64_t now_ns = 1000000000ULL * (i + 1);
	char *error = NULL;
	int r;

	x->traffic.share = view.weight_applied;
	traffic_tick(&x->traffic, &x->service.sample);
	x->service.sample.weight = view.weight_applied;
	x->w->now += x->traffic.tick_s;
	daemon_begin_record(&x->service, &view);
	r = rollout_tick(x->w->rollout, &x->service.sample, x->w->now, &error);
	daemon_write_record(&x->service, r, now_ns, x->w->now);
	free(error);
}

/* ---- what comes into its way ------------------------------------------------------------------------------- */

static void operate(struct life *x)
{
	struct rollout *rollout = x->w->rollout;
	bool active = rollout_is_active(rollout);
	char *error = NULL;

	if (chance(x, active ? 0.01 : 0.1))
		rollout_start(rollout, chance(x, 0.5) ? "v1" : "v2", x->w->now, &error);
	free(error), error = NULL;
	if (chance(x, 0.01))
		rollout_operate(rollout, ROLLOUT_PAUSE, x->w->now, &error);
	free(error), error = NULL;
	if (chance(x, 0.08))
		rollout_operate(rollout, ROLLOUT_RESUME, x->w->now, &error);
	free(error), error = NULL;
	if (chance(x, 0.004))
		rollout_operate(rollout, chance(x, 0.5) ? ROLLOUT_PROMOTE : ROLLOUT_ABORT, x->w->now, &error);
	free(error), error = NULL;
	if (chance(x, 0.01))
		rollout_undo(rollout, x->w->now, &error);
	free(error), error = NULL;
	if (active && chance(x, 0.003) && rollout_supersede(rollout, "v3", x->w->now, &error) == 0)
		rollout_start(rollout, "v3", x->w->now, &error);
	free(error), error = NULL;
	if (rollout_view(rollout).unwritten)
		return; /* what is noted now would stand before it in the journal */
	if (rollout_view(rollout).id && chance(x, 0.01))
		rollout_note(rollout, "cohort \"office\" is all of the office", x->w->now, &error);
	free(error), error = NULL;
	if (chance(x, 0.1))
		rollout_reset_breaker(rollout, x->w->now, &error);
	free(error);
}

static void trouble(struct life *x, unsigned i)
{
	bool goes_on = i < x->bad_until;

	if (!goes_on) {
		x->what = (unsigned)(traffic_uniform(&x->traffic) * 12);
		x->bad_until = i + 2 + traffic_uniform(&x->traffic) * 20;
	}
	x->traffic.p_canary = x->what == 0 ? 0.02 : 0.001;
	rollout_set_alert(x->w->rollout, x->what == 1 ? FINDING_SAYS_HOLD : x->what == 2 && chance(x, 0.05) ? FINDING_SAYS_FAIL :
				     FINDING_SAYS_NOTHING, "security page from uid 0: it is open");
	rollout_set_backends(x->w->rollout, x->what == 3 ? FINDING_SAYS_HOLD : x->what == 4 && chance(x, 0.05) ? FINDING_SAYS_FAIL :
					FINDING_SAYS_NOTHING, "v2 has no backend for new flows");
	if (x->what == 5 && !goes_on) {
		x->w->breaker.tripped_attempts = 12;
		x->w->breaker.tripped_failures = 10;
		x->w->breaker.tripped = kernel(x->w)->generation;
	}
	x->full = x->what == 6;
	refuse_writes(x->w, x->full);
}

/* A rollback that was not written before the host dies is found again as another: that one is not for this test. */
static void stop_and_start(struct life *x)
{
	bool killed = chance(x, 0.5);

	if (rollout_view(x->w->rollout).unwritten || !chance(x, 0.02))
		return;
	if (chance(x, 0.2))
		x->boot = strcmp(x->boot, BOOT) ? BOOT : "boot-2";
	end_daemon(x, killed);
	if (chance(x, 0.2))
		journal_execute(x->w->disk->journal, "UPDATE rollouts SET judge = x'00' WHERE ended IS NULL");
	begin_daemon(x);
}

/* ---- the comparison ---------------------------------------------------------------------------------------- */

static void read_journal(struct life *x)
{
	struct journal_decisions list = {};

	x->decided = calloc(DECISIONS, sizeof(*x->decided));
	for (int64_t id = 1; id <= rollout_view(x->w->rollout).id; id++) {
		assert_int_equal(journal_decisions_load(x->w->disk->journal, id, DECISIONS, &list), 0);
		for (size_t i = 0; i < list.count && x->n < DECISIONS; i++)
			snprintf(x->decided[x->n++], TEXT, "%s %s %d %.6f %s", list.items[i].decision, list.items[i].state,
				 list.items[i].step, list.items[i].weight_to_ppm / 1e6, list.items[i].reason);
		journal_decisions_clear(&list);
	}
}

static struct replay *new_replay(const struct world *w)
{
	struct replay_options options = { .judge = config_judge(w->config, &w->config->services[0]) };

	plan_from_config(&w->config->services[0].rollout, &options.judge, &options.plan);
	return replay_new(&options);
}

static void check_decision(const struct life *x, unsigned n, const struct replay_decision *d)
{
	char text[TEXT];

	snprintf(text, sizeof(text), "%s %s %u %.6f %s", d->name, d->state, d->decision.step, d->decision.weight_to,
		 d->decision.reason);
	if (n >= x->n || strcmp(text, x->decided[n]))
		fail_msg("decision %u of %u is '%s' in the replay, not '%s'", n + 1, x->n, text, n < x->n ? x->decided[n] : "");
}

static void compare(const struct life *x)
{
	struct replay *replay = new_replay(x->w);
	struct record *record = calloc(1, sizeof(*record));
	struct replay_decision decisions[REPLAY_DECISIONS];
	FILE *file = fopen(x->path, "r");
	char *line = NULL, error[RECORD_ERROR];
	size_t size = 0;
	unsigned n = 0;

	while (getline(&line, &size, file) > 0) {
		unsigned made;

		if (record_parse(line, strlen(line), record, error))
			fail_msg("%s: %s", error, line);
		made = replay_tick(replay, record, decisions);
		for (unsigned i = 0; i < made; i++)
			check_decision(x, n++, &decisions[i]);
	}
	assert_int_equal(n, x->n);
	free(line);
	fclose(file);
	free(record);
	replay_free(replay);
}

/* The disk has room again, and what waited for it is written. */
static void settle(struct life *x, unsigned i)
{
	x->full = false;
	refuse_writes(x->w, false);
	tick_daemon(x, i);
}

static void live(struct world *w, uint64_t seed, unsigned *ret_seen)
{
	struct life *x = calloc(1, sizeof(*x));

	x->w = w;
	x->boot = BOOT;
	x->traffic = traffic(seed);
	x->traffic.tick_s = 1;
	snprintf(x->path, sizeof(x->path), "%s/ticks", w->disk->dir);
	begin_daemon(x);
	for (unsigned i = 0; i < TICKS; i++) {
		trouble(x, i);
		stop_and_start(x);
		operate(x);
		tick_daemon(x, i);
	}
	settle(x, TICKS);
	read_journal(x);
	compare(x);
	for (unsigned i = 0; i <= POLICY_COMPLETE; i++)
		ret_seen[i] += x->seen[i];
	unlink(x->path);
	recorder_free(x->daemon.recorder);
	free(x->decided);
	free(x);
}

static void replays_to_what_the_journal_has(void **state)
{
	unsigned seen[POLICY_COMPLETE + 1] = { 0 };

	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct world *w;

		assert_int_equal(set_up_world((void **)&w), 0);
		w->rollout = rollout_close(w->rollout);
		w->versions[2].n_backends = 1;
		w->versions[2].backends = w->versions[0].backends;
		w->config->services[0].rollout.on_fail = seed % 3 ? CONFIG_ON_FAIL_ROLLBACK : CONFIG_ON_FAIL_HOLD;
		live(w, seed, seen);
		tear_down_world((void **)&w);
	}
	for (int kind = POLICY_START; kind < POLICY_COMPLETE; kind++)
		if (kind != POLICY_NOTE && !seen[kind])
			fail_msg("there was no %s", policy_kind_name((enum policy_kind)kind));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(replays_to_what_the_journal_has),
	};

	return cmocka_run_group_tests_name("record_rollout", tests, NULL, NULL);
}

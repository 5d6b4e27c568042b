/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "user/alert_rules.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "user/text.h"

#define EVIDENCE 20.0        /* … of all indicators: by Ville's inequality 5 % of good rollouts ever tell anybody */
#define DOWN_ATTEMPTS 5      /* of fewer in the window nothing is concluded */
#define FAILURES_LEAST 3     /* fewer are no share */
#define ROLLED_BACK_S 3600.0 /* a ticket, not a state: it is over after so long */
#define JUST_ENDED_S 10.0    /* what brought a rollout down is still an incident */

#define SAY(buf, ...) text_print(buf, sizeof(buf), __VA_ARGS__)

static const struct {
	const char *name;
	size_t severity; /* where the configuration has it */
} rules_of[] = {
	[ALERT_ERROR_DELTA] = { "CanaryErrorDelta", offsetof(struct config_alert_rules, error_delta) },
	[ALERT_SERVICE_DOWN] = { "ServiceDown", offsetof(struct config_alert_rules, service_down) },
	[ALERT_CRASH_LOOP] = { "CanaryCrashLoop", offsetof(struct config_alert_rules, crash_loop) },
	[ALERT_NO_BACKEND] = { "NoHealthyBackend", offsetof(struct config_alert_rules, no_backend) },
	[ALERT_BACKENDS] = { "BackendsUnhealthy", offsetof(struct config_alert_rules, backends) },
	[ALERT_DRIFT] = { "CanaryDrift", offsetof(struct config_alert_rules, drift) },
	[ALERT_ROLLED_BACK] = { "RolloutRolledBack", offsetof(struct config_alert_rules, rolled_back) },
	[ALERT_HELD] = { "RolloutHeld", offsetof(struct config_alert_rules, held) },
};
_Static_assert(sizeof(rules_of) / sizeof(rules_of[0]) == ALERT_RULES, "one row a rule");

const char *alert_rule_name(enum alert_rule rule)
{
	return rules_of[rule].name;
}

enum config_severity alert_rule_severity(const struct config_alert_rules *rules, enum alert_rule rule)
{
	enum config_severity severity;

	memcpy(&severity, (const char *)rules + rules_of[rule].severity, sizeof(severity));
	return severity;
}

const char *alert_severity_name(enum config_severity severity)
{
	return severity == CONFIG_SEVERITY_PAGE ? "page" : severity == CONFIG_SEVERITY_TICKET ? "ticket" : "off";
}

/* ---- conditions ------------------------------------------------------------------------------------------ */

static void add(struct finding_counts *to, const struct finding_counts *more)
{
	to->baseline_attempts += more->baseline_attempts;
	to->baseline_failed += more->baseline_failed;
	to->canary_attempts += more->canary_attempts;
	to->canary_failed += more->canary_failed;
}

void alert_window_add(struct alert_window *window, const struct sample *sample, double now_s)
{
	uint64_t second = (uint64_t)now_s;
	unsigned slot = second % ALERT_WINDOW_S;

	if (window->second[slot] != second) {
		window->second[slot] = second;
		window->counts[slot] = (struct finding_counts){ 0 };
	}
	if (!sample->suspect)
		add(&window->counts[slot], &(struct finding_counts){ sample->baseline.attempts, sample->baseline.failed,
								     sample->canary.attempts, sample->canary.failed });
}

static struct finding_counts recent(const struct alert_window *window, double now_s, double seconds)
{
	struct finding_counts counts = { 0 };

	for (unsigned i = 0; i < ALERT_WINDOW_S; i++)
		if (now_s - (double)window->second[i] <= seconds)
			add(&counts, &window->counts[i]);
	return counts;
}

static double share(uint64_t failed, uint64_t attempts)
{
	return attempts ? (double)failed / (double)attempts : 0;
}

/* The rollout whose finding is worth an alert: under way, or brought down just now. */
static bool is_judged(const struct alert_facts *facts)
{
	if (facts->active)
		return true;
	return facts->policy->status == POLICY_ROLLED_BACK && facts->unix_s - facts->ended < JUST_ENDED_S;
}

static bool has_evidence(const struct finding *f)
{
	return f->n_slis && (f->ln_e_rollback >= log(EVIDENCE) || f->ln_e_rollback >= f->ln_bound);
}

/*
 * The difference is that of the last seconds, at its largest: a canary that begins to fail is taken back before its share
 * over all the time it has served has moved. Every span is looked at, lest an incident end and begin again while a few
 * failures grow old in the window. That it is no accident, the judge's evidence says.
 */
static bool is_far_worse(const struct config_alert_rules *rules, const struct alert_facts *facts,
			 const struct alert_window *window, struct finding_counts *ret)
{
	if (!has_evidence(facts->finding) && !facts->finding->guard_fired)
		return false;
	for (unsigned seconds = 2; seconds <= ALERT_WINDOW_S; seconds++) {
		struct finding_counts c = recent(window, facts->now_s, seconds);
		double delta = share(c.canary_failed, c.canary_attempts) - share(c.baseline_failed, c.baseline_attempts);

		if (c.canary_failed < FAILURES_LEAST || delta * 100 < rules->error_delta_percent)
			continue;
		*ret = c;
		return true;
	}
	return false;
}

static void judge_error_delta(const struct config_alert_rules *rules, const struct alert_facts *facts,
			      const struct alert_window *window, struct alert_condition *c)
{
	struct finding_counts counts;
	char canary[32], baseline[32];

	if (!is_judged(facts) || !is_far_worse(rules, facts, window, &counts))
		return;
	c->on = true;
	c->version = facts->canary;
	SAY(c->summary, "%s: %s fails far more often than %s", facts->service, facts->canary, facts->baseline);
	SAY(c->description, "in the last seconds %s of what %s was asked has failed (%llu of %llu), of %s %s",
	    finding_print_share(canary, sizeof(canary), share(counts.canary_failed, counts.canary_attempts)), facts->canary,
	    (unsigned long long)counts.canary_failed, (unsigned long long)counts.canary_attempts, facts->baseline,
	    finding_print_share(baseline, sizeof(baseline), share(counts.baseline_failed, counts.baseline_attempts)));
}

static void judge_service_down(const struct config_alert_rules *rules, const struct alert_facts *facts,
			       const struct alert_window *window, struct alert_condition *c)
{
	struct finding_counts counts = recent(window, facts->now_s, ALERT_WINDOW_S);
	uint64_t attempts = counts.baseline_attempts, failed = counts.baseline_failed;
	char text[32];

	if (attempts < DOWN_ATTEMPTS || share(failed, attempts) * 100 < rules->service_down_percent)
		return;
	c->on = true;
	c->version = facts->baseline;
	SAY(c->summary, "%s is down: %s fails", facts->service, facts->baseline);
	SAY(c->description, "%s of what the baseline %s was asked in the last %d s has failed (%llu of %llu)",
	    finding_print_share(text, sizeof(text), share(failed, attempts)), facts->baseline, ALERT_WINDOW_S,
	    (unsigned long long)failed, (unsigned long long)attempts);
}

static void judge_crash_loop(const struct alert_facts *facts, struct alert_condition *c)
{
	if (!facts->crash_loop || !is_judged(facts))
		return;
	c->on = true;
	c->version = facts->canary;
	SAY(c->summary, "%s: %s is restarted again and again", facts->service, facts->canary);
	SAY(c->description, "%s", facts->crash_loop);
}

static void judge_no_backend(const struct alert_facts *facts, struct alert_condition *c)
{
	const struct alert_backends *of = &facts->of_baseline;

	if (of->well || !of->out)
		return;
	c->on = true;
	c->version = facts->baseline;
	SAY(c->summary, "%s: no backend of %s is well", facts->service, facts->baseline);
	SAY(c->description, "of the baseline's backends %u are out and none is well, so that all get new flows; %s: %s", of->out,
	    of->address, of->why);
}

static void judge_backends(const struct alert_facts *facts, struct alert_condition *c)
{
	bool canary = !facts->of_baseline.out;
	const struct alert_backends *of = canary ? &facts->of_canary : &facts->of_baseline;

	if (!of->out || (canary && !facts->active))
		return;
	c->on = true;
	c->version = canary ? facts->canary : facts->baseline;
	SAY(c->summary, "%s: backends of %s are not well", facts->service, c->version);
	SAY(c->description, "%u of the %u backends of %s that should get flows are out; %s: %s", of->out, of->out + of->well,
	    c->version, of->address, of->why);
}

static void judge_drift(const struct config_alert_rules *rules, const struct alert_facts *facts,
			const struct alert_window *window, struct alert_condition *c)
{
	const struct finding *f = facts->finding;
	struct finding_counts ignored;

	if (!facts->active || !has_evidence(f) || is_far_worse(rules, facts, window, &ignored))
		return;
	c->on = true;
	c->version = facts->canary;
	SAY(c->summary, "%s: %s may be worse than %s", facts->service, facts->canary, facts->baseline);
	SAY(c->description, "%s", f->reason);
}

static void judge_rolled_back(const struct alert_facts *facts, struct alert_condition *c)
{
	c->over = facts->active;
	if (facts->active || facts->policy->status != POLICY_ROLLED_BACK || facts->unix_s - facts->ended > ROLLED_BACK_S)
		return;
	c->on = true;
	c->version = facts->canary;
	c->began_unix_s = facts->ended;
	SAY(c->summary, "%s: %s was rolled back", facts->service, facts->canary);
	SAY(c->description, "%s", facts->policy->reason);
}

static void judge_held(const struct config_alert_rules *rules, const struct alert_facts *facts,
		       struct alert_condition *c)
{
	bool idle = facts->policy->status == POLICY_HELD || facts->policy->status == POLICY_PAUSED;

	c->version = facts->canary;
	c->over = !facts->active;
	c->lasts = facts->active && idle; /* held for another reason now is held on */
	if (!c->lasts || facts->policy->held_s < rules->held_s)
		return;
	c->on = true;
	c->began_unix_s = facts->unix_s - facts->policy->held_s;
	SAY(c->summary, "%s: the rollout of %s is %s", facts->service, facts->canary,
	    policy_status_name(facts->policy->status));
	SAY(c->description, "%s", facts->policy->reason);
}

void alert_rules_judge(const struct config_alert_rules *rules, const struct alert_facts *facts,
		       const struct alert_window *window, struct alert_condition ret[ALERT_RULES])
{
	for (unsigned i = 0; i < ALERT_RULES; i++)
		ret[i] = (struct alert_condition){ .version = "", .began_unix_s = facts->unix_s };
	judge_error_delta(rules, facts, window, &ret[ALERT_ERROR_DELTA]);
	judge_service_down(rules, facts, window, &ret[ALERT_SERVICE_DOWN]);
	judge_crash_loop(facts, &ret[ALERT_CRASH_LOOP]);
	judge_no_backend(facts, &ret[ALERT_NO_BACKEND]);
	judge_backends(facts, &ret[ALERT_BACKENDS]);
	judge_drift(rules, facts, window, &ret[ALERT_DRIFT]);
	judge_rolled_back(facts, &ret[ALERT_ROLLED_BACK]);
	judge_held(rules, facts, &ret[ALERT_HELD]);
	for (unsigned i = 0; i < ALERT_RULES; i++) {
		ret[i].severity = alert_rule_severity(rules, (enum alert_rule)i);
		if (ret[i].severity == CONFIG_SEVERITY_OFF)
			ret[i] = (struct alert_condition){ .version = "", .over = true };
	}
}

/* ---- incidents ------------------------------------------------------------------------------------------- */

static void follow(struct alert_incident *incident, const struct alert_condition *condition,
		   const struct config_alert_rules *rules, double now_s)
{
	bool same = !strcmp(incident->version, condition->version) && incident->severity == condition->severity;

	if (condition->on && (same || !incident->told)) {
		if (!incident->firing || !same)
			incident->began_unix_s = condition->began_unix_s;
		incident->firing = true;
		incident->last_on_s = now_s;
		incident->severity = condition->severity;
		SAY(incident->version, "%s", condition->version);
		SAY(incident->summary, "%s", condition->summary);
		SAY(incident->description, "%s", condition->description);
	} else if (condition->lasts && same) {
		incident->last_on_s = now_s;
	} else if (condition->on || condition->over || now_s - incident->last_on_s >= rules->resolve_s) {
		incident->firing = false;
	}
}

enum alert_act alert_incident_tick(struct alert_incident *incident, const struct alert_condition *condition,
				   const struct config_alert_rules *rules, double now_s, bool silent)
{
	follow(incident, condition, rules, now_s);
	if (incident->firing == incident->told) {
		if (!incident->firing || now_s - incident->told_s < rules->repeat_s)
			return ALERT_NOTHING;
		incident->told_s = now_s;
		return ALERT_REPEAT;
	}
	if (silent)
		return ALERT_NOTHING;
	incident->told = incident->firing;
	incident->told_s = now_s;
	return incident->firing ? ALERT_FIRE : ALERT_RESOLVE;
}

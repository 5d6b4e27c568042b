/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which alerts there are, when they begin, and when they are over; without a receiver. */
#include "user/alert_rules.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct fixture {
	struct config_alert_rules rules;
	struct alert_facts facts;
	struct alert_window window;
	struct policy_state policy;
	struct finding finding;
	struct sample sample;
	struct alert_condition conditions[ALERT_RULES];
	struct alert_incident incident;
};

static int set_up(void **state)
{
	struct fixture *x = calloc(1, sizeof(*x));

	x->rules = (struct config_alert_rules){ .error_delta = CONFIG_SEVERITY_PAGE, .error_delta_percent = 5,
						.service_down = CONFIG_SEVERITY_PAGE, .service_down_percent = 50,
						.crash_loop = CONFIG_SEVERITY_PAGE,
						.no_backend = CONFIG_SEVERITY_PAGE,
						.backends = CONFIG_SEVERITY_TICKET, .drift = CONFIG_SEVERITY_TICKET,
						.rolled_back = CONFIG_SEVERITY_TICKET, .held = CONFIG_SEVERITY_TICKET,
						.held_s = 900, .repeat_s = 60, .resolve_s = 30 };
	x->finding = (struct finding){ .n_slis = 2, .ln_bound = log(100), .ln_hold = log(5), .ln_e_rollback = -1 };
	strcpy(x->finding.sli[FINDING_ERRORS].name, "errors");
	x->facts = (struct alert_facts){ .now_s = 1000, .unix_s = 1700000000, .service = "checkout", .baseline = "v1",
					 .canary = "v2", .active = true, .policy = &x->policy, .finding = &x->finding };
	*state = x;
	return 0;
}

static int tear_down(void **state)
{
	free(*state);
	return 0;
}

/* The rules that are on, as bits. */
static unsigned judge(struct fixture *x)
{
	unsigned on = 0;

	alert_rules_judge(&x->rules, &x->facts, &x->window, x->conditions);
	for (unsigned i = 0; i < ALERT_RULES; i++) {
		if (!x->conditions[i].on)
			continue;
		on |= 1U << i;
		assert_true(*x->conditions[i].summary && *x->conditions[i].description && *x->conditions[i].version);
	}
	return on;
}

#define ON(rule) (1U << ALERT_##rule)

static void fails(struct fixture *x, uint64_t canary_failed, double evidence)
{
	const struct sample sample = { .baseline = { .attempts = 10000, .failed = 10 },
				       .canary = { .attempts = 1000, .failed = canary_failed } };

	alert_window_add(&x->window, &sample, x->facts.now_s += 20);
	x->finding.ln_e_rollback = log(evidence);
	x->finding.holds = evidence >= 5;
	strcpy(x->finding.reason, "errors: the canary is worse");
}

static void all_is_well(void **state)
{
	struct fixture *x = *state;

	assert_int_equal(judge(x), 0);
	fails(x, 900, 1); /* without evidence no share is a difference */
	assert_int_equal(judge(x), 0);
	x->facts.active = false;
	x->facts.canary = "";
	x->finding = (struct finding){ 0 };
	assert_int_equal(judge(x), 0);
}

static void a_large_difference_pages(void **state)
{
	struct fixture *x = *state;

	fails(x, 100, 300);
	assert_int_equal(judge(x), ON(ERROR_DELTA));
	assert_string_equal(x->conditions[ALERT_ERROR_DELTA].version, "v2");
	assert_string_equal(x->conditions[ALERT_ERROR_DELTA].description,
			    "in the last seconds 10 % of what v2 was asked has failed (100 of 1000), of v1 0.1 %");
	/* It is news also when the rollback was quicker than the alert. */
	x->facts.active = false;
	x->policy.status = POLICY_ROLLED_BACK;
	strcpy(x->policy.reason, "errors");
	x->facts.ended = x->facts.unix_s - 1;
	assert_int_equal(judge(x), ON(ERROR_DELTA) | ON(ROLLED_BACK));
	x->facts.ended = x->facts.unix_s - 60;
	assert_int_equal(judge(x), ON(ROLLED_BACK));
	assert_true(x->conditions[ALERT_ROLLED_BACK].began_unix_s == x->facts.ended);
	x->facts.ended = x->facts.unix_s - 3601;
	assert_int_equal(judge(x), 0);
}

/* A share that was none for long, and is one now. */
static void a_difference_that_begins_pages(void **state)
{
	struct fixture *x = *state;

	for (int i = 0; i < 8; i++) {
		x->sample.baseline.attempts = x->sample.canary.attempts = 1000;
		alert_window_add(&x->window, &x->sample, x->facts.now_s += 1);
	}
	x->sample.canary = (struct sample_version){ .attempts = 100, .failed = 80 };
	alert_window_add(&x->window, &x->sample, x->facts.now_s += 1);
	alert_window_add(&x->window, &x->sample, x->facts.now_s += 1);
	x->finding.ln_e_rollback = log(20.1);
	assert_int_equal(judge(x), ON(ERROR_DELTA));
}

/* A canary that was taken back at once is one incident, however its failures leave the window. */
static void a_difference_ends_once(void **state)
{
	struct fixture *x = *state;
	bool was_on = true;

	for (int i = 0; i < 9; i++) {
		x->sample.baseline.attempts = x->sample.canary.attempts = 100;
		alert_window_add(&x->window, &x->sample, x->facts.now_s += 1);
	}
	x->sample.canary = (struct sample_version){ .attempts = 50, .failed = 20 };
	alert_window_add(&x->window, &x->sample, x->facts.now_s += 1);
	x->finding.ln_e_rollback = log(20.1);
	x->facts.active = false;
	x->policy.status = POLICY_ROLLED_BACK;
	strcpy(x->policy.reason, "errors");
	x->facts.ended = x->facts.unix_s;
	assert_int_equal(judge(x), ON(ERROR_DELTA) | ON(ROLLED_BACK));
	x->sample.canary = (struct sample_version){ 0 };
	for (int i = 0; i < 80; i++) {
		bool on;

		x->facts.unix_s += 0.25;
		alert_window_add(&x->window, &x->sample, x->facts.now_s += 0.25);
		on = judge(x) & ON(ERROR_DELTA);
		assert_true(was_on || !on);
		was_on = on;
	}
	assert_false(was_on);
}

/* Good rollouts have evidence of 5 in one of five cases, which holds a step; of 20 in one of twenty. */
static void a_small_difference_tickets(void **state)
{
	struct fixture *x = *state;

	fails(x, 20, 19.9);
	x->finding.p99_holds = true;
	assert_int_equal(judge(x), 0);
	fails(x, 20, 20.1);
	x->finding.p99_holds = false;
	assert_int_equal(judge(x), ON(DRIFT));
	fails(x, 20, 11); /* where alpha is large, so is the chance that is taken */
	x->finding.ln_bound = log(10);
	assert_int_equal(judge(x), ON(DRIFT));
}

/* Five points more by chance, at so few requests that three failures are that, wake nobody. */
static void little_evidence_pages_nobody(void **state)
{
	struct fixture *x = *state;

	fails(x, 100, 19.9);
	assert_int_equal(judge(x), 0);
	x->finding.guard_fired = true;
	assert_int_equal(judge(x), ON(ERROR_DELTA));
}

static void traffic(struct fixture *x, uint64_t attempts, uint64_t failed, double seconds)
{
	for (double s = 0; s < seconds; s += 0.25) {
		x->facts.now_s += 0.25;
		x->sample.baseline.attempts = attempts;
		x->sample.baseline.failed = failed;
		alert_window_add(&x->window, &x->sample, x->facts.now_s);
	}
}

static void a_service_that_is_down_pages(void **state)
{
	struct fixture *x = *state;

	x->facts.active = false;
	traffic(x, 10, 1, 20);
	assert_int_equal(judge(x), 0);
	traffic(x, 10, 10, 4);
	assert_int_equal(judge(x), 0); /* not half of the window yet */
	traffic(x, 10, 10, 4);
	assert_int_equal(judge(x), ON(SERVICE_DOWN));
	assert_string_equal(x->conditions[ALERT_SERVICE_DOWN].version, "v1");
	x->sample.suspect = true;
	traffic(x, 10, 0, 4);
	x->sample.suspect = false;
	assert_int_equal(judge(x), ON(SERVICE_DOWN));
	traffic(x, 0, 0, 11);
	assert_int_equal(judge(x), 0); /* nobody asks: nothing is known */
	traffic(x, 1, 1, 1);
	assert_int_equal(judge(x), 0); /* four are too few */
}

static void held_for_long_and_crash_loops(void **state)
{
	struct fixture *x = *state;

	x->policy.status = POLICY_HELD;
	x->policy.held_s = 899;
	strcpy(x->policy.reason, "gate tickets does not agree");
	assert_int_equal(judge(x), 0);
	x->policy.held_s = 900;
	assert_int_equal(judge(x), ON(HELD));
	assert_string_equal(x->conditions[ALERT_HELD].description, "gate tickets does not agree");
	x->policy.status = POLICY_PAUSED;
	assert_int_equal(judge(x), ON(HELD));
	x->policy.status = POLICY_RUNNING;
	x->facts.crash_loop = "checkout.service was restarted 5 times";
	assert_int_equal(judge(x), ON(CRASH_LOOP));
	x->rules.crash_loop = CONFIG_SEVERITY_OFF;
	assert_int_equal(judge(x), 0);
}

static void backends_that_are_out(void **state)
{
	struct fixture *x = *state;

	x->facts.of_baseline = (struct alert_backends){ .well = 2 };
	x->facts.of_canary = (struct alert_backends){ .well = 1, .out = 1, .address = "10.0.0.2:80", .why = "refused" };
	assert_int_equal(judge(x), ON(BACKENDS));
	assert_string_equal(x->conditions[ALERT_BACKENDS].version, "v2");
	x->facts.of_canary.well = 0; /* it gets no flows, and its rollout is held */
	assert_int_equal(judge(x), ON(BACKENDS));
	x->facts.active = false;
	assert_int_equal(judge(x), 0);
	x->facts.of_baseline = (struct alert_backends){ .well = 1, .out = 2, .address = "10.0.0.1:80", .why = "refused" };
	assert_int_equal(judge(x), ON(BACKENDS));
	assert_string_equal(x->conditions[ALERT_BACKENDS].version, "v1");
	assert_string_equal(x->conditions[ALERT_BACKENDS].description,
			    "2 of the 3 backends of v1 that should get flows are out; 10.0.0.1:80: refused");
	x->facts.of_baseline.well = 0;
	assert_int_equal(judge(x), ON(BACKENDS) | ON(NO_BACKEND));
	x->facts.of_baseline.out = 0; /* drained, by an operator */
	assert_int_equal(judge(x), 0);
}

/* The clock of a hold begins again with its reason; the incident does not. */
static void held_for_another_reason_is_held_on(void **state)
{
	struct fixture *x = *state;

	x->policy.status = POLICY_HELD;
	x->policy.held_s = 900;
	strcpy(x->policy.reason, "gate tickets does not agree");
	judge(x);
	assert_int_equal(alert_incident_tick(&x->incident, &x->conditions[ALERT_HELD], &x->rules, 0, false), ALERT_FIRE);
	x->policy.held_s = 0;
	assert_int_equal(judge(x), 0);
	x->rules.repeat_s = 10000;
	for (double now_s = 1; now_s < 900; now_s += 10)
		assert_int_equal(alert_incident_tick(&x->incident, &x->conditions[ALERT_HELD], &x->rules, now_s, false),
				 ALERT_NOTHING);
	/* A rollout that has ended is held no longer. */
	x->facts.active = false;
	judge(x);
	assert_int_equal(alert_incident_tick(&x->incident, &x->conditions[ALERT_HELD], &x->rules, 900, false), ALERT_RESOLVE);
}

/* The next rollout, rolled back too, is news. */
static void a_rollback_is_over_with_the_next_rollout(void **state)
{
	struct fixture *x = *state;

	x->facts.active = false;
	x->policy.status = POLICY_ROLLED_BACK;
	strcpy(x->policy.reason, "errors");
	x->facts.ended = x->facts.unix_s;
	judge(x);
	assert_int_equal(alert_incident_tick(&x->incident, &x->conditions[ALERT_ROLLED_BACK], &x->rules, 0, false), ALERT_FIRE);
	x->facts.active = true;
	judge(x);
	assert_int_equal(alert_incident_tick(&x->incident, &x->conditions[ALERT_ROLLED_BACK], &x->rules, 1, false), ALERT_RESOLVE);
}

static void severities(void **state)
{
	struct fixture *x = *state;

	x->rules.drift = CONFIG_SEVERITY_PAGE;
	assert_int_equal(alert_rule_severity(&x->rules, ALERT_DRIFT), CONFIG_SEVERITY_PAGE);
	assert_int_equal(alert_rule_severity(&x->rules, ALERT_HELD), CONFIG_SEVERITY_TICKET);
	for (unsigned i = 0; i < ALERT_RULES; i++)
		assert_true(*alert_rule_name((enum alert_rule)i));
	assert_string_equal(alert_severity_name(CONFIG_SEVERITY_PAGE), "page");
	assert_string_equal(alert_severity_name(CONFIG_SEVERITY_TICKET), "ticket");
}

/* ---- incidents ---- */

static enum alert_act tick(struct fixture *x, const char *version, double now_s, bool silent)
{
	struct alert_condition c = { .on = version, .version = version ?: "", .began_unix_s = now_s, .summary = "s" };

	return alert_incident_tick(&x->incident, &c, &x->rules, now_s, silent);
}

static void one_incident_from_first_to_last(void **state)
{
	struct fixture *x = *state;

	assert_int_equal(tick(x, NULL, 0, false), ALERT_NOTHING);
	assert_int_equal(tick(x, "v2", 1, false), ALERT_FIRE);
	assert_int_equal(tick(x, "v2", 2, false), ALERT_NOTHING);
	assert_int_equal(tick(x, NULL, 20, false), ALERT_NOTHING); /* a gap is not the end */
	assert_int_equal(tick(x, "v2", 40, false), ALERT_NOTHING);
	assert_int_equal(tick(x, "v2", 61, false), ALERT_REPEAT);
	assert_int_equal(tick(x, NULL, 90, false), ALERT_NOTHING);
	assert_int_equal(tick(x, NULL, 91, false), ALERT_RESOLVE);
	assert_true(x->incident.began_unix_s == 1);
	assert_string_equal(x->incident.version, "v2");
	assert_int_equal(tick(x, NULL, 200, false), ALERT_NOTHING);
	assert_int_equal(tick(x, "v2", 300, false), ALERT_FIRE);
}

static void a_blackout_is_silent(void **state)
{
	struct fixture *x = *state;

	assert_int_equal(tick(x, "v2", 0, true), ALERT_NOTHING);
	assert_int_equal(tick(x, "v2", 100, true), ALERT_NOTHING);
	assert_true(x->incident.firing && !x->incident.told);
	assert_int_equal(tick(x, "v2", 101, false), ALERT_FIRE); /* what is so afterwards is told */
	assert_int_equal(tick(x, NULL, 200, true), ALERT_NOTHING);
	assert_int_equal(tick(x, NULL, 300, false), ALERT_RESOLVE);
	assert_int_equal(tick(x, "v2", 400, true), ALERT_NOTHING);
	assert_int_equal(tick(x, NULL, 500, true), ALERT_NOTHING);
	assert_int_equal(tick(x, NULL, 600, false), ALERT_NOTHING); /* what came and went is not */
	/* What a receiver would take for over, were it not repeated, is. */
	assert_int_equal(tick(x, "v2", 700, false), ALERT_FIRE);
	assert_int_equal(tick(x, "v2", 760, true), ALERT_REPEAT);
}

static void another_version_is_another_incident(void **state)
{
	struct fixture *x = *state;

	assert_int_equal(tick(x, "v2", 0, false), ALERT_FIRE);
	assert_int_equal(tick(x, "v3", 1, false), ALERT_RESOLVE);
	assert_string_equal(x->incident.version, "v2");
	assert_int_equal(tick(x, "v3", 2, false), ALERT_FIRE);
	assert_string_equal(x->incident.version, "v3");
	assert_true(x->incident.began_unix_s == 2);
}

/* A configuration that makes a page a ticket makes another incident of it: the labels are others. */
static void another_severity_is_another_incident(void **state)
{
	struct alert_condition c = { .on = true, .version = "v2", .severity = CONFIG_SEVERITY_PAGE };
	struct fixture *x = *state;

	assert_int_equal(alert_incident_tick(&x->incident, &c, &x->rules, 1, false), ALERT_FIRE);
	c.severity = CONFIG_SEVERITY_TICKET;
	assert_int_equal(alert_incident_tick(&x->incident, &c, &x->rules, 2, false), ALERT_RESOLVE);
	assert_int_equal(x->incident.severity, CONFIG_SEVERITY_PAGE);
	assert_int_equal(alert_incident_tick(&x->incident, &c, &x->rules, 3, false), ALERT_FIRE);
	assert_int_equal(x->incident.severity, CONFIG_SEVERITY_TICKET);
	c = (struct alert_condition){ .over = true, .version = "" }; /* and off ends it */
	assert_int_equal(alert_incident_tick(&x->incident, &c, &x->rules, 4, false), ALERT_RESOLVE);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(all_is_well),
		TEST(a_large_difference_pages),
		TEST(a_difference_that_begins_pages),
		TEST(a_difference_ends_once),
		TEST(a_small_difference_tickets),
		TEST(little_evidence_pages_nobody),
		TEST(a_service_that_is_down_pages),
		TEST(held_for_long_and_crash_loops),
		TEST(backends_that_are_out),
		TEST(held_for_another_reason_is_held_on),
		TEST(a_rollback_is_over_with_the_next_rollout),
		TEST(severities),
		TEST(one_incident_from_first_to_last),
		TEST(a_blackout_is_silent),
		TEST(another_version_is_another_incident),
		TEST(another_severity_is_another_incident),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

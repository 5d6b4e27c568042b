/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The consent of others to a rollout's moves: what their answers do to it, and what they do not. */
#include "tests/unit/rollout_fixture.h"

#include <errno.h>

#define IN_WORLD(name) cmocka_unit_test_setup_teardown(name, set_up_world, tear_down_world)

/* What the gates say, and what they have heard. */
static struct {
	enum consent_verdict verdict;
	const char *why; /* NULL: a plain no */
	unsigned asked;
	struct policy_decision move;
	enum policy_kind told;
} gates;

static enum consent_verdict ask(const struct rollout_view *view, const struct policy_decision *move, char gate[64],
				char why[CONSENT_WHY], void *context)
{
	(void)context;
	assert_string_equal(view->canary, "v2");
	gates.asked++;
	gates.move = *move;
	strcpy(gate, "tickets");
	strcpy(why, gates.why ?: "does not agree: no");
	return gates.verdict;
}

static void decided(const struct rollout_view *view, const struct policy_decision *decision, void *context)
{
	(void)context;
	assert_string_equal(view->last_canary, "v2");
	gates.told = decision->kind;
}

static void start_gated(struct world *w, enum consent_verdict verdict)
{
	memset(&gates, 0, sizeof(gates));
	gates.verdict = verdict;
	w->gates = (struct rollout_gates){ .ask = ask, .decided = decided };
	restart(w, BOOT);
	start(w);
	assert_int_equal(gates.told, POLICY_START);
	assert_int_equal(gates.asked, 0);
}

static void nothing_moves_without_consent(void **state)
{
	static const enum consent_verdict noes[] = { CONSENT_ASKING, CONSENT_REFUSED, CONSENT_FAILED };
	struct world *w = *state;

	start_gated(w, CONSENT_ASKING);
	for (int i = 0; i < 300; i++) {
		gates.verdict = noes[i % 3];
		assert_true(second(w, 0) >= 0);
		if (gates.told == POLICY_HOLD)
			rollout_operate(w->rollout, ROLLOUT_RESUME, w->now, NULL);
		assert_int_equal(rollout_view(w->rollout).weight_applied * 100, 10);
	}
	assert_true(gates.asked > 50);
	assert_int_equal(gates.move.kind, POLICY_ADVANCE);
	assert_true(gates.move.weight_from == 0.1 && gates.move.weight_to == 1);
}

/* The journal takes UTF-8 alone, and hooks answer as they like. */
static void words_that_are_no_utf8_are_written(void **state)
{
	struct world *w = *state;

	start_gated(w, CONSENT_REFUSED);
	gates.why = "does not agree: caf\xe9 closed";
	assert_int_equal(until_decided(w, 0), 1);
	assert_string_equal(rollout_view(w->rollout).reason, "gate tickets does not agree: caf? closed");
	restart(w, BOOT);
	assert_int_equal(rollout_view(w->rollout).policy->held, POLICY_HELD_GATE);
}

static void a_no_holds_by_name_and_lifts(void **state)
{
	struct world *w = *state;

	start_gated(w, CONSENT_REFUSED);
	assert_int_equal(until_decided(w, 0), 1);
	assert_int_equal(rollout_view(w->rollout).policy->held, POLICY_HELD_GATE);
	assert_string_equal(rollout_view(w->rollout).reason, "gate tickets does not agree: no");
	gates.verdict = CONSENT_ASKING;
	assert_int_equal(until_decided(w, 0), 0);
	gates.verdict = CONSENT_AGREED;
	assert_int_equal(until_decided(w, 0), 1);
	assert_int_equal(gates.told, POLICY_RESUME);
	assert_int_equal(until_decided(w, 0), 1);
	assert_int_equal(gates.told, POLICY_ADVANCE);
}

static void a_failure_waits_for_an_operator(void **state)
{
	struct world *w = *state;
	unsigned asked;

	start_gated(w, CONSENT_FAILED);
	assert_int_equal(until_decided(w, 0), 1);
	assert_int_equal(rollout_view(w->rollout).policy->held, POLICY_HELD_OTHER);
	assert_string_equal(rollout_view(w->rollout).reason,
			    "hook tickets does not agree: no (resume, and it is asked again)");
	asked = gates.asked;
	assert_int_equal(until_decided(w, 0), 0);
	assert_int_equal(gates.asked, asked);
}

static void nobody_is_asked_about_the_way_back(void **state)
{
	struct world *w = *state;

	start_gated(w, CONSENT_ASKING);
	assert_int_equal(until_decided(w, 1000), 1);
	assert_int_equal(gates.told, POLICY_ROLL_BACK);
	assert_int_equal(gates.asked, 0);
	assert_true(rollout_view(w->rollout).weight_applied == 0);
}

static void a_note_is_a_row_of_the_story(void **state)
{
	struct world *w = *state;
	char *error = NULL;

	start(w);
	until_decided(w, 1000);
	assert_int_equal(rollout_note(w->rollout, "hook x was told in vain", w->now, &error), 0);
	assert_last_decision(w, "note");
}

static void what_others_report_is_heeded(void **state)
{
	struct world *w = *state;
	char *error = NULL;

	start(w);
	rollout_set_alert(w->rollout, FINDING_SAYS_HOLD, "security page from uid 7: it is open");
	assert_int_equal(rollout_operate(w->rollout, ROLLOUT_PROMOTE, w->now, &error), -EBUSY);
	assert_non_null(strstr(error, "v2 is not to be promoted: security page from uid 7: it is open (`canaryctl alert"));
	free(error);
	assert_int_equal(until_decided(w, 0), 1);
	assert_int_equal(rollout_view(w->rollout).policy->held, POLICY_HELD_ALERT);
	assert_last_decision(w, "hold");
	assert_int_equal(rollout_operate(w->rollout, ROLLOUT_RESUME, w->now, NULL), -EBUSY);
	assert_int_equal(until_decided(w, 0), 0);
	rollout_set_alert(w->rollout, FINDING_SAYS_FAIL, "security page from uid 7: it is open");
	assert_int_equal(until_decided(w, 0), 1);
	assert_int_equal(rollout_view(w->rollout).policy->status, POLICY_ROLLED_BACK);
	assert_true(rollout_view(w->rollout).weight_applied == 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		IN_WORLD(nothing_moves_without_consent),
		IN_WORLD(a_no_holds_by_name_and_lifts),
		IN_WORLD(words_that_are_no_utf8_are_written),
		IN_WORLD(a_failure_waits_for_an_operator),
		IN_WORLD(nobody_is_asked_about_the_way_back),
		IN_WORLD(a_note_is_a_row_of_the_story),
		IN_WORLD(what_others_report_is_heeded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

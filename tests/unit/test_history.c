/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The history of a rollout: what is kept of it however long it takes, and that the journal's copy is the same. */
#include "user/history.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "user/history_json.h"

#define TICK_S 0.25
#define WEEK_S (7 * 86400.0)
#define BEGAN 1714572000.25

static struct history history;

static int begin(void **state)
{
	(void)state;
	history_begin(&history, 7, "v1", "v2", BEGAN);
	return 0;
}

/* One tick: `e` is the evidence against the canary, of errors and of all together. */
static struct finding finding_of(double e)
{
	struct finding f = { .n_slis = 3, .ln_bound = log(100), .ln_hold = log(5), .ln_e_rollback = log(e) };

	strcpy(f.sli[0].name, "errors");
	f.sli[0].rollback = (struct finding_evidence){ log(e), log(200) };
	f.sli[0].promotion = (struct finding_evidence){ log(2), log(20) };
	strcpy(f.sli[1].name, "latency");
	f.sli[1].rollback = (struct finding_evidence){ NAN, log(300) };
	f.sli[1].promotion = (struct finding_evidence){ NAN, log(20) };
	strcpy(f.sli[2].name, "memory");
	f.sli[2].kind = FINDING_GAUGE;
	return f;
}

static void tick(double elapsed_s, double weight, double e, double attempts)
{
	struct finding f = finding_of(e);
	struct history_tick t = { weight, weight, NAN, { { 0.01, 0.1, attempts, 1 }, { 0.02, 0.2, attempts / 2, 2 } }, &f };

	history_add(&history, elapsed_s, &t);
}

static double sum(unsigned value)
{
	double total = 0;

	for (unsigned i = 0; i < history.n; i++)
		total += history.point[i].value[value];
	return total;
}

static double highest(unsigned value)
{
	double found = 0;

	for (unsigned i = 0; i < history.n; i++)
		found = fmax(found, history.point[i].value[value]);
	return found;
}

/* ---- what is kept ---------------------------------------------------------------------------------------- */

static void short_rollout_keeps_every_tick(void **state)
{
	(void)state;
	for (unsigned i = 0; i < HISTORY_POINTS; i++)
		tick(TICK_S, 0.05, 1 + i, 4);
	assert_int_equal(history.n, HISTORY_POINTS);
	for (unsigned i = 0; i < HISTORY_POINTS; i++) {
		assert_float_equal(history.point[i].at_s, i * TICK_S, 1e-9);
		assert_float_equal(history.point[i].value[HISTORY_ROLLBACK], log(1 + i), 1e-9);
	}
}

static void week_fits_and_loses_no_climb(void **state)
{
	const unsigned ticks = WEEK_S / 10, spike = ticks / 3;

	(void)state;
	for (unsigned i = 0; i < ticks; i++)
		tick(10, i < spike ? 0.05 : 0.5, i == spike ? 90 : 1, 4);
	assert_int_equal(history.n, HISTORY_POINTS);
	assert_float_equal(history.point[0].at_s, 0, 0);
	assert_float_equal(history.point[history.n - 1].at_s, (ticks - 1) * 10.0, 1e-6);
	assert_float_equal(highest(HISTORY_ROLLBACK), log(90), 1e-9);
	assert_float_equal(highest(HISTORY_SLI), log(90), 1e-9);
	assert_float_equal(sum(HISTORY_VERSION + HISTORY_ATTEMPTS), 4.0 * ticks, 1e-6);
	assert_float_equal(sum(HISTORY_VERSION + HISTORY_MEASURES + HISTORY_FAILED), 2.0 * ticks, 1e-6);
}

static double spans_s(unsigned i)
{
	return i > 0 && i < history.n ? history.point[i].at_s - history.point[i - 1].at_s : 0;
}

/*
 * The old part is evenly coarse, and the last ticks are as they were. What is four times as long as the times beside it is
 * no work of the thinning: the page takes it for a time in which no daemon ran.
 */
static void old_is_coarse_evenly(void **state)
{
	double longest = 0;

	(void)state;
	for (unsigned i = 0; i < 100000; i++)
		tick(1, 0.05, 1, 1);
	for (unsigned i = 1; i < history.n; i++) {
		double spans = spans_s(i);

		assert_true(spans > 0 && spans <= 4 * fmax(spans_s(i - 1), spans_s(i + 1)));
		longest = fmax(longest, spans);
		if (i > history.n - HISTORY_TAIL)
			assert_float_equal(spans, 1, 1e-9);
	}
	assert_true(longest <= 4 * 100000.0 / (HISTORY_POINTS - HISTORY_TAIL));
}

static void time_only_goes_forward(void **state)
{
	(void)state;
	tick(3600, 0.05, 1, 1); /* what was before the first tick is not the rollout's */
	tick(0, 0.05, 1, 1);
	tick(-5, 0.05, 1, 1);
	tick(1, 0.05, 1, 1);
	assert_float_equal(history.point[0].at_s, 0, 0);
	assert_float_equal(history.point[2].at_s, 0, 0);
	assert_float_equal(history.point[3].at_s, 1, 1e-9);
}

static void slis_are_known_by_name(void **state)
{
	struct finding f = finding_of(3), other = finding_of(8);
	struct history_tick t = { .finding = &f };

	(void)state;
	strcpy(other.sli[0].name, "login"); /* another configuration: errors has gone */
	history_add(&history, 1, &t);
	t.finding = &other;
	history_add(&history, 1, &t);
	assert_int_equal(history.n_slis, 3); /* a gauge has no evidence */
	assert_string_equal(history.sli[2].name, "login");
	assert_float_equal(history.point[1].value[HISTORY_SLI + 4], log(8), 1e-9);
	assert_true(isnan(history.point[1].value[HISTORY_SLI]));
}

static void nothing_judged_is_not_known(void **state)
{
	struct finding f = { 0 };
	struct history_tick t = { .finding = &f };

	(void)state;
	history_add(&history, 1, &t);
	assert_true(isnan(history.point[0].value[HISTORY_ROLLBACK]));
	assert_int_equal(history.n_slis, 0);
}

static void counts_what_rises(void **state)
{
	struct canary_counters now = { .http_5xx = 1000, .requests = 5000 };

	(void)state;
	history_count(&history, HISTORY_CANARY, &now);
	now.http_5xx += 3;
	now.requests -= 1; /* the maps were made anew */
	history_count(&history, HISTORY_CANARY, &now);
	now.requests += 10;
	history_count(&history, HISTORY_CANARY, &now);
	assert_int_equal(history.version[HISTORY_CANARY].counted.http_5xx, 3);
	assert_int_equal(history.version[HISTORY_CANARY].counted.requests, 10);
}

/* ---- as JSON --------------------------------------------------------------------------------------------- */

static void journal_brings_it_back(void **state)
{
	static struct history back;
	struct canary_counters now = { 0 };
	json_t *json, *again;

	(void)state;
	for (unsigned i = 0; i < 2000; i++)
		tick(TICK_S, i / 2000.0, 1 + i / 100.0, 40);
	history_count(&history, HISTORY_BASELINE, &now);
	now.refused = 5;
	history_count(&history, HISTORY_BASELINE, &now);
	json = history_json(&history);
	assert_int_equal(history_json_parse(&back, json), 0);
	assert_int_equal(back.n, history.n);
	assert_float_equal(back.age_s, history.age_s, 0.01);
	assert_int_equal(back.version[HISTORY_BASELINE].counted.refused, 5);
	again = history_json(&back);
	assert_true(json_equal(json, again));
	json_decref(json);
	json_decref(again);
}

static void shape_of_the_api(void **state)
{
	json_t *json, *evidence;
	const char *name;
	double bound, e, first;
	int unknown;

	(void)state;
	tick(TICK_S, 0.05, 1e300, 4);
	history.point[0].value[HISTORY_ROLLBACK] = 5000; /* more than a number holds */
	json = history_json(&history);
	assert_int_equal(json_unpack(json, "{s:[F], s:{s:F, s:[F]}, s:[{s:s, s:{s:o}}]}", "t", &first, "rollback", "bound", &bound,
				     "evidence", &e, "slis", "name", &name, "rollback", "evidence", &evidence), 0);
	assert_float_equal(first, BEGAN, 1e-3);
	assert_float_equal(bound, 100, 1e-9);
	assert_true(isfinite(e) && e > 1e300);
	assert_string_equal(name, "errors");
	unknown = json_is_null(json_array_get(json_object_get(json_object_get(json, "weight"), "measured"), 0));
	assert_true(unknown);
	json_decref(json);
}

static void what_is_no_history_is_refused(void **state)
{
	static const char *const texts[] = {
		"[]", "{}", "{\"rollout\": 7, \"ended\": false, \"t\": [], \"weight\": {}, \"rollback\": {}, \"slis\": [], \"versions\": []}",
		"{\"rollout\": 7, \"ended\": false, \"t\": [5, 4], \"weight\": {}, \"rollback\": {}, \"slis\": [], \"versions\": []}",
		"{\"rollout\": 7, \"ended\": false, \"t\": [\"x\"], \"weight\": {}, \"rollback\": {}, \"slis\": [], \"versions\": []}",
		"{\"rollout\": 7, \"ended\": false, \"t\": [5], \"weight\": 3, \"rollback\": 3, \"slis\": [3], \"versions\": []}",
		"{\"rollout\": 7, \"ended\": false, \"t\": [5], \"weight\": {}, \"rollback\": {}, \"slis\": [], \"versions\": [{}]}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		json_t *json = json_loads(texts[i], 0, NULL);

		assert_non_null(json);
		assert_int_not_equal(history_json_parse(&history, json), 0);
		assert_int_equal(history.rollout, 0);
		assert_int_equal(history.n, 0);
		json_decref(json);
	}
	assert_int_not_equal(history_json_parse(&history, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(short_rollout_keeps_every_tick, begin),
		cmocka_unit_test_setup(week_fits_and_loses_no_climb, begin),
		cmocka_unit_test_setup(old_is_coarse_evenly, begin),
		cmocka_unit_test_setup(time_only_goes_forward, begin),
		cmocka_unit_test_setup(slis_are_known_by_name, begin),
		cmocka_unit_test_setup(nothing_judged_is_not_known, begin),
		cmocka_unit_test_setup(counts_what_rises, begin),
		cmocka_unit_test_setup(journal_brings_it_back, begin),
		cmocka_unit_test_setup(shape_of_the_api, begin),
		cmocka_unit_test_setup(what_is_no_history_is_refused, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

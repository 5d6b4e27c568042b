/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What canaryctl draws from the daemon's answers, compared with the texts in tests/unit/fixtures. After a change that
 * is meant: CTL_UPDATE=1 build/tests/unit/test_ctl_view writes them anew; look at the difference.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/fixture.h"
#include "tools/canaryctl/flows_view.h"
#include "tools/canaryctl/rollout_view.h"
#include "tools/canaryctl/status_view.h"
#include "tools/canaryctl/story.h"

#define NOW 1714572192.0

static json_t *load(const char *name)
{
	char *text = fixture_read(name, ".json");
	json_t *value = text ? json_loads(text, 0, NULL) : NULL;

	free(text);
	assert_non_null(value);
	return value;
}

static void check(const char *name, char *text)
{
	char path[128];
	char *expected;
	FILE *file;

	if (getenv("CTL_UPDATE")) {
		snprintf(path, sizeof(path), "tests/unit/fixtures/%s.txt", name);
		file = fopen(path, "we");
		assert_non_null(file);
		fputs(text, file);
		fclose(file);
	}
	expected = fixture_read(name, ".txt");
	assert_non_null(expected);
	assert_string_equal(text, expected);
	free(expected);
	free(text);
}

struct drawing {
	struct page page;
	char *text;
	size_t size;
};

static void drawing_begin(struct drawing *drawing, unsigned columns, bool utf8)
{
	drawing->page.style = (struct style){ .columns = columns, .utf8 = utf8 };
	drawing->page.out = open_memstream(&drawing->text, &drawing->size);
}

static void draw_status(const char *fixture, const char *expected, unsigned columns, bool verbose)
{
	struct drawing drawing;
	json_t *status = load(fixture);

	drawing_begin(&drawing, columns, true);
	status_view(&drawing.page, status, NULL, verbose, NOW);
	fclose(drawing.page.out);
	json_decref(status);
	check(expected, drawing.text);
}

static void status(void **state)
{
	(void)state;
	draw_status("status_running", "status_running", 80, false);
	draw_status("status_running", "status_running_verbose_120", 120, true);
	draw_status("status_rolled_back", "status_rolled_back", 80, false);
	draw_status("status_held", "status_held", 80, false);
	draw_status("status_slis", "status_slis", 80, false);
	draw_status("status_no_rollout", "status_no_rollout", 80, false);
	draw_status("status_empty", "status_empty", 80, true);
}

static void no_line_is_wider_than_the_terminal(void **state)
{
	static const char *const fixtures[] = { "status_running", "status_rolled_back", "status_held",
						"status_no_rollout", "status_slis" };
	struct drawing drawing;

	(void)state;
	for (size_t i = 0; i < sizeof(fixtures) / sizeof(*fixtures); i++) {
		json_t *value = load(fixtures[i]);

		drawing_begin(&drawing, 80, true);
		status_view(&drawing.page, value, NULL, true, NOW);
		fclose(drawing.page.out);
		for (char *line = strtok(drawing.text, "\n"); line; line = strtok(NULL, "\n"))
			assert_in_range(page_width(line), 0, 80);
		free(drawing.text);
		json_decref(value);
	}
}

/* What has no room stands below, and no column moves. */
static void flows_on_a_narrow_terminal(void **state)
{
	struct flows_view view = { .headings = true, .now = NOW };
	struct drawing drawing;
	json_t *value = load("flows");

	(void)state;
	drawing_begin(&drawing, 80, true);
	flows_view_print(&drawing.page, &view, json_object_get(value, "flows"));
	flows_view_summary(&drawing.page, value);
	fclose(drawing.page.out);
	json_decref(value);
	check("flows", drawing.text);
}

static void only_ascii_without_utf8(void **state)
{
	struct drawing drawing;
	json_t *value = load("status_running");

	(void)state;
	drawing_begin(&drawing, 80, false);
	status_view(&drawing.page, value, "checkout", true, NOW);
	fclose(drawing.page.out);
	for (const char *c = drawing.text; *c; c++)
		assert_true((unsigned char)*c < 0x80);
	free(drawing.text);
	json_decref(value);
}

static void only_the_service_asked_for(void **state)
{
	struct drawing drawing;
	json_t *value = load("status_running");

	(void)state;
	drawing_begin(&drawing, 80, false);
	status_view(&drawing.page, value, "another", false, NOW);
	fclose(drawing.page.out);
	assert_null(strstr(drawing.text, "checkout"));
	free(drawing.text);
	json_decref(value);
}

static void story(void **state)
{
	static const char *const fixtures[] = { "rollout_rolled_back", "rollout_promoted", "rollout_running" };

	(void)state;
	for (size_t i = 0; i < sizeof(fixtures) / sizeof(*fixtures); i++) {
		char name[64];
		struct drawing drawing;
		json_t *rollout = load(fixtures[i]);

		drawing_begin(&drawing, 80, true);
		story_print(&drawing.page, rollout, NOW);
		fclose(drawing.page.out);
		json_decref(rollout);
		snprintf(name, sizeof(name), "%s_why", fixtures[i]);
		check(name, drawing.text);
	}
}

/* What a value is comes with the decision; its sentence may say anything. */
static void values_by_their_unit(void **state)
{
	static const struct {
		const char *unit, *words;
	} cases[] = {
		{ "\"evidence\"", "x: evidence 0.25, bound 0.50" }, { "\"ratio\"", "x: value 25.0 %, bound 50.0 %" },
		{ "\"seconds\"", "x: value 250 ms, bound 500 ms" }, { "\"number\"", "x: value 0.25, bound 0.5" },
		{ "\"bytes\"", " B, bound " },          { "null", "x: evidence 0.25, bound 0.50" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct drawing drawing;
		json_t *decision = json_pack("{s:s, s:s, s:f, s:f, s:s}", "decision", "hold", "sli", "x", "value", 0.25, "bound",
					     0.5, "reason", "x: canary 0.25, above its bound of 0.5");

		json_object_set_new(decision, "unit", json_loads(cases[i].unit, JSON_DECODE_ANY, NULL));
		drawing_begin(&drawing, 80, true);
		story_print_decision(&drawing.page, "12:00:00", decision);
		fclose(drawing.page.out);
		if (!strstr(drawing.text, cases[i].words))
			fail_msg("'%s' is not in:\n%s", cases[i].words, drawing.text);
		free(drawing.text);
		json_decref(decision);
	}
}

static void history(void **state)
{
	struct drawing drawing;
	json_t *answer = load("rollouts");

	(void)state;
	drawing_begin(&drawing, 80, true);
	rollout_view_history(&drawing.page, json_object_get(answer, "rollouts"));
	fclose(drawing.page.out);
	json_decref(answer);
	check("rollouts", drawing.text);
}

static void progress(void **state)
{
	json_t *rollout = load("rollout_running");
	char line[256];

	(void)state;
	rollout_view_progress(rollout, line, sizeof(line));
	assert_string_equal(
		line,
		"5 %, step 2 of 5; to roll back: 1.03 of 100; to promote: errors 12.4 of 20");
	json_decref(rollout);
}

/* A field that is missing or of another type is "-" or "?", never a crash. */
static void strange_answers(void **state)
{
	static const char *const answers[] = {
		"{}",
		"[]",
		"{\"services\": [{}]}",
		"{\"services\": [null, 3]}",
		"{\"services\": [{\"versions\": [{\"backends\": [{}], \"counters\": 3}], \"rollout\": {}, "
		"\"canary\": \"c\"}]}",
		"{\"services\": [{\"rollout\": {\"steps\": [{}, 1], \"slis\": [{}, 2], \"phase\": \"step\", "
		"\"step\": \"x\"}}]}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(answers) / sizeof(*answers); i++) {
		struct drawing drawing;
		json_t *value = json_loads(answers[i], 0, NULL);

		assert_non_null(value);
		drawing_begin(&drawing, 80, true);
		status_view(&drawing.page, value, NULL, true, NOW);
		story_print(&drawing.page, value, NOW);
		fclose(drawing.page.out);
		free(drawing.text);
		json_decref(value);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(status),
		cmocka_unit_test(no_line_is_wider_than_the_terminal),
		cmocka_unit_test(flows_on_a_narrow_terminal),
		cmocka_unit_test(only_ascii_without_utf8),
		cmocka_unit_test(only_the_service_asked_for),
		cmocka_unit_test(story),
		cmocka_unit_test(values_by_their_unit),
		cmocka_unit_test(history),
		cmocka_unit_test(progress),
		cmocka_unit_test(strange_answers),
	};

	setenv("TZ", "UTC", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

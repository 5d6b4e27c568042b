/* SPDX-License-Identifier: GPL-2.0-or-later */
/* canaryctl top: what is drawn of looks, and what of it a terminal has room for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tools/canaryctl/screen.h"
#include "tools/canaryctl/top_view.h"

static const struct page utf8 = { .style = { .columns = 80, .utf8 = true } };
static const struct page ascii = { .style = { .columns = 80 } };

static void a_line_of_blocks(void **state)
{
	double values[] = { NAN, 0, 1, 4, 8, 8.1 };
	char line[TOP_LINE];

	(void)state;
	top_sparkline(&utf8, values, 5, 80, 0, line);
	assert_string_equal(line, "  ▁▄█");
	top_sparkline(&utf8, values, 5, 2, 0, line);
	assert_string_equal(line, "▄█");
	top_sparkline(&utf8, values, 5, 2, 16, line);
	assert_string_equal(line, "▂▄");
	top_sparkline(&ascii, values, 5, 80, 0, line);
	assert_string_equal(line, "  .:#");
	top_sparkline(&utf8, values, 2, 80, 0, line);
	assert_string_equal(line, "  ");
	top_sparkline(&utf8, values, 0, 80, 0, line);
	assert_string_equal(line, "");
}

static json_t *service(double applied, const char *name, int attempts, int failed)
{
	json_t *s = json_pack("{s:{s:f}, s:[{s:s, s:f, s:i, s:i}]}", "weight", "applied", applied, "versions", "name", name,
			      "rate", 50.0, "attempts", attempts, "failed", failed);

	assert_non_null(s);
	return s;
}

static void look(struct top_history *h, double applied, const char *name, int attempts, int failed)
{
	json_t *s = service(applied, name, attempts, failed);

	top_history_add(h, s);
	json_decref(s);
}

static void what_is_remembered(void **state)
{
	struct top_history *h = calloc(1, sizeof(*h));

	(void)state;
	look(h, 0.05, "v2", 100, 1);
	look(h, 0.05, "v2", 200, 11);
	look(h, 0.2, "v2", 200, 11);
	look(h, 0.2, "v2", 100, 3); /* began again */
	assert_int_equal(h->n, 4);
	assert_true(isnan(h->version[0].failed_ratio[0]) && isnan(h->version[0].failed_ratio[2]));
	assert_true(isnan(h->version[0].failed_ratio[3]));
	assert_true(fabs(h->version[0].failed_ratio[1] - 0.1) < 1e-12);
	look(h, 0.2, "v3", 500, 5);
	assert_string_equal(h->version[0].name, "v3");
	assert_true(isnan(h->version[0].rate[3]) && h->version[0].rate[4] == 50);
	for (unsigned i = 0; i < TOP_HISTORY; i++)
		look(h, i, "v3", 500, 5);
	assert_int_equal(h->n, TOP_HISTORY);
	assert_true(h->weight[0] == 0 && h->weight[TOP_HISTORY - 1] == TOP_HISTORY - 1);
	free(h);
}

static void what_fits(void **state)
{
	(void)state;
	assert_int_equal(screen_clip("abc", 3), 3);
	assert_int_equal(screen_clip("abcd", 3), 3);
	assert_int_equal(screen_clip("ab\ncd", 80), 2);
	assert_int_equal(screen_clip("▁▂▃▄", 3), 9);
	assert_int_equal(screen_clip("\033[1;31mab\033[0mcd", 2), strlen("\033[1;31mab\033[0m"));
	assert_int_equal(screen_clip("\033[1", 2), 3);
	assert_int_equal(screen_clip("", 2), 0);
}

#define TTFB "\"ttfb\": [[0.001, 5], [0.01, 90], [0.1, 5], [null, 1]]"

static const char status_text[] =
	"{\"version\": \"1\", \"uptime_s\": 61, \"flow_table\": {\"entries\": 12, \"capacity\": 1000}, \"services\": [{"
	"\"name\": \"checkout\", \"protocol\": \"tcp\", \"vip\": \"192.0.2.1:80\", \"mode\": \"dnat\", \"baseline\": \"v1\","
	"\"canary\": \"v2\", \"weight\": {\"applied\": 0.05, \"measured\": 0.048},"
	"\"versions\": [{\"name\": \"v1\", \"role\": \"baseline\", \"rate\": 950, \"attempts\": 9500, \"failed\": 19,"
	"\"active_flows\": 12, \"ttfb_seconds\": {\"p50\": 0.01, \"p95\": 0.1}},"
	"{\"name\": \"v2\", \"role\": \"canary\", \"rate\": 50, \"attempts\": 0, \"failed\": 0, \"active_flows\": 1,"
	"\"ttfb_seconds\": null}], \"failed_flows\": [{\"t\": 0, \"class\": \"failed\", \"kind\": \"refused\","
	"\"client\": \"198.51.100.0/24\", \"version\": \"v2\", \"backend\": \"10.0.0.1:80\", \"waited_seconds\": 0.001}]}]}";
static const char latency_text[] = "{\"versions\": [{\"name\": \"v1\", " TTFB "}, {\"name\": \"v2\", \"ttfb\": []}]}";
static const char rollout_text[] =
	"{\"decisions\": [{\"t\": 0, \"decision\": \"start\", \"weight_from\": 0, \"weight_to\": 0.05, \"reason\": \"by uid 0\"}]}";

/* Whatever is missing, there is a page; what is there is on it. */
static void a_page(void **state)
{
	struct top_history *h = calloc(1, sizeof(*h));
	struct top_view view = { .history = h };
	json_t *status = json_loads(status_text, 0, NULL), *latency = json_loads(latency_text, 0, NULL);
	json_t *rollout = json_loads(rollout_text, 0, NULL);
	struct page page = { .style = { .columns = 80, .utf8 = true } };
	char *text = NULL;
	size_t size;

	(void)state;
	page.out = open_memstream(&text, &size);
	view.status = status;
	view.service = json_array_get(json_object_get(status, "services"), 0);
	top_history_add(h, view.service);
	top_view(&page, &view);
	view.latency = latency;
	view.rollout = rollout;
	top_view(&page, &view);
	fclose(page.out);
	assert_non_null(strstr(text, "[checkout]"));
	assert_non_null(strstr(text, "5 % of new flows (4.8 %)"));
	assert_non_null(strstr(text, "950/s, 12 open"));
	assert_non_null(strstr(text, "19 of 9500 (0.20 %)"));
	assert_non_null(strstr(text, "0 of 0 (-)"));
	assert_non_null(strstr(text, "p50 10.0 ms, p95 100 ms"));
	assert_non_null(strstr(text, "started: 0 % → 5 %  by uid 0"));
	assert_non_null(strstr(text, "connection refused  1.00 ms  v2  10.0.0.1:80  198.51.100.0/24"));
	free(text);
	json_decref(status);
	json_decref(latency);
	json_decref(rollout);
	free(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_of_blocks),
		cmocka_unit_test(what_is_remembered),
		cmocka_unit_test(what_fits),
		cmocka_unit_test(a_page),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

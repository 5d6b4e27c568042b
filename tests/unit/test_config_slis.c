/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SLIs in the configuration: what goes with what, what is derived, how α is shared. */
#include "user/config.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "user/template.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define HEAD                                                                                                        \
	"interfaces: [eth0]\nservices:\n  - name: web\n    vip: 192.0.2.10:80\n    baseline: v1\n    versions:\n"
#define VERSIONS                                                                                                    \
	HEAD "      - {name: v1, backends: [10.0.0.1:80], unit: web-1.service}\n"                                     \
	     "      - {name: v2, backends: [10.0.0.2:80], cgroup: web/2}\n"
#define SLIS VERSIONS "    slis:\n" /* the first is on line 10 */
#define PROM "kind: promql, url: http://10.0.0.9:9090"

static struct config *load(const char *text)
{
	struct config *config = NULL;
	char *error = NULL;

	if (config_load_text(text, strlen(text), "c.yaml", &config, &error) < 0)
		fail_msg("%s", error);
	return config;
}

static const struct {
	const char *text, *error;
} refusals[] = {
	{ SLIS "      - {name: orders}\n", "c.yaml:10: services[0].slis[0]: orders has no kind (promql" },
	{ SLIS "      - {name: errors, kind: skew}\n", "c.yaml:10: services[0].slis[0]: errors is measured in the packets" },
	{ SLIS "      - {name: errors, max: 3}\n", "c.yaml:10: services[0].slis[0].max: does not go with this SLI" },
	{ SLIS "      - {name: errors, margin: 3}\n", "c.yaml:10: services[0].slis[0].margin: does not go with this SLI (set "
						     "it in the section judge)" },
	{ SLIS "      - {name: errors}\n      - {name: errors}\n", "c.yaml:11: services[0].slis[1]: errors is already slis[0]" },
	{ SLIS "      - {name: q, " PROM "}\n", "c.yaml:10: services[0].slis[0]: has no query" },
	{ SLIS "      - {name: q, " PROM ", total: a}\n", "c.yaml:10: services[0].slis[0]: counts, and has only one" },
	{ SLIS "      - {name: q, " PROM ", query: a}\n", "c.yaml:10: services[0].slis[0]: has no bound (give it max" },
	{ SLIS "      - {name: q, " PROM ", query: a, max: 1, weight: 0.2}\n",
	  "c.yaml:10: services[0].slis[0].weight: does not go with this SLI (it is a count's" },
	{ SLIS "      - {name: q, " PROM ", total: a, bad: b, max: 1}\n",
	  "c.yaml:10: services[0].slis[0].max: does not go with this SLI (a count has no bounds" },
	{ SLIS "      - {name: q, " PROM ", total: a, bad: b, query: c}\n",
	  "c.yaml:10: services[0].slis[0].query: does not go with this SLI" },
	{ SLIS "      - {name: q, " PROM ", query: 'x{v=\"{{versoin}}\"}', max: 1}\n",
	  "c.yaml:10: services[0].slis[0].query: {{versoin}} is no placeholder (there are {{version}}" },
	{ SLIS "      - {name: q, " PROM ", query: 'x{{version', max: 1}\n",
	  "c.yaml:10: services[0].slis[0].query: {{ has no }} (close" },
	{ SLIS "      - {name: q, kind: promql, url: 'ftp://x', query: a, max: 1}\n", "c.yaml:10: services[0].slis[0].url: "
										       "\"ftp://x\"" },
	{ SLIS "      - {name: q, kind: promql, query: a, max: 1}\n", "c.yaml:10: services[0].slis[0]: has no url" },
	{ SLIS "      - {name: u, kind: unit}\n", "c.yaml:10: services[0].slis[0]: has no measure" },
	{ SLIS "      - {name: u, kind: unit, measure: cpu}\n", "c.yaml:10: services[0].slis[0]: has no bound" },
	{ SLIS "      - {name: u, kind: unit, measure: cpu, max: 1, min: 2}\n", "c.yaml:10: services[0].slis[0]: min 2 is "
										 "above max 1" },
	{ SLIS "      - {name: s, kind: skew, max: 1}\n", "c.yaml:10: services[0].slis[0].max: does not go" },
	{ SLIS "      - {name: e, kind: exec}\n", "c.yaml:10: services[0].slis[0]: has no command" },
	{ SLIS "      - {name: e, kind: exec, command: a, gate: true, weight: 1}\n",
	  "c.yaml:10: services[0].slis[0].weight: does not go" },
	{ SLIS "      - {name: h, kind: http}\n", "c.yaml:10: services[0].slis[0]: has no url" },
	{ SLIS "      - {name: h, kind: http, url: 'http://{{backend}}/', timeout_s: 20}\n",
	  "c.yaml:10: services[0].slis[0]: timeout_s 20 is longer than interval_s 10" },
	{ SLIS "      - {name: errors, muted: tomorrow}\n", "c.yaml:10: services[0].slis[0].muted: \"tomorrow\" is no time" },
	{ SLIS "      - {name: errors, critical: maybe}\n", "c.yaml:10: services[0].slis[0].critical: \"maybe\" is not a "
							   "choice (write auto or true or false)" },
	{ HEAD "      - {name: v1, backends: [10.0.0.1:80]}\n    slis: [{name: u, kind: unit, measure: cpu, max: 1}]\n",
	  "c.yaml:8: services[0].slis[0]: no version has a unit or a cgroup" },
	{ HEAD "      - {name: v1, backends: [10.0.0.1:80], unit: web}\n", "c.yaml:7: services[0].versions[0]: unit \"web\" is "
									   "not a service (write NAME.service;" },
	{ HEAD "      - {name: v1, backends: [10.0.0.1:80], unit: a.service, cgroup: b}\n",
	  "c.yaml:7: services[0].versions[0]: has both" },
	{ HEAD "      - {name: v1, backends: [10.0.0.1:80], cgroup: ../b}\n", "c.yaml:7: services[0].versions[0]: cgroup" },
	{ HEAD "      - {name: v1, backends: [10.0.0.1:80], unit: a.service}\n"
	       "      - {name: v2, backends: [10.0.0.2:80], unit: a.service}\n",
	  "c.yaml:8: services[0].versions[1]: runs where versions[0] does" },
};

static void test_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(refusals); i++) {
		struct config *config = NULL;
		char *error = NULL;
		int r = config_load_text(refusals[i].text, strlen(refusals[i].text), "c.yaml", &config, &error);

		if (r != -EINVAL || strncmp(error, refusals[i].error, strlen(refusals[i].error)) != 0)
			fail_msg("wanted \"%s\", got %d: \"%s\"", refusals[i].error, r, error ? error : "");
		free(error);
	}
}

static const char all[] = SLIS
	"      - {name: errors, weight: 1}\n"
	"      - {name: latency, dry_run: true}\n"
	"      - {name: orders, " PROM ", total: 'sum(o{v=\"{{ version }}\"})', bad: 'sum(b{v=\"{{version}}\"})',\n"
	"         critical: true, proof: true}\n"
	"      - {name: depth, " PROM ", query: 'q{v=\"{{version}}\"}', max_ratio: 1.5, shown_as: bytes, for_s: 30}\n"
	"      - {name: cpu, kind: unit, measure: cpu, max: 0.9}\n"
	"      - {name: oom, kind: unit, measure: oom_kills, critical: true}\n"
	"      - {name: loop, kind: unit, measure: crash_loop}\n"
	"      - {name: skew, kind: skew}\n"
	"      - {name: login, kind: exec, command: './check \"$CANARYD_BACKEND\"', muted: 2026-12-24T08:00}\n"
	"      - {name: health, kind: http, url: 'http://{{backend}}/healthz', gate: true}\n"
	"      - {name: old, kind: exec, command: 'true', muted: true}\n";

static void test_round_trip(void **state)
{
	struct config *config = load(all), *again;
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	assert_int_equal(config_show(config, out), 0);
	fclose(out);
	again = load(text);
	assert_true(config_equal(config, again));
	assert_null(strstr(text, "nan"));
	config_free(again);
	config_free(config);
	free(text);
}

static double weight(const struct judge_config *judge, const char *name)
{
	for (unsigned i = 0; i < judge->n_externals; i++)
		if (strcmp(judge->external[i].name, name) == 0)
			return judge->external[i].weight;
	fail_msg("%s is not there", name);
	return NAN;
}

/* Critical is the larger share of alpha, of the built-in two as well, and a given weight stays. */
static void test_critical_has_the_larger_share(void **state)
{
	struct config *config = load(SLIS "      - {name: latency, critical: true}\n");
	struct judge_config judge = config_judge(config, &config->services[0]);

	(void)state;
	assert_true(judge.critical_latency && fabs(judge.weight_latency - 0.5) < 1e-12);
	config_free(config);
	config = load(SLIS "      - {name: errors, critical: false}\n      - {name: latency, critical: true}\n");
	judge = config_judge(config, &config->services[0]);
	assert_true(!judge.critical_errors && fabs(judge.weight_latency - 0.6) < 1e-12);
	config_free(config);
	config = load(SLIS "      - {name: latency, critical: true, weight: 0.4}\n");
	judge = config_judge(config, &config->services[0]);
	assert_true(judge.critical_latency && fabs(judge.weight_latency - 0.4) < 1e-12);
	config_free(config);
}

/* errors 1, orders 0.4, login 0.2: latency runs dry, and what is muted for good has no share either. */
static void test_judge(void **state)
{
	struct config *config = load(all);
	struct judge_config judge = config_judge(config, &config->services[0]);
	const struct judge_external *oom = &judge.external[3], *loop = &judge.external[4], *skew = &judge.external[5];
	char reason[FINDING_REASON];

	(void)state;
	assert_int_equal(judge_config_check(&judge, reason), 0);
	assert_int_equal(judge.n_externals, 9);
	assert_true(fabs(judge.weight_errors - 1 / 1.6) < 1e-12 && judge.weight_latency == 0);
	assert_true(judge.dry_run_latency && !judge.dry_run_errors && judge.critical_errors);
	assert_true(fabs(weight(&judge, "orders") - 0.4 / 1.6) < 1e-12);
	assert_true(fabs(weight(&judge, "login") - 0.2 / 1.6) < 1e-12);
	assert_true(weight(&judge, "old") == 0 && weight(&judge, "depth") == 0 && weight(&judge, "health") == 0);
	assert_true(judge.external[0].proof && judge.external[0].noise && judge.external[0].critical);
	assert_int_equal(judge.external[1].unit, FINDING_BYTES);
	assert_true(judge.external[1].for_s == 30 && judge.external[2].for_s == 60);
	assert_true(oom->max == 0 && oom->for_s == 0 && oom->in_warmup && oom->critical);
	assert_true(loop->max == 2 && loop->in_warmup && !loop->critical);
	assert_true(skew->kind == JUDGE_SKEW && skew->max_ratio == 2 && skew->min_ratio == 0.5);
	assert_true(judge.external[6].p0 == 0.05 && !judge.external[6].noise);
	assert_true(judge.external[7].kind == JUDGE_GAUGE && judge.external[7].max == 0);
	config_free(config);
}

static void test_without_slis(void **state)
{
	struct config *config = load(VERSIONS);
	struct judge_config judge = config_judge(config, &config->services[0]);

	(void)state;
	assert_true(judge.weight_errors == 0.6 && judge.weight_latency == 0.4 && judge.n_externals == 0);
	config_free(config);
}

static void test_muted(void **state)
{
	struct config *config = load(all);
	time_t until = (time_t)config->services[0].slis[8].muted_until;
	struct tm tm;

	(void)state;
	assert_true(config->services[0].slis[0].muted_until == 0);
	assert_true(isinf(config->services[0].slis[10].muted_until));
	localtime_r(&until, &tm);
	assert_true(tm.tm_year == 126 && tm.tm_mon == 11 && tm.tm_mday == 24 && tm.tm_hour == 8 && tm.tm_min == 0);
	config_free(config);
}

/* A version that gets other backends runs where it ran. */
static void test_unit_stays(void **state)
{
	const char *backends[] = { "10.0.0.3:80" };
	struct config *config = load(VERSIONS), *with = NULL;
	char *error = NULL;

	(void)state;
	assert_int_equal(config_with_version(config, "web", "v1", backends, 1, &with, &error), 0);
	assert_string_equal(with->services[0].versions[0].unit, "web-1.service");
	config_free(with);
	config_free(config);
}

static void test_template(void **state)
{
	const struct template_variable variables[] = { { "a", "1" }, { "long", "{{a}}" } };
	char *text = NULL, problem[64];

	(void)state;
	assert_int_equal(template_expand("x{a}{{a}}{{ long }}{{a}} }}", variables, 2, &text, NULL, 0), 0);
	assert_string_equal(text, "x{a}1{{a}}1 }}");
	free(text);
	text = NULL;
	assert_int_equal(template_expand("{{b}}", variables, 2, &text, problem, sizeof(problem)), -ENOENT);
	assert_string_equal(problem, "{{b}} is no placeholder");
	assert_int_equal(template_expand("{{}}", variables, 2, &text, problem, sizeof(problem)), -ENOENT);
	assert_int_equal(template_expand("{{   ", variables, 2, &text, problem, sizeof(problem)), -EINVAL);
	assert_int_equal(template_expand("{{   }}", variables, 2, &text, NULL, 0), -ENOENT);
	assert_null(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused),	     cmocka_unit_test(test_round_trip), cmocka_unit_test(test_judge),
		cmocka_unit_test(test_critical_has_the_larger_share),
		cmocka_unit_test(test_without_slis), cmocka_unit_test(test_muted),	cmocka_unit_test(test_unit_stays),
		cmocka_unit_test(test_template),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The rules of SLIs: which keys go with which kind, what each kind needs, and the defaults that depend on the kind. */
#include "user/config_reading.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "user/template.h"
#include "user/url.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define FOR_S 60.0

/* What an SLI turns out to be. Bits, so that a key can name all it goes with. */
enum shape {
	PACKET = 1 << 0,
	QUERY = 1 << 1,  /* promql, a gauge */
	COUNTS = 1 << 2, /* promql, a count */
	UNIT = 1 << 3,
	SKEW = 1 << 4,
	EXEC = 1 << 5,
	HTTP = 1 << 6,
	GATE = 1 << 7, /* beside EXEC or HTTP */
};
#define GAUGES (QUERY | UNIT | SKEW)
#define CHECKS (EXEC | HTTP)

struct place {
	const struct config_sli *sli;
	struct config_problems *problems;
	const char *path;
	unsigned shape;
};

bool config_sli_is_count(const struct config_sli *sli)
{
	switch (sli->kind) {
	case CONFIG_SLI_PACKET: return true;
	case CONFIG_SLI_PROMQL: return *sli->total || *sli->bad;
	case CONFIG_SLI_EXEC:
	case CONFIG_SLI_HTTP: return !sli->gate;
	default: return false;
	}
}

static unsigned shape_of(const struct config_sli *sli)
{
	unsigned gate = sli->gate ? GATE : 0;

	switch (sli->kind) {
	case CONFIG_SLI_PACKET: return PACKET | gate;
	case CONFIG_SLI_PROMQL: return (config_sli_is_count(sli) ? COUNTS : QUERY) | gate;
	case CONFIG_SLI_UNIT: return UNIT | gate;
	case CONFIG_SLI_SKEW: return SKEW | gate;
	case CONFIG_SLI_EXEC: return EXEC | gate;
	default: return HTTP | gate;
	}
}

/* ---- keys and kinds -------------------------------------------------------------------------------------- */

static void refuse(const struct place *at, const char *key, const char *mend)
{
	char path[CONFIG_PLACE_MAX];

	snprintf(path, sizeof(path), "%.120s.%s", at->path, key);
	config_problem(at->problems, path, "does not go with this SLI (%s)", mend);
}

static void check_texts(const struct place *at)
{
	const struct config_sli *sli = at->sli;
	const struct {
		const char *key, *text, *mend;
		unsigned shapes;
	} keys[] = {
		{ "url", sli->url, "it goes with kind promql and http", QUERY | COUNTS | HTTP },
		{ "query", sli->query, "a promql SLI has a query, or total and bad", QUERY },
		{ "total", sli->total, "it goes with kind promql", COUNTS },
		{ "bad", sli->bad, "it goes with kind promql", COUNTS },
		{ "command", sli->command, "it goes with kind exec", EXEC },
		{ "measure", sli->measure ? "set" : "", "it goes with kind unit", UNIT },
		{ "gate", sli->gate ? "set" : "", "it goes with kind exec and http", CHECKS },
	};

	for (size_t i = 0; i < COUNT(keys); i++)
		if (*keys[i].text && !(at->shape & keys[i].shapes))
			refuse(at, keys[i].key, keys[i].mend);
}

/* A gate is no count any more, whatever its shape is beside. */
static void check_numbers(const struct place *at)
{
	const struct config_sli *sli = at->sli;
	const char *counts = "it is a count's; a gauge and a gate have no evidence";
	const char *gauges = "a count has no bounds: evidence decides", *judge = "set it in the section judge";
	const struct {
		const char *key, *mend;
		double value;
		unsigned shapes;
	} keys[] = {
		{ "weight", counts, sli->weight, PACKET | COUNTS | CHECKS },
		{ "margin", at->shape & PACKET ? judge : counts, sli->margin, COUNTS | CHECKS },
		{ "p0", at->shape & PACKET ? judge : counts, sli->p0, COUNTS | CHECKS },
		{ "proof", at->shape & PACKET ? "it is asked for always" : counts, sli->proof ? 1 : NAN, COUNTS | CHECKS },
		{ "max", gauges, sli->max, QUERY | UNIT },
		{ "min", gauges, sli->min, QUERY | UNIT },
		{ "max_ratio", gauges, sli->max_ratio, GAUGES },
		{ "min_ratio", gauges, sli->min_ratio, GAUGES },
		{ "for_s", gauges, sli->for_s, GAUGES | GATE },
	};

	for (size_t i = 0; i < COUNT(keys); i++) {
		bool count_key = i < 4, gate = at->shape & GATE;

		if (isnan(keys[i].value))
			continue;
		if (!(at->shape & keys[i].shapes) || (gate && count_key))
			refuse(at, keys[i].key, keys[i].mend);
	}
}

/* ---- what each kind needs -------------------------------------------------------------------------------- */

static void check_template(const struct place *at, const char *key, const char *text)
{
	static const struct template_variable variables[] = {
		{ "service", "s" }, { "version", "v" },   { "baseline", "b" }, { "canary", "c" },
		{ "role", "r" },    { "interval", "1s" }, { "backend", "1" },
	};
	char path[CONFIG_PLACE_MAX], problem[80], *expanded = NULL;

	snprintf(path, sizeof(path), "%.120s.%s", at->path, key);
	if (template_expand(text, variables, COUNT(variables), &expanded, problem, sizeof(problem)) < 0)
		config_problem(at->problems, path, "%s (there are {{version}}, {{role}}, {{service}}, {{baseline}}, "
			       "{{canary}}, {{interval}}, {{backend}})", problem);
	else if (strcmp(key, "url") == 0 && url_problem(expanded))
		config_problem(at->problems, path, "\"%.60s\" %s", text, url_problem(expanded));
	free(expanded);
}

static bool has_bound(const struct config_sli *sli)
{
	return !isnan(sli->max) || !isnan(sli->min) || !isnan(sli->max_ratio) || !isnan(sli->min_ratio);
}

static void check_bounds(const struct place *at)
{
	const struct config_sli *sli = at->sli;

	if ((at->shape & GAUGES) && !has_bound(sli))
		config_problem(at->problems, at->path, "has no bound (give it max, min, max_ratio or min_ratio)");
	if (sli->min > sli->max)
		config_problem(at->problems, at->path, "min %.10g is above max %.10g (swap them)", sli->min, sli->max);
}

static void check_promql(const struct place *at)
{
	const struct config_sli *sli = at->sli;

	if (!*sli->url)
		config_problem(at->problems, at->path, "has no url (name the Prometheus: http://ADDR:9090)");
	else
		check_template(at, "url", sli->url);
	if (at->shape & QUERY && !*sli->query)
		config_problem(at->problems, at->path, "has no query (give it a query, or total and bad)");
	if (at->shape & COUNTS && (!*sli->total || !*sli->bad))
		config_problem(at->problems, at->path, "counts, and has only one of total and bad (give it both)");
	check_template(at, "query", sli->query);
	check_template(at, "total", sli->total);
	check_template(at, "bad", sli->bad);
}

static void check_unit(const struct place *at, const struct config_service *service)
{
	bool any = false;

	for (uint32_t v = 0; v < service->versions_count; v++)
		any = any || *service->versions[v].unit || *service->versions[v].cgroup;
	if (!at->sli->measure)
		config_problem(at->problems, at->path, "has no measure (cpu, cpu_per_request, memory, memory_drift, "
			       "oom_kills, restarts or crash_loop)");
	if (!any)
		config_problem(at->problems, at->path, "no version has a unit or a cgroup (say where each runs: "
			       "versions[].unit)");
}

static void check_kind(const struct place *at, const struct config_service *service)
{
	const struct config_sli *sli = at->sli;
	bool builtin = strcmp(sli->name, "errors") == 0 || strcmp(sli->name, "latency") == 0;

	if (sli->kind == CONFIG_SLI_PACKET && !builtin)
		config_problem(at->problems, at->path, "%s has no kind (promql, unit, skew, exec or http; only errors and "
			       "latency are measured in the packets)", sli->name);
	if (sli->kind != CONFIG_SLI_PACKET && builtin)
		config_problem(at->problems, at->path, "%s is measured in the packets (give this one another name)",
			       sli->name);
	if (sli->kind == CONFIG_SLI_PROMQL)
		check_promql(at);
	if (sli->kind == CONFIG_SLI_UNIT)
		check_unit(at, service);
	if (sli->kind == CONFIG_SLI_EXEC && !*sli->command)
		config_problem(at->problems, at->path, "has no command (a line for /bin/sh)");
	if (sli->kind == CONFIG_SLI_HTTP && !*sli->url)
		config_problem(at->problems, at->path, "has no url (what to ask, as http://{{backend}}/healthz)");
	else if (sli->kind == CONFIG_SLI_HTTP)
		check_template(at, "url", sli->url);
	if (sli->timeout_s > sli->interval_s)
		config_problem(at->problems, at->path, "timeout_s %.10g is longer than interval_s %.10g (make it shorter)",
			       sli->timeout_s, sli->interval_s);
}

/* ---- derived --------------------------------------------------------------------------------------------- */

static void fill_bounds(struct config_sli *sli)
{
	bool events = sli->measure == CONFIG_MEASURE_OOM_KILLS || sli->measure == CONFIG_MEASURE_RESTARTS ||
		      sli->measure == CONFIG_MEASURE_CRASH_LOOP;

	if (config_sli_is_count(sli))
		return;
	if (isnan(sli->for_s))
		sli->for_s = events || sli->gate ? 0 : FOR_S;
	if (has_bound(sli))
		return;
	if (sli->kind == CONFIG_SLI_SKEW) {
		sli->max_ratio = 2;
		sli->min_ratio = 0.5;
	} else if (sli->kind == CONFIG_SLI_UNIT && events) {
		sli->max = sli->measure == CONFIG_MEASURE_CRASH_LOOP ? 2 : 0;
	}
}

/* "true", "false", or a local time to the minute. */
static bool parse_muted(const char *text, double *ret)
{
	struct tm tm = { .tm_isdst = -1 };
	const char *end = strptime(text, "%Y-%m-%dT%H:%M", &tm);

	if (strcmp(text, "false") == 0)
		*ret = 0;
	else if (strcmp(text, "true") == 0)
		*ret = INFINITY;
	else if (end && !*end && strlen(text) == CONFIG_UNTIL_MAX - 1)
		*ret = (double)mktime(&tm);
	else
		return false;
	return true;
}

static void check_muted(struct config_sli *sli, const struct place *at)
{
	char path[CONFIG_PLACE_MAX];

	snprintf(path, sizeof(path), "%.120s.muted", at->path);
	if (!parse_muted(sli->muted, &sli->muted_until))
		config_problem(at->problems, path, "\"%s\" is no time (write true, false or YYYY-MM-DDTHH:MM)", sli->muted);
}

/* ---- units of versions ----------------------------------------------------------------------------------- */

static bool is_unit_name(const char *name)
{
	const char *dot = strrchr(name, '.');

	return dot && dot != name && !strchr(name, '/') && strcmp(dot, ".service") == 0;
}

static bool same_place(const struct config_version *a, const struct config_version *b)
{
	return (*a->unit && strcmp(a->unit, b->unit) == 0) || (*a->cgroup && strcmp(a->cgroup, b->cgroup) == 0);
}

static void check_version(const struct config_service *service, uint32_t v, const char *path,
			  struct config_problems *problems)
{
	const struct config_version *version = &service->versions[v];

	if (*version->unit && *version->cgroup)
		config_problem(problems, path, "has both a unit and a cgroup (name the one it runs in)");
	if (*version->unit && !is_unit_name(version->unit))
		config_problem(problems, path, "unit \"%s\" is not a service (write NAME.service; of another unit name "
			       "the cgroup)",
			       version->unit);
	if (strstr(version->cgroup, ".."))
		config_problem(problems, path, "cgroup \"%s\" leads elsewhere (write it without ..)", version->cgroup);
	for (uint32_t other = 0; other < v; other++)
		if (same_place(version, &service->versions[other]))
			config_problem(problems, path, "runs where versions[%u] does: what one uses cannot be told from the "
				       "other's (give each version a unit of its own)", other);
}

void config_rules_slis(struct config *config, uint32_t index, struct config_problems *problems)
{
	struct config_service *service = &config->services[index];
	char path[CONFIG_PLACE_MAX];
	unsigned outside = 0;

	for (uint32_t v = 0; v < service->versions_count; v++) {
		snprintf(path, sizeof(path), "services[%u].versions[%u]", index, v);
		check_version(service, v, path, problems);
	}
	for (uint32_t i = 0; i < service->slis_count; i++) {
		struct config_sli *sli = &service->slis[i];
		struct place at = { sli, problems, path, shape_of(sli) };

		snprintf(path, sizeof(path), "services[%u].slis[%u]", index, i);
		config_check_name(problems, sli->name, path);
		for (uint32_t j = 0; j < i; j++)
			if (strcmp(service->slis[j].name, sli->name) == 0)
				config_problem(problems, path, "%s is already slis[%u] (give each a name of its own)",
					       sli->name, j);
		check_texts(&at);
		check_numbers(&at);
		check_kind(&at, service);
		check_muted(sli, &at);
		fill_bounds(sli);
		check_bounds(&at);
		outside += sli->kind != CONFIG_SLI_PACKET;
	}
	if (outside > FINDING_EXTERNALS)
		config_problem(problems, path, "is one too many (%d at most, beside errors and latency)",
			       FINDING_EXTERNALS);
}

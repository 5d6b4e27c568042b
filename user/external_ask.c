/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ways to ask: queries, checks by HTTP and by command, and what a cgroup says. */
#include "user/external_internal.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/promql.h"
#include "user/template.h"

#define NOT_FOUND 127 /* of a shell: there is no such command */
#define NOT_RUN 126

/* ---- placeholders ---------------------------------------------------------------------------------------- */

static const char *role_name(enum role role)
{
	return role == CANARY ? "canary" : "baseline";
}

/* Checks take a version's backends in turn. */
static const char *backend(const struct question *q)
{
	const struct config_version *version = indicator_version(q->indicator, q->role);

	return version->backends_count ? version->backends[q->indicator->turn % version->backends_count].address : "";
}

/* The caller's to free; NULL without memory. The configuration has been checked for what is no placeholder. */
static char *expand(const struct question *q, const char *text)
{
	const struct external *x = q->indicator->external;
	char interval[32], *expanded = NULL;
	const struct template_variable variables[] = {
		{ "service", x->service->name },
		{ "version", indicator_version(q->indicator, q->role)->name },
		{ "baseline", x->baseline },
		{ "canary", x->canary },
		{ "role", role_name(q->role) },
		{ "interval", interval },
		{ "backend", backend(q) },
	};

	/* Prometheus reads no fractions. */
	snprintf(interval, sizeof(interval), "%.0fms", indicator_sli(q->indicator)->interval_s * 1000);
	if (template_expand(text, variables, sizeof(variables) / sizeof(variables[0]), &expanded, NULL, 0) < 0)
		return NULL;
	return expanded;
}

static uint64_t timeout_ms(const struct question *q)
{
	return (uint64_t)(indicator_sli(q->indicator)->timeout_s * 1000);
}

static void no_start(struct question *q, int error)
{
	question_answer(q, FINDING_STATE_UNAVAILABLE, NAN, "it cannot be asked: %s%s", strerror(-error),
			error == -EBUSY ? " (too much is asked at a time: raise interval_s)" : "");
}

/* ---- promql ---------------------------------------------------------------------------------------------- */

static void on_promql(const struct fetch_result *result, void *context)
{
	struct question *q = context;
	struct promql_answer answer;

	if (result->ending == FETCH_TIMEOUT) {
		question_answer(q, FINDING_STATE_TIMEOUT, NAN, "%s (raise timeout_s, or make the query cheaper)",
				result->sentence);
	} else if (result->ending != FETCH_OK) {
		question_answer(q, FINDING_STATE_UNREACHABLE, NAN, "%.140s (is the url right?)", result->sentence);
	} else {
		promql_parse(result->status, result->body, result->body_size, &answer);
		question_answer(q, answer.state, answer.value, "%s", answer.state == FINDING_STATE_OK ? "" : answer.said);
	}
}

void ask_promql(struct question *q, const char *query)
{
	char *base = expand(q, indicator_sli(q->indicator)->url), *expanded = expand(q, query);
	char *url = base && expanded ? promql_url(base, expanded) : NULL;
	struct fetch_request request = { .url = url, .timeout_ms = timeout_ms(q) };
	int r = url ? fetch_start(q->indicator->external->tools.fetch, &request, on_promql, q, &q->job) : -ENOMEM;

	free(base);
	free(expanded);
	free(url);
	if (r)
		no_start(q, r);
}

/* ---- checks ---------------------------------------------------------------------------------------------- */

static void checked(struct question *q, bool good, const char *sentence)
{
	if (good)
		question_answer(q, FINDING_STATE_OK, 0, "%s", "");
	else
		question_answer(q, FINDING_STATE_OK, 1, "the check fails: %.150s", sentence);
}

static void on_http(const struct fetch_result *result, void *context)
{
	checked(context, result->ending == FETCH_OK && result->status >= 200 && result->status <= 299,
		result->sentence);
}

void ask_http(struct question *q)
{
	char *url = expand(q, indicator_sli(q->indicator)->url);
	struct fetch_request request = { .url = url, .timeout_ms = timeout_ms(q) };
	int r = url ? fetch_start(q->indicator->external->tools.fetch, &request, on_http, q, &q->job) : -ENOMEM;

	free(url);
	if (r)
		no_start(q, r);
}

/* What the shell could not run has checked nothing. */
static void on_command(const struct command_result *result, void *context)
{
	bool exited = result->ending == COMMAND_EXITED;

	if (exited && (result->code == NOT_FOUND || result->code == NOT_RUN))
		question_answer(context, FINDING_STATE_UNAVAILABLE, NAN, "%.140s (name a command that can be run)",
				result->sentence);
	else
		checked(context, exited && result->code == 0, result->sentence);
}

void ask_command(struct question *q)
{
	const struct external *x = q->indicator->external;
	char service[CANARY_NAME_MAX + 32], version[CANARY_NAME_MAX + 32], address[ADDRESS_MAX + 32], role[48];
	const char *const environment[] = { service, version, role, address, NULL };
	struct command_request request = { .line = indicator_sli(q->indicator)->command, .environment = environment,
					   .timeout_ms = timeout_ms(q) };
	int r;

	snprintf(service, sizeof(service), "CANARYD_SERVICE=%s", x->service->name);
	snprintf(version, sizeof(version), "CANARYD_VERSION=%s", indicator_version(q->indicator, q->role)->name);
	snprintf(role, sizeof(role), "CANARYD_ROLE=%s", role_name(q->role));
	snprintf(address, sizeof(address), "CANARYD_BACKEND=%s", backend(q));
	r = command_start(x->tools.runner, &request, on_command, q, &q->command);
	if (r)
		no_start(q, r);
}

/* ---- cgroups --------------------------------------------------------------------------------------------- */

/* Where the version's cgroup is. False: the question has been answered. */
static bool find_cgroup(struct question *q, char path[static UNIT_PATH * 2], double *ret_restarts)
{
	const struct config_version *version = indicator_version(q->indicator, q->role);
	const struct external_tools *tools = &q->indicator->external->tools;
	const struct unit_bus_answer *answer = NULL;

	*ret_restarts = NAN;
	if (!*version->unit && !*version->cgroup) {
		question_answer(q, FINDING_STATE_UNAVAILABLE, NAN, "it has no unit and no cgroup (say where it runs: "
				"versions[].unit)");
		return false;
	}
	if (*version->cgroup == '/') {
		snprintf(path, UNIT_PATH * 2, "%s", version->cgroup);
		return true;
	}
	if (!*tools->cgroup_mount) {
		question_answer(q, FINDING_STATE_UNAVAILABLE, NAN, "cgroup v2 is not mounted (mount -t cgroup2 none "
				"/sys/fs/cgroup, or boot with systemd.unified_cgroup_hierarchy=1)");
		return false;
	}
	if (*version->unit && tools->bus)
		answer = unit_bus_ask(tools->bus, version->unit);
	if (answer && !answer->known) {
		question_answer(q, *answer->error ? FINDING_STATE_UNAVAILABLE : FINDING_STATE_WAITING, NAN, "%s: %s",
				version->unit, *answer->error ? answer->error : "the next look tells");
		return false;
	}
	if (answer && !*answer->cgroup) {
		question_answer(q, FINDING_STATE_UNAVAILABLE, NAN, "%s does not run (systemctl start it)", version->unit);
		return false;
	}
	if (answer)
		*ret_restarts = answer->restarts;
	snprintf(path, UNIT_PATH * 2, "%s/%s%s", tools->cgroup_mount,
		 answer ? answer->cgroup : *version->unit ? "system.slice/" : version->cgroup,
		 !answer && *version->unit ? version->unit : "");
	return true;
}

void ask_unit(struct question *q)
{
	struct indicator *x = q->indicator;
	const struct external_now *now = &x->external->now;
	struct unit_reading reading;
	char path[UNIT_PATH * 2], said[FINDING_DETAIL - 60];
	enum finding_state state;
	double restarts, value = NAN;
	int r;

	if (!find_cgroup(q, path, &restarts))
		return;
	r = unit_read(path, &reading);
	if (r) {
		question_answer(q, FINDING_STATE_UNAVAILABLE, NAN, "%.100s: %s", path,
				r == -ENOENT ? "there is no such cgroup (does it run?)" :
				r == -ENODEV ? "is no cgroup of version 2" : strerror(-r));
		return;
	}
	reading.restarts = restarts;
	state = unit_trend_add(&x->trend[q->role], indicator_sli(x)->measure, &reading, (double)now->now_ns / 1e9,
			       q->role == CANARY ? now->canary_requests : now->baseline_requests, &value, said,
			       sizeof(said));
	question_answer(q, state, value, "%s", state == FINDING_STATE_OK ? "" : said);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* When to look, what a look's answers come to, and how that gets into the sample. */
#include "user/external.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/external_internal.h"
#include "user/text.h"

#define LARGEST 1e15 /* events of a look: sums of them still fit */
#define BUILTIN (FINDING_SLIS - FINDING_EXTERNALS)

const struct config_sli *indicator_sli(const struct indicator *x)
{
	return &x->external->service->slis[x->index];
}

const struct config_version *indicator_version(const struct indicator *x, enum role role)
{
	return config_find_version(x->external->service, role == CANARY ? x->external->canary : x->external->baseline);
}

/* ---- the end of a look ----------------------------------------------------------------------------------- */

static void fail(struct indicator *x, enum finding_state state, const char *said)
{
	x->result.state = state;
	snprintf(x->result.said, sizeof(x->result.said), "%s", said);
}

/* The first answer that is of no use, the canary's before the baseline's; NULL: all are. */
static const struct question *useless(const struct indicator *x, bool both)
{
	unsigned whats = config_sli_is_count(indicator_sli(x)) && indicator_sli(x)->kind == CONFIG_SLI_PROMQL ? WHATS : 1;

	for (int role = CANARY; role >= (both ? BASELINE : CANARY); role--)
		for (unsigned what = 0; what < whats; what++)
			if (x->question[role][what].answer.state != FINDING_STATE_OK)
				return &x->question[role][what];
	return NULL;
}

static void end_gauge(struct indicator *x, const struct config_sli *sli)
{
	const struct answer *baseline = &x->question[BASELINE][VALUE].answer;
	const struct answer *canary = &x->question[CANARY][VALUE].answer;
	bool relative = !isnan(sli->max_ratio) || !isnan(sli->min_ratio);
	const struct question *bad = useless(x, relative);

	if (bad) {
		fail(x, bad->answer.state, bad->answer.said);
		return;
	}
	fail(x, FINDING_STATE_OK, canary->said);
	x->result.canary = canary->value;
	x->result.baseline = baseline->state == FINDING_STATE_OK ? baseline->value : NAN;
}

/* Events since the look before; fractions wait for the next one. */
static uint64_t whole_events(struct indicator *x, enum role role, enum what what, double events)
{
	double sum = x->rest[role][what] + events, whole = floor(sum + 1e-9);

	x->rest[role][what] = fmax(0, sum - whole);
	return whole > 0 ? (uint64_t)whole : 0;
}

/* False: a counter fell, or a number of events is negative. */
static bool difference(struct indicator *x, const struct config_sli *sli, enum role role, double ret[WHATS])
{
	for (unsigned what = 0; what < WHATS; what++) {
		double value = x->question[role][what].answer.value;

		ret[what] = sli->cumulative ? value - x->before[role][what] : value;
		x->before[role][what] = value;
	}
	return ret[VALUE] >= 0 && ret[BAD] >= 0;
}

static void count(struct indicator *x, double events[ROLES][WHATS])
{
	struct sample_external *r = &x->result;

	r->baseline_n = whole_events(x, BASELINE, VALUE, events[BASELINE][VALUE]);
	r->baseline_y = whole_events(x, BASELINE, BAD, events[BASELINE][BAD]);
	r->canary_n = whole_events(x, CANARY, VALUE, events[CANARY][VALUE]);
	r->canary_y = whole_events(x, CANARY, BAD, events[CANARY][BAD]);
	r->baseline_y = r->baseline_y < r->baseline_n ? r->baseline_y : r->baseline_n;
	r->canary_y = r->canary_y < r->canary_n ? r->canary_y : r->canary_n;
	fail(x, FINDING_STATE_OK, "");
}

static double most(double events[ROLES][WHATS])
{
	double most = 0;

	for (unsigned role = 0; role < ROLES; role++)
		for (unsigned what = 0; what < WHATS; what++)
			most = fmax(most, events[role][what]);
	return most;
}

static void end_counts(struct indicator *x, bool cumulative, bool rose, double events[ROLES][WHATS])
{
	if (!rose && cumulative) {
		fail(x, FINDING_STATE_BACKWARDS, "a counter fell: what it counts was started again; counted anew from here");
	} else if (!rose) {
		fail(x, FINDING_STATE_NOT_UNDERSTOOD, "a number of events is negative (have the query count them)");
	} else if (most(events) > LARGEST) {
		fail(x, FINDING_STATE_NOT_UNDERSTOOD, "more than 1e15 events since the last look (have the query count them)");
	} else {
		count(x, events);
	}
}

static void end_queries(struct indicator *x, const struct config_sli *sli)
{
	const struct question *bad = useless(x, true);
	double events[ROLES][WHATS];
	bool known = x->counted[BASELINE] || !sli->cumulative, rose = true;

	if (bad) {
		fail(x, bad->answer.state, bad->answer.said);
		return;
	}
	for (unsigned role = 0; role < ROLES; role++) {
		rose = difference(x, sli, role, events[role]) && rose;
		x->counted[role] = true;
	}
	if (known)
		end_counts(x, sli->cumulative, rose, events);
	else
		fail(x, FINDING_STATE_WAITING, "the next look tells");
}

/* Of a check each version has made one attempt; its value is 1 where it was bad. */
static void end_checks(struct indicator *x)
{
	const struct question *bad = useless(x, true);

	if (bad) {
		fail(x, bad->answer.state, bad->answer.said);
		return;
	}
	x->result.baseline_n = x->result.canary_n = 1;
	x->result.baseline_y = x->question[BASELINE][VALUE].answer.value > 0;
	x->result.canary_y = x->question[CANARY][VALUE].answer.value > 0;
	fail(x, FINDING_STATE_OK, "");
}

static void end_look(struct indicator *x)
{
	const struct config_sli *sli = indicator_sli(x);

	x->result = (struct sample_external){ .fresh = true, .baseline = NAN, .canary = NAN };
	if (!config_sli_is_count(sli))
		end_gauge(x, sli);
	else if (sli->kind == CONFIG_SLI_PROMQL)
		end_queries(x, sli);
	else
		end_checks(x);
}

void question_answer(struct question *q, enum finding_state state, double value, const char *format, ...)
{
	const struct config_version *version = indicator_version(q->indicator, q->role);
	va_list args;
	int used;

	q->job = NULL;
	q->command = NULL;
	q->answer.state = state;
	q->answer.value = value;
	used = snprintf(q->answer.said, sizeof(q->answer.said), "version %s: ", version ? version->name : "?");
	va_start(args, format);
	vsnprintf(q->answer.said + used, sizeof(q->answer.said) - (size_t)used, format, args);
	va_end(args);
	text_repair(q->answer.said);
	if (!q->answer.said[used])
		q->answer.said[0] = 0;
	if (--q->indicator->open == 0)
		end_look(q->indicator);
}

/* ---- the beginning of a look ----------------------------------------------------------------------------- */

static void ask(struct question *q, const struct config_sli *sli, enum what what)
{
	if (!indicator_version(q->indicator, q->role)) {
		question_answer(q, FINDING_STATE_UNAVAILABLE, NAN, "it is not in the configuration (add it there)");
		return;
	}
	switch (sli->kind) {
	case CONFIG_SLI_PROMQL:
		ask_promql(q, what == BAD ? sli->bad : *sli->query ? sli->query : sli->total);
		break;
	case CONFIG_SLI_EXEC: ask_command(q); break;
	case CONFIG_SLI_HTTP: ask_http(q); break;
	default: ask_unit(q); break;
	}
}

/* All questions are open before the first is asked: an answer may come at once, and only the last one ends the look. */
static void begin_look(struct indicator *x)
{
	const struct config_sli *sli = indicator_sli(x);
	unsigned whats = sli->kind == CONFIG_SLI_PROMQL && config_sli_is_count(sli) ? WHATS : 1;

	x->open = ROLES * whats;
	x->turn++;
	for (unsigned role = 0; role < ROLES; role++)
		for (unsigned what = 0; what < whats; what++)
			ask(&x->question[role][what], sli, what);
}

static void look_if_due(struct indicator *x)
{
	const struct config_sli *sli = indicator_sli(x);
	uint64_t now_ns = x->external->now.now_ns, interval_ns = (uint64_t)(sli->interval_s * 1e9);

	if (sli->kind == CONFIG_SLI_SKEW || x->open || now_ns < x->due_ns)
		return;
	x->due_ns = x->due_ns && now_ns - x->due_ns < interval_ns ? x->due_ns + interval_ns : now_ns + interval_ns;
	begin_look(x);
}

/* ---- life ------------------------------------------------------------------------------------------------ */

static void forget(struct indicator *x)
{
	for (unsigned role = 0; role < ROLES; role++)
		for (unsigned what = 0; what < WHATS; what++) {
			fetch_cancel(x->question[role][what].job);
			command_cancel(x->question[role][what].command);
		}
}

static void init(struct indicator *x, struct external *external, unsigned index)
{
	*x = (struct indicator){ .external = external, .index = index };
	x->result.baseline = x->result.canary = NAN;
	for (unsigned role = 0; role < ROLES; role++)
		for (unsigned what = 0; what < WHATS; what++) {
			x->question[role][what].indicator = x;
			x->question[role][what].role = role;
		}
}

int external_new(const struct external_tools *tools, const struct config_service *service, struct external **ret)
{
	struct external *external = calloc(1, sizeof(*external));

	if (!external)
		return -ENOMEM;
	external->tools = *tools;
	external->service = service;
	for (uint32_t i = 0; i < service->slis_count && external->n_indicators < FINDING_EXTERNALS; i++)
		if (service->slis[i].kind != CONFIG_SLI_PACKET)
			init(&external->indicators[external->n_indicators++], external, i);
	*ret = external;
	return 0;
}

struct external *external_free(struct external *external)
{
	if (!external)
		return NULL;
	for (unsigned i = 0; i < external->n_indicators; i++)
		forget(&external->indicators[i]);
	free(external);
	return NULL;
}

void external_set_config(struct external *external, const struct config_service *service)
{
	external->service = service;
}

/* ---- a tick ---------------------------------------------------------------------------------------------- */

/* Another rollout or canary: what was known is of no use, and what is under way would answer for the wrong version. */
static void take_versions(struct external *external, const struct external_now *now)
{
	const char *canary = now->canary ? now->canary : "";

	if (external->rollout == now->rollout && strcmp(external->baseline, now->baseline) == 0 &&
	    strcmp(external->canary, canary) == 0)
		return;
	external->rollout = now->rollout;
	snprintf(external->baseline, sizeof(external->baseline), "%s", now->baseline);
	snprintf(external->canary, sizeof(external->canary), "%s", canary);
	for (unsigned i = 0; i < external->n_indicators; i++) {
		forget(&external->indicators[i]);
		init(&external->indicators[i], external, external->indicators[i].index);
	}
}

static bool is_muted(const struct external *external, const char *sli)
{
	const struct external_now *now = &external->now;
	const struct mutes none = { 0 };
	double configured_until = 0;

	for (uint32_t i = 0; i < external->service->slis_count; i++)
		if (strcmp(external->service->slis[i].name, sli) == 0)
			configured_until = external->service->slis[i].muted_until;
	return mutes_is_muted(now->mutes ? now->mutes : &none, sli, configured_until, now->unix_s);
}

static void fill_muted(const struct external *external, struct sample *sample)
{
	memset(sample->muted, 0, sizeof(sample->muted));
	sample->muted[FINDING_ERRORS] = is_muted(external, "errors");
	sample->muted[FINDING_LATENCY] = is_muted(external, "latency");
	for (unsigned i = 0; i < external->n_indicators; i++)
		sample->muted[BUILTIN + i] = is_muted(external, indicator_sli(&external->indicators[i])->name);
}

void external_tick(struct external *external, const struct external_now *now, struct sample *sample)
{
	take_versions(external, now);
	external->now = *now;
	fill_muted(external, sample);
	for (unsigned i = 0; i < external->n_indicators; i++) {
		struct indicator *x = &external->indicators[i];
		struct sample_external *r = &x->result;

		if (now->canary)
			look_if_due(x);
		sample->external[i] = *r;
		r->fresh = false;
		r->baseline_n = r->baseline_y = r->canary_n = r->canary_y = 0;
	}
}

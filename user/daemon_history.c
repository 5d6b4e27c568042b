/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What becomes of a service's rollout, tick by tick, and the journal's memory of it. */
#include "user/daemon_internal.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "user/history_json.h"
#include "user/journal_kept.h"
#include "user/log.h"

#define KEY "history"
#define EVERY_NS 60000000000ULL

/* ---- in the journal -------------------------------------------------------------------------------------- */

/* Not worth an error: it decides nothing. */
static void keep(struct daemon *daemon, struct daemon_service *service)
{
	json_t *json = history_json(service->history);
	char *text = json ? json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(13)) : NULL;

	service->kept_history_ns = daemon_monotonic_ns();
	if (text)
		journal_keep(daemon->journal, service->config->name, KEY, text, false);
	free(text);
	json_decref(json);
}

static void recall(struct daemon *daemon, struct daemon_service *service)
{
	struct history *history = service->history;
	char *text = NULL;
	int r = journal_kept(daemon->journal, service->config->name, KEY, &text);
	json_t *json;

	if (r)
		return;
	json = json_loads(text, 0, NULL);
	if (history_json_parse(history, json))
		log_warning("service %s: the history of the last rollout cannot be read; it begins anew", service->config->name);
	if (history->rollout != rollout_view(service->rollout).id)
		memset(history, 0, sizeof(*history));
	json_decref(json);
	free(text);
}

int daemon_open_history(struct daemon *daemon, struct daemon_service *service)
{
	struct history *history = calloc(1, sizeof(*history));

	if (!history)
		return -ENOMEM;
	service->history = history;
	recall(daemon, service);
	if (history->rollout) /* the time without a daemon has passed, too */
		history->age_s = fmax(history->age_s, daemon_unix_s() - history->began_unix_s);
	return 0;
}

void daemon_close_history(struct daemon *daemon, struct daemon_service *service)
{
	if (service->history && service->history->rollout && !service->history->ended)
		keep(daemon, service);
	free(service->history);
	service->history = NULL;
}

/* ---- a tick ---------------------------------------------------------------------------------------------- */

static void measure(const struct sampler_version_view *view, const struct sample_version *sample, double *ret)
{
	bool timed = view && histogram_count(&view->ttfb);

	ret[HISTORY_P50_S] = timed ? histogram_quantile_mid_s(&view->ttfb, 0.50) : NAN;
	ret[HISTORY_P99_S] = timed ? histogram_quantile_mid_s(&view->ttfb, 0.99) : NAN;
	ret[HISTORY_ATTEMPTS] = (double)sample->attempts;
	ret[HISTORY_FAILED] = (double)sample->failed;
}

static void add(struct daemon_service *service, const struct rollout_view *view)
{
	struct history *history = service->history;
	const struct sample_version *samples[] = { &service->sample.baseline, &service->sample.canary };
	const struct sampler_version_view *seen[HISTORY_VERSIONS];
	bool promoted = view->policy->status == POLICY_PROMOTED;
	struct history_tick tick = {
		.wanted = promoted ? 1 : view->weight_wanted,
		.applied = promoted ? 1 : view->weight_applied,
		.finding = view->finding,
	};

	for (unsigned v = 0; v < HISTORY_VERSIONS; v++) {
		seen[v] = sampler_view(service->sampler, history->version[v].name);
		measure(seen[v], samples[v], tick.version[v]);
		if (seen[v])
			history_count(history, v, &seen[v]->counters);
	}
	tick.measured = sampler_measured_weight(seen[HISTORY_CANARY], seen[HISTORY_BASELINE]);
	history_add(history, (double)(service->sample.elapsed_ns + service->sample.asleep_ns) / 1e9, &tick);
}

void daemon_tick_history(struct daemon *daemon, struct daemon_service *service, double unix_s)
{
	struct rollout_view view = rollout_view(service->rollout);
	struct history *history = service->history;
	bool active = rollout_is_active(service->rollout);

	if (active && view.id != history->rollout)
		history_begin(history, view.id, view.last_baseline, view.last_canary, unix_s);
	if (!history->rollout || view.id != history->rollout || history->ended)
		return;
	add(service, &view);
	history->ended = !active;
	if (history->ended || daemon_monotonic_ns() - service->kept_history_ns >= EVERY_NS)
		keep(daemon, service);
}

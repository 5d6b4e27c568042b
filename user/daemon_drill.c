/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A drill as the daemon does it: whether it may be now, what it is done with, and its trace in journal and log. */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/daemon_internal.h"
#include "user/error.h"
#include "user/journal_kept.h"
#include "user/log.h"

#define KEY "drill"

/* The named one; or the canary that is released, or the first version with a backend in use that is not the baseline. */
static int choose(const struct daemon_service *service, const struct rollout_view *view, const char *wanted,
		  const char **ret, char **ret_error)
{
	const char *name = wanted ?: view->canary;

	for (size_t v = 0; v < service->inventory->n_versions; v++) {
		const struct inventory_version *version = &service->inventory->versions[v];

		if (name ? strcmp(version->name, name) : !version->n_backends)
			continue;
		if (!strcmp(version->name, view->baseline))
			continue;
		*ret = version->name;
		return 0;
	}
	return error_set(ret_error, -ENOENT, "service %s has no version %s beside its baseline %s (canaryctl status %s)",
			 service->config->name, name ?: "with backends", view->baseline, service->config->name);
}

/* For a moment the lease is over for all: where a canary has flows to come, they would be the baseline's. */
static int refuse_lease(const struct daemon *daemon, char **ret_error)
{
	for (size_t s = 0; s < daemon->n_services; s++) {
		const struct daemon_service *service = &daemon->services[s];

		if (rollout_is_active(service->rollout))
			return error_set(ret_error, -EBUSY, "service %s has a rollout under way, whose canary would lose new flows: "
					 "rehearse the lease when it is over", service->config->name);
	}
	return 0;
}

static int keep(const char *sentence, void *context)
{
	struct daemon_service *service = context;
	json_t *json = json_pack("{s:f, s:s}", "t", daemon_unix_s(), "says", sentence);
	char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
	int r;

	json_decref(json);
	if (!text)
		return -ENOMEM;
	r = journal_keep(service->daemon->journal, service->config->name, KEY, text, true);
	free(text);
	return r;
}

static void report(struct daemon_service *service, enum drill_kind kind, const struct drill *drill)
{
	char sentence[DRILL_TEXT];
	int r;

	snprintf(sentence, sizeof(sentence), "drill of the %s: %s, in %.3g ms; no client's flow was touched", drill_name(kind),
		 drill->passed ? "the kernel fell back to the baseline" : "the kernel did NOT fall back to the baseline",
		 drill->took_s * 1e3);
	daemon_note(service, sentence);
	r = keep(sentence, service);
	if (r)
		log_warning("service %s: this is not in the journal: %s", service->config->name, strerror(-r));
}

int daemon_drill(struct daemon *daemon, struct daemon_service *service, enum drill_kind kind, const char *canary,
		 struct drill *ret, const char **ret_canary, char **ret_error)
{
	struct rollout_view view = rollout_view(service->rollout);
	struct drill_environment environment = {
		.datapath = daemon->datapath, .inventory = daemon->inventory, .config = daemon->config,
		.service = service->config, .baseline = view.baseline, .lease_ns = daemon->lease_ns,
		.write = keep, .context = service,
	};
	int r = choose(service, &view, canary, &environment.canary, ret_error);

	if (!r && kind == DRILL_LEASE)
		r = refuse_lease(daemon, ret_error);
	if (!r)
		r = drill_run(kind, &environment, ret, ret_error);
	if (r)
		return r;
	*ret_canary = environment.canary;
	report(service, kind, ret);
	return 0;
}

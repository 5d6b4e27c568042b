/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Services: the split, the last rollout, its decisions, the kernel's breaker. */
#include "user/metrics_internal.h"

#include <math.h>

#include "user/view.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* One service, seen once. */
struct seen {
	const struct daemon_service *service;
	const char *name;
	struct rollout_view rollout;
	const struct sampler_version_view *baseline, *canary; /* canary: NULL where there is none */
};

/* One value of a service; NAN: none. */
struct gauge {
	const char *family, *help;
	double (*value)(const struct seen *);
};

/* ---- numbers ------------------------------------------------------------------------------------------------ */

static double weight_wanted(const struct seen *seen)
{
	return seen->rollout.weight_wanted;
}

static double weight_applied(const struct seen *seen)
{
	return seen->rollout.weight_applied;
}

static double weight_measured(const struct seen *seen)
{
	return sampler_measured_weight(seen->canary, seen->baseline);
}

static double split_epoch(const struct seen *seen)
{
	return seen->rollout.epoch;
}

static double of_rollout(const struct seen *seen, double value)
{
	return seen->rollout.id ? value : NAN;
}

static double rollout_id(const struct seen *seen)
{
	return of_rollout(seen, seen->rollout.id);
}

static double rollout_active(const struct seen *seen)
{
	return rollout_is_active(seen->service->rollout);
}

static double rollout_step(const struct seen *seen)
{
	return of_rollout(seen, seen->rollout.policy->step + 1);
}

static double rollout_steps(const struct seen *seen)
{
	return of_rollout(seen, seen->rollout.plan->n_steps);
}

static double rollout_started(const struct seen *seen)
{
	return of_rollout(seen, seen->rollout.started);
}

static double rollout_ended(const struct seen *seen)
{
	return seen->rollout.ended > 0 ? of_rollout(seen, seen->rollout.ended) : NAN;
}

static double breaker_enabled(const struct seen *seen)
{
	return seen->service->config->breaker.enabled;
}

static double breaker_is_tripped(const struct seen *seen)
{
	return seen->rollout.tripped;
}

static const struct gauge gauges[] = {
	{ "canaryd_weight_wanted_ratio", "share of new flows that are to go to the canary", weight_wanted },
	{ "canaryd_weight_applied_ratio", "the same as the kernel has it", weight_applied },
	{ "canaryd_weight_measured_ratio", "share of the flows of the last 10 s that went to the canary", weight_measured },
	{ "canaryd_split_epoch", "counts the changes of weight", split_epoch },
	{ "canaryd_rollout_id", "number of the last rollout", rollout_id },
	{ "canaryd_rollout_active", "1: a rollout is under way", rollout_active },
	{ "canaryd_rollout_step", "the step it is in, from 1", rollout_step },
	{ "canaryd_rollout_steps", "steps of its plan", rollout_steps },
	{ "canaryd_rollout_started_timestamp_seconds", "when it began", rollout_started },
	{ "canaryd_rollout_ended_timestamp_seconds", "when it ended", rollout_ended },
	{ "canaryd_breaker_enabled", "1: the kernel takes a failing canary's new flows away by itself", breaker_enabled },
	{ "canaryd_breaker_tripped", "1: it has, and the canary gets none", breaker_is_tripped },
};

/* ---- words -------------------------------------------------------------------------------------------------- */

static void add_states(struct metrics *metrics, const struct seen *seen)
{
	for (enum policy_status s = 0; s < POLICY_STATUSES; s++)
		metrics_add(metrics, of_rollout(seen, seen->rollout.policy->status == s), "service", seen->name, "state",
			    policy_status_name(s), NULL);
}

static void add_phases(struct metrics *metrics, const struct seen *seen)
{
	for (enum policy_phase p = 0; p < POLICY_PHASES; p++)
		metrics_add(metrics, of_rollout(seen, seen->rollout.policy->phase == p), "service", seen->name, "phase",
			    policy_phase_name(p), NULL);
}

static void add_held(struct metrics *metrics, const struct seen *seen)
{
	for (enum policy_held h = POLICY_HELD_NOT + 1; h < POLICY_HELD_CAUSES; h++)
		metrics_add(metrics, of_rollout(seen, seen->rollout.policy->held == h), "service", seen->name, "held",
			    policy_held_name(h), NULL);
}

static void add_decisions(struct metrics *metrics, const struct seen *seen)
{
	for (enum policy_kind k = POLICY_NONE + 1; k < POLICY_KINDS; k++)
		if (k != POLICY_NOTE)
			metrics_add(metrics, seen->service->decisions[k], "service", seen->name, "decision",
				    policy_kind_name(k), NULL);
}

static void add_samples(struct metrics *metrics, const struct seen *seen)
{
	for (enum flow_class c = 0; c < FLOW_CLASSES; c++)
		metrics_add(metrics, flow_samples_kept(seen->service->samples, c), "service", seen->name, "class",
			    flow_samples_class_name(c), NULL);
}

static void add_left_out(struct metrics *metrics, const struct seen *seen)
{
	for (enum flow_class c = 0; c < FLOW_CLASSES; c++)
		metrics_add(metrics, flow_samples_left_out(seen->service->samples, c), "service", seen->name, "class",
			    flow_samples_class_name(c), NULL);
}

/* The present one alone, so that it joins: * on (service, version) group_left (role) canaryd_version_role. */
static void add_roles(struct metrics *metrics, const struct seen *seen)
{
	const struct inventory_service *inventory = seen->service->inventory;

	for (size_t v = 0; v < inventory->n_versions; v++)
		metrics_add(metrics, 1, "service", seen->name, "version", inventory->versions[v].name, "role",
			    view_role(seen->service, inventory->versions[v].name, &seen->rollout), NULL);
}

static void add_burn(struct metrics *metrics, const struct seen *seen)
{
	const struct finding *finding = seen->rollout.finding;

	if (!finding->n_slis)
		return;
	metrics_add(metrics, finding->burn_baseline, "service", seen->name, "role", "baseline", NULL);
	metrics_add(metrics, finding->burn_canary, "service", seen->name, "role", "canary", NULL);
}

static const struct words {
	enum metrics_type type;
	const char *family, *help;
	void (*add)(struct metrics *, const struct seen *);
} words[] = {
	{ METRICS_GAUGE, "canaryd_rollout_state", "1 for the state the last rollout is in", add_states },
	{ METRICS_GAUGE, "canaryd_rollout_phase", "1 for the phase it is in", add_phases },
	{ METRICS_GAUGE, "canaryd_rollout_held", "1 for why it is held", add_held },
	{ METRICS_COUNTER, "canaryd_decisions_total", "decisions since canaryd began", add_decisions },
	{ METRICS_COUNTER, "canaryd_flow_samples_total", "flows that failed or were slow and were sampled: canaryctl flows shows the "
	  "last ones", add_samples },
	{ METRICS_COUNTER, "canaryd_flow_samples_left_out_total", "those that the kernel's rate limit left out", add_left_out },
	{ METRICS_GAUGE, "canaryd_version_role", "1, with the role that the version has now", add_roles },
	{ METRICS_GAUGE, "canaryd_burn_rate", "times as fast as the error budget allows, over 5 min, while there is a rollout",
	  add_burn },
};

/* ---- all ---------------------------------------------------------------------------------------------------- */

static struct seen see(const struct daemon_service *service)
{
	struct seen seen = { .service = service, .name = service->config->name, .rollout = rollout_view(service->rollout) };

	seen.baseline = sampler_view(service->sampler, seen.rollout.baseline);
	if (seen.baseline && seen.rollout.canary)
		seen.canary = sampler_view(service->sampler, seen.rollout.canary);
	return seen;
}

void metrics_collect_rollouts(struct metrics *metrics, const struct daemon *daemon)
{
	for (size_t g = 0; g < COUNT(gauges); g++) {
		metrics_family(metrics, METRICS_GAUGE, gauges[g].family, gauges[g].help);
		for (size_t s = 0; s < daemon->n_services; s++) {
			struct seen seen = see(&daemon->services[s]);

			metrics_add(metrics, gauges[g].value(&seen), "service", seen.name, NULL);
		}
	}
	for (size_t w = 0; w < COUNT(words); w++) {
		metrics_family(metrics, words[w].type, words[w].family, words[w].help);
		for (size_t s = 0; s < daemon->n_services; s++) {
			struct seen seen = see(&daemon->services[s]);

			words[w].add(metrics, &seen);
		}
	}
}

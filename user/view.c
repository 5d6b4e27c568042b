/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "user/view.h"

#include <canaryd/api.h>
#include <math.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#include "user/rollout_json.h"
#include "user/view_backends.h"
#include "user/view_cohorts.h"
#include "user/view_samples.h"
#include "user/view_unavailable.h"

#define DECISIONS_SHOWN 1000

static void set(json_t *object, const char *key, json_t *value)
{
	json_object_set_new(object, key, value);
}

static json_t *string_or_null(const char *text)
{
	return text ? json_string(text) : json_null();
}

/* ---- versions ----------------------------------------------------------------------------------------------- */

const char *view_role(const struct daemon_service *service, const char *version, const struct rollout_view *rollout)
{
	if (daemon_is_shadow(service, rollout, version))
		return "shadow";
	if (!strcmp(version, rollout->baseline))
		return "baseline";
	return rollout->canary && !strcmp(version, rollout->canary) ? "canary" : "standby";
}

static json_t *view_version(const struct daemon_service *service, const struct inventory_version *version,
			    const struct rollout_view *rollout)
{
	const struct sampler_version_view *sampled = sampler_view(service->sampler, version->name);
	json_t *object = json_object();

	set(object, "name", json_string(version->name));
	set(object, "role", json_string(view_role(service, version->name, rollout)));
	set(object, "rate", rollout_json_number(sampled->rate));
	set(object, "attempts", json_integer(sampler_attempts(&sampled->counters)));
	set(object, "failed", json_integer(sampler_failed(&sampled->counters)));
	set(object, "active_flows", json_integer(sampled->active_flows));
	set(object, "counters", view_counters(&sampled->counters));
	set(object, "http_coverage", rollout_json_number(sampler_http_coverage(&sampled->counters)));
	set(object, "ttfb_seconds", view_quantiles(&sampled->ttfb));
	set(object, "connect_seconds", view_quantiles(&sampled->connect));
	set(object, "rotation", view_rotation(service, version->name));
	set(object, "backends", view_backends(service, version->name));
	return object;
}

/* ---- rollouts ----------------------------------------------------------------------------------------------- */

static json_t *view_evidence(const struct finding_evidence *evidence)
{
	/* e^700 is the largest a JSON reader holds. */
	double ln_e = isnan(evidence->ln_e) ? NAN : fmin(evidence->ln_e, 700);

	return json_pack("{s:o, s:o}", "evidence", rollout_json_number(exp(ln_e)), "bound",
			 rollout_json_number(exp(evidence->ln_bound)));
}

/* Of all SLIs together. */
static json_t *view_rollback(const struct finding *finding)
{
	const struct finding_evidence evidence = { finding->ln_e_rollback, finding->ln_bound };
	json_t *object;

	if (!finding->n_slis)
		return json_null();
	object = view_evidence(&evidence);
	set(object, "hold", rollout_json_number(exp(finding->ln_hold)));
	return object;
}

static json_t *view_sli(const struct finding_sli *sli, const struct mutes *mutes)
{
	const struct mute *mute = sli->muted ? mutes_find(mutes, sli->name) : NULL;
	json_t *object = json_object();

	set(object, "name", json_string(sli->name));
	set(object, "verdict", json_string(finding_verdict_name(sli->verdict)));
	set(object, "rollback", view_evidence(&sli->rollback));
	set(object, "promotion", view_evidence(&sli->promotion));
	set(object, "baseline", rollout_json_number(sli->baseline));
	set(object, "canary", rollout_json_number(sli->canary));
	set(object, "unit", json_string(finding_unit_name(sli->unit)));
	set(object, "quantile", rollout_json_number(sli->quantile));
	set(object, "counts", rollout_json_counts(&sli->counts));
	set(object, "interval", sli->interval_valid ? json_pack("[o, o]", rollout_json_number(sli->interval_low),
								 rollout_json_number(sli->interval_high)) :
						      json_null());
	set(object, "time_to_verdict_s", rollout_json_number(sli->time_to_verdict_s));
	set(object, "kind", json_string(finding_kind_name(sli->kind)));
	set(object, "critical", json_boolean(sli->critical));
	set(object, "weight", json_real(sli->weight));
	set(object, "dry_run", json_boolean(sli->dry_run));
	set(object, "muted", json_boolean(sli->muted));
	set(object, "muted_until", rollout_json_number(mute ? mute->until : NAN));
	set(object, "muted_by", string_or_null(mute ? mute->by : NULL));
	set(object, "state", json_string(finding_state_name(sli->state)));
	set(object, "said", string_or_null(*sli->said ? sli->said : NULL));
	set(object, "bound", rollout_json_number(sli->bound));
	return object;
}

static json_t *view_slis(const struct finding *finding, const struct mutes *mutes)
{
	json_t *slis = json_array();

	for (unsigned i = 0; i < finding->n_slis; i++)
		json_array_append_new(slis, view_sli(&finding->sli[i], mutes));
	return slis;
}

static json_t *view_waiting(const struct rollout_view *rollout)
{
	char sentence[FINDING_REASON] = "";

	if (rollout->policy->phase == POLICY_ENDED || !rollout->finding->n_slis)
		return json_null();
	policy_print_waiting(rollout->plan, rollout->policy, rollout->finding, sentence);
	return json_string(sentence);
}

static json_t *view_expiry(const struct rollout_view *rollout)
{
	const struct policy_state *policy = rollout->policy;
	bool waits = policy->status == POLICY_PAUSED ||
		     (policy->status == POLICY_HELD && policy->held != POLICY_HELD_BLACKOUT);

	return rollout_json_number(waits && rollout->plan->expire_s > 0 ? rollout->plan->expire_s - policy->idle_s : NAN);
}

static json_t *view_burn(const struct finding *finding)
{
	return json_pack("{s:o, s:o, s:b, s:b}", "baseline", rollout_json_number(finding->burn_baseline), "canary",
			 rollout_json_number(finding->burn_canary), "blocks", finding->burn_blocks, "pages",
			 finding->burn_pages);
}

static json_t *view_budget(const struct finding *finding)
{
	double failures = finding->budget_failures > 0 ? finding->budget_failures : NAN;

	return json_pack("{s:o, s:o}", "failures", rollout_json_number(failures), "excess",
			 rollout_json_number(finding->excess_failures));
}

json_t *view_rollout(const struct daemon_service *service)
{
	struct rollout_view rollout = rollout_view(service->rollout);
	json_t *object;

	if (!rollout.id)
		return json_null();
	object = json_object();
	set(object, "id", json_integer(rollout.id));
	set(object, "service", json_string(service->config->name));
	set(object, "canary", string_or_null(rollout.last_canary));
	set(object, "baseline", string_or_null(rollout.last_baseline));
	set(object, "state", json_string(policy_status_name(rollout.policy->status)));
	set(object, "phase", json_string(policy_phase_name(rollout.policy->phase)));
	set(object, "step", json_integer(rollout.policy->step));
	set(object, "steps", rollout_json_steps(rollout.plan));
	set(object, "bake_s", json_real(rollout.plan->bake_s));
	set(object, "held", string_or_null(rollout.policy->held ? policy_held_name(rollout.policy->held) : NULL));
	set(object, "started", json_real(rollout.started));
	set(object, "ended", rollout.ended ? json_real(rollout.ended) : json_null());
	set(object, "weight", json_real(rollout.weight_wanted));
	set(object, "waiting", view_waiting(&rollout));
	set(object, "expires_s", view_expiry(&rollout));
	set(object, "burn", view_burn(rollout.finding));
	set(object, "budget", view_budget(rollout.finding));
	set(object, "data", json_string(finding_data_name(rollout.finding->data)));
	set(object, "evidence", json_string(rollout.finding->reason));
	set(object, "rollback", view_rollback(rollout.finding));
	set(object, "reason", json_string(rollout.reason));
	set(object, "slis", view_slis(rollout.finding, &service->mutes));
	return object;
}

static json_t *view_row(const struct journal_rollout *row)
{
	json_t *object = json_object(), *plan = row->plan ? json_loads(row->plan, 0, NULL) : NULL;

	set(object, "id", json_integer(row->id));
	set(object, "service", json_string(row->service));
	set(object, "canary", json_string(row->canary));
	set(object, "baseline", json_string(row->baseline));
	set(object, "state", json_string(row->state));
	set(object, "phase", json_string(row->phase));
	set(object, "step", json_integer(row->step));
	json_object_update(object, plan);
	json_decref(plan);
	set(object, "started", json_real(row->started));
	set(object, "ended", row->ended ? json_real(row->ended) : json_null());
	set(object, "weight", json_real(row->weight_ppm / 1e6));
	set(object, "reason", string_or_null(row->reason));
	return object;
}

static json_t *view_decision(const struct journal_decision *row)
{
	json_t *counts = row->counts ? json_loads(row->counts, 0, NULL) : NULL;
	json_t *object = json_object();

	set(object, "t", json_real(row->t));
	set(object, "decision", json_string(row->decision));
	set(object, "state", json_string(row->state));
	set(object, "step", json_integer(row->step));
	set(object, "weight_from", json_real(row->weight_from_ppm / 1e6));
	set(object, "weight_to", json_real(row->weight_to_ppm / 1e6));
	set(object, "sli", string_or_null(row->sli));
	set(object, "value", rollout_json_number(row->value));
	set(object, "bound", rollout_json_number(row->bound));
	set(object, "unit", string_or_null(row->unit));
	set(object, "counts", counts ? counts : json_null());
	set(object, "reason", string_or_null(row->reason));
	return object;
}

int view_rollouts(struct daemon *daemon, const char *service, size_t limit, json_t **ret)
{
	struct journal_rollouts rows = {};
	json_t *list;
	int r = journal_rollouts_list(daemon->journal, service, limit, &rows);

	if (r)
		return r;
	list = json_array();
	for (size_t i = 0; i < rows.count; i++)
		json_array_append_new(list, view_row(&rows.items[i]));
	journal_rollouts_clear(&rows);
	*ret = json_pack("{s:o}", "rollouts", list);
	return 0;
}

/* The rollout as view_rollout() has it while it is a service's last one; else as the journal does, without SLIs. */
static json_t *view_last_or_row(struct daemon *daemon, const struct journal_rollout *row)
{
	for (size_t s = 0; s < daemon->n_services; s++)
		if (rollout_view(daemon->services[s].rollout).id == row->id)
			return view_rollout(&daemon->services[s]);
	return view_row(row);
}

int view_past_rollout(struct daemon *daemon, int64_t id, json_t **ret)
{
	struct journal_rollouts rows = {};
	struct journal_decisions decisions = {};
	json_t *object, *list;
	int r = journal_rollout_load(daemon->journal, id, &rows);

	if (!r)
		r = journal_decisions_load(daemon->journal, id, DECISIONS_SHOWN, &decisions);
	if (!r) {
		object = view_last_or_row(daemon, &rows.items[0]);
		list = json_array();
		for (size_t i = 0; i < decisions.count; i++)
			json_array_append_new(list, view_decision(&decisions.items[i]));
		set(object, "decisions", list);
		*ret = object;
	}
	journal_rollouts_clear(&rows);
	journal_decisions_clear(&decisions);
	return r;
}

/* ---- services ----------------------------------------------------------------------------------------------- */

static json_t *view_versions(const struct daemon_service *service, const struct rollout_view *rollout)
{
	json_t *versions = json_array();

	for (size_t v = 0; v < service->inventory->n_versions; v++)
		json_array_append_new(versions, view_version(service, &service->inventory->versions[v], rollout));
	return versions;
}

static json_t *view_trip(const struct rollout_view *rollout)
{
	const struct breaker_trip *trip = &rollout->trip;

	if (!rollout->tripped)
		return json_null();
	return json_pack("{s:f, s:I, s:I, s:f, s:s}", "seconds_ago", (daemon_monotonic_ns() - trip->at_ns) / 1e9, "attempts",
			 (json_int_t)trip->attempts, "failures", (json_int_t)trip->failures, "window_s", trip->window_s,
			 "kind", trip->kind);
}

static json_t *view_breaker(const struct config_breaker *breaker, const struct rollout_view *rollout)
{
	return json_pack("{s:b, s:f, s:i, s:f, s:o}", "enabled", breaker->enabled, "window_s", breaker->window_s,
			 "min_failures", (int)breaker->min_failures, "ratio", breaker->ratio_percent / 100, "tripped",
			 view_trip(rollout));
}

static json_t *view_shadow(const struct config_shadow *shadow)
{
	return *shadow->version ? json_pack("{s:s, s:f}", "version", shadow->version, "share", shadow->percent / 100) :
				  json_null();
}

static json_t *view_starting(const struct daemon_service *service)
{
	char hook[HOOKS_NAME], why[CONSENT_WHY];

	if (!*service->starting || !hooks_starting(service->hooks, hook, why))
		return json_null();
	return json_pack("{s:s, s:s, s:s}", "canary", service->starting, "hook", hook, "why", why);
}

static json_t *view_service(const struct daemon_service *service)
{
	struct rollout_view rollout = rollout_view(service->rollout);
	const struct sampler_version_view *baseline = sampler_view(service->sampler, rollout.baseline);
	const struct sampler_version_view *canary = rollout.canary ? sampler_view(service->sampler, rollout.canary) : NULL;
	json_t *object = json_object();

	set(object, "name", json_string(service->config->name));
	set(object, "vip", json_string(service->config->vip));
	set(object, "protocol", json_string(service->config->protocol == IPPROTO_UDP ? "udp" : "tcp"));
	set(object, "mode", json_string(config_mode_name(service->config->mode)));
	set(object, "affinity", json_string(service->config->affinity == CANARY_AFFINITY_CLIENT ? "client" : "flow"));
	set(object, "baseline", json_string(rollout.baseline));
	set(object, "canary", string_or_null(rollout.canary));
	set(object, "epoch", json_integer(rollout.epoch));
	set(object, "generation", json_integer(rollout.generation));
	set(object, "weight", json_pack("{s:f, s:f, s:o}", "wanted", rollout.weight_wanted, "applied",
					rollout.weight_applied, "measured", rollout_json_number(sampler_measured_weight(canary, baseline))));
	set(object, "rescue", json_boolean(service->config->rescue));
	set(object, "breaker", view_breaker(&service->config->breaker, &rollout));
	set(object, "versions", view_versions(service, &rollout));
	set(object, "shadow", view_shadow(&service->config->shadow));
	set(object, "cohorts", view_cohorts(service));
	set(object, "mutes", mutes_json(&service->mutes));
	set(object, "rollout", view_rollout(service));
	set(object, "starting", view_starting(service));
	set(object, "failed_flows", view_failed_flows(service));
	view_unavailable(object, service->config);
	return object;
}

/* ---- the whole ---------------------------------------------------------------------------------------------- */

static json_t *view_interfaces(const struct daemon *daemon)
{
	const struct datapath_interface *interfaces;
	size_t n = datapath_interfaces(daemon->datapath, &interfaces);
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, json_pack("{s:s, s:s, s:s}", "name", interfaces[i].name, "xdp",
						      interfaces[i].xdp_native ? "native" : "generic", "tc",
						      interfaces[i].tcx ? "tcx" : "clsact"));
	return list;
}

static json_t *view_reasons(const struct daemon *daemon)
{
	struct canary_reasons reasons;
	json_t *object = json_object();

	if (datapath_reasons(daemon->datapath, &reasons))
		return object;
#define X(name, help) set(object, #name, json_integer(reasons.name));
	CANARY_REASONS(X)
#undef X
	return object;
}

static json_t *view_flow_table(const struct daemon *daemon)
{
	struct canary_flow_table table = {};

	datapath_flow_table(daemon->datapath, &table);
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "entries", (json_int_t)daemon->capacity.present, "capacity",
			 (json_int_t)datapath_flows_capacity(daemon->datapath), "inserted", (json_int_t)table.inserted,
			 "evicted", (json_int_t)daemon->capacity.evicted, "probation", (json_int_t)table.probation,
			 "promoted", (json_int_t)table.promoted);
}

json_t *view_status(struct daemon *daemon)
{
	json_t *object = json_object(), *services = json_array();

	for (size_t s = 0; s < daemon->n_services; s++)
		json_array_append_new(services, view_service(&daemon->services[s]));
	set(object, "version", json_string(CANARYD_VERSION));
	set(object, "pid", json_integer(getpid()));
	set(object, "abi", json_integer(CANARY_ABI));
	set(object, "shadow", json_boolean(daemon->shadow));
	set(object, "uptime_s", json_real((daemon_monotonic_ns() - daemon->started_ns) / 1e9));
	set(object, "tick_s", json_real(daemon->config->tick_ms / 1e3));
	set(object, "tick_took_s", json_real(daemon->tick_took_ns / 1e9));
	set(object, "pin_dir", json_string(daemon->config->pin_dir));
	set(object, "lease", json_pack("{s:f, s:s}", "s", daemon->config->lease.s, "on_expiry",
				       daemon->config->lease.on_expiry == CONFIG_ON_EXPIRY_HOLD ? "hold" : "baseline"));
	set(object, "interfaces", view_interfaces(daemon));
	set(object, "flow_table", view_flow_table(daemon));
	set(object, "reasons", view_reasons(daemon));
	set(object, "services", services);
	set(object, "alerts", alerts_view(daemon->alerts));
	return object;
}

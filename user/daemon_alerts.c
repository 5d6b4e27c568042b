/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the daemon knows of its services, as facts for alerts; and what others report, for its rollouts. */
#include "user/daemon_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "user/error.h"
#include "user/log.h"

/* What is said of a unit in a crash loop, where an SLI of the service looks at one. */
static const char *find_crash_loop(const struct daemon_service *service, const struct finding *finding)
{
	for (uint32_t i = 0; i < service->config->slis_count; i++) {
		const struct config_sli *sli = &service->config->slis[i];

		if (sli->measure != CONFIG_MEASURE_CRASH_LOOP)
			continue;
		for (unsigned f = 0; f < finding->n_slis; f++)
			if (!strcmp(finding->sli[f].name, sli->name) && finding->sli[f].verdict == FINDING_FAIL &&
			    !finding->sli[f].muted)
				return finding->sli[f].said;
	}
	return NULL;
}

#define WHY 256

/* What is wrong with the first that is out is written to `why`. */
static struct alert_backends count_backends(const struct daemon_service *service, const char *version, char why[WHY])
{
	struct alert_backends of = { .address = "", .why = why };

	*why = '\0';
	for (size_t i = 0; version && i < service->rotation->n; i++) {
		const struct rotation_entry *entry = &service->rotation->entries[i];
		enum rotation_state state = rotation_state(entry);

		if (strcmp(entry->version, version))
			continue;
		of.well += rotation_is_well(entry);
		if (state != ROTATION_UNHEALTHY && state != ROTATION_EJECTED)
			continue;
		if (!of.out++) {
			of.address = entry->address;
			rotation_why(entry, why, WHY, daemon_monotonic_ns());
		}
	}
	return of;
}

static bool is_silent(const struct daemon *daemon, const struct daemon_service *service, double unix_s)
{
	time_t now = (time_t)unix_s;
	struct tm local;

	return localtime_r(&now, &local) && config_blackout_active(daemon->config, service->config, &local);
}

void daemon_tick_alerts(struct daemon *daemon)
{
	double now_s = daemon_monotonic_ns() / 1e9, unix_s = daemon_unix_s();

	for (size_t s = 0; s < daemon->n_services; s++) {
		const struct daemon_service *service = &daemon->services[s];
		struct rollout_view view = rollout_view(service->rollout);
		char why_baseline[WHY], why_canary[WHY];
		const struct alert_facts facts = {
			.now_s = now_s, .unix_s = unix_s, .service = service->config->name, .baseline = view.baseline,
			.canary = view.last_canary ?: "", .active = rollout_is_active(service->rollout), .ended = view.ended,
			.policy = view.policy, .finding = view.finding,
			.of_baseline = count_backends(service, view.baseline, why_baseline),
			.of_canary = count_backends(service, view.canary, why_canary),
			.crash_loop = find_crash_loop(service, view.finding),
		};

		alerts_tick(daemon->alerts, (unsigned)s, &facts, &service->sample, is_silent(daemon, service, unix_s));
	}
	alerts_turn(daemon->alerts, now_s);
}

/* ---- reports of others ----------------------------------------------------------------------------------- */

static unsigned index_of(const struct daemon *daemon, const struct daemon_service *service)
{
	return (unsigned)(service - daemon->services);
}

/* Among the decisions of the last rollout, and in the log. */
static void note(struct daemon_service *service, const char *sentence)
{
	char *error = NULL;

	log_notice("service %s: %s", service->config->name, sentence);
	if (rollout_view(service->rollout).id && rollout_note(service->rollout, sentence, daemon_unix_s(), &error))
		log_warning("service %s: this is not in the journal: %s", service->config->name, error ?: "out of memory");
	free(error);
}

static void on_expired(unsigned service, const struct alert_report *report, void *context)
{
	char sentence[FINDING_REASON + 64], words[FINDING_REASON];
	struct daemon *daemon = context;

	snprintf(sentence, sizeof(sentence), "%s: its time is over: %s", report->version, alert_report_print(words, report));
	note(&daemon->services[service], sentence);
}

int daemon_open_alerts(struct daemon *daemon, char **ret_error)
{
	const struct alerts_environment environment = { daemon->fetch, daemon->journal, on_expired, daemon };
	int r = alerts_new(&environment, daemon->config, daemon_monotonic_ns() / 1e9, daemon_unix_s(), &daemon->alerts);

	return r ? error_set(ret_error, r, "%s", r == -ENOMEM ? "out of memory" : journal_error(daemon->journal)) : 0;
}

static void heed(struct daemon *daemon, struct daemon_service *service)
{
	const char *canary = rollout_view(service->rollout).canary;
	enum finding_say says = FINDING_SAYS_NOTHING;
	char why[FINDING_REASON] = "";

	if (canary)
		says = alerts_say(daemon->alerts, index_of(daemon, service), canary, why);
	rollout_set_alert(service->rollout, says, why);
}

void daemon_heed_reports(struct daemon *daemon)
{
	for (size_t s = 0; s < daemon->n_services; s++)
		heed(daemon, &daemon->services[s]);
}

int daemon_refuse_reported(const struct daemon_service *service, const char *canary, char **ret_error)
{
	const struct daemon *daemon = service->daemon;
	char why[FINDING_REASON] = "";

	if (alerts_say(daemon->alerts, index_of(daemon, service), canary, why) == FINDING_SAYS_NOTHING)
		return 0;
	return error_set(ret_error, -EBUSY, "version %s of service %s is not to be released: %s (mend it, and "
			 "`canaryctl alert resolve %s %s`)", canary, service->config->name, why,
			 service->config->name, canary);
}

static int find_service(struct daemon *daemon, const char *name, struct daemon_service **ret, char **ret_error)
{
	*ret = daemon_find_service(daemon, name);
	if (!*ret)
		return error_set(ret_error, -ENOENT, "service: there is no service %s (`canaryctl status` lists them)", name);
	return 0;
}

static int complete_version(const struct daemon_service *service, struct alert_report *report, char **ret_error)
{
	struct rollout_view view = rollout_view(service->rollout);

	if (!*report->version)
		snprintf(report->version, sizeof(report->version), "%s", view.canary ?: view.baseline);
	if (config_find_version(service->config, report->version))
		return 0;
	return error_set(ret_error, -ENOENT, "version: service %s has no version %s (`canaryctl status %s` shows them)",
			 service->config->name, report->version, service->config->name);
}

int daemon_report(struct daemon *daemon, const json_t *body, uint32_t uid, json_t **ret, char **ret_error)
{
	char sentence[FINDING_REASON + 64], words[FINDING_REASON];
	struct daemon_service *service = NULL;
	struct alert_report report;
	const char *name;
	int r = alert_report_parse(body, &daemon->config->alert_rules, daemon_unix_s(), &name, &report, ret_error);

	if (!r)
		r = find_service(daemon, name, &service, ret_error);
	if (!r)
		r = complete_version(service, &report, ret_error);
	if (r)
		return r;
	report.uid = uid;
	r = alerts_report(daemon->alerts, index_of(daemon, service), &report, ret_error);
	if (r)
		return r;
	snprintf(sentence, sizeof(sentence), "%s: %s", report.version, alert_report_print(words, &report));
	note(service, sentence);
	heed(daemon, service);
	*ret = alert_report_json(&report, service->config->name);
	return 0;
}

static void note_resolved(struct daemon_service *service, const json_t *report, uint32_t uid)
{
	char sentence[FINDING_REASON + 64];

	snprintf(sentence, sizeof(sentence), "%s: resolved by uid %u: security %s: %s",
		 json_string_value(json_object_get(report, "version")), uid,
		 json_string_value(json_object_get(report, "severity")),
		 json_string_value(json_object_get(report, "summary")));
	note(service, sentence);
}

int daemon_resolve_reports(struct daemon *daemon, const json_t *body, uint32_t uid, json_t **ret, char **ret_error)
{
	struct alert_report_filter filter;
	struct daemon_service *service = NULL;
	json_t *list = json_array(), *report;
	int r = alert_report_parse_filter(body, &filter, ret_error);
	size_t i;

	if (!r)
		r = find_service(daemon, filter.service, &service, ret_error);
	if (!r)
		r = alerts_resolve(daemon->alerts, index_of(daemon, service), &filter, daemon_unix_s(), list, ret_error);
	if (r) {
		json_decref(list);
		return r;
	}
	json_array_foreach(list, i, report)
		note_resolved(service, report, uid);
	heed(daemon, service);
	*ret = json_pack("{s:o}", "resolved", list);
	return 0;
}

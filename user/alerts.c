/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "user/alerts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/alerts_internal.h"
#include "user/log.h"

#define REPEATS_MISSED 4 /* an Alertmanager that has not heard for so many resolves by itself */

/* ---- telling --------------------------------------------------------------------------------------------- */

struct alerts_subject alerts_subject_of_rule(struct alerts_service *service, enum alert_rule rule)
{
	return (struct alerts_subject){ service->name, alert_rule_name(rule), &service->incidents[rule], NULL };
}

struct alerts_subject alerts_subject_of_report(struct alerts_service *service, struct alert_report *report)
{
	return (struct alerts_subject){ service->name, ALERT_REPORT_NAME, &report->incident, report };
}

static struct alert_message message_of(const struct alerts *alerts, const struct alerts_subject *subject,
				       enum alert_act act, double unix_s)
{
	double lasts_s = act == ALERT_RESOLVE ? 0 : REPEATS_MISSED * alerts->rules.repeat_s;

	return (struct alert_message){
		.service = subject->service,
		.alertname = subject->name,
		.key = subject->report ? subject->report->key : "",
		.uid = subject->report ? (int64_t)subject->report->uid : -1,
		.incident = subject->incident,
		.rules = &alerts->rules,
		.ends_unix_s = unix_s + lasts_s,
	};
}

static void enqueue(struct alert_queue *queue, json_t *json)
{
	char *body = json ? json_dumps(json, JSON_COMPACT) : NULL;

	if (body)
		alert_queue_add(queue, body);
}

static void tell_webhooks(struct alerts *alerts, const struct alert_message *message, bool resolved)
{
	json_t *json = alert_message_webhook(message, resolved);

	for (unsigned i = 0; i < alerts->n_receivers; i++)
		if (alerts->receivers[i].kind == CONFIG_ALERT_WEBHOOK)
			enqueue(alerts->receivers[i].queue, json);
	json_decref(json);
}

/* The journal comes last: a daemon that ends in between tells twice, and not never. */
void alerts_tell(struct alerts *alerts, const struct alerts_subject *subject, enum alert_act act, double unix_s)
{
	struct alert_message message = message_of(alerts, subject, act, unix_s);

	if (act != ALERT_REPEAT) {
		log_notice("alert%s (%s): %s", act == ALERT_FIRE ? "" : " is over",
			   alert_severity_name(subject->incident->severity), subject->incident->summary);
		tell_webhooks(alerts, &message, act == ALERT_RESOLVE);
	}
	if (!alerts->batch)
		alerts->batch = json_array();
	json_array_append_new(alerts->batch, alert_message_json(&message));
	if (act == ALERT_RESOLVE && !subject->report)
		alerts_forget(alerts, subject, false);
	else if (act != ALERT_REPEAT || !subject->incident->kept)
		alerts_keep(alerts, subject, false);
}

void alerts_tick(struct alerts *alerts, unsigned service, const struct alert_facts *facts, const struct sample *sample,
		 bool silent)
{
	struct alert_condition conditions[ALERT_RULES];
	struct alerts_service *s = &alerts->services[service];

	alert_window_add(&s->window, sample, facts->now_s);
	alert_rules_judge(&alerts->rules, facts, &s->window, conditions);
	for (unsigned rule = 0; rule < ALERT_RULES; rule++) {
		struct alerts_subject subject = alerts_subject_of_rule(s, (enum alert_rule)rule);
		enum alert_act act = alert_incident_tick(subject.incident, &conditions[rule], &alerts->rules, facts->now_s,
							 silent);

		if (act != ALERT_NOTHING)
			alerts_tell(alerts, &subject, act, facts->unix_s);
	}
	alerts_tick_reports(alerts, s, facts->now_s, facts->unix_s, silent);
}

void alerts_turn(struct alerts *alerts, double now_s)
{
	for (unsigned i = 0; i < alerts->n_receivers; i++) {
		if (alerts->batch && alerts->receivers[i].kind == CONFIG_ALERT_ALERTMANAGER)
			enqueue(alerts->receivers[i].queue, alerts->batch);
		alert_queue_turn(alerts->receivers[i].queue, now_s);
	}
	json_decref(alerts->batch);
	alerts->batch = NULL;
}

/* ---- view ------------------------------------------------------------------------------------------------ */

static json_t *incident_json(const struct alerts_service *service, enum alert_rule rule)
{
	const struct alert_incident *incident = &service->incidents[rule];

	return json_pack("{s:s, s:s, s:s, s:s, s:f, s:b, s:s, s:s}", "alertname", alert_rule_name(rule), "service",
			 service->name, "version", incident->version, "severity", alert_severity_name(incident->severity),
			 "began", incident->began_unix_s, "told", incident->told, "summary", incident->summary,
			 "description", incident->description);
}

static void add_firing(json_t *list, const struct alerts_service *service)
{
	for (unsigned rule = 0; rule < ALERT_RULES; rule++)
		if (service->incidents[rule].firing)
			json_array_append_new(list, incident_json(service, (enum alert_rule)rule));
	for (size_t i = 0; i < service->n_reports; i++)
		if (!service->reports[i].over)
			json_array_append_new(list, alert_report_json(&service->reports[i], service->name));
}

static json_t *receiver_json(const struct alerts_receiver *receiver)
{
	struct alert_queue_counts counts = alert_queue_counts(receiver->queue);

	return json_pack("{s:s, s:I, s:I, s:I, s:i}", "url", alert_queue_url(receiver->queue), "sent",
			 (json_int_t)counts.sent, "failed", (json_int_t)counts.failed, "dropped",
			 (json_int_t)counts.dropped, "waiting", (int)counts.waiting);
}

json_t *alerts_view(const struct alerts *alerts)
{
	json_t *firing = json_array(), *receivers = json_array();

	for (unsigned s = 0; s < alerts->n_services; s++)
		add_firing(firing, &alerts->services[s]);
	for (unsigned i = 0; i < alerts->n_receivers; i++)
		json_array_append_new(receivers, receiver_json(&alerts->receivers[i]));
	return json_pack("{s:o, s:o}", "firing", firing, "receivers", receivers);
}

/* ---- life ------------------------------------------------------------------------------------------------ */

/* What an Alertmanager misses it hears again, or takes for over: only a webhook's posts are kept. */
static int add_receiver(struct alerts *alerts, const struct config_alert *config)
{
	struct alerts_receiver *receiver = &alerts->receivers[alerts->n_receivers];
	bool is_webhook = config->kind == CONFIG_ALERT_WEBHOOK;
	char url[CONFIG_URL_MAX + 32];
	size_t length = strlen(config->url);
	int r;

	while (length && config->url[length - 1] == '/')
		length--;
	if (is_webhook)
		snprintf(url, sizeof(url), "%s", config->url);
	else
		snprintf(url, sizeof(url), "%.*s/api/v2/alerts", (int)length, config->url);
	r = alert_queue_new(alerts->environment.fetch, is_webhook ? alerts->environment.journal : NULL, url,
			    (uint64_t)(config->timeout_s * 1e3), &receiver->queue);
	if (r)
		return r;
	receiver->kind = config->kind;
	alerts->n_receivers++;
	return 0;
}

static int add_receivers(struct alerts *alerts, const struct config *config)
{
	const char *urls[CONFIG_ALERTS_MAX];
	int r = 0;

	for (uint32_t i = 0; i < config->alerts_count; i++)
		urls[i] = config->alerts[i].url;
	if (alerts->environment.journal)
		r = journal_posts_prune(alerts->environment.journal, urls, config->alerts_count);
	for (uint32_t i = 0; !r && i < config->alerts_count; i++)
		r = add_receiver(alerts, &config->alerts[i]);
	return r;
}

int alerts_new(const struct alerts_environment *environment, const struct config *config, double now_s, double unix_s,
	       struct alerts **ret)
{
	struct alerts *alerts = calloc(1, sizeof(*alerts));
	int r = 0;

	if (!alerts)
		return -ENOMEM;
	alerts->environment = *environment;
	alerts->rules = config->alert_rules;
	alerts->services = calloc(config->services_count, sizeof(*alerts->services));
	if (!alerts->services)
		r = -ENOMEM;
	for (uint32_t s = 0; !r && s < config->services_count; s++)
		memcpy(alerts->services[alerts->n_services++].name, config->services[s].name, CANARY_NAME_MAX);
	if (!r)
		r = add_receivers(alerts, config);
	if (!r && environment->journal)
		r = alerts_load(alerts, now_s, unix_s);
	if (r) {
		alerts_free(alerts);
		return r;
	}
	*ret = alerts;
	return 0;
}

struct alerts *alerts_free(struct alerts *alerts)
{
	if (!alerts)
		return NULL;
	for (unsigned i = 0; i < alerts->n_receivers; i++)
		alert_queue_free(alerts->receivers[i].queue);
	for (unsigned s = 0; s < alerts->n_services; s++)
		free(alerts->services[s].reports);
	json_decref(alerts->batch);
	free(alerts->services);
	free(alerts);
	return NULL;
}

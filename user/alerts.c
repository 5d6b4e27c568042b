/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "user/alerts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/alert_message.h"
#include "user/log.h"

#define REPEATS_MISSED 4 /* an Alertmanager that has not heard for so many resolves by itself */

struct receiver {
	enum config_alert_kind kind;
	struct alert_queue *queue;
};

struct service {
	char name[CANARY_NAME_MAX];
	struct alert_window window;
	struct alert_incident incidents[ALERT_RULES];
};

struct alerts {
	struct config_alert_rules rules;
	unsigned n_receivers;
	struct receiver receivers[CONFIG_ALERTS_MAX];
	unsigned n_services;
	struct service *services;
	json_t *batch; /* of this tick, for Alertmanagers; NULL: nothing */
};

static struct alert_message message_of(const struct alerts *alerts, const struct service *service, unsigned rule,
				       enum alert_act act, double unix_s)
{
	double lasts_s = act == ALERT_RESOLVE ? 0 : REPEATS_MISSED * alerts->rules.repeat_s;

	return (struct alert_message){
		.service = service->name,
		.alertname = alert_rule_name((enum alert_rule)rule),
		.severity = alert_rule_severity(&alerts->rules, (enum alert_rule)rule),
		.incident = &service->incidents[rule],
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

static void tell(struct alerts *alerts, const struct service *service, unsigned rule, enum alert_act act, double unix_s)
{
	struct alert_message message = message_of(alerts, service, rule, act, unix_s);

	if (act != ALERT_REPEAT)
		log_notice("alert%s (%s): %s", act == ALERT_FIRE ? "" : " is over", alert_severity_name(message.severity),
			   message.incident->summary);
	if (act != ALERT_REPEAT)
		tell_webhooks(alerts, &message, act == ALERT_RESOLVE);
	if (!alerts->batch)
		alerts->batch = json_array();
	json_array_append_new(alerts->batch, alert_message_json(&message));
}

void alerts_tick(struct alerts *alerts, unsigned service, const struct alert_facts *facts, const struct sample *sample,
		 bool silent)
{
	struct alert_condition conditions[ALERT_RULES];
	struct service *s = &alerts->services[service];

	alert_window_add(&s->window, sample, facts->now_s);
	alert_rules_judge(&alerts->rules, facts, &s->window, conditions);
	for (unsigned rule = 0; rule < ALERT_RULES; rule++) {
		enum alert_act act = alert_incident_tick(&s->incidents[rule], &conditions[rule], &alerts->rules, facts->now_s,
							 silent);

		if (act != ALERT_NOTHING)
			tell(alerts, s, rule, act, facts->unix_s);
	}
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

static json_t *incident_json(const struct alerts *alerts, const struct service *service, unsigned rule)
{
	const struct alert_incident *incident = &service->incidents[rule];

	return json_pack("{s:s, s:s, s:s, s:s, s:f, s:b, s:s, s:s}", "alertname",
			 alert_rule_name((enum alert_rule)rule), "service", service->name, "version", incident->version,
			 "severity", alert_severity_name(alert_rule_severity(&alerts->rules, (enum alert_rule)rule)),
			 "began", incident->began_unix_s, "told", incident->told, "summary", incident->summary,
			 "description", incident->description);
}

static json_t *receiver_json(const struct receiver *receiver)
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
		for (unsigned rule = 0; rule < ALERT_RULES; rule++)
			if (alerts->services[s].incidents[rule].firing)
				json_array_append_new(firing, incident_json(alerts, &alerts->services[s], rule));
	for (unsigned i = 0; i < alerts->n_receivers; i++)
		json_array_append_new(receivers, receiver_json(&alerts->receivers[i]));
	return json_pack("{s:o, s:o}", "firing", firing, "receivers", receivers);
}

/* ---- life ------------------------------------------------------------------------------------------------ */

static int add_receiver(struct alerts *alerts, struct fetch *fetch, const struct config_alert *config)
{
	struct receiver *receiver = &alerts->receivers[alerts->n_receivers];
	char url[CONFIG_URL_MAX + 32];
	size_t length = strlen(config->url);
	int r;

	while (length && config->url[length - 1] == '/')
		length--;
	if (config->kind == CONFIG_ALERT_ALERTMANAGER)
		snprintf(url, sizeof(url), "%.*s/api/v2/alerts", (int)length, config->url);
	else
		snprintf(url, sizeof(url), "%s", config->url);
	r = alert_queue_new(fetch, url, (uint64_t)(config->timeout_s * 1e3), &receiver->queue);
	if (r)
		return r;
	receiver->kind = config->kind;
	alerts->n_receivers++;
	return 0;
}

int alerts_new(struct fetch *fetch, const struct config *config, struct alerts **ret)
{
	struct alerts *alerts = calloc(1, sizeof(*alerts));
	int r = 0;

	if (!alerts)
		return -ENOMEM;
	alerts->rules = config->alert_rules;
	alerts->services = calloc(config->services_count, sizeof(*alerts->services));
	if (!alerts->services)
		r = -ENOMEM;
	for (uint32_t s = 0; !r && s < config->services_count; s++)
		memcpy(alerts->services[alerts->n_services++].name, config->services[s].name, CANARY_NAME_MAX);
	for (uint32_t i = 0; !r && i < config->alerts_count; i++)
		r = add_receiver(alerts, fetch, &config->alerts[i]);
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
	json_decref(alerts->batch);
	free(alerts->services);
	free(alerts);
	return NULL;
}

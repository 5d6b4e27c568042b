/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the next daemon is to know of alerts. */
#include "user/alerts_internal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "user/journal_alerts.h"
#include "user/log.h"

/* ---- out ------------------------------------------------------------------------------------------------- */

static struct journal_alert row_of(const struct alerts_subject *subject)
{
	const struct alert_incident *incident = subject->incident;
	const struct alert_report *report = subject->report;
	struct journal_alert row = {
		.service = subject->service, .name = subject->name, .version = incident->version, .key = "",
		.severity = alert_severity_name(incident->severity), .summary = incident->summary,
		.description = incident->description, .began = incident->began_unix_s, .uid = -1, .told = incident->told,
	};

	if (!report)
		return row;
	row.version = report->version;
	row.key = report->key;
	row.severity = alert_severity_name(report->severity);
	row.action = alert_action_name(report->action);
	row.summary = report->summary;
	row.description = report->description;
	row.began = report->began_unix_s;
	row.until = report->until_unix_s;
	row.uid = report->uid;
	return row;
}

static bool say(struct alerts *alerts, int r)
{
	if (r && !alerts->unkept)
		log_warning("alerts: the next daemon would not know of this one: %s",
			    journal_error(alerts->environment.journal));
	alerts->unkept = r;
	return !r;
}

void alerts_keep(struct alerts *alerts, const struct alerts_subject *subject, bool synced)
{
	struct journal_alert row = row_of(subject);

	if (alerts->environment.journal)
		subject->incident->kept = say(alerts, journal_alert_save(alerts->environment.journal, &row, synced));
}

void alerts_forget(struct alerts *alerts, const struct alerts_subject *subject, bool synced)
{
	struct journal_alert row = row_of(subject);

	subject->incident->kept = false;
	if (alerts->environment.journal)
		say(alerts, journal_alert_delete(alerts->environment.journal, &row, synced));
}

/* ---- in -------------------------------------------------------------------------------------------------- */

static struct alerts_service *find_service(struct alerts *alerts, const char *name)
{
	for (unsigned s = 0; s < alerts->n_services; s++)
		if (!strcmp(alerts->services[s].name, name))
			return &alerts->services[s];
	return NULL;
}

/* Receivers know of it. What goes on has spoken just now: it has alert_rules.resolve_s to speak again. */
static struct alert_incident incident_of(const struct journal_alert *row, double now_s)
{
	struct alert_incident incident = { .firing = true, .told = true, .kept = true, .began_unix_s = row->began,
					   .last_on_s = now_s, .told_s = -HUGE_VAL };

	alert_severity_parse(row->severity, &incident.severity);
	snprintf(incident.version, sizeof(incident.version), "%s", row->version);
	snprintf(incident.summary, sizeof(incident.summary), "%s", row->summary);
	snprintf(incident.description, sizeof(incident.description), "%s", row->description);
	return incident;
}

static bool load_report(struct alerts *alerts, struct alerts_service *service, const struct journal_alert *row,
			double now_s, double unix_s)
{
	struct alert_report *report = alerts_add_report(service);

	if (!report)
		return false;
	snprintf(report->version, sizeof(report->version), "%s", row->version);
	snprintf(report->key, sizeof(report->key), "%s", row->key);
	snprintf(report->summary, sizeof(report->summary), "%s", row->summary);
	snprintf(report->description, sizeof(report->description), "%s", row->description);
	alert_severity_parse(row->severity, &report->severity);
	alert_action_parse(row->action, &report->action);
	report->began_unix_s = row->began;
	report->until_unix_s = row->until;
	report->uid = (uint32_t)row->uid;
	report->over = alerts->rules.security == CONFIG_SEVERITY_OFF || (row->until > 0 && unix_s >= row->until);
	if (row->told)
		report->incident = incident_of(row, now_s);
	report->incident.kept = true;
	return true;
}

static bool load_incident(struct alerts_service *service, const struct journal_alert *row, double now_s)
{
	for (unsigned rule = 0; rule < ALERT_RULES; rule++) {
		struct alert_incident *incident = &service->incidents[rule];

		if (strcmp(alert_rule_name((enum alert_rule)rule), row->name) != 0 || incident->firing)
			continue;
		*incident = incident_of(row, now_s);
		return true;
	}
	return false;
}

/* Its service, or its rule, is no more: nobody else would say that it is over. */
static void end(struct alerts *alerts, const struct journal_alert *row, double now_s, double unix_s)
{
	struct alert_report report = { .uid = (uint32_t)row->uid };
	struct alert_incident incident = incident_of(row, now_s);
	struct alerts_subject subject = { row->service, row->name, &incident, row->action ? &report : NULL };

	snprintf(report.version, sizeof(report.version), "%s", row->version);
	snprintf(report.key, sizeof(report.key), "%s", row->key);
	if (row->told)
		alerts_tell(alerts, &subject, ALERT_RESOLVE, unix_s);
	alerts_forget(alerts, &subject, false);
}

int alerts_load(struct alerts *alerts, double now_s, double unix_s)
{
	struct journal_alerts rows = { 0 };
	int r = journal_alerts_load(alerts->environment.journal, &rows);

	for (size_t i = 0; !r && i < rows.count; i++) {
		const struct journal_alert *row = &rows.items[i];
		struct alerts_service *service = find_service(alerts, row->service);

		if (service && row->action && load_report(alerts, service, row, now_s, unix_s))
			continue;
		if (service && !row->action && load_incident(service, row, now_s))
			continue;
		end(alerts, row, now_s, unix_s);
	}
	journal_alerts_clear(&rows);
	return r;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The reports of others: taken, resolved, and what they say of a rollout. */
#include "user/alerts_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/error.h"

struct alert_report *alerts_add_report(struct alerts_service *service)
{
	struct alert_report *grown = reallocarray(service->reports, service->n_reports + 1, sizeof(*grown));

	if (!grown)
		return NULL;
	service->reports = grown;
	grown += service->n_reports++;
	memset(grown, 0, sizeof(*grown));
	return grown;
}

static void remove_report(struct alerts_service *service, size_t i)
{
	struct alert_report *report = &service->reports[i];

	service->n_reports--;
	memmove(report, report + 1, (service->n_reports - i) * sizeof(*report));
}

static struct alert_report *find(struct alerts_service *service, const struct alert_report *like)
{
	const struct alert_report_filter filter = { .version = like->version, .key = like->key };

	for (size_t i = 0; i < service->n_reports; i++)
		if (alert_report_matches(&service->reports[i], &filter))
			return &service->reports[i];
	return NULL;
}

/* Where it stands already, it has begun then; where the end of one is still to be told, it never ended. */
static void renew(struct alert_report *to, const struct alert_report *report)
{
	struct alert_incident incident = to->incident;
	double began = to->over || !to->began_unix_s ? report->began_unix_s : to->began_unix_s;

	*to = *report;
	to->began_unix_s = began;
	to->incident = incident;
}

int alerts_report(struct alerts *alerts, unsigned service, const struct alert_report *report, char **ret_error)
{
	struct alerts_service *s = &alerts->services[service];
	struct alert_report *to = find(s, report);
	struct alerts_subject subject;

	if (alerts->rules.security == CONFIG_SEVERITY_OFF)
		return error_set(ret_error, -EBUSY, "alert_rules.security is off: no reports are taken (set it to page or "
				 "ticket)");
	if (!to && s->n_reports >= ALERT_REPORTS_MAX)
		return error_set(ret_error, -EBUSY, "%d reports of service %s stand, and there is no room for more (resolve "
				 "some: `canaryctl alert resolve %s`)", ALERT_REPORTS_MAX, s->name, s->name);
	if (!to)
		to = alerts_add_report(s);
	if (!to)
		return error_set(ret_error, -ENOMEM, "out of memory");
	renew(to, report);
	subject = alerts_subject_of_report(s, to);
	alerts_keep(alerts, &subject, true);
	return 0;
}

/* Its incident ends in the next tick that may tell so; until then the journal has it as one that has ended. */
static void end(struct alerts *alerts, struct alerts_service *service, struct alert_report *report, double unix_s)
{
	struct alerts_subject subject = alerts_subject_of_report(service, report);

	report->over = true;
	report->until_unix_s = unix_s;
	alerts_keep(alerts, &subject, true);
}

int alerts_resolve(struct alerts *alerts, unsigned service, const struct alert_report_filter *filter, double unix_s,
		   json_t *list, char **ret_error)
{
	struct alerts_service *s = &alerts->services[service];
	bool any = false;

	for (size_t i = 0; i < s->n_reports; i++) {
		struct alert_report *report = &s->reports[i];

		if (report->over || !alert_report_matches(report, filter))
			continue;
		any = true;
		end(alerts, s, report, unix_s);
		json_array_append_new(list, alert_report_json(report, s->name));
	}
	if (!any)
		return error_set(ret_error, -ENOENT, "no such report of service %s stands (`canaryctl status` shows those that "
				 "do)", s->name);
	return 0;
}

enum finding_say alerts_say(const struct alerts *alerts, unsigned service, const char *version, char why[FINDING_REASON])
{
	const struct alerts_service *s = &alerts->services[service];
	enum finding_say says = FINDING_SAYS_NOTHING;

	for (size_t i = 0; i < s->n_reports; i++) {
		if (strcmp(s->reports[i].version, version) != 0 || alert_report_says(&s->reports[i]) <= says)
			continue;
		says = alert_report_says(&s->reports[i]);
		alert_report_print(why, &s->reports[i]);
	}
	return says;
}

static void look_at_time(struct alerts *alerts, struct alerts_service *service, struct alert_report *report, double unix_s)
{
	const struct alerts_environment *environment = &alerts->environment;

	if (report->over || report->until_unix_s <= 0 || unix_s < report->until_unix_s)
		return;
	end(alerts, service, report, unix_s);
	if (environment->expired)
		environment->expired((unsigned)(service - alerts->services), report, environment->context);
}

void alerts_tick_reports(struct alerts *alerts, struct alerts_service *service, double now_s, double unix_s, bool silent)
{
	for (size_t i = 0; i < service->n_reports;) {
		struct alert_report *report = &service->reports[i];
		struct alerts_subject subject = alerts_subject_of_report(service, report);
		struct alert_condition condition;
		enum alert_act act;

		look_at_time(alerts, service, report, unix_s);
		condition = alert_report_condition(report);
		act = alert_incident_tick(&report->incident, &condition, &alerts->rules, now_s, silent);
		if (act != ALERT_NOTHING)
			alerts_tell(alerts, &subject, act, unix_s);
		if (!report->over || report->incident.firing || report->incident.told) {
			i++;
			continue;
		}
		alerts_forget(alerts, &subject, true);
		remove_report(service, i);
	}
}

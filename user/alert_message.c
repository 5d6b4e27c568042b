/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "user/alert_message.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define TIME_MAX 40

static const char *print_time(char buf[TIME_MAX], double unix_s)
{
	time_t seconds = (time_t)floor(unix_s);
	int milliseconds = (int)((unix_s - floor(unix_s)) * 1000);
	char date[24];
	struct tm utc;

	gmtime_r(&seconds, &utc);
	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &utc);
	snprintf(buf, TIME_MAX, "%s.%03dZ", date, milliseconds);
	return buf;
}

static json_t *labels_json(const struct alert_message *message)
{
	json_t *labels = json_pack("{s:s, s:s, s:s}", "alertname", message->alertname, "service", message->service,
				   "severity", alert_severity_name(message->incident->severity));

	if (labels && *message->key)
		json_object_set_new(labels, "key", json_string(message->key));
	if (labels && *message->incident->version)
		json_object_set_new(labels, "version", json_string(message->incident->version));
	return labels;
}

static json_t *annotations_json(const struct alert_message *message)
{
	json_t *annotations = json_pack("{s:s, s:s}", "summary", message->incident->summary, "description",
					message->incident->description);
	char runbook[CONFIG_URL_MAX + 64], from[32];

	if (annotations && message->uid >= 0) {
		snprintf(from, sizeof(from), "uid %" PRId64, message->uid);
		json_object_set_new(annotations, "reported_by", json_string(from));
	}
	if (annotations && *message->rules->runbook_url) {
		snprintf(runbook, sizeof(runbook), "%s%s", message->rules->runbook_url, message->alertname);
		json_object_set_new(annotations, "runbook", json_string(runbook));
	}
	return annotations;
}

json_t *alert_message_json(const struct alert_message *message)
{
	char starts[TIME_MAX], ends[TIME_MAX];
	json_t *json = json_pack("{s:o, s:o, s:s, s:s}", "labels", labels_json(message), "annotations",
				 annotations_json(message), "startsAt",
				 print_time(starts, message->incident->began_unix_s), "endsAt",
				 print_time(ends, message->ends_unix_s));

	if (json && *message->rules->generator_url)
		json_object_set_new(json, "generatorURL", json_string(message->rules->generator_url));
	return json;
}

/* FNV-1a over the labels: names an incident, and keeps no secret. */
static uint64_t fingerprint(const json_t *labels)
{
	char *text = json_dumps(labels, JSON_COMPACT | JSON_SORT_KEYS);
	uint64_t hash = 0xcbf29ce484222325;

	for (const char *c = text; c && *c; c++)
		hash = (hash ^ (unsigned char)*c) * 0x100000001b3;
	free(text);
	return hash;
}

json_t *alert_message_webhook(const struct alert_message *message, bool resolved)
{
	json_t *json = alert_message_json(message);
	char hex[20];

	if (!json)
		return NULL;
	snprintf(hex, sizeof(hex), "%016" PRIx64, fingerprint(json_object_get(json, "labels")));
	json_object_set_new(json, "fingerprint", json_string(hex));
	json_object_set_new(json, "status", json_string(resolved ? "resolved" : "firing"));
	if (!resolved)
		json_object_set_new(json, "endsAt", json_null());
	return json;
}

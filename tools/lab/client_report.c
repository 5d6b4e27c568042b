/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the load generator saw, for programs (JSON) and for people (a line a second). */
#include "tools/lab/client.h"

#include <string.h>

unsigned int report_version(struct client *client, const char *name)
{
	for (unsigned int i = 0; i < CLIENT_VERSIONS_MAX; i++) {
		char *known = client->counts.versions[i].name;

		if (!*known)
			snprintf(known, CANARY_NAME_MAX, "%s", name);
		if (strncmp(known, name, CANARY_NAME_MAX - 1) == 0)
			return i;
	}
	strcpy(client->counts.versions[CLIENT_VERSIONS_MAX].name, "others");
	return CLIENT_VERSIONS_MAX;
}

static json_t *responses(const struct client_counts *counts)
{
	json_t *object = json_object();
	char name[4] = "1xx";

	for (unsigned int i = 1; i <= 5; i++, name[0]++)
		json_object_set_new(object, name, json_integer((json_int_t)counts->status_class[i]));
	return object;
}

static json_t *versions(const struct client_counts *counts)
{
	json_t *object = json_object();

	for (unsigned int i = 0; i <= CLIENT_VERSIONS_MAX; i++)
		if (*counts->versions[i].name)
			json_object_set_new(object, counts->versions[i].name,
					    json_integer((json_int_t)counts->versions[i].responses));
	return object;
}

json_t *report_make(struct client *client, double seconds)
{
	json_t *report = json_object();

#define X(name, help) json_object_set_new(report, #name, json_integer((json_int_t)client->counts.name));
	CLIENT_COUNTS(X)
#undef X
	json_object_set_new(report, "responses", responses(&client->counts));
	json_object_set_new(report, "versions", versions(&client->counts));
	json_object_set_new(report, "seconds", json_real(seconds));
	json_object_set_new(report, "connect_seconds", samples_report(&client->connect));
	json_object_set_new(report, "ttfb_seconds", samples_report(&client->ttfb));
	return report;
}

void report_progress(const struct client *client, double seconds)
{
	const struct client_counts *c = &client->counts;
	unsigned long long failed = c->refused + c->connect_timeouts + c->unreachable + c->resets_before + c->resets_mid +
				    c->empty_closes + c->truncated + c->malformed + c->response_timeouts;

	fprintf(stderr, "%4.0f s  %llu tried, %llu open, %llu of 2xx, %llu of 5xx, %llu failed;", seconds,
		(unsigned long long)c->attempts, (unsigned long long)client->in_flight,
		(unsigned long long)c->status_class[2], (unsigned long long)c->status_class[5], failed);
	for (unsigned int i = 0; i <= CLIENT_VERSIONS_MAX && *c->versions[i].name; i++)
		fprintf(stderr, " %s %llu", c->versions[i].name, (unsigned long long)c->versions[i].responses);
	fputc('\n', stderr);
}

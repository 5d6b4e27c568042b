/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "user/view_samples.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "user/rollout_json.h"
#include "user/template.h"

#define FAILED_FLOWS_SHOWN 10

static json_t *text_or_null(const char *text)
{
	return *text ? json_string(text) : json_null();
}

/* trace_id, and where there is a page for it, trace_url. */
static void set_trace(json_t *object, const struct flow_sample *sample, const char *url)
{
	char id[FLOW_SAMPLES_TRACE_ID + 1] = "", *link = NULL;
	const struct template_variable variable = { "trace_id", id };

	if (*sample->traceparent)
		memcpy(id, strchr(sample->traceparent, '-') + 1, FLOW_SAMPLES_TRACE_ID);
	if (*id && *url)
		template_expand(url, &variable, 1, &link, NULL, 0);
	json_object_set_new(object, "traceparent", text_or_null(sample->traceparent));
	json_object_set_new(object, "trace_id", text_or_null(id));
	json_object_set_new(object, "trace_url", text_or_null(link ?: ""));
	free(link);
}

static json_t *view_sample(const struct daemon_service *service, const struct flow_sample *sample)
{
	json_t *object = json_pack("{s:I, s:f, s:s, s:s, s:s, s:o, s:o, s:f, s:f, s:I}", "seq", (json_int_t)sample->seq, "t",
				   sample->unix_s, "class", flow_samples_class_name(sample->class), "kind",
				   flow_samples_kind_name(sample->kind), "client", sample->client, "version",
				   text_or_null(sample->version), "backend", text_or_null(sample->backend), "waited_seconds",
				   sample->waited_s, "age_seconds", sample->age_s, "request", (json_int_t)sample->request);

	set_trace(object, sample, service->config->samples.trace_url);
	return object;
}

static json_t *view_slow(uint64_t ns)
{
	return rollout_json_number(ns ? ns / 1e9 : NAN);
}

json_t *view_samples(const struct daemon_service *service, const struct view_samples_filter *filter)
{
	const struct canary_split *split = datapath_split(service->daemon->datapath, service->inventory->id);
	const struct flow_samples *samples = service->samples;
	const struct flow_sample *sample;
	json_t *flows = json_array();

	for (uint64_t seq = filter->after; (sample = flow_samples_after(samples, filter->classes, seq)); seq = sample->seq)
		if (!filter->version || !strcmp(filter->version, sample->version))
			json_array_append_new(flows, view_sample(service, sample));
	return json_pack("{s:s, s:I, s:b, s:o, s:o, s:{s:I, s:I}, s:o}", "service", service->config->name, "last",
			 (json_int_t)flow_samples_last(samples), "traces", service->config->samples.traces,
			 "slow_response_s", view_slow(split->slow_response_ns), "slow_connect_s",
			 view_slow(split->slow_connect_ns), "left_out", "failed",
			 (json_int_t)flow_samples_left_out(samples, FLOW_FAILED), "slow",
			 (json_int_t)flow_samples_left_out(samples, FLOW_SLOW), "flows", flows);
}

json_t *view_failed_flows(const struct daemon_service *service)
{
	const struct flow_sample *sample;
	json_t *list = json_array();

	for (uint64_t i = 0; i < FAILED_FLOWS_SHOWN && (sample = flow_samples_newest(service->samples, FLOW_FAILED, i)); i++)
		json_array_append_new(list, view_sample(service, sample));
	return list;
}

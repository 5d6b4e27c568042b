/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The keys of `samples`. */
#include "user/config_keys.h"

#include "user/config.h"
#include "user/config_table.h"

#define SAMPLES_KEYS(X)                                                                                             \
	X(CYAML_FIELD_UINT("ipv4_prefix", MAY, struct config_samples, ipv4_prefix),                                 \
	  "24", 0, 32, NULL, "bits of a client's IPv4 address that samples show; 32: all of it, and its port")      \
	X(CYAML_FIELD_UINT("ipv6_prefix", MAY, struct config_samples, ipv6_prefix),                                 \
	  "48", 0, 128, NULL, "bits of a client's IPv6 address; 128: all of it, and its port")                      \
	X(CYAML_FIELD_FLOAT("slow_response_s", MAY, struct config_samples, slow_response_s),                        \
	  NULL, 0, 64, NULL, "a response that comes after so long is slow; 0: none is; without: the baseline's p99 of 60 s, 1 ms at least") \
	X(CYAML_FIELD_FLOAT("slow_connect_s", MAY, struct config_samples, slow_connect_s),                          \
	  NULL, 0, 64, NULL, "a connection that stands after so long is slow; the same")                            \
	X(CYAML_FIELD_BOOL("traces", MAY, struct config_samples, traces),                                           \
	  "false", 0, 0, NULL, "the traceparent header of plain HTTP requests is kept, for those that are sampled") \
	X(CYAML_FIELD_STRING("trace_url", MAY, struct config_samples, trace_url, 1),                                \
	  NULL, 0, 0, NULL, "where people see a trace: https://traces.example/trace/{{trace_id}}")

const cyaml_schema_field_t config_samples_keys_fields[] = { SAMPLES_KEYS(FIELD) CYAML_FIELD_END };
static const struct config_key samples_rows[] = { SAMPLES_KEYS(KEY) };
const struct config_table config_samples_keys = { config_samples_keys_fields, samples_rows, COUNT(samples_rows) };

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The keys of `health`, `outlier` and `shadow`. */
#include "user/config_keys.h"

#include "user/config.h"
#include "user/config_table.h"

static const cyaml_strval_t types[] = {
	{ "none", CONFIG_HEALTH_NONE },
	{ "tcp", CONFIG_HEALTH_TCP },
	{ "http", CONFIG_HEALTH_HTTP },
	{ "exec", CONFIG_HEALTH_EXEC },
};

#define HEALTH_KEYS(X)                                                                                              \
	X(CYAML_FIELD_ENUM("type", WORD(MAY), struct config_health, type, types, COUNT(types)),                     \
	  "none", 0, 0, NULL, "tcp: it takes a connection; http: it answers a GET; exec: a command agrees")         \
	X(CYAML_FIELD_FLOAT("interval_s", MAY, struct config_health, interval_s),                                   \
	  "2", 0.05, 3600, NULL, "time from one check of a backend to the next")                                    \
	X(CYAML_FIELD_FLOAT("timeout_s", MAY, struct config_health, timeout_s),                                     \
	  "1", 0.01, 3600, NULL, "without an answer for so long a check has failed")                                \
	X(CYAML_FIELD_FLOAT("jitter_percent", MAY, struct config_health, jitter_percent),                           \
	  "20", 0, 100, NULL, "of interval_s, up or down by chance, so that checks don't fall together")            \
	X(CYAML_FIELD_UINT("rise", MAY, struct config_health, rise),                                                \
	  "2", 1, 1000, NULL, "good checks in a row that bring a backend back")                                     \
	X(CYAML_FIELD_UINT("fall", MAY, struct config_health, fall),                                                \
	  "3", 1, 1000, NULL, "failed checks in a row that take it out; of one never checked before a single one")  \
	X(CYAML_FIELD_UINT("port", MAY, struct config_health, port),                                                \
	  "0", 0, 65535, NULL, "tcp, http: the port that is asked; 0: the backend's own")                           \
	X(CYAML_FIELD_STRING("path", MAY, struct config_health, path, 1),                                           \
	  "/", 0, 0, NULL, "http: what is asked for")                                                               \
	X(CYAML_FIELD_STRING("host", MAY, struct config_health, host, 1),                                           \
	  NULL, 0, 0, NULL, "http: the Host header; without one: the backend's address")                            \
	X(CYAML_FIELD_STRING("status", MAY, struct config_health, status, 1),                                       \
	  "200-399", 0, 0, NULL, "http: the statuses that are good, \"200\" or \"200-399\"; redirects are not followed") \
	X(CYAML_FIELD_STRING("command", MAY, struct config_health, command, 1),                                     \
	  NULL, 0, 0, NULL, "exec: a line for /bin/sh with CANARYD_SERVICE, _VERSION, _BACKEND; exit status 0: good") \
	X(CYAML_FIELD_FLOAT("no_backend_s", MAY, struct config_health, no_backend_s),                               \
	  "30", 0, DAY_S, NULL, "a canary without a usable backend is held at once, and has failed after so long")

#define OUTLIER_KEYS(X)                                                                                             \
	X(CYAML_FIELD_BOOL("enabled", MAY, struct config_outlier, enabled),                                         \
	  "false", 0, 0, NULL, "whether backends are taken out by what becomes of their flows")                     \
	X(CYAML_FIELD_UINT("consecutive", MAY, struct config_outlier, consecutive),                                 \
	  "5", 0, 1e9, NULL, "failures without a success between them; 0: not looked at")                           \
	X(CYAML_FIELD_FLOAT("ratio_percent", MAY, struct config_outlier, ratio_percent),                            \
	  "50", 0.01, 100, NULL, "or so many percent of its attempts in window_s")                                  \
	X(CYAML_FIELD_UINT("min_attempts", MAY, struct config_outlier, min_attempts),                               \
	  "20", 1, 1e9, NULL, "where there are so many")                                                            \
	X(CYAML_FIELD_FLOAT("window_s", MAY, struct config_outlier, window_s),                                      \
	  "10", 1, 3600, NULL, "the last so many seconds")                                                          \
	X(CYAML_FIELD_FLOAT("ejection_s", MAY, struct config_outlier, ejection_s),                                  \
	  "30", 0.1, DAY_S, NULL, "it is out for so long, the second time twice, the third time three times")       \
	X(CYAML_FIELD_FLOAT("max_ejection_s", MAY, struct config_outlier, max_ejection_s),                          \
	  "300", 0.1, DAY_S, NULL, "and never longer than that")                                                    \
	X(CYAML_FIELD_FLOAT("max_ejected_percent", MAY, struct config_outlier, max_ejected_percent),                \
	  "50", 0, 100, NULL, "of a version's backends, at most so many are out by this at a time")                 \
	X(CYAML_FIELD_BOOL("http_5xx", MAY, struct config_outlier, http_5xx),                                       \
	  "false", 0, 0, NULL, "responses 5xx are failures as well")

const cyaml_schema_field_t config_health_keys_fields[] = { HEALTH_KEYS(FIELD) CYAML_FIELD_END };
static const struct config_key health_rows[] = { HEALTH_KEYS(KEY) };
const struct config_table config_health_keys = { config_health_keys_fields, health_rows, COUNT(health_rows) };

const cyaml_schema_field_t config_outlier_keys_fields[] = { OUTLIER_KEYS(FIELD) CYAML_FIELD_END };
static const struct config_key outlier_rows[] = { OUTLIER_KEYS(KEY) };
const struct config_table config_outlier_keys = { config_outlier_keys_fields, outlier_rows, COUNT(outlier_rows) };

#define SHADOW_KEYS(X)                                                                                              \
	X(CYAML_FIELD_STRING("version", MAY, struct config_shadow, version, 0),                                     \
	  NULL, 0, 0, NULL, "the version that gets copies of datagrams; what it answers is measured, and dropped")  \
	X(CYAML_FIELD_FLOAT("percent", MAY, struct config_shadow, percent),                                         \
	  "100", 0, 100, NULL, "the share of the datagrams that is copied")

const cyaml_schema_field_t config_shadow_keys_fields[] = { SHADOW_KEYS(FIELD) CYAML_FIELD_END };
static const struct config_key shadow_rows[] = { SHADOW_KEYS(KEY) };
const struct config_table config_shadow_keys = { config_shadow_keys_fields, shadow_rows, COUNT(shadow_rows) };

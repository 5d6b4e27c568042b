/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of configuration keys, but for the judge's. A row here is all it takes to add one. */
#include "user/config_keys.h"

#include <netinet/in.h>

#include "canaryd/api.h"
#include "user/config.h"
#include "user/config_table.h"

static const cyaml_strval_t protocols[] = { { "tcp", IPPROTO_TCP }, { "udp", IPPROTO_UDP } };
static const cyaml_strval_t modes[] = {
	{ "dnat", CANARY_MODE_DNAT },
	{ "fullnat", CANARY_MODE_FULLNAT },
	{ "dsr", CANARY_MODE_DSR },
};
static const cyaml_strval_t affinities[] = { { "flow", CANARY_AFFINITY_FLOW }, { "client", CANARY_AFFINITY_CLIENT } };
static const cyaml_strval_t on_fails[] = {
	{ "rollback", CONFIG_ON_FAIL_ROLLBACK },
	{ "hold", CONFIG_ON_FAIL_HOLD },
};

static const cyaml_strval_t on_expiries[] = {
	{ "baseline", CONFIG_ON_EXPIRY_BASELINE },
	{ "hold", CONFIG_ON_EXPIRY_HOLD },
};
static const cyaml_strval_t promotes[] = { { "auto", CONFIG_PROMOTE_AUTO }, { "never", CONFIG_PROMOTE_NEVER } };
static const cyaml_strval_t on_new_canaries[] = {
	{ "refuse", CONFIG_ON_NEW_CANARY_REFUSE },
	{ "replace", CONFIG_ON_NEW_CANARY_REPLACE },
};
static const cyaml_strval_t hook_ons[] = {
	{ "before_start", CONFIG_HOOK_BEFORE_START }, { "gate", CONFIG_HOOK_GATE },
	{ "before_step", CONFIG_HOOK_BEFORE_STEP },   { "after_step", CONFIG_HOOK_AFTER_STEP },
	{ "promoted", CONFIG_HOOK_PROMOTED },         { "rolled_back", CONFIG_HOOK_ROLLED_BACK },
};
_Static_assert(COUNT(hook_ons) == CONFIG_HOOK_EVENTS, "in the order of the enum");
static const cyaml_strval_t alert_kinds[] = {
	{ "alertmanager", CONFIG_ALERT_ALERTMANAGER },
	{ "webhook", CONFIG_ALERT_WEBHOOK },
};
static const cyaml_strval_t severities[] = {
	{ "page", CONFIG_SEVERITY_PAGE },
	{ "ticket", CONFIG_SEVERITY_TICKET },
	{ "off", CONFIG_SEVERITY_OFF },
};
static const cyaml_strval_t on_securities[] = {
	{ "hold", CONFIG_ON_SECURITY_HOLD },
	{ "rollback", CONFIG_ON_SECURITY_ROLLBACK },
	{ "tell", CONFIG_ON_SECURITY_TELL },
};
static const cyaml_strval_t days[] = {
	{ "mon", BLACKOUT_MON }, { "tue", BLACKOUT_TUE }, { "wed", BLACKOUT_WED }, { "thu", BLACKOUT_THU },
	{ "fri", BLACKOUT_FRI }, { "sat", BLACKOUT_SAT }, { "sun", BLACKOUT_SUN },
};

static const cyaml_strval_t cohort_actions[] = {
	{ "canary", CANARY_COHORT_CANARY },
	{ "baseline", CANARY_COHORT_BASELINE },
	{ "weight", CANARY_COHORT_WEIGHT },
	{ "exclude", CANARY_COHORT_EXCLUDE },
};

static const cyaml_strval_t sli_kinds[] = {
	{ "packet", CONFIG_SLI_PACKET }, { "promql", CONFIG_SLI_PROMQL }, { "unit", CONFIG_SLI_UNIT },
	{ "skew", CONFIG_SLI_SKEW },	 { "exec", CONFIG_SLI_EXEC },	  { "http", CONFIG_SLI_HTTP },
};
static const cyaml_strval_t criticals[] = {
	{ "auto", CONFIG_CRITICAL_AUTO },
	{ "true", CONFIG_CRITICAL_YES },
	{ "false", CONFIG_CRITICAL_NO },
};
static const cyaml_strval_t units[] = {
	{ "ratio", FINDING_RATIO },
	{ "seconds", FINDING_SECONDS },
	{ "number", FINDING_NUMBER },
	{ "bytes", FINDING_BYTES },
};
static const cyaml_strval_t measures[] = {
	{ "cpu", CONFIG_MEASURE_CPU },
	{ "cpu_per_request", CONFIG_MEASURE_CPU_PER_REQUEST },
	{ "memory", CONFIG_MEASURE_MEMORY },
	{ "memory_drift", CONFIG_MEASURE_MEMORY_DRIFT },
	{ "oom_kills", CONFIG_MEASURE_OOM_KILLS },
	{ "restarts", CONFIG_MEASURE_RESTARTS },
	{ "crash_loop", CONFIG_MEASURE_CRASH_LOOP },
};

/*
 * Elements of lists of plain text. The element is a struct that begins with the text: libcyaml steps by the struct's
 * size and writes the text, the rest is filled in afterwards.
 */
static const cyaml_schema_value_t interface_value = {
	CYAML_VALUE_STRING(CYAML_FLAG_DEFAULT, struct config_interface, 1, IFNAMSIZ - 1),
};
static const cyaml_schema_value_t listen_value = {
	CYAML_VALUE_STRING(CYAML_FLAG_DEFAULT, struct config_listen, 1, ADDRESS_MAX - 1),
};
static const cyaml_schema_value_t backend_value = {
	CYAML_VALUE_STRING(CYAML_FLAG_DEFAULT, struct config_backend, 1, ADDRESS_MAX - 1),
};
static const cyaml_schema_value_t source_value = {
	CYAML_VALUE_STRING(CYAML_FLAG_DEFAULT, struct config_source, 1, ADDRESS_MAX - 1),
};
static const cyaml_schema_value_t argument_value = {
	CYAML_VALUE_STRING(CYAML_FLAG_DEFAULT, struct config_argument, 0, CONFIG_ARGUMENT_MAX - 1),
};
static const cyaml_schema_value_t day_value = {
	CYAML_VALUE_ENUM(CYAML_FLAG_STRICT, struct config_day, days, COUNT(days)),
};
static const cyaml_schema_value_t prefix_value = {
	CYAML_VALUE_STRING(CYAML_FLAG_DEFAULT, struct config_prefix, 1, COHORT_PREFIX_TEXT - 1),
};
_Static_assert(offsetof(struct config_prefix, text) == 0, "the text comes first");
_Static_assert(offsetof(struct config_interface, name) == 0, "the text comes first");
_Static_assert(offsetof(struct config_backend, address) == 0, "the text comes first");
_Static_assert(offsetof(struct config_source, address) == 0, "the text comes first");
_Static_assert(offsetof(struct config_listen, address) == 0, "the text comes first");

#define VERSION_KEYS(X)                                                                                             \
	X(CYAML_FIELD_STRING("name", MUST, struct config_version, name, 1),                                         \
	  NULL, 0, 0, NULL, "the version's name: a-z, 0-9, '.', '_', '-'")                                          \
	X(CYAML_FIELD_SEQUENCE("backends", LIST, struct config_version, backends, &backend_value, 1,                \
			       CONFIG_BACKENDS_MAX),                                                                \
	  NULL, 0, 0, NULL, "where it listens: ADDR:PORT, an IPv6 ADDR in brackets, quoted")                        \
	X(CYAML_FIELD_UINT("max_flows", MAY, struct config_version, max_flows),                                     \
	  "0", 0, 1e9, NULL, "open flows beyond which a canary gets no more: they go to the baseline; 0: no cap")   \
	X(CYAML_FIELD_STRING("unit", MAY, struct config_version, unit, 0),                                          \
	  NULL, 0, 0, NULL, "the systemd unit it runs in, for SLIs of kind unit; or")                               \
	X(CYAML_FIELD_STRING("cgroup", MAY, struct config_version, cgroup, 0),                                      \
	  NULL, 0, 0, NULL, "its cgroup (v2): below the mount point, without a / before it; or the whole path")

#define STEP_KEYS(X)                                                                                                \
	X(CYAML_FIELD_FLOAT("weight", MUST, struct config_step, weight_percent),                                    \
	  NULL, 0.0001, 100, NULL, "share of the new flows for the canary, in percent")                             \
	X(CYAML_FIELD_FLOAT("min_s", MAY, struct config_step, min_s),                                               \
	  "60", 0, YEAR_S, NULL, "the step lasts at least so long")                                                 \
	X(CYAML_FIELD_FLOAT("max_s", MAY, struct config_step, max_s),                                               \
	  "3600", 1, YEAR_S, NULL, "undecided after so long, the rollout is held")                                  \
	X(CYAML_FIELD_BOOL("manual", MAY, struct config_step, manual),                                              \
	  "false", 0, 0, NULL, "the step waits for an operator")

#define BLACKOUT_KEYS(X)                                                                                            \
	X(CYAML_FIELD_STRING("from", MUST, struct config_blackout, from, 1),                                        \
	  NULL, 0, 0, NULL, "local time: \"HH:MM\", or YYYY-MM-DDTHH:MM")                                           \
	X(CYAML_FIELD_STRING("to", MUST, struct config_blackout, to, 1),                                            \
	  NULL, 0, 0, NULL, "the same; a time of day not after `from` is on the next day")                          \
	X(CYAML_FIELD_SEQUENCE("days", LIST | MAY, struct config_blackout, days, &day_value, 0, BLACKOUT_DAYS),     \
	  NULL, 0, 0, NULL, "the days it begins on: mon, tue, wed, thu, fri, sat, sun; without any: every day")

#define HOOK_KEYS(X)                                                                                                \
	X(CYAML_FIELD_ENUM("on", WORD(MUST), struct config_hook, on, hook_ons, COUNT(hook_ons)),                    \
	  NULL, 0, 0, NULL, "when: the first three have to agree (exit status 0, HTTP 2xx), the others are told")   \
	X(CYAML_FIELD_STRING("name", MAY, struct config_hook, name, 1),                                             \
	  NULL, 0, 0, NULL, "what it is called in reasons and logs; without one: as `on`, and its number")          \
	X(CYAML_FIELD_STRING("command", MAY, struct config_hook, command, 1),                                       \
	  NULL, 0, 0, NULL, "a line for /bin/sh, which gets JSON on stdin; or")                                     \
	X(CYAML_FIELD_SEQUENCE("argv", LIST | MAY, struct config_hook, argv, &argument_value, 0, CONFIG_ARGV_MAX),  \
	  NULL, 0, 0, NULL, "a program and its arguments, without a shell, which gets the same; or")                \
	X(CYAML_FIELD_STRING("url", MAY, struct config_hook, url, 1),                                               \
	  NULL, 0, 0, NULL, "an http or https URL that JSON is sent to by POST")                                    \
	X(CYAML_FIELD_FLOAT("timeout_s", MAY, struct config_hook, timeout_s),                                       \
	  "10", 0.1, 3600, NULL, "without an answer for so long it has failed")                                     \
	X(CYAML_FIELD_UINT("retries", MAY, struct config_hook, retries),                                            \
	  "0", 0, 10, NULL, "it is asked so often more before its no is taken for one")

#define ALERT_KEYS(X)                                                                                               \
	X(CYAML_FIELD_STRING("url", MUST, struct config_alert, url, 1),                                             \
	  NULL, 0, 0, NULL, "where to; of an Alertmanager what comes before /api/v2/alerts")                        \
	X(CYAML_FIELD_ENUM("kind", WORD(MAY), struct config_alert, kind, alert_kinds, COUNT(alert_kinds)),          \
	  "alertmanager", 0, 0, NULL, "a webhook gets one POST when an alert begins and one when it is over")       \
	X(CYAML_FIELD_FLOAT("timeout_s", MAY, struct config_alert, timeout_s),                                      \
	  "5", 0.1, 60, NULL, "without an answer for so long it is tried again")

#define SEVERITY(key, field)                                                                                        \
	CYAML_FIELD_ENUM(key, WORD(MAY), struct config_alert_rules, field, severities, COUNT(severities))
#define ALERT_RULES_KEYS(X)                                                                                         \
	X(SEVERITY("error_delta", error_delta),                                                                     \
	  "page", 0, 0, NULL, "the canary fails far more often than the baseline")                                  \
	X(CYAML_FIELD_FLOAT("error_delta_percent", MAY, struct config_alert_rules, error_delta_percent),            \
	  "5", 0.01, 100, NULL, "far: so many percent of the requests")                                             \
	X(SEVERITY("service_down", service_down),                                                                   \
	  "page", 0, 0, NULL, "the baseline fails, or none of it answers")                                          \
	X(CYAML_FIELD_FLOAT("service_down_percent", MAY, struct config_alert_rules, service_down_percent),          \
	  "50", 1, 100, NULL, "down: so many percent of its requests fail")                                         \
	X(SEVERITY("crash_loop", crash_loop),                                                                       \
	  "page", 0, 0, NULL, "a version's unit is restarted again and again")                                      \
	X(SEVERITY("no_backend", no_backend),                                                                       \
	  "page", 0, 0, NULL, "no backend of the baseline is well: all get flows, well or not")                     \
	X(SEVERITY("backends", backends),                                                                           \
	  "ticket", 0, 0, NULL, "backends of the baseline or the canary are unhealthy or ejected")                  \
	X(SEVERITY("drift", drift),                                                                                 \
	  "ticket", 0, 0, NULL, "there is some evidence that the canary is worse")                                  \
	X(SEVERITY("security", security),                                                                           \
	  "page", 0, 0, NULL, "others report a version (canaryctl alert raise); off: reports are refused")          \
	X(CYAML_FIELD_ENUM("on_security", WORD(MAY), struct config_alert_rules, on_security, on_securities,         \
			   COUNT(on_securities)),                                                                   \
	  "hold", 0, 0, NULL, "what a page about the canary does to its rollout, unless the report says it")        \
	X(SEVERITY("rolled_back", rolled_back),                                                                     \
	  "ticket", 0, 0, NULL, "a rollout was rolled back")                                                        \
	X(SEVERITY("held", held),                                                                                   \
	  "ticket", 0, 0, NULL, "a rollout is held or paused for long")                                             \
	X(CYAML_FIELD_FLOAT("held_s", MAY, struct config_alert_rules, held_s),                                      \
	  "900", 1, YEAR_S, NULL, "long: so many seconds")                                                          \
	X(CYAML_FIELD_FLOAT("repeat_s", MAY, struct config_alert_rules, repeat_s),                                  \
	  "60", 1, 3600, NULL, "an alert that goes on is sent to an Alertmanager again this often")                 \
	X(CYAML_FIELD_FLOAT("resolve_s", MAY, struct config_alert_rules, resolve_s),                                \
	  "60", 0, DAY_S, NULL, "an alert is over when nothing has spoken for it for so long")                      \
	X(CYAML_FIELD_STRING("generator_url", MAY, struct config_alert_rules, generator_url, 1),                    \
	  NULL, 0, 0, NULL, "where people look at this canaryd; goes with every alert")                             \
	X(CYAML_FIELD_STRING("runbook_url", MAY, struct config_alert_rules, runbook_url, 1),                        \
	  NULL, 0, 0, NULL, "where runbooks are; the alert's name is appended")

#define SLI_TEXT(key, field) CYAML_FIELD_STRING(key, MAY, struct config_sli, field, 0)
#define SLI_REAL(key, field) CYAML_FIELD_FLOAT(key, MAY, struct config_sli, field)
#define SLI_WORD(key, field, words) CYAML_FIELD_ENUM(key, WORD(MAY), struct config_sli, field, words, COUNT(words))
#define SLI_KEYS(X)                                                                                                 \
	X(CYAML_FIELD_STRING("name", MUST, struct config_sli, name, 1),                                             \
	  NULL, 0, 0, NULL, "errors, latency, or a name for another one")                                           \
	X(SLI_WORD("kind", kind, sli_kinds),                                                                        \
	  "packet", 0, 0, NULL, "where it is measured; packet: errors and latency, in the kernel")                  \
	X(SLI_REAL("weight", weight),                                                                               \
	  NULL, 0.001, 1000, NULL, "of a count: share of alpha, before all are scaled to add up to 1; 0.2, critical 0.4") \
	X(SLI_WORD("critical", critical, criticals),                                                                \
	  "auto", 0, 0, NULL, "a gauge rolls back, not holds; a count gets a larger share of alpha, brings the score to 0; auto: see judge") \
	X(CYAML_FIELD_BOOL("dry_run", MAY, struct config_sli, dry_run),                                             \
	  "false", 0, 0, NULL, "measured, judged and shown, without a say")                                         \
	X(CYAML_FIELD_STRING("muted", MAY, struct config_sli, muted, 1),                                            \
	  "false", 0, 0, NULL, "no say and no evidence: true, or until a local time, YYYY-MM-DDTHH:MM")             \
	X(SLI_REAL("interval_s", interval_s),                                                                       \
	  "10", 0.1, 3600, NULL, "time from one look to the next")                                                  \
	X(SLI_REAL("timeout_s", timeout_s),                                                                         \
	  "5", 0.05, 3600, NULL, "without an answer for so long a look has failed")                                 \
	X(SLI_TEXT("url", url),                                                                                     \
	  NULL, 0, 0, NULL, "promql: what comes before /api/v1/query; http: what is asked; {{version}} … are filled in") \
	X(SLI_TEXT("query", query),                                                                                 \
	  NULL, 0, 0, NULL, "promql, a gauge: {{version}} {{role}} {{service}} {{baseline}} {{canary}} {{interval}}; or") \
	X(SLI_TEXT("total", total),                                                                                 \
	  NULL, 0, 0, NULL, "promql, a count: the query for all events, and")                                       \
	X(SLI_TEXT("bad", bad),                                                                                     \
	  NULL, 0, 0, NULL, "the query for the bad ones among them")                                                \
	X(CYAML_FIELD_BOOL("cumulative", MAY, struct config_sli, cumulative),                                       \
	  "true", 0, 0, NULL, "total and bad are counters; false: they say what happened in the last interval_s")   \
	X(SLI_WORD("shown_as", shown_as, units),                                                                    \
	  "number", 0, 0, NULL, "the unit of a promql gauge")                                                       \
	X(SLI_WORD("measure", measure, measures),                                                                   \
	  NULL, 0, 0, NULL, "unit: what is read of versions[].unit or versions[].cgroup")                           \
	X(SLI_TEXT("command", command),                                                                             \
	  NULL, 0, 0, NULL, "exec: a line for /bin/sh with CANARYD_SERVICE, _VERSION, _ROLE, _BACKEND; exit status 0: good") \
	X(CYAML_FIELD_BOOL("gate", MAY, struct config_sli, gate),                                                   \
	  "false", 0, 0, NULL, "exec, http: a check that fails holds at once, and is no evidence")                  \
	X(SLI_REAL("margin", margin),                                                                               \
	  NULL, 1, 100, NULL, "of a count: times as bad as the baseline that are no reason to roll back; as judge.margin") \
	X(SLI_REAL("p0", p0),                                                                                       \
	  NULL, 1e-9, 0.5, NULL, "of a count: ratio that is never a reason to roll back; promql: as judge.p0, checks: 0.05") \
	X(CYAML_FIELD_BOOL("proof", MAY, struct config_sli, proof),                                                 \
	  "false", 0, 0, NULL, "of a count: a step is left only with evidence that it is not worse")                \
	X(SLI_REAL("max", max),                                                                                     \
	  NULL, -1e300, 1e300, NULL, "of a gauge: the canary's value may not be above")                             \
	X(SLI_REAL("min", min),                                                                                     \
	  NULL, -1e300, 1e300, NULL, "nor below")                                                                   \
	X(SLI_REAL("max_ratio", max_ratio),                                                                         \
	  NULL, 1, 1e9, NULL, "nor above so many times the baseline's")                                             \
	X(SLI_REAL("min_ratio", min_ratio),                                                                         \
	  NULL, 0, 1, NULL, "nor below so many times the baseline's")                                               \
	X(SLI_REAL("for_s", for_s),                                                                                 \
	  NULL, 0, DAY_S, NULL, "for longer than; 60, of OOM kills, restarts and gates 0")

#define ROLLOUT_KEYS(X)                                                                                             \
	X(CYAML_FIELD_SEQUENCE("steps", LIST | MAY, struct config_rollout, steps, &step_value, 1, CONFIG_STEPS_MAX), \
	  NULL, 0, 0, &config_step_keys, "the steps; without any: 1, 5, 25, 50, 100 %")                              \
	X(CYAML_FIELD_FLOAT("bake_s", MAY, struct config_rollout, bake_s),                                          \
	  "300", 0, YEAR_S, NULL, "after the last step the canary is watched for so long")                          \
	X(CYAML_FIELD_ENUM("on_fail", WORD(MAY), struct config_rollout, on_fail, on_fails, COUNT(on_fails)),        \
	  "rollback", 0, 0, NULL, "what becomes of a canary that fails")                                            \
	X(CYAML_FIELD_ENUM("promote", WORD(MAY), struct config_rollout, promote, promotes, COUNT(promotes)),        \
	  "auto", 0, 0, NULL, "never: the last step lasts its max_s, then the rollout is complete (A/B)")           \
	X(CYAML_FIELD_ENUM("on_new_canary", WORD(MAY), struct config_rollout, on_new_canary, on_new_canaries,       \
			   COUNT(on_new_canaries)),                                                                 \
	  "refuse", 0, 0, NULL, "what a start does while another canary is under way")                              \
	X(CYAML_FIELD_FLOAT("undo_window_s", MAY, struct config_rollout, undo_window_s),                            \
	  "3600", 0, YEAR_S, NULL, "for so long after a promotion it can be undone; 0: never")                      \
	X(CYAML_FIELD_FLOAT("expire_s", MAY, struct config_rollout, expire_s),                                      \
	  "86400", 0, YEAR_S, NULL, "held or paused for so long, a rollout ends at 0; 0: never")                    \
	X(CYAML_FIELD_BOOL("adaptive", MAY, struct config_rollout, adaptive),                                       \
	  "false", 0, 0, NULL, "the next weight is the largest that judge.budget_failures can bear")                \
	X(CYAML_FIELD_FLOAT("adaptive_ratio", MAY, struct config_rollout, adaptive_ratio),                          \
	  "3", 1.1, 1000, NULL, "the regression to reckon with: so many times the baseline's failures")             \
	X(CYAML_FIELD_FLOAT("adaptive_growth", MAY, struct config_rollout, adaptive_growth),                        \
	  "5", 1.01, 1000, NULL, "no weight is more than so many times the one before")

#define BREAKER_KEYS(X)                                                                                             \
	X(CYAML_FIELD_BOOL("enabled", MAY, struct config_breaker, enabled),                                         \
	  "true", 0, 0, NULL, "whether there is one")                                                               \
	X(CYAML_FIELD_FLOAT("window_s", MAY, struct config_breaker, window_s),                                      \
	  "10", 0.01, 3600, NULL, "what came in the last so many seconds counts")                                   \
	X(CYAML_FIELD_UINT("min_failures", MAY, struct config_breaker, min_failures),                               \
	  "10", 1, 1e9, NULL, "it trips at so many failures, where they are")                                       \
	X(CYAML_FIELD_FLOAT("ratio_percent", MAY, struct config_breaker, ratio_percent),                            \
	  "50", 0.0001, 100, NULL, "so many percent of the attempts")                                               \
	X(CYAML_FIELD_BOOL("http_5xx", MAY, struct config_breaker, http_5xx),                                       \
	  "false", 0, 0, NULL, "responses 5xx count as well")

#define COHORT_KEYS(X)                                                                                              \
	X(CYAML_FIELD_STRING("name", MUST, struct config_cohort, name, 1),                                          \
	  NULL, 0, 0, NULL, "the cohort's name: a-z, 0-9, '.', '_', '-'")                                           \
	X(CYAML_FIELD_ENUM("action", WORD(MUST), struct config_cohort, action, cohort_actions, COUNT(cohort_actions)),\
	  NULL, 0, 0, NULL, "where its new flows go while there is a canary; exclude: to the baseline, and not judged")\
	X(CYAML_FIELD_FLOAT("weight", MAY, struct config_cohort, weight_percent),                                   \
	  NULL, 0, 100, NULL, "with action weight: the canary's share of them, in percent")                         \
	X(CYAML_FIELD_SEQUENCE("prefixes", LIST | MAY, struct config_cohort, prefixes, &prefix_value, 0,            \
			       CONFIG_PREFIXES_MAX),                                                                \
	  NULL, 0, 0, NULL, "the networks its clients come from: ADDR/BITS; the longest of all cohorts holds")      \
	X(CYAML_FIELD_STRING("file", MAY, struct config_cohort, file, 1),                                           \
	  NULL, 0, 0, NULL, "a file with more of them, one a line")

#define SERVICE_KEYS(X)                                                                                             \
	X(CYAML_FIELD_STRING("name", MUST, struct config_service, name, 1),                                         \
	  NULL, 0, 0, NULL, "the service's name: a-z, 0-9, '.', '_', '-'")                                          \
	X(CYAML_FIELD_STRING("vip", MUST, struct config_service, vip, 1),                                           \
	  NULL, 0, 0, NULL, "the address clients use: ADDR:PORT, an IPv6 ADDR in brackets, quoted")                 \
	X(CYAML_FIELD_ENUM("protocol", WORD(MAY), struct config_service, protocol, protocols, COUNT(protocols)),    \
	  "tcp", 0, 0, NULL, "the transport of VIP and backends")                                                   \
	X(CYAML_FIELD_ENUM("mode", WORD(MAY), struct config_service, mode, modes, COUNT(modes)),                    \
	  "dnat", 0, 0, NULL, "how packets reach the backends: by the stack; sent on by XDP, as their replies are; or " \
	  "in a tunnel, and replies go straight to the client")                                                     \
	X(CYAML_FIELD_SEQUENCE("source_addresses", LIST | MAY, struct config_service, sources, &source_value, 0,    \
			       CONFIG_SOURCES_MAX),                                                                 \
	  NULL, 0, 0, NULL, "fullnat: addresses of this node that backends reply to, 64,512 flows each")            \
	X(CYAML_FIELD_STRING("tunnel_source", MAY, struct config_service, tunnel_source.address, 0),                \
	  NULL, 0, 0, NULL, "dsr: the address of this node that tunnels to the backends come from")                 \
	X(CYAML_FIELD_ENUM("affinity", WORD(MAY), struct config_service, affinity, affinities, COUNT(affinities)),  \
	  "flow", 0, 0, NULL, "what stays with one version: each flow, or all of a client")                         \
	X(CYAML_FIELD_UINT("affinity_prefix_v4", MAY, struct config_service, affinity_prefix_v4),                   \
	  "32", 1, 32, NULL, "bits of an IPv4 address that make a client")                                          \
	X(CYAML_FIELD_UINT("affinity_prefix_v6", MAY, struct config_service, affinity_prefix_v6),                   \
	  "128", 1, 128, NULL, "bits of an IPv6 address that make a client")                                        \
	X(CYAML_FIELD_STRING("baseline", MUST, struct config_service, baseline, 1),                                 \
	  NULL, 0, 0, NULL, "the version that serves until another is promoted")                                    \
	X(CYAML_FIELD_FLOAT("response_timeout_s", MAY, struct config_service, response_timeout_s),                  \
	  "30", 0.01, DAY_S, NULL, "a request unanswered for so long has failed")                                   \
	X(CYAML_FIELD_FLOAT("syn_timeout_s", MAY, struct config_service, syn_timeout_s),                            \
	  "3", 0.01, 300, NULL, "a connection unanswered for so long has failed")                                   \
	X(CYAML_FIELD_FLOAT("udp_idle_s", MAY, struct config_service, udp_idle_s),                                  \
	  "60", 0.1, DAY_S, NULL, "a UDP flow silent for so long has ended")                                        \
	X(CYAML_FIELD_UINT("flood_limit", MAY, struct config_service, flood_limit),                                 \
	  "0", 0, 1e9, NULL, "new flows a second and CPU beyond which they have to prove a client first; 0: no guard")\
	X(CYAML_FIELD_SEQUENCE("versions", LIST, struct config_service, versions, &version_value, 1,                \
			       CONFIG_VERSIONS_MAX),                                                                \
	  NULL, 0, 0, &version_keys, "the versions, the baseline among them")                                       \
	X(CYAML_FIELD_MAPPING("rollout", MAY, struct config_service, rollout, rollout_keys_fields),                 \
	  NULL, 0, 0, &rollout_keys, "how a canary becomes the baseline")                                           \
	X(CYAML_FIELD_MAPPING("breaker", MAY, struct config_service, breaker, breaker_keys_fields),                 \
	  NULL, 0, 0, &breaker_keys, "when the kernel takes a canary's new flows away by itself")                   \
	X(CYAML_FIELD_BOOL("rescue", MAY, struct config_service, rescue),                                           \
	  "true", 0, 0, NULL, "a TCP connection that the canary refuses or leaves unanswered goes to the baseline") \
	X(CYAML_FIELD_MAPPING("health", MAY, struct config_service, health, config_health_keys_fields),             \
	  NULL, 0, 0, &config_health_keys, "how its backends are asked whether they are well")                      \
	X(CYAML_FIELD_MAPPING("outlier", MAY, struct config_service, outlier, config_outlier_keys_fields),          \
	  NULL, 0, 0, &config_outlier_keys, "when a backend is taken out by what becomes of its flows")             \
	X(CYAML_FIELD_MAPPING("shadow", MAY, struct config_service, shadow, config_shadow_keys_fields),             \
	  NULL, 0, 0, &config_shadow_keys, "a version that gets copies of requests (protocol udp, mode dnat)")      \
	X(CYAML_FIELD_MAPPING("samples", MAY, struct config_service, samples, config_samples_keys_fields),          \
	  NULL, 0, 0, &config_samples_keys, "what is kept of flows that failed or were slow")                       \
	X(CYAML_FIELD_SEQUENCE("blackouts", LIST | MAY, struct config_service, blackouts, &blackout_value, 0,       \
			       CONFIG_BLACKOUTS_MAX),                                                               \
	  NULL, 0, 0, &blackout_keys, "when nothing of this service moves up, and its alerts are silent")           \
	X(CYAML_FIELD_SEQUENCE("hooks", LIST | MAY, struct config_service, hooks, &hook_value, 0, CONFIG_HOOKS_MAX), \
	  NULL, 0, 0, &hook_keys, "who else is asked before a rollout moves, or told when it has")                  \
	X(CYAML_FIELD_SEQUENCE("slis", LIST | MAY, struct config_service, slis, &sli_value, 0, CONFIG_SLIS_MAX),    \
	  NULL, 0, 0, &sli_keys, "indicators beyond the packets, and what errors and latency count for")            \
	X(CYAML_FIELD_SEQUENCE("cohorts", LIST | MAY, struct config_service, cohorts, &cohort_value, 0, COHORTS_MAX),\
	  NULL, 0, 0, &cohort_keys, "clients with a rule of their own")

#define LEASE_KEYS(X)                                                                                               \
	X(CYAML_FIELD_FLOAT("s", MAY, struct config_lease, s),                                                      \
	  "15", 0.05, 86400, NULL, "after so long without canaryd")                                                 \
	X(CYAML_FIELD_ENUM("on_expiry", WORD(MAY), struct config_lease, on_expiry, on_expiries, COUNT(on_expiries)), \
	  "baseline", 0, 0, NULL, "new flows go to the baseline, or the weights hold as they are")

#define CONFIG_KEYS(X)                                                                                              \
	X(CYAML_FIELD_SEQUENCE("interfaces", LIST, struct config, interfaces, &interface_value, 1,                  \
			       CONFIG_INTERFACES_MAX),                                                              \
	  NULL, 0, 0, NULL, "the network interfaces that clients' packets come in on")                              \
	X(CYAML_FIELD_SEQUENCE("services", LIST, struct config, services, &service_value, 1, CONFIG_SERVICES_MAX),  \
	  NULL, 0, 0, &service_keys, "the services")                                                                \
	X(CYAML_FIELD_UINT("tick_ms", MAY, struct config, tick_ms),                                                 \
	  "250", 10, 60000, NULL, "time from one look at the counters to the next")                                 \
	X(CYAML_FIELD_STRING("socket", MAY, struct config, socket, 1),                                              \
	  API_SOCKET_DEFAULT, 0, 0, NULL, "the Unix socket canaryctl talks to")                                     \
	X(CYAML_FIELD_SEQUENCE("listen", LIST | MAY, struct config, listen, &listen_value, 0, CONFIG_LISTEN_MAX),   \
	  NULL, 0, 0, NULL, "TCP addresses for everybody to read: the page and /metrics; for example 127.0.0.1:9464") \
	X(CYAML_FIELD_STRING("state_dir", MAY, struct config, state_dir, 1),                                        \
	  "/var/lib/canaryd", 0, 0, NULL, "directory of the journal")                                               \
	X(CYAML_FIELD_STRING("pin_dir", MAY, struct config, pin_dir, 1),                                            \
	  "/sys/fs/bpf/canaryd", 0, 0, NULL, "directory of the pinned maps and programs, on a BPF file system")     \
	X(CYAML_FIELD_STRING("record", MAY, struct config, record, 1),                                              \
	  NULL, 0, 0, NULL, "a file for every tick's counts, for canaryctl replay; without: none")                  \
	X(CYAML_FIELD_UINT("record_mb", MAY, struct config, record_mb),                                             \
	  "256", 1, 1048576, NULL, "MB at which that file becomes PATH.1 and another begins")                       \
	X(CYAML_FIELD_UINT("flow_table", MAY, struct config, flow_table),                                           \
	  "262144", 1024, 67108864, NULL, "flows the kernel remembers")                                             \
	X(CYAML_FIELD_UINT("max_backends", MAY, struct config, max_backends),                                       \
	  "64", 1, CONFIG_BACKENDS_MAX, NULL, "backends there is room for, those of later rollouts included")       \
	X(CYAML_FIELD_UINT("max_versions", MAY, struct config, max_versions),                                       \
	  "32", 1, CONFIG_VERSIONS_MAX, NULL, "versions there is room for, those of later rollouts included")       \
	X(CYAML_FIELD_UINT("seed", MAY, struct config, seed),                                                       \
	  "0", 0, 0, NULL, "seed of the hash: nodes with one seed send a flow to the same version")                 \
	X(CYAML_FIELD_MAPPING("lease", MAY, struct config, lease, lease_keys_fields),                               \
	  NULL, 0, 0, &lease_keys, "what the kernel does by itself should canaryd be gone")                         \
	X(CYAML_FIELD_MAPPING("judge", MAY, struct config, judge, config_judge_keys_fields),                        \
	  NULL, 0, 0, &config_judge_keys, "how sure a verdict has to be")                                           \
	X(CYAML_FIELD_SEQUENCE("blackouts", LIST | MAY, struct config, blackouts, &blackout_value, 0,               \
			       CONFIG_BLACKOUTS_MAX),                                                               \
	  NULL, 0, 0, &blackout_keys, "when nothing moves up, and alerts are silent")                               \
	X(CYAML_FIELD_SEQUENCE("alerts", LIST | MAY, struct config, alerts, &alert_value, 0, CONFIG_ALERTS_MAX),    \
	  NULL, 0, 0, &alert_keys, "where alerts go")                                                               \
	X(CYAML_FIELD_MAPPING("alert_rules", MAY, struct config, alert_rules, alert_rules_keys_fields),             \
	  NULL, 0, 0, &alert_rules_keys, "when there is an alert: page, ticket or off")

ROWS(version_keys, VERSION_KEYS);
static const struct config_table version_keys = TABLE(version_keys);
static const cyaml_schema_value_t version_value = MAPPING(config_version, version_keys);

ROWS(config_step_keys, STEP_KEYS);
const struct config_table config_step_keys = TABLE(config_step_keys);
static const cyaml_schema_value_t step_value = MAPPING(config_step, config_step_keys);

ROWS(blackout_keys, BLACKOUT_KEYS);
static const struct config_table blackout_keys = TABLE(blackout_keys);
static const cyaml_schema_value_t blackout_value = MAPPING(config_blackout, blackout_keys);

ROWS(hook_keys, HOOK_KEYS);
static const struct config_table hook_keys = TABLE(hook_keys);
static const cyaml_schema_value_t hook_value = MAPPING(config_hook, hook_keys);

ROWS(alert_keys, ALERT_KEYS);
static const struct config_table alert_keys = TABLE(alert_keys);
static const cyaml_schema_value_t alert_value = MAPPING(config_alert, alert_keys);

ROWS(alert_rules_keys, ALERT_RULES_KEYS);
static const struct config_table alert_rules_keys = TABLE(alert_rules_keys);

ROWS(rollout_keys, ROLLOUT_KEYS);
static const struct config_table rollout_keys = TABLE(rollout_keys);

ROWS(sli_keys, SLI_KEYS);
static const struct config_table sli_keys = TABLE(sli_keys);
static const cyaml_schema_value_t sli_value = MAPPING(config_sli, sli_keys);

ROWS(breaker_keys, BREAKER_KEYS);
static const struct config_table breaker_keys = TABLE(breaker_keys);

ROWS(cohort_keys, COHORT_KEYS);
static const struct config_table cohort_keys = TABLE(cohort_keys);
static const cyaml_schema_value_t cohort_value = MAPPING(config_cohort, cohort_keys);

ROWS(service_keys, SERVICE_KEYS);
static const struct config_table service_keys = TABLE(service_keys);
static const cyaml_schema_value_t service_value = MAPPING(config_service, service_keys);

ROWS(lease_keys, LEASE_KEYS);
static const struct config_table lease_keys = TABLE(lease_keys);

ROWS(config_keys, CONFIG_KEYS);
const struct config_table config_keys = TABLE(config_keys);
const cyaml_schema_value_t config_schema = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct config, config_keys_fields),
};

const char *config_mode_name(enum canary_mode mode)
{
	static const cyaml_schema_value_t schema = { CYAML_VALUE_ENUM(CYAML_FLAG_STRICT, enum canary_mode, modes,
								      COUNT(modes)) };

	return config_choice_name(&schema, mode);
}

const char *config_hook_on_name(enum config_hook_on on)
{
	return (size_t)on < COUNT(hook_ons) ? hook_ons[on].str : "";
}

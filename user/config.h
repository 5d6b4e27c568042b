/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The configuration: a YAML file → struct config, plain data. The keys, their defaults, ranges and help are one table
 * (config_keys.c); reading, checking, showing and the key reference all come from it.
 *
 * A configuration is accepted as a whole or not at all. Every problem is one line,
 *   FILE:LINE: services[0].versions[1].backends[0]: what is wrong (how to mend it)
 */
#ifndef CANARYD_CONFIG_H
#define CANARYD_CONFIG_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "canaryd/abi.h"
#include "user/address.h"
#include "user/blackout.h"
#include "user/cohort.h"
#include "user/config_health.h"
#include "user/config_sli.h"
#include "user/judge_config.h"

#define CONFIG_PATH_DEFAULT "/etc/canaryd/canaryd.yaml"
#define CONFIG_PATH_MAX 108 /* bytes of a path, NUL included: what sun_path holds */

/* Limits no configuration goes beyond; max_versions and max_backends choose within them. */
#define CONFIG_INTERFACES_MAX 32
#define CONFIG_LISTEN_MAX 8
#define CONFIG_SERVICES_MAX 64
#define CONFIG_VERSIONS_MAX 1024
#define CONFIG_BACKENDS_MAX 4096
#define CONFIG_STEPS_MAX 16
#define CONFIG_SOURCES_MAX 32 /* of a service */
#define CONFIG_BLACKOUTS_MAX 64
#define CONFIG_HOOKS_MAX 32  /* of a service */
#define CONFIG_PREFIXES_MAX 4096 /* of a cohort in the file itself */
#define CONFIG_ALERTS_MAX 16 /* receivers */
#define CONFIG_URL_MAX 256   /* bytes of a URL, NUL included */
#define CONFIG_COMMAND_MAX 512
#define CONFIG_ARGV_MAX 32
#define CONFIG_ARGUMENT_MAX 256 /* bytes, NUL included */
#define CONFIG_UNIT_MAX 108 /* bytes of a systemd unit's name, NUL included */

enum config_on_fail {
	CONFIG_ON_FAIL_ROLLBACK = 0,
	CONFIG_ON_FAIL_HOLD = 1,
};

enum config_on_new_canary {
	CONFIG_ON_NEW_CANARY_REFUSE = 0,
	CONFIG_ON_NEW_CANARY_REPLACE = 1,
};

enum config_promote {
	CONFIG_PROMOTE_AUTO = 0,
	CONFIG_PROMOTE_NEVER = 1,
};

/* What a hook is asked for, or told about. */
enum config_hook_on {
	CONFIG_HOOK_BEFORE_START = 0, /* has to agree before a rollout starts */
	CONFIG_HOOK_GATE,             /* has to agree each time a step would be left */
	CONFIG_HOOK_BEFORE_STEP,      /* runs once before the weight moves up, and has to succeed */
	CONFIG_HOOK_AFTER_STEP,       /* is told that the weight has moved up */
	CONFIG_HOOK_PROMOTED,         /* is told of the end */
	CONFIG_HOOK_ROLLED_BACK,      /* is told of the end */
	CONFIG_HOOK_EVENTS,
};

enum config_alert_kind {
	CONFIG_ALERT_ALERTMANAGER = 0,
	CONFIG_ALERT_WEBHOOK,
};

enum config_severity {
	CONFIG_SEVERITY_OFF = 0,
	CONFIG_SEVERITY_TICKET,
	CONFIG_SEVERITY_PAGE,
};

enum config_on_expiry {
	CONFIG_ON_EXPIRY_BASELINE = 0,
	CONFIG_ON_EXPIRY_HOLD = 1,
};

/* What a page about the security of the canary does to its rollout. */
enum config_on_security {
	CONFIG_ON_SECURITY_TELL = 0, /* nothing */
	CONFIG_ON_SECURITY_HOLD,
	CONFIG_ON_SECURITY_ROLLBACK,
};

struct config_interface {
	char name[IFNAMSIZ];
};

struct config_listen {
	char address[ADDRESS_MAX]; /* canonical */
	struct canary_endpoint endpoint;
};

struct config_backend {
	char address[ADDRESS_MAX]; /* canonical */
	struct canary_endpoint endpoint;
};

struct config_source {
	char address[ADDRESS_MAX]; /* canonical, without a port */
	__be32 addr[4];
};

struct config_version {
	char name[CANARY_NAME_MAX];
	struct config_backend *backends;
	uint32_t backends_count;
	uint32_t max_flows;           /* 0: no cap */
	char unit[CONFIG_UNIT_MAX];   /* "": none */
	char cgroup[CONFIG_PATH_MAX]; /* "": none */
};

struct config_step {
	double weight_percent; /* as written */
	uint32_t weight_ppm;   /* the same, rounded: what the rollout uses */
	double min_s;
	double max_s;
	bool manual; /* stays here until an operator resumes it */
};

struct config_day {
	enum blackout_day day;
};

struct config_blackout {
	struct config_day *days; /* none: every day, or dated */
	uint32_t days_count;
	char from[BLACKOUT_TEXT];
	char to[BLACKOUT_TEXT];
	struct blackout window; /* the same, read */
};

/* How a rollout goes. Complete after loading: what the file leaves out is filled in. */
struct config_rollout {
	struct config_step *steps;
	uint32_t steps_count;
	double bake_s;
	enum config_on_fail on_fail;
	enum config_promote promote;
	enum config_on_new_canary on_new_canary;
	double undo_window_s; /* 0: a promotion is final */
	double expire_s;      /* 0: never */
	bool adaptive;        /* the weights between the first and the last come from the error budget */
	double adaptive_ratio;
	double adaptive_growth;
};

struct config_argument {
	char text[CONFIG_ARGUMENT_MAX];
};

/* One of command, argv and url. */
struct config_hook {
	enum config_hook_on on;
	char name[CANARY_NAME_MAX]; /* of its own in the service; given one where the file has none */
	char command[CONFIG_COMMAND_MAX]; /* for /bin/sh; "": none */
	struct config_argument *argv;     /* a program and its arguments; none: no program */
	uint32_t argv_count;
	char url[CONFIG_URL_MAX]; /* "": none */
	double timeout_s;
	uint32_t retries;
};

/* Where alerts go. */
struct config_alert {
	char url[CONFIG_URL_MAX]; /* of an Alertmanager: without /api/v2/alerts */
	enum config_alert_kind kind;
	double timeout_s;
};

/* When there is an alert, and how grave it is. */
struct config_alert_rules {
	enum config_severity error_delta;
	double error_delta_percent;
	enum config_severity service_down;
	double service_down_percent;
	enum config_severity crash_loop;
	enum config_severity no_backend;
	enum config_severity backends;
	enum config_severity drift;
	enum config_severity security; /* of a report that has none of its own; off: none is taken */
	enum config_on_security on_security;
	enum config_severity rolled_back;
	enum config_severity held;
	double held_s;
	double repeat_s;
	double resolve_s;
	char generator_url[CONFIG_URL_MAX]; /* "": none */
	char runbook_url[CONFIG_URL_MAX];   /* "": none; the alert's name is appended */
};

/* What the kernel does when it does not hear of the daemon any more. */
struct config_lease {
	double s;
	enum config_on_expiry on_expiry;
};

/* When the kernel itself takes a canary's new flows away. */
struct config_breaker {
	bool enabled;
	double window_s;
	uint32_t min_failures;
	double ratio_percent; /* as written */
	bool http_5xx;        /* these count, too */
};

struct config_prefix {
	char text[COHORT_PREFIX_TEXT];
	struct canary_prefix prefix; /* the same, read */
};

/* Clients with a rule of their own. */
struct config_cohort {
	char name[CANARY_NAME_MAX];
	enum canary_cohort_action action;
	double weight_percent; /* NAN: not given */
	struct config_prefix *prefixes;
	uint32_t prefixes_count;
	char file[CONFIG_PATH_MAX]; /* "": none; read when canaryd starts */
};

/* Which version gets copies of datagrams, without a say and without clients. */
struct config_shadow {
	char version[CANARY_NAME_MAX]; /* "": none */
	double percent;
};

/* What is kept of flows that failed or were slow, and shown to people. */
struct config_samples {
	uint32_t ipv4_prefix; /* bits of a client's address; 32: all of it, and its port */
	uint32_t ipv6_prefix; /* the same; 128 */
	double slow_response_s; /* NAN: by what the baseline takes; 0: none is slow */
	double slow_connect_s;
	bool traces;
	char trace_url[CONFIG_URL_MAX]; /* with {{trace_id}}; "": none */
};

struct config_service {
	char name[CANARY_NAME_MAX];
	char vip[ADDRESS_MAX]; /* canonical */
	struct canary_endpoint endpoint;
	int protocol; /* IPPROTO_TCP or IPPROTO_UDP, as in endpoint */
	enum canary_mode mode;
	struct config_source *sources; /* what backends see in fullnat mode */
	uint32_t sources_count;
	struct config_source tunnel_source; /* what tunnels come from in dsr mode; "": none */
	enum canary_affinity affinity;
	uint32_t affinity_prefix_v4; /* bits */
	uint32_t affinity_prefix_v6; /* bits */
	char baseline[CANARY_NAME_MAX]; /* one of versions */
	double response_timeout_s;
	double syn_timeout_s;
	double udp_idle_s;
	uint32_t flood_limit; /* new flows a CPU opens in a second; 0: no guard */
	struct config_version *versions;
	uint32_t versions_count;
	struct config_rollout rollout;
	struct config_breaker breaker;
	bool rescue;
	struct config_health health;
	struct config_outlier outlier;
	struct config_shadow shadow;
	struct config_samples samples;
	struct config_blackout *blackouts; /* beside those of struct config */
	uint32_t blackouts_count;
	struct config_hook *hooks;
	uint32_t hooks_count;
	struct config_sli *slis;
	uint32_t slis_count;
	struct config_cohort *cohorts;
	uint32_t cohorts_count;
};

struct config {
	struct config_interface *interfaces;
	uint32_t interfaces_count;
	struct config_service *services;
	uint32_t services_count;
	uint32_t tick_ms;
	char socket[CONFIG_PATH_MAX];
	struct config_listen *listen; /* TCP, for reading alone */
	uint32_t listen_count;
	char state_dir[CONFIG_PATH_MAX];
	char pin_dir[CONFIG_PATH_MAX];
	char record[CONFIG_PATH_MAX]; /* "": ticks are not recorded */
	uint32_t record_mb;
	uint32_t flow_table; /* entries */
	uint32_t max_backends;
	uint32_t max_versions;
	uint64_t seed; /* of every service's hash: two nodes with one seed agree */
	struct config_lease lease;
	struct judge_config judge;
	struct config_blackout *blackouts; /* of every service */
	uint32_t blackouts_count;
	struct config_alert *alerts;
	uint32_t alerts_count;
	struct config_alert_rules alert_rules;
};

/*
 * Reads the file `path`. On failure *ret is untouched and *ret_error is the problems, one a line, without a newline at
 * the end; the caller frees it. Returns 0, -EINVAL (not a valid configuration), -ENOMEM, or why the file cannot be
 * read.
 */
int config_load(const char *path, struct config **ret, char **ret_error);

/* The same for a text of `length` bytes; `name` stands for the file in problems. */
int config_load_text(const char *text, size_t length, const char *name, struct config **ret, char **ret_error);

/* Frees all of it; NULL is fine. Returns NULL. */
struct config *config_free(struct config *config);

/*
 * A copy of `config` in which `service` has the version `version` with these backends, added or in place of the one of
 * that name; checked by the rules of a file. Errors as config_load(); the service is named by name in the problem.
 * -ENOENT: no such service.
 */
int config_with_version(const struct config *config, const char *service, const char *version,
			const char *const *backends, size_t backends_count, struct config **ret, char **ret_error);

/* Prints `config` as YAML with every key, which loads equal. Returns 0 or a negative errno of the stream. */
int config_show(const struct config *config, FILE *out);

/* Whether both say the same in every key. */
bool config_equal(const struct config *a, const struct config *b);

/* A key as people read of it; valid during the visit. */
struct config_key_text {
	const char *path;     /* "services[].versions[].name" */
	const char *help;     /* what it means */
	const char *fallback; /* its default, or NULL */
	const char *range;    /* "1 … 32", "tcp, udp"; "": any */
	bool required;
	bool is_mapping; /* it has keys of its own, which are visited next */
};

/* All of them, each mapping before its keys. */
void config_each_key(void (*visit)(const struct config_key_text *key, void *context), void *context);

/* Prints a line for every key: its path, default, range, meaning. */
void config_print_keys(FILE *out);

/*
 * Prints a starter file: one service, its baseline v1 and, unless `canary` is NULL, a version v2. `baseline` and
 * `canary` are addresses with a port, separated by commas; `name` and `interface` may be NULL: "service", "eth0".
 * `strategy` is what the steps shall be: "canary" (also for NULL), "blue-green" or "ab".
 * What it would print is checked first: errors as config_load(), nothing printed.
 */
int config_init(FILE *out, const char *name, const char *vip, const char *baseline, const char *canary,
		const char *interface, const char *strategy, char **ret_error);

/*
 * The blackout window of the service, or of all services, that is open at the local time; NULL when none is. `service`
 * may be NULL: those of all services only.
 */
const struct config_blackout *config_blackout_active(const struct config *config, const struct config_service *service,
						     const struct tm *local);

/* The addresses that packets to the service's backends are sent from, in any mode; *ret_count may be 0. */
const struct config_source *config_sources(const struct config_service *service, uint32_t *ret_count);

/* The word a mode has in the file: "dnat", … */
const char *config_mode_name(enum canary_mode mode);

/* The word a hook's event has in the file: "before_start", "gate", … */
const char *config_hook_on_name(enum config_hook_on on);

/* The judge's constants for a service: those of all, with the service's own SLIs and their weights. */
struct judge_config config_judge(const struct config *config, const struct config_service *service);

/* A key of `judge` in the configuration. */
struct config_judge_key {
	const char *name;
	const char *fallback; /* the default, as text */
	const char *help;
};

/* The i-th of them; false, and nothing written, beyond the last one. */
bool config_judge_key(size_t i, struct config_judge_key *ret);

/*
 * Sets the key as a file would. -ENOENT: there is no such key; -EINVAL, -ERANGE: not a value it may have. *ret_error is
 * a sentence. judge_config_check() says whether the constants go together.
 */
int config_judge_set(struct judge_config *judge, const char *name, const char *text, char **ret_error);

/* Lookups; NULL when there is none. What they return belongs to their argument. */
const struct config_service *config_find_service(const struct config *config, const char *name);
const struct config_version *config_find_version(const struct config_service *service, const char *name);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the daemon is made of, and its tick: sweep → sample → rollout → hooks, for every service. Knows no socket of its
 * own and no signal: those are main.c's.
 */
#ifndef CANARYD_DAEMON_H
#define CANARYD_DAEMON_H

#include "user/alerts.h"
#include "user/capacity.h"
#include "user/cohorts.h"
#include "user/config.h"
#include "user/datapath.h"
#include "user/drill.h"
#include "user/external.h"
#include "user/flow_samples.h"
#include "user/history.h"
#include "user/hooks.h"
#include "user/inventory.h"
#include "user/journal.h"
#include "user/mutes.h"
#include "user/prober.h"
#include "user/recorder.h"
#include "user/rollout.h"
#include "user/rotation.h"
#include "user/sampler.h"

#define DAEMON_WARNING 600 /* bytes of a sentence, the final NUL included */

struct daemon_service;

/*
 * The end of a start that had to wait for hooks: 0, or an error and its sentence, which is the callee's to free, as
 * rollout_start() has them; -EBUSY: a hook does not agree.
 */
typedef void (*daemon_started)(struct daemon_service *service, int r, char *error, void *context);

/* A rollout that somebody wants. */
struct daemon_start {
	const char *canary;
	bool replace; /* in the place of the one that is under way then */
	bool force;   /* also where the plan cannot decide at the traffic of now; noted in the journal */
};

struct daemon_service {
	struct daemon *daemon;
	const struct config_service *config;       /* of the running configuration */
	const struct inventory_service *inventory; /* of the present inventory */
	struct sampler *sampler;
	struct cohorts *cohorts;
	struct rotation *rotation;
	struct prober *prober;
	uint64_t no_backend_ns; /* since when the canary has had none to use; 0: it has */
	struct canary_shadow_rule shadow; /* what the kernel was told, */
	bool shadow_told;                 /* if it was */
	struct hooks *hooks;
	struct external *external;
	struct mutes mutes; /* of its SLIs, by operators */
	double kept_events; /* of the looks, in the journal */
	uint64_t kept_ns;
	struct rollout *rollout;
	struct history *history; /* of the last rollout */
	uint64_t kept_history_ns;
	char starting[CANARY_NAME_MAX]; /* the canary whose start is being asked for; "": none */
	bool replacing;
	bool forcing;
	char warning[DAEMON_WARNING]; /* what is to be said with the last start; "": nothing */
	daemon_started started;
	void *started_context;
	uint64_t decisions[POLICY_KINDS]; /* made since the daemon began */
	struct sample sample; /* of the last tick */
	struct record_decided decided[RECORD_DECIDED]; /* since then, for the record */
	unsigned n_decided;
	bool in_tick;  /* what is decided now is the policy's */
	struct record_restart restart; /* for the first one */
	struct flow_samples *samples;
	uint64_t said_ns; /* when an error was logged last */
};

struct daemon {
	sd_event *event;
	struct fetch *fetch;
	struct command_runner *commands;
	struct unit_bus *unit_bus;    /* NULL: no systemd here */
	char cgroup_mount[UNIT_PATH]; /* "": no cgroup v2 */
	struct alerts *alerts;
	struct config *config; /* the file's, with the versions that were added since */
	struct datapath *datapath;
	int state_dir_lock;
	struct journal *journal;
	struct inventory *inventory;
	struct recorder *recorder; /* NULL: ticks are not recorded */
	struct record record;      /* the tick that is being recorded */
	size_t n_services;
	struct daemon_service *services; /* in the order of the configuration */
	char boot_id[40];
	uint64_t started_ns;
	bool shadow; /* decides, and steers nothing */
	uint64_t next_sweep_ns;
	uint64_t sweeps; /* finished */
	struct capacity capacity;
	uint64_t tick_took_ns; /* the last one */
	struct histogram ticks; /* how long each took */
	uint64_t lease_ns;     /* new flows may go to a canary until then (CLOCK_MONOTONIC); 0: for ever */
	double started_unix_s;
	uint64_t ahead_ns;     /* of the monotonic clock is the one that goes on in a suspended host */
	uint64_t asleep_ns;    /* between the last two ticks */
};

enum daemon_mode {
	DAEMON_STEERS = 0,
	DAEMON_SHADOW,       /* decides and measures in a copy of the journal; all flows go to the baselines */
	DAEMON_SHADOW_AGAIN, /* goes on with the copy it made: the same program with another configuration */
};

/*
 * Takes over `config` (also on failure), opens journal and data plane and brings the kernel to where the journal has
 * it. On failure nothing is attached that was not before. -EROFS, -EACCES, …: the state directory; others as
 * datapath_open() has them.
 */
int daemon_new(struct config *config, sd_event *event, enum daemon_mode mode, struct daemon **ret, char **ret_error);

/* The data plane stays. */
struct daemon *daemon_free(struct daemon *daemon);

/* Never fails as a whole: what goes wrong with one service is logged and does not keep it from the others. */
void daemon_tick(struct daemon *daemon);

struct daemon_service *daemon_find_service(struct daemon *daemon, const char *name);

/*
 * Adds a version to a service, or gives it other backends, and keeps it in the journal; flows that are open stay where
 * they are. Errors as config_with_version(), inventory_new() and the journal.
 */
int daemon_set_version(struct daemon *daemon, const char *service, const char *version, const char *const *backends,
		       size_t n_backends, char **ret_error);

/*
 * -EDOM: the service's plan cannot decide at its traffic, and `force` is not set; nothing else is asked. 0 leaves in
 * service->warning what is to be said of a start all the same.
 */
int daemon_check_plan(struct daemon_service *service, bool force, char **ret_error);

/*
 * Starts a rollout once the hooks agree. 0: it has started; 1: they are being asked, `started` will be called; -EDOM:
 * its plan cannot decide; errors as rollout_start(), or -EBUSY: another start is being asked for. service->warning is
 * about this start then.
 */
int daemon_start_rollout(struct daemon_service *service, const struct daemon_start *start, daemon_started started,
			 void *context, char **ret_error);

/*
 * Takes a report of others, JSON as alert_report_parse() has it, from the peer `uid`: it is an alert, and a rollout of that
 * version heeds it in the next tick. Without a version it is about the canary, or where there is none the baseline. *ret
 * is the alert as JSON. -EINVAL, -ENOENT (no such service or version): *ret_error names the field; errors as
 * alerts_report().
 */
int daemon_report(struct daemon *daemon, const json_t *body, uint32_t uid, json_t **ret, char **ret_error);

/* Ends reports; *ret is {resolved: [<alert>]}. Errors as alert_report_parse_filter() and alerts_resolve(). */
int daemon_resolve_reports(struct daemon *daemon, const json_t *body, uint32_t uid, json_t **ret, char **ret_error);

/*
 * An operator's word: mutes an SLI for `for_s` seconds (INFINITY: until it is unmuted), or 0: gives it its say back. In the
 * journal, with `uid`'s name, before it counts. -ENOENT: there is no such SLI; -EBUSY: it is so already, or the
 * configuration forbids it; or the journal's errors.
 */
int daemon_mute(struct daemon *daemon, struct daemon_service *service, const char *sli, double for_s, uid_t uid,
		char **ret_error);

/*
 * An operator's word: the backend gets no new flows, and after deadline_s (INFINITY: never) those it has left are taken
 * away; or it gets new ones again. In the journal before it counts. *ret is the backend. -ENOENT: there is no such
 * backend; -EBUSY: it is the baseline's last one and `force` is not set, or it is not drained; or the journal's errors.
 */
int daemon_drain(struct daemon *daemon, struct daemon_service *service, const char *address, double deadline_s,
		 bool force, struct rotation_entry **ret, char **ret_error);
int daemon_undrain(struct daemon *daemon, struct daemon_service *service, const char *address,
		   struct rotation_entry **ret, char **ret_error);

/*
 * Rehearses the way back from `canary` (NULL: the one that is released, or the first other version), and leaves a trace of it.
 * *ret_canary is which it was. -EBUSY: not now; -ENOENT: there is no such version; others as drill_run().
 */
int daemon_drill(struct daemon *daemon, struct daemon_service *service, enum drill_kind kind, const char *canary,
		 struct drill *ret, const char **ret_canary, char **ret_error);

/* Does the version get copies of the service's datagrams now? */
bool daemon_is_shadow(const struct daemon_service *service, const struct rollout_view *view, const char *version);

/* Gives up a start that waits for hooks: its `started` is called with -EBUSY. Whether there was one. */
bool daemon_abort_start(struct daemon_service *service);

/* Takes the programs off, and all pins away. daemon_tick() must not be called any more. */
int daemon_detach(struct daemon *daemon, char **ret_error);

uint64_t daemon_monotonic_ns(void);
double daemon_unix_s(void);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of the daemon share. Private to daemon*.c. */
#ifndef CANARYD_DAEMON_INTERNAL_H
#define CANARYD_DAEMON_INTERNAL_H

#include "user/daemon.h"

/* Brings the versions that were added at run time back from the journal, where they go with the file. */
int daemon_restore_versions(struct daemon *daemon, char **ret_error);

/*
 * Opens the journal of shadow mode, a copy of the other one where `copy` is set. -EBUSY: that one has a rollout under way,
 * whose flows would be taken away.
 */
int daemon_open_shadow_journal(struct daemon *daemon, bool copy, char **ret_error);

/* Makes the service's hooks; *ret is for its rollout. */
int daemon_open_hooks(struct daemon *daemon, struct daemon_service *service, struct rollout_gates *ret);

/* What SLIs are looked up with on this host. */
void daemon_open_host(struct daemon *daemon, sd_event *event);

/* Makes what looks at the service's SLIs beyond the packet. 0 or -ENOMEM. */
int daemon_open_slis(struct daemon *daemon, struct daemon_service *service);

/*
 * Makes the service's rotation, as the journal has it, and writes its tables. Errors as datapath.h has them. The other
 * keeps it in the journal and frees it.
 */
int daemon_open_rotation(struct daemon *daemon, struct daemon_service *service);
void daemon_close_rotation(struct daemon *daemon, struct daemon_service *service);

struct daemon_rotation {
	struct rotation *rotation;
	struct prober *prober;
};

/*
 * Writes the tables of another configuration's inventory, with what is known of the service's backends; *ret, also on
 * failure, is for daemon_swap_rotation(), which makes it the service's where `take` is set, and frees the other one.
 */
int daemon_prepare_rotation(struct daemon *daemon, struct daemon_service *service, const struct config_service *config,
			    struct inventory *inventory, struct daemon_rotation *ret);
void daemon_swap_rotation(struct daemon_service *service, struct daemon_rotation *with, bool take);

/* Asks backends that are due, looks at their flows, decides who gets new ones; tells the rollout of a canary without any. */
void daemon_tick_rotation(struct daemon *daemon, struct daemon_service *service, const struct rollout_view *view);

/* Tells the kernel which version gets copies; none does while that version is released itself. */
void daemon_tick_shadow(struct daemon *daemon, struct daemon_service *service, const struct rollout_view *view);

/* Makes room for the service's samples. 0 or -ENOMEM. */
int daemon_open_samples(struct daemon *daemon, struct daemon_service *service);

/* For datapath_on_event(); `context` is the daemon. */
void daemon_on_event(const struct canary_event *event, void *context);

/* Tells the kernel what slow is, by what the baseline takes where it is not configured. After the service was sampled. */
void daemon_tick_samples(struct daemon *daemon, struct daemon_service *service, const struct rollout_view *view);

/* -EBUSY, with the reasons: no backend of `canary` is well, so it is not to be started. */
int daemon_refuse_unwell(const struct daemon_service *service, const char *canary, char **ret_error);

/* Puts into the service's sample what is known of them now, and begins the looks that are due. */
void daemon_look(struct daemon_service *service, const struct rollout_view *rollout);

/* Makes the alerts, with what the journal has of them. Errors as alerts_new(). */
int daemon_open_alerts(struct daemon *daemon, char **ret_error);

/* Tells the rollouts what others report of their canaries. */
void daemon_heed_reports(struct daemon *daemon);

/* -EBUSY, with the mend: others report `canary` as a security problem, so it is not to be started. */
int daemon_refuse_reported(const struct daemon_service *service, const char *canary, char **ret_error);

/*
 * Keeps what looks at units have counted, once in a while, when there is more of it, and `now`; and brings it back where the
 * same rollout is still under way. After the service's tick, and after its rollout was opened.
 */
void daemon_keep_looks(struct daemon *daemon, struct daemon_service *service, bool now);
void daemon_recall_looks(struct daemon *daemon, struct daemon_service *service);

/*
 * What becomes of the rollout, for people to look at: the journal's where it is of the service's last rollout, else empty. A
 * tick adds to it, after the service's own, and keeps it once in a while; the last one frees it. 0 or -ENOMEM.
 */
int daemon_open_history(struct daemon *daemon, struct daemon_service *service);
void daemon_tick_history(struct daemon *daemon, struct daemon_service *service, double unix_s);
void daemon_close_history(struct daemon *daemon, struct daemon_service *service);

/* What operators have said of the service's SLIs, from the journal. */
void daemon_restore_mutes(struct daemon *daemon, struct daemon_service *service);

/* Ends mutes whose time is over. */
void daemon_tick_mutes(struct daemon *daemon, struct daemon_service *service);

/* A rollout has begun: those that count are noted among its decisions. */
void daemon_note_mutes(struct daemon_service *service);

/* Writes a sentence among the decisions of a rollout that is under way, and into the log. */
void daemon_note(struct daemon_service *service, const char *sentence);

/*
 * The tick that is being recorded: begun before the rollout's own, which may end it, and written after it with what that
 * returned and what it was told from elsewhere. Nothing where ticks are not recorded.
 */
void daemon_begin_record(struct daemon_service *service, const struct rollout_view *view);
void daemon_write_record(struct daemon_service *service, int ticked, uint64_t now_ns, double unix_s);

/* After the service's rollout was opened: the first tick's record says what was taken over from the daemon before. */
void daemon_record_restart(struct daemon_service *service);

/* Something was decided or noted; what the policy did not decide in a tick goes into the record of the next one. */
void daemon_record_decided(struct daemon_service *service, int64_t rollout, enum policy_kind kind, const char *reason);

/* Facts for the alerts, after the services' tick; what is due is sent. */
void daemon_tick_alerts(struct daemon *daemon);

#endif

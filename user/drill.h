/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rehearses what takes a canary's flows away, with the kernel's own programs and maps, the service's configuration and its
 * real backends, and no client's flow: on a stage, which is a copy of the service under a number of its own, at port 0 of its
 * VIP. No packet goes there: the programs ask `ports` first, and port 0 is never in it. The stage is empty again before the
 * event loop goes on; one that a crash leaves is taken away by drill_clear() at the next start, and its flows by the sweep.
 */
#ifndef CANARYD_DRILL_H
#define CANARYD_DRILL_H

#include "user/config.h"
#include "user/datapath.h"
#include "user/inventory.h"

#define DRILL_STEPS 6
#define DRILL_TEXT 160 /* bytes of a sentence, NUL included */

enum drill_kind {
	DRILL_BREAKER = 0, /* failures enough, found by the sweep, trip the breaker in the kernel */
	DRILL_LEASE,       /* the daemon's lease is over for a moment; only where no service has a canary */
	DRILL_ROLLBACK,    /* from the policy's decision to the kernel's next one */
	DRILL_KINDS,
};

struct drill_environment {
	struct datapath *datapath;
	const struct inventory *inventory;
	const struct config *config;
	const struct config_service *service;
	const char *baseline;
	const char *canary;
	uint64_t lease_ns; /* as it is now, and is again afterwards */
	/* Writes the decision down, as a rollback is; a negative errno is told in the drill. */
	int (*write)(const char *sentence, void *context);
	void *context;
};

struct drill_step {
	double at_s; /* since the moment that is rehearsed; before it: negative */
	char says[DRILL_TEXT];
};

struct drill {
	bool passed;
	double took_s; /* from that moment until the next flow goes to the baseline, at most */
	unsigned n_steps;
	struct drill_step step[DRILL_STEPS];
};

/* "breaker", … */
const char *drill_name(enum drill_kind kind);

/*
 * -EINVAL: there is nothing to rehearse (no breaker, a lease that is held); -ENOSPC: no number is left for the stage; or the
 * kernel's errors. *ret_error is a sentence.
 */
int drill_run(enum drill_kind kind, const struct drill_environment *environment, struct drill *ret, char **ret_error);

/*
 * Takes away what a daemon has left that was killed in a drill; to be called before services get their numbers, because a
 * stage holds one. Returns 0 or the kernel's error.
 */
int drill_clear(struct datapath *datapath);

#endif

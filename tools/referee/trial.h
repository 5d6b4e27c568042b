/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One rollout of a cell: the world's traffic through the compiled judge and policy, and past the rivals. */
#ifndef CANARYD_REFEREE_TRIAL_H
#define CANARYD_REFEREE_TRIAL_H

#include <stdint.h>

#include "tools/referee/cells.h"
#include "tools/referee/rivals.h"

enum {
	TRIAL_JUDGE = 0,
	TRIAL_FLAGGER,
	TRIAL_ARGO,
	TRIAL_KAYENTA,
	TRIAL_METHODS,
};

struct trial {
	double delay_s[TRIAL_METHODS]; /* from the onset to the rollback; NAN: none */
	double failed[TRIAL_METHODS];  /* the canary's failed requests from the onset until then */
	bool early[TRIAL_METHODS];     /* rolled back before the onset */
	bool promotable;               /* the judge would have let it pass after the onset */
};

/* -ENOMEM, or 0. */
int trial_run(const struct cell *cell, uint64_t seed, struct trial *ret);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Waiting for the end of a rollout, for pipelines. */
#ifndef CANARYCTL_WAIT_H
#define CANARYCTL_WAIT_H

#include <stdint.h>

struct ctl;

/*
 * Polls the rollout `id` until it has ended, or is held so that only an operator or much more time moves it, or
 * timeout_s (NAN: never) is over. A line of progress on every change and each 10 s goes to ctl->err, the outcome with
 * its reason to ctl->out. The daemon may restart meanwhile, 30 s at most. Returns API_EXIT_OK (promoted), _ROLLED_BACK,
 * _UNDECIDED, _FAILED (aborted), or what went wrong.
 */
int wait_for_outcome(struct ctl *ctl, int64_t id, double timeout_s);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parts of metrics_collect(). Private to metrics*.c. */
#ifndef CANARYD_METRICS_INTERNAL_H
#define CANARYD_METRICS_INTERNAL_H

#include "user/metrics_daemon.h"

/* What the kernel has counted of versions and of backends, and their latencies. */
void metrics_collect_counters(struct metrics *metrics, const struct daemon *daemon);

/* The split, the rollout, its phase, decisions and breaker. */
void metrics_collect_rollouts(struct metrics *metrics, const struct daemon *daemon);

/* Evidence, values and state of each SLI. */
void metrics_collect_slis(struct metrics *metrics, const struct daemon *daemon);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the daemon knows as metrics. Names of services, versions, backends, SLIs and interfaces are the operator's; nothing
 * that a client can choose is ever a label.
 */
#ifndef CANARYD_METRICS_DAEMON_H
#define CANARYD_METRICS_DAEMON_H

#include "user/daemon.h"
#include "user/metrics.h"

/* Adds everything. What it borrows stays until the daemon's next tick. */
void metrics_collect(struct metrics *metrics, struct daemon *daemon);

#endif

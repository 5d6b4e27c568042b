/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of the daemon share. Private to daemon*.c. */
#ifndef CANARYD_DAEMON_INTERNAL_H
#define CANARYD_DAEMON_INTERNAL_H

#include "user/daemon.h"

/* Makes the service's hooks; *ret is for its rollout. */
int daemon_open_hooks(struct daemon *daemon, struct daemon_service *service, struct rollout_gates *ret);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the daemon knows as JSON, in the shapes that canaryd/api.h describes. Reads, changes nothing. */
#ifndef CANARYD_VIEW_H
#define CANARYD_VIEW_H

#include <jansson.h>

#include "user/daemon.h"

/* New references, or NULL when memory is short. */
json_t *view_status(struct daemon *daemon);
json_t *view_rollout(const struct daemon_service *service); /* json_null() where there has been none */
json_t *view_traffic(const struct daemon_service *service);
json_t *view_history(const struct daemon_service *service); /* of the last rollout */
json_t *view_latency(const struct daemon_service *service); /* the versions' distributions of the last 60 s */

/* From the journal; `with_decisions` is what `rollout why` reads. *ret is a new reference; errors are the journal's. */
int view_rollouts(struct daemon *daemon, const char *service, size_t limit, json_t **ret);
int view_past_rollout(struct daemon *daemon, int64_t id, json_t **ret);

/* "baseline", "canary", "shadow" or "standby": what the version is now. */
const char *view_role(const struct daemon_service *service, const char *version, const struct rollout_view *rollout);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What else is to outlive the daemon: a text of JSON for a service and a key. */
#ifndef CANARYD_JOURNAL_KEPT_H
#define CANARYD_JOURNAL_KEPT_H

#include <stdbool.h>

#include "user/journal.h"

/*
 * Keeps `value`, JSON, in the place of the one before; NULL: nothing any more. `synced`: before this returns, else a loss
 * of power may lose it. Errors as journal.h has them.
 */
int journal_keep(struct journal *journal, const char *service, const char *key, const char *value, bool synced);

/* *ret is the caller's to free. -ENOENT: nothing is kept. */
int journal_kept(struct journal *journal, const char *service, const char *key, char **ret);

#endif

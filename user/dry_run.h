/* SPDX-License-Identifier: GPL-2.0-or-later */
/* canaryd --dry-run: what it would attach, make and serve with a configuration. Touches nothing. */
#ifndef CANARYD_DRY_RUN_H
#define CANARYD_DRY_RUN_H

#include <stdio.h>

#include "user/config.h"

/* 0, or a negative errno: the kernel programs cannot be opened. */
int dry_run_print(const struct config *config, FILE *out);

#endif

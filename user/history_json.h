/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A history as the API has it (see canaryd/api.h), and back: the journal keeps it in the same words. */
#ifndef CANARYD_HISTORY_JSON_H
#define CANARYD_HISTORY_JSON_H

#include <jansson.h>

#include "user/history.h"

/* A new reference, or NULL when memory is short. */
json_t *history_json(const struct history *history);

/*
 * Fills `history`. -EINVAL: that is none, and `history` is as good as new. Counting goes on with the counters that are looked
 * at next.
 */
int history_json_parse(struct history *history, const json_t *json);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What of a trend is to outlive the daemon: the restarts and kills that were counted, and what the next are told by. */
#ifndef CANARYD_UNIT_TREND_JSON_H
#define CANARYD_UNIT_TREND_JSON_H

#include <jansson.h>

#include "user/unit_trend.h"

/* NULL: memory is short. */
json_t *unit_trend_json(const struct unit_trend *t);

/*
 * 0 or -EINVAL; *ret is written on success only. `same_boot`: of this boot of the host; else the counts alone are taken,
 * since everything has been started since.
 */
int unit_trend_parse(const json_t *json, bool same_boot, struct unit_trend *ret);

#endif

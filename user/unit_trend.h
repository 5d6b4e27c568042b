/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Readings of a cgroup, one after the other → the value of a measure. Pure; plain data, zero to begin. */
#ifndef CANARYD_UNIT_TREND_H
#define CANARYD_UNIT_TREND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "user/config_sli.h"
#include "user/finding.h"
#include "user/unit.h"

#define UNIT_RESTARTS 16 /* whose time is remembered */

struct unit_trend {
	bool begun;
	struct unit_reading last;
	double last_s;
	uint64_t last_requests;
	double oom_kills; /* since it began */
	double restarts;
	double restart_s[UNIT_RESTARTS]; /* a ring */
	unsigned looks;                  /* at the memory, since the last restart */
	double first_s;
	double weight, mean_s, mean_bytes, var_s, cov; /* least squares, older looks weighed less */
};

/*
 * Adds a reading taken at `now_s`, when the version had completed `requests` in all. OK: *ret_value is the measure's
 * value; WAITING: it takes more readings; UNAVAILABLE: the cgroup does not say. `said` is what is wrong and the mend.
 */
enum finding_state unit_trend_add(struct unit_trend *t, enum config_measure measure, const struct unit_reading *reading,
				  double now_s, uint64_t requests, double *ret_value, char *said, size_t size);

#endif

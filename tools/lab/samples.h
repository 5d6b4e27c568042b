/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Every measured duration, kept exactly: what the kernel's histograms are compared with. */
#ifndef CANARYD_LAB_SAMPLES_H
#define CANARYD_LAB_SAMPLES_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define SAMPLES_MAX (16u << 20) /* beyond it a sample is counted in `lost` only */

struct samples {
	uint64_t *ns;
	size_t count;
	size_t room;
	uint64_t lost;
};

void samples_add(struct samples *samples, uint64_t ns);
void samples_deinit(struct samples *samples);

/* {count, lost, p50, p95, p99, max} in seconds, null without a sample. Sorts. NULL if memory is short. */
json_t *samples_report(struct samples *samples);

/* One line a sample: NAME SECONDS, in nine decimals. */
void samples_print(const struct samples *samples, const char *name, FILE *file);

#endif

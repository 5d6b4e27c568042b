/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Around each sweep: the caps on versions' flows, how full the flow table is, and what was evicted from it. Between two
 * sweeps the kernel goes by what the last one found, so that a version never has more flows than its cap.
 */
#ifndef CANARYD_CAPACITY_H
#define CANARYD_CAPACITY_H

#include "user/datapath.h"
#include "user/inventory.h"

struct capacity {
	uint64_t inserted; /* before the sweep */
	uint64_t lost;     /* by the sweep before this one: not removed, and not there */
	uint64_t present;  /* entries that the last sweep found */
	uint64_t evicted;  /* by the kernel, to make room; at least so many */
};

/* To be called before and after a sweep. */
void capacity_begin(struct capacity *capacity, struct datapath *datapath, const struct inventory *inventory);
void capacity_end(struct capacity *capacity, struct datapath *datapath, const struct inventory *inventory,
		  uint64_t now_ns);

#endif

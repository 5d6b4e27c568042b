/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Builds the Maglev table of a version (Eisenbud et al., NSDI 2016, §3.4). Pure. */
#ifndef CANARYD_MAGLEV_H
#define CANARYD_MAGLEV_H

#include <stddef.h>
#include <stdint.h>

#include <canaryd/abi.h>

#define MAGLEV_BACKENDS_MAX 4096 /* of a version; what is beyond is left out */

struct maglev_backend {
	struct canary_endpoint endpoint; /* decides the backend's permutation: the same on every node */
	uint16_t index;                  /* what is written into the table */
};

/*
 * Fills `table` with the backends' indices, each about equally often; the order of `backends` does not matter. A
 * backend more or fewer moves few entries of the others. n = 0 fills it with CANARY_NONE.
 */
void maglev_build(canary_maglev *table, const struct maglev_backend *backends, size_t n);

#endif

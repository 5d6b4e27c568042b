/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Gives each backend of a version a slot of its own and keeps it there from one sample to the next, whatever the order
 * of the sample. Plain data, bounded: when it is full, the slot longest without its backend is taken.
 */
#ifndef CANARYD_ROSTER_H
#define CANARYD_ROSTER_H

#include <stdbool.h>
#include <stdint.h>

#include "user/sample.h"

#define ROSTER_SLOTS SAMPLE_BACKENDS

struct roster {
	uint64_t turn;
	struct roster_entry {
		char address[SAMPLE_ADDRESS];
		uint64_t turn; /* when it was last seen; 0: free */
	} entry[ROSTER_SLOTS];
};

/* A sample begins. */
void roster_turn(struct roster *r);

/*
 * The slot of the sample's i-th backend. *ret_new says that the slot was another's or nobody's before, so what is kept
 * under it must be forgotten. -1 when every slot is taken by a backend of this very sample.
 */
int roster_slot(struct roster *r, const char *address, unsigned i, bool *ret_new);

/* The slot of a backend that has one, else -1. `i` is its place in the sample. */
int roster_find(const struct roster *r, const char *address, unsigned i);

#endif

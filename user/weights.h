/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Decision → split in the kernel; the one writer of `splits`. A change is published whole: the inactive view is filled
 * and then made active with one store (see struct canary_split in abi.h).
 */
#ifndef CANARYD_WEIGHTS_H
#define CANARYD_WEIGHTS_H

#include <stdint.h>

#include <canaryd/abi.h>

/* Share of new flows, 0 … 1, as the kernel compares it with a position; and the way back. */
uint64_t weights_threshold(double weight);
double weights_share(uint64_t threshold);

/* The view that programs act on now. */
const struct canary_split_view *weights_active(const struct canary_split *split);

/*
 * Publishes `view`; its epoch is set to one more than the active one's. Waits a millisecond where the last publication
 * of this split, `*published_ns` (CLOCK_MONOTONIC, kept for the caller), is younger than that: the view about to be
 * overwritten could still be in use.
 */
void weights_publish(struct canary_split *split, const struct canary_split_view *view, uint64_t *published_ns);

#endif

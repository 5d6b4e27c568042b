/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The daemon's side of a service's breaker: what it is set to, whether it has tripped, and why in a sentence. The
 * breaker itself is the kernel's (bpf/breaker.h); the memory is shared with it.
 */
#ifndef CANARYD_BREAKER_H
#define CANARYD_BREAKER_H

#include <stddef.h>

#include "user/config.h"

struct breaker_trip {
	const char *kind; /* the counter's name of the failure that did it */
	uint16_t version; /* index */
	uint64_t at_ns;   /* CLOCK_MONOTONIC */
	uint64_t attempts;
	uint64_t failures;
	double window_s; /* the time they came in */
};

/* Says what trips it from now on. What has tripped stays so. */
void breaker_configure(struct canary_breaker *breaker, const struct config_breaker *config);

/* Whether it has tripped on the canary of this generation's rollout; then *ret says by what. */
bool breaker_tripped(const struct canary_breaker *breaker, uint32_t generation, struct breaker_trip *ret);

/* New flows may go to the canary again, and the window begins anew. False: it had not tripped. */
bool breaker_reset(struct canary_breaker *breaker);

/* "the kernel's breaker tripped: …" */
void breaker_print(const struct breaker_trip *trip, char *buf, size_t size);

#endif

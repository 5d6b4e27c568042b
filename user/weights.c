/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "user/weights.h"

#include <time.h>

#define GRACE_NS 1000000ULL

static uint64_t monotonic_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

uint64_t weights_threshold(double weight)
{
	if (!(weight > 0))
		return 0;
	return weight >= 1 ? 1ULL << 32 : (uint64_t)(weight * 4294967296.0 + 0.5);
}

double weights_share(uint64_t threshold)
{
	return threshold / 4294967296.0;
}

const struct canary_split_view *weights_active(const struct canary_split *split)
{
	return &split->view[__atomic_load_n(&split->active, __ATOMIC_ACQUIRE) & 1];
}

void weights_publish(struct canary_split *split, const struct canary_split_view *view, uint64_t *published_ns)
{
	uint32_t next = (split->active & 1) ^ 1, epoch = weights_active(split)->epoch + 1;
	struct timespec grace = { .tv_nsec = GRACE_NS };

	if (monotonic_ns() - *published_ns < GRACE_NS)
		while (clock_nanosleep(CLOCK_MONOTONIC, 0, &grace, &grace))
			continue;
	split->view[next] = *view;
	split->view[next].epoch = epoch;
	split->view[next].zero = 0;
	__atomic_store_n(&split->active, next, __ATOMIC_RELEASE);
	*published_ns = monotonic_ns();
}

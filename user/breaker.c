/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "user/breaker.h"

#include <inttypes.h>
#include <stdio.h>

#define BIT(kind) (1ULL << CANARY_COUNTER_##kind)

static const char *const counter_names[] = {
#define X(name, help) #name,
	CANARY_COUNTERS(X)
#undef X
};

void breaker_configure(struct canary_breaker *breaker, const struct config_breaker *config)
{
	breaker->kinds = BIT(refused) | BIT(syn_timeout) | BIT(reset_before_response) | BIT(empty_close) |
			 BIT(response_timeout) | (config->http_5xx ? BIT(http_5xx) : 0);
	breaker->min_failures = config->min_failures;
	breaker->ratio_ppm = config->ratio_percent * 1e4 + 0.5;
	__atomic_store_n(&breaker->slot_ns, config->enabled ? config->window_s / 2 * 1e9 : 0, __ATOMIC_RELEASE);
}

bool breaker_tripped(const struct canary_breaker *breaker, uint32_t generation, struct breaker_trip *ret)
{
	uint32_t tripped = __atomic_load_n(&breaker->tripped, __ATOMIC_ACQUIRE);

	if (!tripped || tripped != generation)
		return false;
	*ret = (struct breaker_trip){
		.kind = breaker->tripped_kind < CANARY_COUNTER_COUNT ? counter_names[breaker->tripped_kind] : "unknown",
		.version = breaker->tripped_version,
		.at_ns = breaker->tripped_ns,
		.attempts = breaker->tripped_attempts,
		.failures = breaker->tripped_failures,
		.window_s = breaker->tripped_window_ns / 1e9,
	};
	return true;
}

/* The marks first: a failure that comes in between finds a window without those that tripped it. */
bool breaker_reset(struct canary_breaker *breaker)
{
	if (!breaker->tripped)
		return false;
	breaker->mark[0].slot = breaker->mark[1].slot = 0;
	__atomic_store_n(&breaker->tripped, 0, __ATOMIC_RELEASE);
	return true;
}

void breaker_print(const struct breaker_trip *trip, char *buf, size_t size)
{
	snprintf(buf, size, "the kernel's breaker tripped: %" PRIu64 " of %" PRIu64 " attempts failed within %.3g s, the last: %s",
		 trip->failures, trip->attempts, trip->window_s, trip->kind);
}

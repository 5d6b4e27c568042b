/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The age of the canary's backends.
 */
#include "user/warmup.h"

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Whether the backend is cold in this tick; its age grows by the tick afterwards. */
static bool is_cold(struct warmup *w, const char *address, unsigned i, uint64_t elapsed_ns, uint64_t warmup_ns,
		    bool busy)
{
	bool fresh, cold;
	int slot = roster_slot(&w->roster, address, i, &fresh);

	if (slot < 0)
		return true;
	if (fresh) {
		w->begun[slot] = false;
		w->age_ns[slot] = 0;
	}
	cold = w->age_ns[slot] < warmup_ns;
	w->begun[slot] = w->begun[slot] || busy;
	w->age_ns[slot] += w->begun[slot] ? elapsed_ns : 0;
	w->any_warm = w->any_warm || !cold;
	return cold;
}

struct warmup_split warmup_split(struct warmup *w, const struct sample_version *canary, uint64_t elapsed_ns,
				 uint64_t warmup_ns)
{
	unsigned n_backends = canary->n_backends < SAMPLE_BACKENDS ? canary->n_backends : SAMPLE_BACKENDS;
	uint64_t n = canary->attempts, y = least(canary->failed, canary->attempts);
	struct warmup_split split = { 0 };

	roster_turn(&w->roster);
	for (unsigned i = 0; i < n_backends; i++) {
		const struct sample_backend *b = &canary->backend[i];
		uint64_t b_n = least(b->attempts, n), b_y = least(least(b->failed, b->attempts), y);

		n -= b_n;
		y -= b_y;
		if (is_cold(w, b->address, i, elapsed_ns, warmup_ns, b_n > 0)) {
			split.cold_n += b_n;
			split.cold_y += b_y;
		} else {
			split.warm_n += b_n;
			split.warm_y += b_y;
		}
	}
	if (n > 0 && is_cold(w, "", n_backends, elapsed_ns, warmup_ns, true)) {
		split.cold_n += n;
		split.cold_y += least(y, n);
	} else if (n > 0) {
		split.warm_n += n;
		split.warm_y += least(y, n);
	}
	return split;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Burn rates from two rings of counts. A window that reaches back beyond the beginning holds what there is.
 */
#include "user/burn.h"

#include <math.h>

#define MINUTE_NS 60000000000ULL

static void ring_add(struct burn_ring *r, uint64_t slot_ns, const struct sequential_counts *c, uint64_t elapsed_ns)
{
	if (r->age_ns >= slot_ns) {
		r->current = (r->current + 1) % BURN_SLOTS;
		r->slot[r->current] = (struct sequential_counts){ 0 };
		r->age_ns = 0;
	}
	sequential_counts_add(&r->slot[r->current], c);
	r->age_ns += elapsed_ns;
}

/* The slot being filled and the n before it. */
static struct sequential_counts ring_last(const struct burn_ring *r, unsigned n)
{
	struct sequential_counts sum = { 0 };

	for (unsigned i = 0; i <= n; i++)
		sequential_counts_add(&sum, &r->slot[(r->current + BURN_SLOTS - i) % BURN_SLOTS]);
	return sum;
}

void burn_add(struct burn *burn, const struct sequential_counts *c, double p_b, uint64_t elapsed_ns)
{
	ring_add(&burn->minutes, MINUTE_NS, c, elapsed_ns);
	ring_add(&burn->five_minutes, 5 * MINUTE_NS, c, elapsed_ns);
	burn->excess_failures += (double)c->canary_y - (double)c->canary_n * p_b;
}

static double rate(uint64_t y, uint64_t n, double slo)
{
	return n ? (double)y / (double)n / (1 - slo) : NAN;
}

static bool pages(const struct burn_ring *longer, unsigned n_longer, const struct burn_ring *shorter,
		  unsigned n_shorter, double factor, const struct burn_terms *terms)
{
	struct sequential_counts a = ring_last(longer, n_longer), b = ring_last(shorter, n_shorter);

	return (double)b.canary_y >= terms->failures && rate(a.canary_y, a.canary_n, terms->slo) >= factor &&
	       rate(b.canary_y, b.canary_n, terms->slo) >= factor;
}

struct burn_state burn_read(const struct burn *burn, const struct burn_terms *terms)
{
	struct sequential_counts c = ring_last(&burn->minutes, 5);
	struct burn_state state = {
		.baseline = rate(c.baseline_y, c.baseline_n, terms->slo),
		.canary = rate(c.canary_y, c.canary_n, terms->slo),
	};

	state.blocks = (double)c.canary_y >= terms->failures && c.baseline_n > 0 &&
		       state.canary > terms->ratio * state.baseline;
	state.pages = pages(&burn->five_minutes, 12, &burn->minutes, 5, 14.4, terms) ||
		      pages(&burn->five_minutes, 72, &burn->minutes, 30, 6, terms);
	return state;
}

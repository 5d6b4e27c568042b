/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sums beside the evidence.
 */
#include "user/recent.h"

#include <math.h>

#define SLOT_NS 10000000000ULL

void recent_add(struct recent *r, const struct sequential_counts *c, uint64_t elapsed_ns)
{
	if (r->slot_ns[r->current] >= SLOT_NS) {
		r->current = (r->current + 1) % RECENT_SLOTS;
		r->slot[r->current] = (struct sequential_counts){ 0 };
		r->slot_ns[r->current] = 0;
	}
	sequential_counts_add(&r->total, c);
	sequential_counts_add(&r->slot[r->current], c);
	r->slot_ns[r->current] += elapsed_ns;
}

struct sequential_counts recent_minute(const struct recent *r, double *ret_s)
{
	struct sequential_counts sum = { 0 };
	uint64_t ns = 0;

	for (unsigned i = 0; i < RECENT_SLOTS; i++) {
		sequential_counts_add(&sum, &r->slot[i]);
		ns += r->slot_ns[i];
	}
	*ret_s = (double)ns / 1e9;
	return sum;
}

/* Twice the log-likelihood ratio of "the canary's share is its own" to "both have one": how much the counts say. */
static double loudness(const struct sequential_counts *c)
{
	double n_c = (double)c->canary_n, n_b = (double)c->baseline_n, y_c = (double)c->canary_y;
	double y = y_c + (double)c->baseline_y;
	double expected = n_c + n_b > 0 ? y * n_c / (n_c + n_b) : 0;

	if (!(expected > 0) || y_c <= expected)
		return 0;
	return y_c * log(y_c / expected) + (y > y_c ? (y - y_c) * log((y - y_c) / (y - expected)) : 0);
}

static struct finding_counts as_finding(const struct sequential_counts *c)
{
	return (struct finding_counts){
		.baseline_attempts = c->baseline_n,
		.baseline_failed = c->baseline_y,
		.canary_attempts = c->canary_n,
		.canary_failed = c->canary_y,
	};
}

void recent_tell(const struct recent *r, struct finding_sli *sli)
{
	double minute_s;
	struct sequential_counts minute = recent_minute(r, &minute_s);
	bool late = loudness(&minute) > loudness(&r->total);

	sli->counts = as_finding(&r->total);
	sli->telling = as_finding(late ? &minute : &r->total);
	sli->telling_s = late ? minute_s : 0;
}

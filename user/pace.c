/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sums of seconds. */
#include "user/pace.h"

#include <math.h>
#include <string.h>

#define SLOT_NS 1000000000ULL
#define LATELY 10     /* seconds at most, */
#define LEAST_S 2.0   /* and at least, in which more requests are a rise */
#define SIGNIFICANT 4 /* standard errors */

struct stretch {
	double n, s;
};

static void add_slot(struct stretch *sum, const struct pace *p, unsigned back)
{
	unsigned i = (p->current + PACE_SLOTS - back) % PACE_SLOTS;

	sum->n += (double)p->n[i];
	sum->s += (double)p->ns[i] / 1e9;
}

static struct stretch minute(const struct pace *p)
{
	struct stretch sum = { 0 };

	for (unsigned back = 0; back < PACE_SLOTS; back++)
		add_slot(&sum, p, back);
	return sum;
}

void pace_add(struct pace *p, uint64_t n, uint64_t elapsed_ns)
{
	if (!p->begun && n == 0)
		return;
	p->begun = 1;
	if (p->ns[p->current] >= SLOT_NS) {
		p->current = (p->current + 1) % PACE_SLOTS;
		p->n[p->current] = p->ns[p->current] = 0;
	}
	p->n[p->current] += n;
	p->ns[p->current] += elapsed_ns;
	if (minute(p).n <= 0)
		memset(p, 0, sizeof(*p));
}

double pace_rate(const struct pace *p, double *ret_s)
{
	struct stretch all = minute(p), late = { 0 };
	double rate = all.s > 0 ? all.n / all.s : 0, highest = rate;

	for (unsigned back = 0; back < LATELY; back++) {
		double expected;

		add_slot(&late, p, back);
		expected = rate * late.s;
		if (late.s >= LEAST_S && late.n > expected + SIGNIFICANT * (sqrt(expected) + 1))
			highest = fmax(highest, late.n / late.s);
	}
	*ret_s = all.s;
	return highest;
}

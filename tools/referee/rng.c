/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/referee/rng.h"

#include <math.h>

#define NORMAL_FROM 40.0 /* a normal approximation from this mean on */

static uint64_t rotate(uint64_t x, int k)
{
	return (x << k) | (x >> (64 - k));
}

uint64_t rng_bits(struct rng *r)
{
	uint64_t *s = r->s, result = rotate(s[0] + s[3], 23) + s[0], t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotate(s[3], 45);
	return result;
}

struct rng rng_new(uint64_t seed)
{
	struct rng r;

	for (int i = 0; i < 4; i++) {
		uint64_t z = seed += 0x9e3779b97f4a7c15ULL;

		z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
		z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
		r.s[i] = z ^ (z >> 31);
	}
	return r;
}

double rng_uniform(struct rng *r)
{
	return ((double)(rng_bits(r) >> 11) + 0.5) * 0x1p-53;
}

double rng_normal(struct rng *r)
{
	double radius = sqrt(-2 * log(rng_uniform(r)));

	return radius * cos(2 * M_PI * rng_uniform(r));
}

uint64_t rng_poisson(struct rng *r, double mean)
{
	double limit, product;
	uint64_t n = 0;

	if (!(mean > 0))
		return 0;
	if (mean > NORMAL_FROM)
		return (uint64_t)fmax(0, floor(mean + sqrt(mean) * rng_normal(r) + 0.5));
	limit = exp(-mean);
	for (product = rng_uniform(r); product > limit; n++)
		product *= rng_uniform(r);
	return n;
}

/* By the gaps between successes: exact, and quick where they are few. */
static uint64_t by_gaps(struct rng *r, uint64_t n, double p)
{
	double step = log1p(-p), at = 0;
	uint64_t successes = 0;

	for (;;) {
		at += floor(log(rng_uniform(r)) / step) + 1;
		if (at > (double)n)
			return successes;
		successes++;
	}
}

uint64_t rng_binomial(struct rng *r, uint64_t n, double p)
{
	double mean = (double)n * p;

	if (n == 0 || !(p > 0))
		return 0;
	if (p >= 1)
		return n;
	if (p > 0.5)
		return n - rng_binomial(r, n, 1 - p);
	if (mean > NORMAL_FROM)
		return (uint64_t)fmin((double)n, fmax(0, floor(mean + sqrt(mean * (1 - p)) * rng_normal(r) + 0.5)));
	return by_gaps(r, n, p);
}

uint64_t rng_geometric(struct rng *r, double mean)
{
	return mean > 1 ? 1 + (uint64_t)floor(log(rng_uniform(r)) / log1p(-1 / mean)) : 1;
}

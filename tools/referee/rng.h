/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The referee's own chance: xoshiro256++ (Blackman, Vigna), seeded by splitmix64, so that a rollout's traffic depends
 * on its seed alone and on nothing the judge's own tests use.
 */
#ifndef CANARYD_REFEREE_RNG_H
#define CANARYD_REFEREE_RNG_H

#include <stdint.h>

struct rng {
	uint64_t s[4];
};

struct rng rng_new(uint64_t seed);

/* 64 random bits. */
uint64_t rng_bits(struct rng *r);
double rng_uniform(struct rng *r); /* in (0, 1) */
double rng_normal(struct rng *r);
uint64_t rng_poisson(struct rng *r, double mean);
uint64_t rng_binomial(struct rng *r, uint64_t n, double p);

/* 1, 2, …: how many until the first that ends it, of that mean. */
uint64_t rng_geometric(struct rng *r, double mean);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Made-up traffic for the judge's tests: a small generator with a fixed seed, so that a test is the same every time.
 */
#ifndef CANARYD_TESTS_TRAFFIC_H
#define CANARYD_TESTS_TRAFFIC_H

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/judge.h"
#include "user/sample.h"

struct traffic {
	uint64_t random; /* the generator's state, not 0 */
	double rate;     /* requests per second of the whole service */
	double share;    /* of the canary */
	double tick_s;
	double p_baseline; /* share of failures */
	double p_canary;
	double slower;     /* the canary's latency in the baseline's */
	unsigned backends; /* of the baseline; the canary has one */
	int latency;       /* draw latencies too (takes its time) */
	uint64_t now_ns;
};

static inline struct traffic traffic(uint64_t seed)
{
	return (struct traffic){ .random = seed * 0x9e3779b97f4a7c15ULL + 1, .rate = 1000, .share = 0.05, .tick_s = 1,
				 .p_baseline = 0.001, .p_canary = 0.001, .slower = 1, .backends = 3 };
}

/* xorshift64*, uniform in (0, 1) */
static inline double traffic_uniform(struct traffic *t)
{
	t->random ^= t->random >> 12;
	t->random ^= t->random << 25;
	t->random ^= t->random >> 27;
	return ((double)((t->random * 0x2545f4914f6cdd1dULL) >> 11) + 0.5) / 9007199254740992.0;
}

static inline double traffic_normal(struct traffic *t)
{
	double u = traffic_uniform(t);

	return sqrt(-2 * log(u)) * cos(2 * M_PI * traffic_uniform(t));
}

static inline uint64_t traffic_poisson(struct traffic *t, double mean)
{
	double limit = exp(-mean), product = 1;
	uint64_t n = 0;

	if (mean > 50) {
		double x = mean + sqrt(mean) * traffic_normal(t);

		return x > 0 ? (uint64_t)(x + 0.5) : 0;
	}
	for (product = traffic_uniform(t); product > limit; n++)
		product *= traffic_uniform(t);
	return n;
}

/* Binomial for a small p (by Poisson) and for p = 1. */
static inline uint64_t traffic_failures(struct traffic *t, uint64_t n, double p)
{
	uint64_t y = p >= 1 ? n : traffic_poisson(t, (double)n * p);

	return y < n ? y : n;
}

static inline void traffic_version(struct traffic *t, struct sample_version *v, const char *network, unsigned backends,
				   double rate, double p, double slower)
{
	memset(v, 0, sizeof(*v));
	v->n_backends = backends;
	for (unsigned i = 0; i < backends; i++) {
		struct sample_backend *b = &v->backend[i];

		snprintf(b->address, sizeof(b->address), "%s.%u:80", network, i + 1);
		b->attempts = traffic_poisson(t, rate * t->tick_s / backends);
		b->failed = traffic_failures(t, b->attempts, p);
		v->attempts += b->attempts;
		v->failed += b->failed;
		for (uint64_t k = b->failed; t->latency && k < b->attempts; k++)
			v->ttfb.bucket[histogram_bucket(0.02 * slower * exp(0.5 * traffic_normal(t)))]++;
	}
}

static inline void traffic_tick(struct traffic *t, struct sample *ret)
{
	t->now_ns += (uint64_t)(t->tick_s * 1e9);
	ret->now_ns = t->now_ns;
	ret->elapsed_ns = (uint64_t)(t->tick_s * 1e9);
	ret->weight = t->share;
	ret->suspect = false;
	traffic_version(t, &ret->baseline, "10.0.0", t->backends, t->rate * (1 - t->share), t->p_baseline, 1);
	traffic_version(t, &ret->canary, "10.0.1", 1, t->rate * t->share, t->p_canary, t->slower);
}

/* Feeds the judge for `seconds`, until the canary has failed. Returns the seconds until then, NAN if it has not. */
static inline double traffic_until_failed(struct traffic *t, struct judge *j, struct finding *f, double seconds)
{
	struct sample *s = calloc(1, sizeof(*s));
	double passed;

	for (passed = 0; passed < seconds;) {
		traffic_tick(t, s);
		judge_tick(j, s, f);
		passed += t->tick_s;
		if (f->ln_e_rollback >= f->ln_bound || f->guard_fired)
			break;
	}
	free(s);
	return f->ln_e_rollback >= f->ln_bound || f->guard_fired ? passed : NAN;
}

static inline int traffic_compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

#endif

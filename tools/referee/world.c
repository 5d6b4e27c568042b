/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The figures of the noises are here and nowhere else. A request's latency is drawn from 4096 equally likely values, a
 * log-normal's; a failed one has none.
 */
#include "tools/referee/world.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define MEDIAN_S 0.02
#define PER_OCTAVE (1 << CANARY_HISTOGRAM_SCHEMA)
#define PARETO_SHAPE 1.5
#define BURST_SLOWER 1.5
#define CLUSTER_MEAN 5.0
#define STALL_EVERY_S 60.0
#define STALL_LASTS_S 1.0
#define STALL_SLOWER 3.0
#define DAY_S 1000.0
#define COLD_S 40.0
#define COLD_FAILS 0.05
#define COLD_SLOWER 1.5
#define TAIL_FROM 0.9
#define DRAWS 5 /* of 12 bits from one number of 64 */

/* The standard normal's quantile, by bisection: 4096 of them once a rollout. */
static double normal_quantile(double p)
{
	double low = -10, high = 10;

	for (int i = 0; i < 50; i++) {
		double middle = (low + high) / 2;

		if (0.5 * erfc(-middle / M_SQRT2) < p)
			low = middle;
		else
			high = middle;
	}
	return low;
}

static const double *quantiles(void)
{
	static double z[WORLD_QUANTILES];

	for (int i = 0; z[0] == 0 && i < WORLD_QUANTILES; i++)
		z[WORLD_QUANTILES - 1 - i] = -normal_quantile((i + 0.5) / WORLD_QUANTILES);
	return z;
}

static void init_backends(struct world *w)
{
	static const double failing[] = { 0.6, 0.9, 1.1, 1.4 }, slower[] = { 0.97, 1.02, 0.99, 1.02 };
	unsigned like = (unsigned)(rng_uniform(&w->rng) * WORLD_BACKENDS);

	for (unsigned i = 0; i <= WORLD_BACKENDS; i++) {
		unsigned kind = i < WORLD_BACKENDS ? i : like;
		bool unequal = w->cell->noise == CELL_UNEQUAL;

		snprintf(w->address[i], sizeof(w->address[i]), "192.0.2.%u:80", i + 1);
		w->backend[i] = (struct world_backend){
			.burst_until_s = -INFINITY,
			.stall_until_s = -INFINITY,
			.failing = unequal ? failing[kind] : 1,
			.slower = unequal ? slower[kind] : 1,
		};
	}
}

/* Where a duration lies among the histogram's buckets: the next whole number is its bucket. */
static double position(double seconds)
{
	return (log2(seconds) - CANARY_HISTOGRAM_MIN_EXP) * PER_OCTAVE;
}

void world_init(struct world *w, const struct cell *cell, uint64_t seed)
{
	const double *z = quantiles();

	memset(w, 0, sizeof(*w));
	w->cell = cell;
	w->burst = cell->burst.every_s > 0 ? cell->burst : (struct cell_burst){ 300, 20, 0.05, CELL_FIXED };
	w->n_backends = cell->lone ? 1 : WORLD_BACKENDS;
	w->rng = rng_new(seed);
	w->now_s = -cell->history_s;
	w->shared_burst_until_s = -INFINITY;
	for (int i = 0; i < WORLD_QUANTILES; i++)
		w->latency[i] = position(MEDIAN_S) + cell->sigma * z[i] / M_LN2 * PER_OCTAVE;
	init_backends(w);
}

/* ---- noise ----------------------------------------------------------------------------------------------- */

/* The canary's first tick begins at 0 s, give or take the rounding of sums. */
static bool has_canary(const struct world *w)
{
	return w->now_s > -w->cell->tick_s / 2;
}

static bool happens(struct world *w, double every_s)
{
	return rng_uniform(&w->rng) < w->cell->tick_s / every_s;
}

static double burst_lasts_s(struct world *w)
{
	double mean_s = w->burst.lasts_s;

	switch (w->burst.lasts) {
	case CELL_EXPONENTIAL:
		return -mean_s * log(rng_uniform(&w->rng));
	case CELL_PARETO:
		return mean_s * (1 - 1 / PARETO_SHAPE) * pow(rng_uniform(&w->rng), -1 / PARETO_SHAPE);
	default:
		return mean_s;
	}
}

static void begin_burst(struct world *w, double *until_s)
{
	if (w->now_s >= *until_s && happens(w, w->burst.every_s))
		*until_s = w->now_s + burst_lasts_s(w);
}

static void turn_noise(struct world *w)
{
	if (w->cell->noise == CELL_BURST_BOTH)
		begin_burst(w, &w->shared_burst_until_s);
	for (unsigned i = 0; i <= WORLD_BACKENDS; i++) {
		struct world_backend *b = &w->backend[i];

		if (w->cell->noise == CELL_BURST_ONE)
			begin_burst(w, &b->burst_until_s);
		if (w->cell->noise == CELL_CLUSTERED && happens(w, STALL_EVERY_S))
			b->stall_until_s = w->now_s + STALL_LASTS_S;
	}
}

/* The ticks' ends are sums of fractions: half a tick decides. */
static bool is_bad(const struct world *w)
{
	return w->now_s > w->cell->onset_s - w->cell->tick_s / 2;
}

/* What a backend is like just now. */
struct mood {
	double p;
	double slower;
};

static struct mood mood(const struct world *w, unsigned i)
{
	const struct cell *cell = w->cell;
	const struct world_backend *b = &w->backend[i];
	bool canary = i == WORLD_BACKENDS, bad = canary && is_bad(w);
	struct mood m = { (bad ? cell->p_canary : cell->p_baseline) * b->failing, b->slower };

	if (w->now_s < w->shared_burst_until_s || w->now_s < b->burst_until_s) {
		m.p += w->burst.fails;
		m.slower *= BURST_SLOWER;
	}
	if (w->now_s < b->stall_until_s - cell->tick_s / 2)
		m.slower *= STALL_SLOWER;
	if (cell->noise == CELL_RAMP)
		m.p *= 1 + 0.8 * sin(2 * M_PI * w->now_s / DAY_S);
	if (cell->noise == CELL_COLD && canary && w->now_s < COLD_S) {
		m.p += COLD_FAILS;
		m.slower *= COLD_SLOWER;
	}
	if (bad && !cell->tail_only)
		m.slower *= cell->slower;
	return m;
}

static double rate(const struct world *w)
{
	return CELL_RATE * (w->cell->noise == CELL_RAMP ? 1 + 0.5 * sin(2 * M_PI * w->now_s / DAY_S) : 1);
}

/* ---- a tick ---------------------------------------------------------------------------------------------- */

static uint64_t failures(struct world *w, uint64_t n, double p)
{
	uint64_t clusters, y = 0;

	if (w->cell->noise != CELL_CLUSTERED)
		return rng_binomial(&w->rng, n, p);
	clusters = rng_poisson(&w->rng, (double)n * p / CLUSTER_MEAN);
	while (clusters-- > 0)
		y += rng_geometric(&w->rng, CLUSTER_MEAN);
	return y < n ? y : n;
}

static void make_shift(const struct world *w, double slower, double tail_slower, struct world_shift *ret)
{
	double later = log2(slower) * PER_OCTAVE, tail_later = log2(tail_slower) * PER_OCTAVE;

	ret->slower = slower;
	ret->tail_slower = tail_slower;
	for (unsigned q = 0; q < WORLD_QUANTILES; q++) {
		double at = w->latency[q] + later + (q >= TAIL_FROM * WORLD_QUANTILES ? tail_later : 0);

		ret->bucket[q] = at > 0 ? (uint16_t)ceil(at) : 0;
	}
}

static const struct world_shift *shift(struct world *w, double slower, double tail_slower)
{
	struct world_shift *oldest = &w->shift[w->next_shift];

	for (unsigned i = 0; i < WORLD_SHIFTS; i++)
		if (w->shift[i].slower == slower && w->shift[i].tail_slower == tail_slower)
			return &w->shift[i];
	make_shift(w, slower, tail_slower, oldest);
	w->next_shift = (w->next_shift + 1) % WORLD_SHIFTS;
	return oldest;
}

/* Five draws of a number: this is where a simulation spends its time. */
static void draw_latencies(struct world *w, unsigned i, uint64_t n, double slower, struct histogram *h)
{
	bool tail = w->cell->tail_only && i == WORLD_BACKENDS && is_bad(w);
	const uint16_t *bucket = shift(w, slower, tail ? w->cell->slower : 1)->bucket;

	while (n > 0) {
		uint64_t bits = rng_bits(&w->rng), now = n < DRAWS ? n : DRAWS;

		n -= now;
		for (; now > 0; now--, bits /= WORLD_QUANTILES)
			h->bucket[bucket[bits % WORLD_QUANTILES]]++;
	}
}

static void serve(struct world *w, unsigned i, double requests_per_s, struct sample_version *v)
{
	struct sample_backend *b = &v->backend[v->n_backends++];
	struct mood m = mood(w, i);

	memcpy(b->address, w->address[i], sizeof(b->address));
	b->attempts = rng_poisson(&w->rng, requests_per_s * w->cell->tick_s);
	b->failed = failures(w, b->attempts, m.p);
	v->attempts += b->attempts;
	v->failed += b->failed;
	draw_latencies(w, i, b->attempts - b->failed, m.slower, &v->ttfb);
}

void world_tick(struct world *w, struct record *ret)
{
	bool canary = has_canary(w);
	double share = canary ? CELL_SHARE : 0;

	memset(ret, 0, sizeof(*ret));
	turn_noise(w);
	strcpy(ret->baseline, "v1");
	strcpy(ret->canary, canary ? "v2" : "");
	ret->rollout = canary ? 1 : RECORD_NO_ROLLOUT;
	ret->elapsed_s = w->cell->tick_s;
	ret->sample.weight = share;
	for (unsigned i = 0; i < w->n_backends; i++)
		serve(w, i, rate(w) * (1 - share) / w->n_backends, &ret->sample.baseline);
	if (canary)
		serve(w, WORLD_BACKENDS, rate(w) * share, &ret->sample.canary);
	w->now_s += w->cell->tick_s;
	ret->t = w->now_s;
}

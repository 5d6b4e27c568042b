/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * φ and A/A. A block of a version with one backend has nothing to be compared with in its own time, so it is compared
 * with the block before and the one after as if they were another backend: that counts bursts and clusters, shared ones
 * too, and not a slow drift.
 */
#include "user/noise.h"

#include <math.h>
#include <string.h>

#define NS_PER_S 1000000000ULL
#define ENOUGH 5.0 /* φ of a block length counts from this much expected variance */
#define SIGNIFICANT 2.5 /* … and from so many standard errors above 1: the largest of four is often a little above */
#define UNKNOWN 3.0 /* φ where nothing is known; */
#define KNOWN 5.0   /* of a series something is after so many comparisons */
#define OUTLIER 30.0 /* times chance: no comparison in time counts for more, lest one step of the load rules for hours */
#define KAPPA_UNSEEN 5.0  /* nothing seen: now and then 1.6 times the failures, and seldom 4 times */
#define KAPPA_SEEN 20.0
#define UNSEEN_S 1200.0   /* backend seconds in which κ grows e-fold: bursts come every few minutes, or are no concern */
#define PATIENCE_UNSEEN 0.6
#define SEEN_S 600.0      /* backend seconds after which something is seen of most bursts */
#define AA_EPOCH_NS (600 * NS_PER_S)
#define AA_BLOCK_NS (30 * NS_PER_S)

static const uint64_t length_ns[NOISE_LENGTHS] = { NS_PER_S, 10 * NS_PER_S, 60 * NS_PER_S, 300 * NS_PER_S };

/* Adds the cells' deviation from their common rate. */
static void compare(struct noise_sums *sums, const struct noise_cell *cell, unsigned n_cells)
{
	double n = 0, y = 0, cells = 0;

	for (unsigned i = 0; i < n_cells; i++) {
		n += (double)cell[i].n;
		y += (double)cell[i].y;
		cells += cell[i].n > 0;
	}
	if (cells < 2 || y == 0)
		return;
	for (unsigned i = 0; i < n_cells; i++) {
		double share = (double)cell[i].n / n, e = y * share;

		sums->excess += ((double)cell[i].y - e) * ((double)cell[i].y - e);
		sums->expected += e * (1 - share);
	}
	sums->freedom += cells - 1;
}

/* A block against its two neighbours in time: a steady rise or fall is no deviation. */
static void compare_in_time(struct noise_sums *sums, struct noise_cell before[2], uint32_t *n_before,
			    struct noise_cell last)
{
	struct noise_cell pair[2];
	struct noise_sums one = { 0 };

	if (*n_before < 2) {
		before[(*n_before)++] = last;
		return;
	}
	pair[0] = before[1];
	pair[1] = (struct noise_cell){ before[0].n + last.n, before[0].y + last.y };
	compare(&one, pair, 2);
	sums->excess += fmin(one.excess, OUTLIER * one.expected);
	sums->expected += one.expected;
	sums->freedom += one.freedom;
	*n_before = 0;
}

static void fade(struct noise_sums *sums, uint64_t age_ns, double forget_s)
{
	double keep = forget_s > 0 ? exp(-(double)age_ns / NS_PER_S / forget_s) : 1;

	sums->excess *= keep;
	sums->expected *= keep;
	sums->freedom *= keep;
}

static void end_block(struct noise_blocks *b, double forget_s, bool in_time)
{
	struct noise_cell only = { 0 };
	unsigned active = 0;

	fade(&b->sums, b->age_ns, forget_s);
	for (unsigned i = 0; i < ROSTER_SLOTS; i++) {
		if (b->backend[i].n == 0)
			continue;
		only = b->backend[i];
		active++;
	}
	if (active > 1)
		compare(&b->sums, b->backend, ROSTER_SLOTS);
	else if (active == 1 && in_time)
		compare_in_time(&b->sums, b->before, &b->n_before, only);
	memset(b->backend, 0, sizeof(b->backend));
	b->age_ns = 0;
}

static void add_to_slot(struct noise *noise, int slot, bool fresh, uint64_t n, uint64_t y)
{
	for (unsigned l = 0; l < NOISE_LENGTHS; l++) {
		struct noise_cell *cell = &noise->blocks[l].backend[slot];

		if (fresh)
			*cell = (struct noise_cell){ 0 };
		cell->n += n;
		cell->y += y < n ? y : n;
	}
}

void noise_add(struct noise *noise, const struct sample_version *baseline, uint64_t elapsed_ns, double forget_s)
{
	unsigned n = baseline->n_backends < SAMPLE_BACKENDS ? baseline->n_backends : SAMPLE_BACKENDS;
	bool fresh;
	int whole;

	if (baseline->attempts > 0) {
		noise->watched_s += (double)elapsed_ns / NS_PER_S * (n > 1 ? n - 1 : 1);
		noise->seen_s += (double)elapsed_ns / NS_PER_S * (n > 1 ? n - 1 : 0);
	}
	roster_turn(&noise->roster);
	if (n == 0 && (whole = roster_slot(&noise->roster, "", 0, &fresh)) >= 0)
		add_to_slot(noise, whole, fresh, baseline->attempts, baseline->failed);
	for (unsigned i = 0; i < n; i++) {
		const struct sample_backend *b = &baseline->backend[i];
		int slot = roster_slot(&noise->roster, b->address, i, &fresh);

		if (slot >= 0)
			add_to_slot(noise, slot, fresh, b->attempts, b->failed);
	}
	for (unsigned l = 0; l < NOISE_LENGTHS; l++) {
		struct noise_blocks *b = &noise->blocks[l];

		b->age_ns += elapsed_ns;
		if (b->age_ns >= length_ns[l])
			end_block(b, forget_s, l < NOISE_SERIES_LENGTHS);
	}
}

/* The standard error of φ_b about 1 were there chance alone: that of a χ² over its degrees, and of few failures. */
static double standard_error(const struct noise_sums *sums)
{
	return sqrt(2 / sums->freedom + 1 / sums->expected);
}

/* φ_b where it counts, else 1. */
static double phi_of(const struct noise_sums *sums)
{
	double phi = sums->excess / sums->expected;

	return sums->expected >= ENOUGH && phi > 1 + SIGNIFICANT * standard_error(sums) ? phi : 1;
}

double noise_phi(const struct noise *noise)
{
	double phi = 1;

	for (unsigned l = 0; l < NOISE_LENGTHS; l++)
		phi = fmax(phi, phi_of(&noise->blocks[l].sums));
	return phi;
}

double noise_phi_cautious(const struct noise *noise, double unknown)
{
	bool known = false;

	for (unsigned l = 0; l < NOISE_LENGTHS; l++)
		known = known || noise->blocks[l].sums.expected >= ENOUGH;
	return known ? noise_phi(noise) : unknown;
}

double noise_unseen(const struct noise *noise)
{
	return fmin(1, fmax(0, 2 - 2 * noise->watched_s / SEEN_S));
}

double noise_patience(const struct noise *noise)
{
	return pow(noise_phi(noise), 0.75) * (1 + PATIENCE_UNSEEN * noise_unseen(noise));
}

double noise_kappa(const struct noise *noise)
{
	return fmin(KAPPA_SEEN, KAPPA_UNSEEN * exp(noise->seen_s / UNSEEN_S));
}

static void add_to_blocks(struct noise_series_blocks *b, uint64_t length, uint64_t n, uint64_t y, uint64_t elapsed_ns,
			  double forget_s)
{
	b->cell.n += n;
	b->cell.y += y;
	b->age_ns += elapsed_ns;
	if (b->age_ns < length)
		return;
	fade(&b->sums, b->age_ns, forget_s);
	compare_in_time(&b->sums, b->before, &b->n_before, b->cell);
	b->cell = (struct noise_cell){ 0 };
	b->age_ns = 0;
}

void noise_series_add(struct noise_series *series, const struct histogram_tail *h, unsigned tau, uint64_t elapsed_ns,
		      double forget_s)
{
	for (unsigned l = 0; l < NOISE_SERIES_LENGTHS; l++) {
		struct noise_series_blocks *b = &series->blocks[l];

		if (b->n_before == 0 && b->age_ns == 0)
			b->tau = tau;
		add_to_blocks(b, length_ns[l], h->count, h->above[b->tau], elapsed_ns, forget_s);
	}
}

void noise_series_add_counts(struct noise_series *series, uint64_t n, uint64_t y, uint64_t elapsed_ns)
{
	for (unsigned l = 0; l < NOISE_SERIES_LENGTHS; l++)
		add_to_blocks(&series->blocks[l], length_ns[l], n, y, elapsed_ns, 0);
}

void noise_series_cut(struct noise_series *series)
{
	for (unsigned l = 0; l < NOISE_SERIES_LENGTHS; l++) {
		series->blocks[l].cell = (struct noise_cell){ 0 };
		series->blocks[l].n_before = 0;
		series->blocks[l].age_ns = 0;
	}
}

bool noise_series_is_known(const struct noise_series *series)
{
	return series->blocks[0].sums.freedom >= KNOWN;
}

double noise_series_phi(const struct noise_series *series)
{
	double phi = 1;

	if (!noise_series_is_known(series))
		return UNKNOWN;
	for (unsigned l = 0; l < NOISE_SERIES_LENGTHS; l++)
		phi = fmax(phi, phi_of(&series->blocks[l].sums));
	return phi;
}

double noise_series_phi_seen(const struct noise_series *series)
{
	return noise_series_is_known(series) ? noise_series_phi(series) : 1;
}

void noise_aa_init(struct noise_aa *aa)
{
	*aa = (struct noise_aa){ .block_age_ns = AA_BLOCK_NS };
	sequential_init_late(&aa->more[0]);
	sequential_init_late(&aa->more[1]);
}

/* Even slots stand for the canary, odd ones for the baseline. */
static struct sequential_counts halves(const struct noise *noise, const struct sample_version *v)
{
	struct sequential_counts c = { 0 };

	for (unsigned i = 0; i < v->n_backends && i < SAMPLE_BACKENDS; i++) {
		int slot = roster_find(&noise->roster, v->backend[i].address, i);

		if (slot >= 0 && slot % 2 == 0) {
			c.canary_n += v->backend[i].attempts;
			c.canary_y += v->backend[i].failed;
		} else if (slot >= 0) {
			c.baseline_n += v->backend[i].attempts;
			c.baseline_y += v->backend[i].failed;
		}
	}
	return c;
}

static void begin_aa_block(struct noise_aa *aa)
{
	if (aa->block_age_ns < AA_BLOCK_NS)
		return;
	sequential_restart(&aa->more[0]);
	sequential_restart(&aa->more[1]);
	aa->block_age_ns = 0;
}

void noise_aa_add(struct noise_aa *aa, const struct noise *noise, const struct sample_version *baseline,
		  double margin, double phi, uint64_t elapsed_ns, double ln_bound)
{
	struct sequential_counts c = halves(noise, baseline);
	struct sequential_counts reverse = { c.baseline_n, c.baseline_y, c.canary_n, c.canary_y };
	uint64_t alarm_ns = aa->alarm_ns - (elapsed_ns < aa->alarm_ns ? elapsed_ns : aa->alarm_ns);
	bool fires;

	begin_aa_block(aa);
	aa->block_age_ns += elapsed_ns;
	aa->age_ns += elapsed_ns;
	sequential_ratio(&aa->more[0], SEQUENTIAL_WORSE, margin, phi, &c);
	sequential_ratio(&aa->more[1], SEQUENTIAL_WORSE, margin, phi, &reverse);
	fires = sequential_ln_e(&aa->more[0]) >= ln_bound || sequential_ln_e(&aa->more[1]) >= ln_bound;
	if (fires || aa->age_ns >= AA_EPOCH_NS)
		noise_aa_init(aa);
	aa->alarm_ns = fires ? AA_EPOCH_NS : alarm_ns;
}

bool noise_aa_alarm(const struct noise_aa *aa)
{
	return aa->alarm_ns > 0;
}

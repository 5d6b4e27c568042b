/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * φ, A/A, the rosters behind them, and what is kept of the past.
 */
#include "traffic.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "user/noise.h"
#include "user/past.h"

#define SECOND 1000000000ULL

struct fixture {
	struct noise noise;
	struct noise_aa aa;
	struct past past;
	struct sample_version v;
};

static int set_up(void **state)
{
	struct fixture *x = calloc(1, sizeof(*x));

	noise_aa_init(&x->aa);
	*state = x;
	return 0;
}

static int tear_down(void **state)
{
	free(*state);
	return 0;
}

static void set_backend(struct sample_version *v, unsigned i, const char *address, uint64_t n, uint64_t y)
{
	struct sample_backend *b = &v->backend[i];

	v->attempts += n - b->attempts;
	v->failed += y - b->failed;
	v->n_backends = i + 1 > v->n_backends ? i + 1 : v->n_backends;
	strcpy(b->address, address);
	b->attempts = n;
	b->failed = y;
}

static void chance_alone_is_1(void **state)
{
	struct fixture *x = *state;
	double sum = 0;

	for (unsigned r = 0; r < 50; r++) {
		struct traffic t = traffic(100 + r);

		memset(&x->noise, 0, sizeof(x->noise));
		for (unsigned i = 0; i < 600; i++) {
			traffic_version(&t, &x->v, "10.0.0", 3, 500, 0.01, 1);
			noise_add(&x->noise, &x->v, SECOND, 0);
		}
		sum += noise_phi(&x->noise);
	}
	assert_true(sum / 50 < 1.2);
}

/* Failures in clusters of exactly ten: the variance is ten times that of chance. */
static void clusters_are_their_size(void **state)
{
	struct fixture *x = *state;
	struct traffic t = traffic(1);

	for (unsigned i = 0; i < 1200; i++) {
		for (unsigned b = 0; b < 4; b++)
			set_backend(&x->v, b, (const char *[]){ "a", "b", "c", "d" }[b], 1000,
				    10 * traffic_poisson(&t, 0.5));
		noise_add(&x->noise, &x->v, SECOND, 0);
	}
	assert_true(noise_phi(&x->noise) > 8);
	assert_true(noise_phi(&x->noise) < 25);
}

/* Two backends, two seconds, by hand: ((8-5)² + (2-5)²) + 0 over 2·(5·½) + 2·(5·½), had it been significant. */
static void the_formula_by_hand(void **state)
{
	struct fixture *x = *state;

	set_backend(&x->v, 0, "a", 100, 8);
	set_backend(&x->v, 1, "b", 100, 2);
	noise_add(&x->noise, &x->v, SECOND, 0);
	set_backend(&x->v, 0, "a", 100, 5);
	set_backend(&x->v, 1, "b", 100, 5);
	noise_add(&x->noise, &x->v, SECOND, 0);
	assert_true(fabs(x->noise.blocks[0].sums.excess - 18) < 1e-9);
	assert_true(fabs(x->noise.blocks[0].sums.expected - 10) < 1e-9);
	assert_true(fabs(x->noise.blocks[0].sums.freedom - 2) < 1e-9);
	assert_true(noise_phi(&x->noise) == 1); /* 1.8 from two degrees of freedom is chance */
}

static void one_backend_is_compared_with_itself(void **state)
{
	struct fixture *x = *state;
	struct traffic t = traffic(1);

	for (unsigned i = 0; i < 1200; i++) {
		x->v.attempts = 1000;
		x->v.failed = 10 * traffic_poisson(&t, 0.5); /* the version's own counts, no backends known */
		noise_add(&x->noise, &x->v, SECOND, 0);
	}
	assert_true(noise_phi(&x->noise) > 6);
	memset(&x->noise, 0, sizeof(x->noise));
	for (unsigned i = 0; i < 1200; i++) {
		x->v.failed = traffic_poisson(&t, 10 + i / 60.0); /* a rise is no noise */
		noise_add(&x->noise, &x->v, SECOND, 0);
	}
	assert_true(noise_phi(&x->noise) < 2);
}

static void without_failures_nothing_is_known(void **state)
{
	struct fixture *x = *state;

	assert_true(noise_phi(&x->noise) == 1);
	assert_true(noise_phi_cautious(&x->noise, 3) == 3);
	set_backend(&x->v, 0, "a", 100, 0);
	set_backend(&x->v, 1, "b", 100, 0);
	for (unsigned i = 0; i < 600; i++)
		noise_add(&x->noise, &x->v, SECOND, 0);
	assert_true(noise_phi(&x->noise) == 1);
	set_backend(&x->v, 0, "a", 100, 2);
	set_backend(&x->v, 1, "b", 100, 2);
	for (unsigned i = 0; i < 10; i++)
		noise_add(&x->noise, &x->v, SECOND, 0);
	assert_true(noise_phi_cautious(&x->noise, 3) == 1);
}

/* A backend that is alone is watched beside its own past; of several each is watched beside one of them. */
static void what_nobody_has_watched(void **state)
{
	struct noise *noise = calloc(1, sizeof(*noise));
	struct sample_version v = { .attempts = 100, .n_backends = 1 };

	(void)state;
	assert_true(noise_unseen(noise) == 1 && fabs(noise_patience(noise) - 1.6) < 1e-9);
	for (unsigned i = 0; i < 150; i++)
		noise_add(noise, &v, SECOND, 0);
	assert_true(noise_unseen(noise) == 1);
	v.n_backends = 4;
	for (unsigned i = 0; i < 4; i++)
		v.backend[i] = (struct sample_backend){ .address = { (char)('a' + i) }, .attempts = 25 };
	for (unsigned i = 0; i < 100; i++)
		noise_add(noise, &v, SECOND, 0);
	assert_true(fabs(noise_unseen(noise) - 0.5) < 1e-9);
	v.attempts = 0;
	noise_add(noise, &v, 1000 * SECOND, 0);
	assert_true(fabs(noise_unseen(noise) - 0.5) < 1e-9);
	v.attempts = 100;
	noise_add(noise, &v, 1000 * SECOND, 0);
	assert_true(noise_unseen(noise) == 0 && noise_patience(noise) == 1);
	free(noise);
}

static void add_slow(struct noise_series *series, const struct histogram *h, unsigned tau)
{
	struct histogram_tail tail;

	histogram_tail(h, &tail);
	noise_series_add(series, &tail, tau, SECOND, 0);
}

/* Slow requests in tens, at a mark that moves: ten times the variance of chance, and one step of the load is no more. */
static void slow_requests_that_cluster_are_noise(void **state)
{
	struct noise_series *series = calloc(1, sizeof(*series));
	struct fixture *x = *state;
	struct traffic t = traffic(3);

	assert_true(noise_series_phi(series) == 3); /* not known yet */
	for (unsigned i = 0; i < 600; i++) {
		x->v.ttfb.bucket[300] = 950;
		x->v.ttfb.bucket[400] = traffic_poisson(&t, 50);
		add_slow(series, &x->v.ttfb, 350 + i % 40);
	}
	assert_true(noise_series_phi(series) < 1.5);
	for (unsigned i = 0; i < 600; i++) {
		x->v.ttfb.bucket[400] = 10 * traffic_poisson(&t, 5);
		add_slow(series, &x->v.ttfb, 350);
	}
	assert_true(noise_series_phi(series) > 3 && noise_series_phi(series) < 15);
	memset(series, 0, sizeof(*series));
	for (unsigned i = 0; i < 1200; i++) {
		if (i == 600) /* the rollout makes a step */
			noise_series_cut(series);
		x->v.ttfb.bucket[400] = traffic_poisson(&t, i < 600 ? 50 : 20);
		add_slow(series, &x->v.ttfb, 350);
	}
	assert_true(noise_series_phi(series) < 1.5);
	free(series);
}

static void noise_before_a_rollout_fades(void **state)
{
	struct fixture *x = *state;

	for (unsigned i = 0; i < 600; i++) {
		set_backend(&x->v, 0, "a", 1000, i % 20 == 0 ? 100 : 5);
		set_backend(&x->v, 1, "b", 1000, 5);
		noise_add(&x->noise, &x->v, SECOND, 1200);
	}
	assert_true(noise_phi(&x->noise) > 10);
	for (unsigned i = 0; i < 12000; i++) {
		set_backend(&x->v, 0, "a", 1000, 5);
		noise_add(&x->noise, &x->v, SECOND, 1200);
	}
	assert_true(noise_phi(&x->noise) < 2);
}

static void aa_fires_when_the_halves_differ(void **state)
{
	struct fixture *x = *state;
	struct traffic t = traffic(5);

	for (unsigned i = 0; i < 900; i++) {
		traffic_version(&t, &x->v, "10.0.0", 4, 500, 0.01, 1);
		noise_add(&x->noise, &x->v, SECOND, 0);
		noise_aa_add(&x->aa, &x->noise, &x->v, 1.25, 1, SECOND, log(100));
		assert_false(noise_aa_alarm(&x->aa));
	}
	for (unsigned i = 0; i < 30; i++) {
		traffic_version(&t, &x->v, "10.0.0", 4, 500, 0.01, 1);
		x->v.backend[1].failed = 20;
		noise_add(&x->noise, &x->v, SECOND, 0);
		noise_aa_add(&x->aa, &x->noise, &x->v, 1.25, 1, SECOND, log(100));
	}
	assert_true(noise_aa_alarm(&x->aa));
	for (unsigned i = 0; i < 660; i++) {
		traffic_version(&t, &x->v, "10.0.0", 4, 500, 0.01, 1);
		noise_add(&x->noise, &x->v, SECOND, 0);
		noise_aa_add(&x->aa, &x->noise, &x->v, 1.25, 1, SECOND, log(100));
	}
	assert_false(noise_aa_alarm(&x->aa)); /* ten minutes after they agree again */
}

static void slots_follow_their_backends(void **state)
{
	struct roster r = { 0 };
	char address[16];
	bool fresh;

	(void)state;
	roster_turn(&r);
	assert_int_equal(roster_slot(&r, "a", 0, &fresh), 0);
	assert_true(fresh);
	assert_int_equal(roster_slot(&r, "b", 1, &fresh), 1);
	roster_turn(&r);
	assert_int_equal(roster_slot(&r, "b", 0, &fresh), 1); /* another order */
	assert_false(fresh);
	assert_int_equal(roster_find(&r, "a", 5), 0);
	assert_int_equal(roster_find(&r, "c", 0), -1);
	for (unsigned i = 0; i < ROSTER_SLOTS - 1; i++) { /* the slot of "a" is taken last */
		snprintf(address, sizeof(address), "n%u", i);
		assert_true(roster_slot(&r, address, i + 2, &fresh) >= 0);
		assert_true(fresh);
	}
	assert_int_equal(roster_find(&r, "a", 0), -1);
	assert_int_equal(roster_find(&r, "b", 0), 1);
	assert_int_equal(roster_slot(&r, "one too many", 64, &fresh), -1);
	roster_turn(&r);
	assert_true(roster_slot(&r, "next sample", 0, &fresh) >= 0);
}

static void the_past_fades(void **state)
{
	struct fixture *x = *state;
	unsigned bucket;

	assert_true(isnan(past_share(&x->past)));
	assert_true(isnan(past_quantile_s(&x->past, 0.5)));
	assert_false(past_quantile_bucket(&x->past, 0.5, &bucket));
	x->v.attempts = 1000;
	x->v.failed = 100;
	x->v.ttfb.bucket[300] = 1000;
	past_add(&x->past, &x->v, SECOND, 300);
	assert_true(fabs(past_share(&x->past) - 0.1) < 1e-12);
	assert_true(past_share_bound(&x->past, -2) < 0.1 && past_share_bound(&x->past, 2) > 0.1);
	assert_true(past_quantile_bucket(&x->past, 0.99, &bucket));
	assert_int_equal(bucket, 300);
	x->v.failed = 0;
	x->v.ttfb.bucket[300] = 0;
	x->v.ttfb.bucket[400] = 1000;
	for (unsigned i = 0; i < 3000; i++)
		past_add(&x->past, &x->v, SECOND, 300);
	assert_true(past_share(&x->past) < 1e-6);
	assert_true(past_quantile_bucket(&x->past, 0.01, &bucket));
	assert_int_equal(bucket, 400);
	memset(&x->v, 0, sizeof(x->v));
	past_add(&x->past, &x->v, 1000000 * SECOND, 300); /* nothing happened: nothing is forgotten */
	assert_true(x->past.samples > 1000);
}

static void a_short_past_knows_no_tail(void **state)
{
	struct fixture *x = *state;
	unsigned bucket;

	x->v.ttfb.bucket[300] = 50;
	past_add(&x->past, &x->v, SECOND, 300);
	assert_true(past_quantile_bucket(&x->past, 0.95, &bucket));
	assert_false(past_quantile_bucket(&x->past, 0.99, &bucket));
	memset(&x->past, 0, sizeof(x->past));
	x->v.ttfb.bucket[300] = 0;
	x->v.ttfb.bucket[CANARY_HISTOGRAM_BUCKETS - 1] = 5000; /* longer than the histogram reaches */
	past_add(&x->past, &x->v, SECOND, 300);
	assert_false(past_quantile_bucket(&x->past, 0.5, &bucket));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(chance_alone_is_1),
		TEST(clusters_are_their_size),
		TEST(the_formula_by_hand),
		TEST(one_backend_is_compared_with_itself),
		TEST(without_failures_nothing_is_known),
		TEST(what_nobody_has_watched),
		TEST(slow_requests_that_cluster_are_noise),
		TEST(noise_before_a_rollout_fades),
		TEST(aa_fires_when_the_halves_differ),
		TEST(slots_follow_their_backends),
		TEST(the_past_fades),
		TEST(a_short_past_knows_no_tail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

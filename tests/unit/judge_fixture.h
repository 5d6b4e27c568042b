/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A judge without a warm-up, and traffic for it.
 */
#ifndef CANARYD_TESTS_JUDGE_FIXTURE_H
#define CANARYD_TESTS_JUDGE_FIXTURE_H

#include "traffic.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

struct fixture {
	struct judge_config config;
	struct traffic traffic;
	struct sample *sample;
	struct finding *f;
	struct judge *j;
};

static inline int set_up(void **state)
{
	struct fixture *x = calloc(1, sizeof(*x));

	x->config = judge_config_default();
	x->config.warmup_s = 0;
	x->traffic = traffic(7);
	x->sample = calloc(1, sizeof(*x->sample));
	x->f = calloc(1, sizeof(*x->f));
	x->j = judge_new(&x->config);
	*state = x;
	return 0;
}

static inline int tear_down(void **state)
{
	struct fixture *x = *state;

	assert_null(judge_free(x->j));
	assert_null(judge_free(NULL));
	free(x->sample);
	free(x->f);
	free(x);
	return 0;
}

static inline void configure(struct fixture *x)
{
	judge_free(x->j);
	x->j = judge_new(&x->config);
}

static inline void ticks(struct fixture *x, unsigned n)
{
	while (n-- > 0) {
		traffic_tick(&x->traffic, x->sample);
		judge_tick(x->j, x->sample, x->f);
	}
}

/* A tick of one backend a side, exactly so. */
static inline void tick(struct fixture *x, uint64_t canary_n, uint64_t canary_y, uint64_t baseline_n,
			uint64_t baseline_y)
{
	memset(x->sample, 0, sizeof(*x->sample));
	x->sample->elapsed_ns = 1000000000;
	x->sample->weight = x->traffic.share;
	x->sample->canary.attempts = canary_n;
	x->sample->canary.failed = canary_y;
	x->sample->baseline.attempts = baseline_n;
	x->sample->baseline.failed = baseline_y;
	judge_tick(x->j, x->sample, x->f);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif

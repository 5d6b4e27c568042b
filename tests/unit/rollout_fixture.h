/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A service's rollout with a real journal, a split in memory, and traffic of any kind second by second.
 */
#ifndef CANARYD_TESTS_ROLLOUT_FIXTURE_H
#define CANARYD_TESTS_ROLLOUT_FIXTURE_H

#include "tests/unit/journal_fixture.h"
#include "user/journal_file.h"
#include "user/rollout.h"
#include "user/weights.h"

#define V1 3
#define V2 5
#define BOOT "boot-1"

static const char config_text[] =
	"interfaces: [eth0]\n"
	"judge: {warmup_s: 0}\n"
	"services:\n"
	"  - name: web\n"
	"    vip: 192.0.2.10:80\n"
	"    baseline: v1\n"
	"    versions:\n"
	"      - {name: v1, backends: [\"192.0.2.1:81\"]}\n"
	"      - {name: v2, backends: [\"192.0.2.1:82\"]}\n"
	"      - {name: v3, backends: [\"192.0.2.1:83\"]}\n"
	"    rollout: {steps: [{weight: 10, min_s: 1, max_s: 100}, {weight: 100, min_s: 1, max_s: 100}], bake_s: 2}\n";

struct world {
	struct fixture *disk;
	struct config *config;
	struct inventory_version versions[3];
	struct inventory_service service;
	struct canary_split split;
	struct canary_breaker breaker;
	struct rollout *rollout;
	struct sample sample;
	double now;
	struct rollout_gates gates; /* of the next open_rollout_at() */
	bool shadow;                /* the same */
};

static inline void open_rollout_at(struct world *w, const char *boot_id)
{
	struct rollout_environment environment = { w->disk->journal, &w->split, &w->breaker, boot_id, w->gates, w->shadow };
	char *error = NULL;

	if (rollout_open(&environment, w->config, &w->config->services[0], &w->service, w->now, &w->rollout, &error))
		fail_msg("%s", error);
}

static inline void restart(struct world *w, const char *boot_id)
{
	w->rollout = rollout_close(w->rollout);
	reopen(w->disk);
	open_rollout_at(w, boot_id);
}

static inline int set_up_world(void **state)
{
	static struct inventory_backend backend;
	struct world *w = calloc(1, sizeof(*w));
	char *error = NULL;

	if (set_up((void **)&w->disk))
		return -1;
	if (config_load_text(config_text, strlen(config_text), "test", &w->config, &error))
		fail_msg("%s", error);
	w->versions[0] = (struct inventory_version){ .name = "v1", .index = V1, .n_backends = 1, .backends = &backend };
	w->versions[1] = (struct inventory_version){ .name = "v2", .index = V2, .n_backends = 1, .backends = &backend };
	w->versions[2] = (struct inventory_version){ .name = "v3", .index = 7 };
	w->service = (struct inventory_service){ .name = "web", .n_versions = 3, .versions = w->versions };
	w->now = 1700000000;
	open_rollout_at(w, BOOT);
	*state = w;
	return 0;
}

static inline int tear_down_world(void **state)
{
	struct world *w = *state;

	rollout_close(w->rollout);
	tear_down((void **)&w->disk);
	config_free(w->config);
	free(w);
	return 0;
}

static inline const struct canary_split_view *kernel(const struct world *w)
{
	return weights_active(&w->split);
}

static inline void start(struct world *w)
{
	char *error = NULL;

	if (rollout_start(w->rollout, "v2", w->now, &error))
		fail_msg("%s", error);
}

/* A second of traffic, of which so many of the canary's fail. Returns what rollout_tick() does. */
static inline int second(struct world *w, unsigned canary_failed)
{
	char *error = NULL;
	int r;

	w->now += 1;
	w->sample = (struct sample){ .elapsed_ns = 1000000000, .weight = rollout_view(w->rollout).weight_applied };
	w->sample.baseline.attempts = w->sample.canary.attempts = 1000;
	w->sample.canary.failed = canary_failed;
	r = rollout_tick(w->rollout, &w->sample, w->now, &error);
	assert_true(r < 0 || !error);
	free(error);
	return r;
}

static inline int until_decided(struct world *w, unsigned canary_failed)
{
	for (int i = 0; i < 60; i++) {
		int r = second(w, canary_failed);

		if (r)
			return r;
	}
	return 0;
}

/* A journal that takes nothing, as on a full disk or one that the kernel made read-only. */
static inline void refuse_writes(struct world *w, bool refuse)
{
	assert_int_equal(journal_execute(w->disk->journal, refuse ? "PRAGMA query_only = 1" : "PRAGMA query_only = 0"), 0);
}

/* What the journal has: the last decision of rollout 1, as a word. */
static inline void assert_last_decision(struct world *w, const char *decision)
{
	struct journal_decisions list = {};

	assert_int_equal(journal_decisions_load(w->disk->journal, 1, 100, &list), 0);
	assert_true(list.count > 0);
	assert_string_equal(list.items[list.count - 1].decision, decision);
	journal_decisions_clear(&list);
}

static inline void assert_baseline_alone(const struct world *w, uint16_t baseline)
{
	assert_int_equal(kernel(w)->baseline, baseline);
	assert_int_equal(kernel(w)->canary, CANARY_NONE);
	assert_int_equal(kernel(w)->canary_threshold, 0);
}

static inline enum policy_status status(const struct world *w)
{
	return rollout_view(w->rollout).policy->status;
}

#endif

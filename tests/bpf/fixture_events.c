/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/bpf/fixture_events.h"

#include <bpf/libbpf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int hear(void *context, void *data, size_t size)
{
	struct fixture_events *heard = context;

	assert_int_equal(size, sizeof(struct canary_event));
	assert_true(heard->count < sizeof(heard->event) / sizeof(*heard->event));
	memcpy(&heard->event[heard->count++], data, size);
	return 0;
}

struct fixture_events fixture_events(const struct fixture *f)
{
	struct fixture_events heard = { .count = 0 };
	struct ring_buffer *ring = ring_buffer__new(f->events, hear, &heard, NULL);

	assert_non_null(ring);
	assert_true(ring_buffer__consume(ring) >= 0);
	ring_buffer__free(ring);
	return heard;
}

static int count(void *context, void *data, size_t size)
{
	(void)data;
	(void)size;
	++*(unsigned *)context;
	return 0;
}

unsigned fixture_drain_events(const struct fixture *f)
{
	unsigned n = 0;
	struct ring_buffer *ring = ring_buffer__new(f->events, count, &n, NULL);

	assert_non_null(ring);
	assert_true(ring_buffer__consume(ring) >= 0);
	ring_buffer__free(ring);
	return n;
}

void fixture_begin_new_second(const struct fixture *f)
{
	struct canary_event_budget *budgets = calloc(libbpf_num_possible_cpus(), sizeof(*budgets));

	assert_non_null(budgets);
	for (uint32_t i = 0; i < FIXTURE_SERVICES * CANARY_EVENT_BUDGETS; i++) {
		fixture_must(bpf_map_lookup_elem(f->event_budget, &i, budgets), "event_budget");
		for (int cpu = 0; cpu < libbpf_num_possible_cpus(); cpu++)
			budgets[cpu].second_began_ns = 0;
		fixture_must(bpf_map_update_elem(f->event_budget, &i, budgets, BPF_ANY), "event_budget");
	}
	free(budgets);
}

void fixture_set_slow(const struct fixture *f, enum fixture_service service, uint64_t connect_ns, uint64_t response_ns)
{
	struct canary_split split;
	uint32_t key = service;

	fixture_must(bpf_map_lookup_elem(f->splits, &key, &split), "splits");
	split.slow_connect_ns = connect_ns;
	split.slow_response_ns = response_ns;
	fixture_must(bpf_map_update_elem(f->splits, &key, &split, BPF_ANY), "splits");
}

void fixture_set_traces(const struct fixture *f, enum fixture_service service, bool traces)
{
	struct canary_split split;
	uint32_t key = service;

	fixture_must(bpf_map_lookup_elem(f->splits, &key, &split), "splits");
	split.traces = traces;
	fixture_must(bpf_map_update_elem(f->splits, &key, &split, BPF_ANY), "splits");
}

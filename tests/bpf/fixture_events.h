/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the programs of the fixture tell of flows that failed or were slow. */
#ifndef CANARYD_TESTS_BPF_FIXTURE_EVENTS_H
#define CANARYD_TESTS_BPF_FIXTURE_EVENTS_H

#include "tests/bpf/fixture.h"

#include <bpf/bpf.h>

struct fixture_events {
	struct canary_event event[16];
	size_t count;
};

/* The events since the last call. Fails the test where there are more than fit. */
struct fixture_events fixture_events(const struct fixture *f);

/* The same, however many: they are counted. */
unsigned fixture_drain_events(const struct fixture *f);

/* All budgets are whole again, on every CPU. */
void fixture_begin_new_second(const struct fixture *f);

/* From how late on a service's connections and responses are sampled; 0: never. */
void fixture_set_slow(const struct fixture *f, enum fixture_service service, uint64_t connect_ns, uint64_t response_ns);

/* Whether the traceparent of the service's requests is kept from now on. */
void fixture_set_traces(const struct fixture *f, enum fixture_service service, bool traces);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The last line of defence in the kernel, without a daemon: past its lease, or when the breaker has tripped, no new flow
 * goes to a canary, while those that are open stay where they are.
 */
#include "tests/bpf/fixture.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define GET "GET / HTTP/1.1\r\n\r\n"

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

/* The first packet of a client's flow. Returns the version it went to. */
static uint16_t open_flow(const struct fixture *f, enum fixture_service service, uint32_t client)
{
	struct packet_spec spec = fixture_request(service, client, SYN, 1000, service < UDP4 ? "" : "?");
	uint16_t backend = fixture_send(f, &spec);

	assert_int_not_equal(backend, CANARY_NONE);
	return backend / 2;
}

static void expect_explained(const struct fixture *f, enum fixture_service service, uint32_t client, uint16_t source)
{
	struct canary_explain question = { .key = fixture_key(service, client) };

	fixture_explain(f, &question);
	assert_int_equal(question.source, source);
}

/* ---- lease ---------------------------------------------------------------------------------------------------- */

static void set_lease(const struct fixture *f, uint64_t deadline_ns)
{
	struct canary_control control;
	uint32_t zero = 0;

	fixture_must(bpf_map_lookup_elem(f->control, &zero, &control), "control");
	control.lease_ns = deadline_ns;
	fixture_must(bpf_map_update_elem(f->control, &zero, &control, BPF_ANY), "control");
}

static void test_lease(void **state)
{
	for (int service = 0; service < FIXTURE_SERVICES; service++) {
		uint16_t baseline = service * 2, canary = baseline + 1;

		fixture_set_split(*state, service, FIXTURE_WHOLE, FIXTURE_GENERATION);
		set_lease(*state, 0);
		assert_int_equal(open_flow(*state, service, 1), canary);
		set_lease(*state, now_ns() + 3600000000000ULL);
		assert_int_equal(open_flow(*state, service, 2), canary);
		expect_explained(*state, service, 3, CANARY_EXPLAIN_HASH);
		set_lease(*state, now_ns());
		expect_explained(*state, service, 3, CANARY_EXPLAIN_LEASE);
		assert_int_equal(open_flow(*state, service, 3), baseline);
		assert_int_equal(fixture_version_stats(*state, baseline, true).diverted, 1);
		assert_int_equal(fixture_version_stats(*state, baseline, true).connections, 1);
		assert_int_equal(fixture_version_stats(*state, canary, true).connections, 2);
	}
}

/* What is open stays; the baseline's own flows are not diverted; a renewed lease lets the canary have its share again. */
static void test_lease_leaves_the_rest(void **state)
{
	struct packet_spec data = fixture_request(TCP4, 1, ACK, 1001, GET);

	fixture_set_split(*state, TCP4, FIXTURE_WHOLE, FIXTURE_GENERATION);
	open_flow(*state, TCP4, 1);
	set_lease(*state, now_ns());
	assert_int_equal(fixture_send(*state, &data) / 2, TCP4 * 2 + 1);
	fixture_set_split(*state, TCP4, 0, FIXTURE_GENERATION);
	assert_int_equal(open_flow(*state, TCP4, 2), TCP4 * 2);
	assert_int_equal(fixture_version_stats(*state, TCP4 * 2, true).diverted, 0);
	fixture_set_split(*state, TCP4, FIXTURE_WHOLE, FIXTURE_GENERATION);
	set_lease(*state, now_ns() + 3600000000000ULL);
	assert_int_equal(open_flow(*state, TCP4, 3), TCP4 * 2 + 1);
}

/* ---- breaker -------------------------------------------------------------------------------------------------- */

#define REFUSED (1ULL << CANARY_COUNTER_refused)

static struct canary_breaker get_breaker(const struct fixture *f, uint32_t service)
{
	struct canary_breaker breaker;

	fixture_must(bpf_map_lookup_elem(f->breakers, &service, &breaker), "breakers");
	return breaker;
}

/* All flows to the canary, and a breaker that trips at `min_failures` of half the attempts in an hour. */
static void set_breaker(struct fixture *f, uint32_t service, uint32_t min_failures, uint64_t kinds)
{
	struct canary_breaker breaker = {
		.slot_ns = 1800000000000ULL, .kinds = kinds, .min_failures = min_failures, .ratio_ppm = 500000,
	};

	fixture_must(bpf_map_update_elem(f->breakers, &service, &breaker, BPF_ANY), "breakers");
	fixture_set_split(f, service, FIXTURE_WHOLE, FIXTURE_GENERATION);
}

/* A client's connection, refused by whichever version it came to, which is returned. */
static uint16_t refuse(struct fixture *f, enum fixture_service service, uint32_t client)
{
	struct packet_spec spec = fixture_request(service, client, SYN, 1000, "");
	uint16_t backend = fixture_send(f, &spec);

	spec = fixture_response(backend, client, RST | ACK, 0, 1001, "");
	fixture_answer(f, &spec);
	return backend / 2;
}

/* It trips in the packet that carries the failure: the next SYN goes to the baseline, and not one before. */
static void test_refusals_trip(void **state)
{
	for (uint32_t service = TCP4; service <= TCP6; service++) {
		uint16_t baseline = service * 2, canary = baseline + 1;
		struct canary_breaker breaker;

		set_breaker(*state, service, 10, REFUSED);
		for (uint32_t client = 0; client < 10; client++)
			assert_int_equal(refuse(*state, service, client), canary);
		breaker = get_breaker(*state, service);
		assert_int_equal(breaker.tripped, FIXTURE_GENERATION);
		assert_int_equal(breaker.tripped_kind, CANARY_COUNTER_refused);
		assert_int_equal(breaker.tripped_version, canary);
		assert_int_equal(breaker.tripped_attempts, 10);
		assert_int_equal(breaker.tripped_failures, 10);
		expect_explained(*state, service, 10, CANARY_EXPLAIN_BREAKER);
		for (uint32_t client = 10; client < 30; client++)
			assert_int_equal(refuse(*state, service, client), baseline);
		assert_int_equal(fixture_version_stats(*state, canary, true).refused, 10);
		assert_int_equal(fixture_version_stats(*state, baseline, true).refused, 20);
		assert_int_equal(fixture_version_stats(*state, baseline, true).diverted, 20);
		assert_int_equal(get_breaker(*state, service).failures, 10); /* the baseline's are not the canary's */
	}
}

/* The flow the canary serves already stays with it; the next rollout's canary gets its share. */
static void test_trip_leaves_the_rest(void **state)
{
	struct packet_spec data = fixture_request(TCP4, 100, ACK, 1001, GET);

	set_breaker(*state, TCP4, 3, REFUSED);
	open_flow(*state, TCP4, 100);
	for (uint32_t client = 0; client < 3; client++)
		refuse(*state, TCP4, client);
	assert_int_equal(open_flow(*state, TCP4, 101), TCP4 * 2);
	assert_int_equal(fixture_send(*state, &data) / 2, TCP4 * 2 + 1);
	fixture_set_split(*state, TCP4, FIXTURE_WHOLE, FIXTURE_GENERATION + 1);
	assert_int_equal(open_flow(*state, TCP4, 102), TCP4 * 2 + 1);
	assert_int_equal(refuse(*state, TCP4, 103), TCP4 * 2 + 1);
}

/* Requests that are answered are attempts: half of all have to fail. */
static void test_requests_are_attempts(void **state)
{
	set_breaker(*state, TCP4, 4, REFUSED);
	for (uint32_t client = 0; client < 6; client++) {
		struct packet_spec syn = fixture_request(TCP4, client, SYN, 1000, ""), spec;
		uint16_t backend = fixture_send(*state, &syn);

		spec = fixture_response(backend, client, SYN | ACK, 5000, 1001, "");
		fixture_answer(*state, &spec);
		spec = fixture_request(TCP4, client, ACK, 1001, GET);
		fixture_send(*state, &spec);
		fixture_send(*state, &spec); /* a retransmission is no attempt */
	}
	assert_int_equal(get_breaker(*state, TCP4).attempts, 6);
	for (uint32_t client = 10; client < 15; client++)
		assert_int_equal(refuse(*state, TCP4, client), TCP4 * 2 + 1);
	assert_int_equal(get_breaker(*state, TCP4).tripped, 0); /* 5 of 11 */
	assert_int_equal(refuse(*state, TCP4, 15), TCP4 * 2 + 1);
	assert_int_equal(get_breaker(*state, TCP4).tripped, FIXTURE_GENERATION); /* 6 of 12 */
}

/* A datagram that begins a flow is a request. */
static void test_datagrams_are_attempts(void **state)
{
	set_breaker(*state, UDP6, 1, REFUSED);
	open_flow(*state, UDP6, 1);
	assert_int_equal(get_breaker(*state, UDP6).attempts, 1);
}

/* One that a port unreachable refuses is an attempt and a failure, once. */
static void test_refused_datagrams(void **state)
{
	set_breaker(*state, UDP4, 2, REFUSED);
	for (uint32_t client = 0; client < 4; client++) {
		struct packet_spec spec = fixture_request(UDP4, client, 0, 0, "?");
		struct packet_error_spec error = { .type = 3, .code = 3, .destination = spec.source };
		uint16_t backend = fixture_send(*state, &spec);
		struct packet_bytes packet;

		spec.destination = fixture_backend(backend);
		error.source = spec.destination;
		error.about = spec;
		packet_build_error(&error, &packet);
		if (client % 2)
			assert_int_equal(fixture_run_reply(*state, &packet, 0, 0), FIXTURE_TCX_NEXT);
	}
	assert_int_equal(get_breaker(*state, UDP4).attempts, 4);
	assert_int_equal(get_breaker(*state, UDP4).failures, 2);
	assert_int_equal(get_breaker(*state, UDP4).tripped, FIXTURE_GENERATION); /* 2 of 4 */
	assert_int_equal(fixture_version_stats(*state, UDP4 * 2 + 1, true).refused, 2);
}

static void test_what_does_not_count(void **state)
{
	set_breaker(*state, TCP4, 1, 1ULL << CANARY_COUNTER_empty_close);
	refuse(*state, TCP4, 1);
	assert_int_equal(get_breaker(*state, TCP4).failures, 0);
	set_breaker(*state, TCP4, 1, REFUSED);
	fixture_set_split(*state, TCP4, 0, FIXTURE_GENERATION);
	assert_int_equal(refuse(*state, TCP4, 2), TCP4 * 2); /* the baseline's */
	assert_int_equal(get_breaker(*state, TCP4).failures, 0);
	fixture_set_split(*state, TCP4, FIXTURE_WHOLE, 0);
	assert_int_equal(refuse(*state, TCP4, 3), TCP4 * 2 + 1); /* no rollout: generation 0 trips nothing */
	assert_int_equal(open_flow(*state, TCP4, 4), TCP4 * 2 + 1);
}

/* The sweep's finds count, too: unanswered SYNs of a black hole. */
static void test_sweep_trips(void **state)
{
	set_breaker(*state, TCP4, 5, 1ULL << CANARY_COUNTER_syn_timeout);
	fixture_set_timeouts(*state, TCP4, 1, 1, 1);
	for (uint32_t client = 0; client < 5; client++)
		assert_int_equal(open_flow(*state, TCP4, client), TCP4 * 2 + 1);
	fixture_sweep(*state);
	assert_int_equal(get_breaker(*state, TCP4).tripped, FIXTURE_GENERATION);
	assert_int_equal(get_breaker(*state, TCP4).tripped_attempts, 5);
	assert_int_equal(open_flow(*state, TCP4, 5), TCP4 * 2);
}

struct seen {
	unsigned trips;
	struct canary_event last;
};

static int see_event(void *context, void *data, size_t size)
{
	const struct canary_event *event = data;
	struct seen *seen = context;

	assert_int_equal(size, sizeof(*event));
	if (event->kind == CANARY_EVENT_TRIPPED) {
		seen->trips++;
		seen->last = *event;
	}
	return 0;
}

/* The trip is told once, with the flow that did it, also where no sample of a failed flow has room. */
static void test_trip_is_an_event(void **state)
{
	struct fixture *f = *state;
	struct seen seen = { 0 };
	struct ring_buffer *ring = ring_buffer__new(f->events, see_event, &seen, NULL);
	struct canary_flow_key key = fixture_key(TCP4, 2);

	assert_non_null(ring);
	fixture_set_control(f, 0, 0);
	set_breaker(f, TCP4, 3, REFUSED);
	for (uint32_t client = 0; client < 5; client++)
		refuse(f, TCP4, client);
	ring_buffer__consume(ring);
	assert_int_equal(seen.trips, 1);
	assert_int_equal(seen.last.service, TCP4);
	assert_int_equal(seen.last.version, TCP4 * 2 + 1);
	assert_memory_equal(&seen.last.key, &key, sizeof(key));
	ring_buffer__free(ring);
}

#define IN_FIXTURE(test) cmocka_unit_test_setup_teardown(test, fixture_set_up, fixture_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FIXTURE(test_lease),
		IN_FIXTURE(test_lease_leaves_the_rest),
		IN_FIXTURE(test_refusals_trip),
		IN_FIXTURE(test_trip_leaves_the_rest),
		IN_FIXTURE(test_requests_are_attempts),
		IN_FIXTURE(test_datagrams_are_attempts),
		IN_FIXTURE(test_refused_datagrams),
		IN_FIXTURE(test_what_does_not_count),
		IN_FIXTURE(test_sweep_trips),
		IN_FIXTURE(test_trip_is_an_event),
	};

	return cmocka_run_group_tests_name("defence", tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The sweep over the table in the kernel: what never happened is counted once, ended flows stay for a turn and go, and
 * the open ones are counted. Flows are put into the table with the past they are to have; no test waits.
 */
#include "tests/bpf/fixture.h"

#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define SECOND_NS 1000000000ULL
#define MINUTE_NS (60 * SECOND_NS) /* a limit that what is young does not reach while a slow machine runs a test */

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * SECOND_NS + now.tv_nsec;
}

/* A flow of a service's first baseline backend that began so many seconds ago. */
static struct canary_flow flow_of(enum fixture_service service, unsigned seconds_ago)
{
	struct canary_flow flow = {
		.opened_ns = now_ns() - seconds_ago * SECOND_NS,
		.request_ns = now_ns() - seconds_ago * SECOND_NS,
		.generation = FIXTURE_GENERATION,
		.epoch = 1,
		.service = service,
		.version = service * 2,
		.backend = service * 4,
		.origin = service < UDP4 ? CANARY_ORIGIN_SYN : CANARY_ORIGIN_UDP,
		.client_isn = 1000,
		.client_next = 1001,
	};

	return flow;
}

static struct canary_active_flows active_flows(const struct fixture *f, uint32_t backend)
{
	struct canary_active_flows active;

	fixture_must(bpf_map_lookup_elem(f->active_flows, &backend, &active), "active_flows");
	return active;
}

static void test_syn_timeout(void **state)
{
	struct canary_flow late = flow_of(TCP4, 61), young = flow_of(TCP4, 1), answered = flow_of(TCP4, 90);
	struct canary_counters counted;

	fixture_set_timeouts(*state, TCP4, MINUTE_NS, MINUTE_NS, MINUTE_NS);
	answered.server_flags = CANARY_SERVER_SYNACK;
	fixture_put_flow(*state, TCP4, 1, &late);
	fixture_put_flow(*state, TCP4, 2, &young);
	fixture_put_flow(*state, TCP4, 3, &answered);
	for (int turn = 0; turn < 3; turn++)
		fixture_sweep(*state);
	counted = fixture_version_stats(*state, TCP4 * 2, true);
	assert_int_equal(counted.syn_timeout, 1);
	assert_int_equal(fixture_backend_stats(*state, TCP4 * 4).syn_timeout, 1);
	assert_int_equal(fixture_sum_of_others(*state, TCP4 * 2, TCP4 * 4), 0);
	assert_int_equal(fixture_count_flows(*state), 3);
}

static void test_response_timeout(void **state)
{
	struct canary_flow late = flow_of(TCP6, 61), young = flow_of(TCP6, 4), old = flow_of(TCP6, 90);

	fixture_set_timeouts(*state, TCP6, MINUTE_NS, MINUTE_NS, MINUTE_NS);
	late.server_flags = young.server_flags = old.server_flags = CANARY_SERVER_SYNACK;
	late.request_turn = young.request_turn = old.request_turn = old.response_turn = 1;
	fixture_put_flow(*state, TCP6, 1, &late);
	fixture_put_flow(*state, TCP6, 2, &young);
	fixture_put_flow(*state, TCP6, 3, &old);
	fixture_sweep(*state);
	fixture_sweep(*state);
	assert_int_equal(fixture_version_stats(*state, TCP6 * 2, true).response_timeout, 1);
	assert_int_equal(fixture_backend_stats(*state, TCP6 * 4).response_timeout, 1);
	assert_true(fixture_flow(*state, TCP6, 1, &late));
	assert_int_equal(late.timeout_turn, 1);
	late.request_turn = 2;
	fixture_put_flow(*state, TCP6, 1, &late);
	fixture_sweep(*state);
	assert_int_equal(fixture_version_stats(*state, TCP6 * 2, true).response_timeout, 2);
}

/* The limits are the service's own, and those of now. */
static void test_limits(void **state)
{
	struct canary_flow flow = flow_of(TCP4, 20);

	fixture_set_timeouts(*state, TCP4, 100 * SECOND_NS, SECOND_NS, SECOND_NS);
	fixture_put_flow(*state, TCP4, 1, &flow);
	fixture_sweep(*state);
	assert_int_equal(fixture_version_stats(*state, TCP4 * 2, true).syn_timeout, 0);
	fixture_set_timeouts(*state, TCP4, 19 * SECOND_NS, SECOND_NS, SECOND_NS);
	fixture_sweep(*state);
	assert_int_equal(fixture_version_stats(*state, TCP4 * 2, true).syn_timeout, 1);
}

/* A flow from before the rollout counts where it is not judged. */
static void test_generation(void **state)
{
	struct canary_flow flow = flow_of(TCP4, 4);

	flow.generation--;
	fixture_put_flow(*state, TCP4, 1, &flow);
	fixture_sweep(*state);
	assert_int_equal(fixture_version_stats(*state, TCP4 * 2, true).syn_timeout, 0);
	assert_int_equal(fixture_version_stats(*state, TCP4 * 2, false).syn_timeout, 1);
}

static void test_removal(void **state)
{
	struct canary_flow reset = flow_of(TCP4, 1), closed = reset, half = reset, idle = flow_of(UDP4, 11);
	struct canary_flow busy = flow_of(UDP4, 2);

	reset.client_flags = CANARY_CLIENT_RST;
	closed.client_flags = half.client_flags = CANARY_CLIENT_FIN;
	closed.server_flags = CANARY_SERVER_FIN | CANARY_SERVER_SYNACK;
	half.server_flags = CANARY_SERVER_SYNACK;
	fixture_put_flow(*state, TCP4, 1, &reset);
	fixture_put_flow(*state, TCP4, 2, &closed);
	fixture_put_flow(*state, TCP4, 3, &half);
	fixture_put_flow(*state, UDP4, 4, &idle);
	fixture_put_flow(*state, UDP4, 5, &busy);
	fixture_sweep(*state);
	assert_int_equal(fixture_count_flows(*state), 5);
	fixture_sweep(*state);
	assert_int_equal(fixture_count_flows(*state), 2);
	assert_true(fixture_flow(*state, TCP4, 3, &half));
	assert_true(fixture_flow(*state, UDP4, 5, &busy));
}

/* The half that `sweep_turn` names is filled, the other left alone. */
static void test_active_flows(void **state)
{
	struct canary_flow open = flow_of(TCP4, 1), closed = open, other = flow_of(UDP6, 1);
	struct canary_active_flows active;

	closed.server_flags = CANARY_SERVER_RST;
	for (uint32_t client = 0; client < 300; client++)
		fixture_put_flow(*state, TCP4, client, client % 3 ? &open : &closed);
	for (uint32_t client = 0; client < 50; client++)
		fixture_put_flow(*state, UDP6, client, &other);
	fixture_set_control(*state, 5, 1000);
	fixture_sweep(*state);
	active = active_flows(*state, TCP4 * 4);
	assert_int_equal(active.open[1], 200);
	assert_int_equal(active.closed[1], 100);
	assert_int_equal(active.open[0] + active.closed[0], 0);
	assert_int_equal(active_flows(*state, UDP6 * 4).open[1], 50);
	fixture_set_control(*state, 6, 1000);
	fixture_sweep(*state);
	active = active_flows(*state, TCP4 * 4);
	assert_int_equal(active.open[0], 200);
	assert_int_equal(active.closed[0], 0);
	assert_int_equal(active.open[1], 200);
	assert_int_equal(fixture_count_flows(*state), 250);
}

/* Every entry of a table with many in each chain is visited once, removals under way or not. */
static void test_many(void **state)
{
	enum { MANY = 30000 };
	struct canary_flow open = flow_of(TCP4, 4), closed = flow_of(TCP4, 1);

	closed.client_flags = CANARY_CLIENT_RST;
	closed.sweep_flags = CANARY_SWEEP_CLOSED;
	for (uint32_t client = 0; client < MANY; client++)
		fixture_put_flow(*state, TCP4, client, client & 1 ? &open : &closed);
	fixture_sweep(*state);
	assert_int_equal(fixture_count_flows(*state), MANY / 2);
	assert_int_equal(fixture_version_stats(*state, TCP4 * 2, true).syn_timeout, MANY / 2);
	assert_int_equal(active_flows(*state, TCP4 * 4).open[0], MANY / 2);
}

/* Told from the end of a response that is only between two packets. */
static void test_idle(void **state)
{
	struct canary_flow flow = flow_of(TCP4, 1);

	flow.server_flags = CANARY_SERVER_SYNACK;
	flow.request_turn = flow.response_turn = 3;
	flow.server_next = 5000;
	flow.client_acked = 5000;
	fixture_put_flow(*state, TCP4, 1, &flow);
	fixture_sweep(*state);
	assert_true(fixture_flow(*state, TCP4, 1, &flow));
	assert_int_not_equal(flow.idle_turn, 3);
	fixture_sweep(*state);
	assert_true(fixture_flow(*state, TCP4, 1, &flow));
	assert_int_equal(flow.idle_turn, 3);
}

static void test_empty_table(void **state)
{
	fixture_sweep(*state);
	assert_int_equal(fixture_count_flows(*state), 0);
	assert_int_equal(fixture_sum_of_others(*state, CANARY_NONE, CANARY_NONE), 0);
}

#define IN_FIXTURE(test) cmocka_unit_test_setup_teardown(test, fixture_set_up, fixture_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FIXTURE(test_syn_timeout), IN_FIXTURE(test_response_timeout),
		IN_FIXTURE(test_limits),      IN_FIXTURE(test_generation),
		IN_FIXTURE(test_removal),     IN_FIXTURE(test_active_flows),
		IN_FIXTURE(test_many),        IN_FIXTURE(test_idle),
		IN_FIXTURE(test_empty_table),
	};

	return cmocka_run_group_tests_name("sweep", tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The last line of defence in the kernel, without a daemon: past its lease no new flow goes to a canary, while those that
 * are open stay where they are.
 */
#include "tests/bpf/fixture.h"

#include <bpf/bpf.h>
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

#define IN_FIXTURE(test) cmocka_unit_test_setup_teardown(test, fixture_set_up, fixture_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FIXTURE(test_lease),
		IN_FIXTURE(test_lease_leaves_the_rest),
	};

	return cmocka_run_group_tests_name("defence", tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Clients with a rule of their own, asked of the real programs and tries: where they go, and what they are counted as. */
#include "tests/bpf/fixture.h"

#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define CLIENTS 4000
#define MANY 100000
#define MAPPED 96 /* bits before an IPv4 address */

/* The network of the first `length` bits of a client's address. */
static struct canary_prefix network(enum fixture_service service, uint32_t client, uint32_t length)
{
	struct canary_endpoint endpoint = fixture_client(service, client);
	struct canary_prefix prefix = { .length = length };

	memcpy(prefix.addr, endpoint.addr, sizeof(prefix.addr));
	for (uint32_t i = 0; i < 4; i++) {
		uint32_t bits = length > i * 32 ? length - i * 32 : 0;

		prefix.addr[i] &= bits >= 32 ? 0xffffffff : bits ? htonl(~0U << (32 - bits)) : 0;
	}
	return prefix;
}

static struct canary_cohort rule(enum canary_cohort_action action, uint64_t threshold, struct canary_prefix prefix)
{
	return (struct canary_cohort){ .canary_threshold = threshold, .id = action, .action = action,
				       .prefix_length = prefix.length };
}

/* Where the client's connection goes: 0 the baseline, 1 the canary. The flow is forgotten. */
static int goes_to(const struct fixture *f, enum fixture_service service, uint32_t client)
{
	struct packet_spec spec = fixture_request(service, client, SYN, 1000, "");
	uint16_t backend = fixture_send(f, &spec);

	assert_int_not_equal(backend, CANARY_NONE);
	fixture_forget_flow(f, service, client);
	return backend / 2 - service * 2;
}

static void set_one(const struct fixture *f, enum fixture_service service, enum canary_cohort_action action,
		    uint64_t threshold, uint32_t length)
{
	struct canary_prefix prefix = network(service, 0, length);
	struct canary_cohort cohort = rule(action, threshold, prefix);

	fixture_set_cohorts(f, service, &prefix, &cohort, 1);
}

static unsigned count_canary(const struct fixture *f, enum fixture_service service)
{
	unsigned canary = 0;

	for (uint32_t client = 0; client < CLIENTS; client++)
		canary += goes_to(f, service, client) == 1;
	return canary;
}

/* Whatever the split's weight, both families, both transports. */
static void test_forced(void **state)
{
	static const uint64_t weights[] = { 0, FIXTURE_HALF, FIXTURE_WHOLE };

	for (int service = 0; service < FIXTURE_SERVICES; service++)
		for (size_t i = 0; i < 3; i++) {
			uint32_t length = service == TCP4 || service == UDP4 ? MAPPED + 8 : 32;

			fixture_set_split(*state, service, weights[i], FIXTURE_GENERATION);
			set_one(*state, service, CANARY_COHORT_CANARY, FIXTURE_WHOLE, length);
			assert_int_equal(count_canary(*state, service), CLIENTS);
			set_one(*state, service, CANARY_COHORT_BASELINE, 0, length);
			assert_int_equal(count_canary(*state, service), 0);
		}
}

/* A weight of its own divides the same circle: who is in the canary at 10 % is so at 25 % too. */
static void test_weight(void **state)
{
	static bool few[CLIENTS];
	unsigned canary = 0;

	fixture_set_split(*state, TCP4, FIXTURE_WHOLE / 10, FIXTURE_GENERATION);
	for (uint32_t client = 0; client < CLIENTS; client++)
		few[client] = goes_to(*state, TCP4, client);
	set_one(*state, TCP4, CANARY_COHORT_WEIGHT, FIXTURE_WHOLE / 4, MAPPED);
	for (uint32_t client = 0; client < CLIENTS; client++) {
		int more = goes_to(*state, TCP4, client);

		assert_false(few[client] && !more);
		canary += more;
	}
	assert_in_range(canary, CLIENTS / 4 - 110, CLIENTS / 4 + 110); /* four standard errors */
}

/* Without a canary there is none to be had. */
static void test_no_canary(void **state)
{
	const struct fixture *f = *state;
	struct canary_split split;
	uint32_t service = TCP4;

	set_one(f, TCP4, CANARY_COHORT_CANARY, FIXTURE_WHOLE, MAPPED);
	assert_int_equal(goes_to(f, TCP4, 1), 1);
	assert_int_equal(bpf_map_lookup_elem(f->splits, &service, &split), 0);
	split.view[split.active].canary = CANARY_NONE;
	assert_int_equal(bpf_map_update_elem(f->splits, &service, &split, BPF_ANY), 0);
	assert_int_equal(goes_to(f, TCP4, 1), 0);
}

/* The longest prefix holds; who is in none follows the split. */
static void test_longest(void **state)
{
	const struct canary_prefix prefixes[] = {
		network(TCP6, 0, 32), network(TCP6, 7 * 63488, 112), network(TCP6, 7 * 63488, 128),
	};
	const struct canary_cohort cohorts[] = {
		rule(CANARY_COHORT_BASELINE, 0, prefixes[0]),
		rule(CANARY_COHORT_CANARY, FIXTURE_WHOLE, prefixes[1]),
		rule(CANARY_COHORT_EXCLUDE, 0, prefixes[2]),
	};

	fixture_set_split(*state, TCP6, 0, FIXTURE_GENERATION);
	fixture_set_cohorts(*state, TCP6, prefixes, cohorts, 3);
	assert_int_equal(goes_to(*state, TCP6, 0), 1);
	assert_int_equal(goes_to(*state, TCP6, 7 * 63488), 0);
	fixture_set_cohorts(*state, TCP6, prefixes + 2, cohorts + 2, 1);
	fixture_set_split(*state, TCP6, FIXTURE_WHOLE, FIXTURE_GENERATION);
	assert_int_equal(goes_to(*state, TCP6, 0), 1);
	assert_int_equal(goes_to(*state, TCP6, 7 * 63488), 0);
}

/* The baseline, measured, and in no evidence: also of what comes later in the flow. */
static void test_excluded(void **state)
{
	struct packet_spec syn = fixture_request(TCP4, 1, SYN, 1000, "");
	struct packet_spec ack = fixture_request(TCP4, 1, ACK, 1001, "GET /");
	struct packet_spec answer;
	uint16_t backend;

	set_one(*state, TCP4, CANARY_COHORT_EXCLUDE, 0, MAPPED + 8);
	fixture_set_split(*state, TCP4, FIXTURE_WHOLE, FIXTURE_GENERATION);
	backend = fixture_send(*state, &syn);
	assert_int_equal(backend / 2, TCP4 * 2);
	answer = fixture_response(backend, 1, SYN | ACK, 5000, 1001, "");
	fixture_answer(*state, &answer);
	fixture_send(*state, &ack);
	assert_int_equal(fixture_version_stats(*state, TCP4 * 2, false).connections, 1);
	assert_int_equal(fixture_version_stats(*state, TCP4 * 2, false).established, 1);
	assert_int_equal(fixture_version_stats(*state, TCP4 * 2, false).requests, 1);
	assert_int_equal(fixture_version_stats(*state, TCP4 * 2, true).connections, 0);
	assert_int_equal(fixture_version_stats(*state, TCP4 * 2, true).requests, 0);
}

/* A change is for new flows: one that is open stays where it is. */
static void test_change_moves_no_flow(void **state)
{
	struct packet_spec syn = fixture_request(TCP4, 1, SYN, 1000, "");
	struct packet_spec data = fixture_request(TCP4, 1, ACK, 1001, "x");
	uint16_t backend;

	set_one(*state, TCP4, CANARY_COHORT_CANARY, FIXTURE_WHOLE, MAPPED);
	backend = fixture_send(*state, &syn);
	assert_int_equal(backend / 2, TCP4 * 2 + 1);
	set_one(*state, TCP4, CANARY_COHORT_BASELINE, 0, MAPPED);
	assert_int_equal(fixture_send(*state, &data), backend);
	assert_int_equal(fixture_send(*state, &syn), backend);
	assert_int_equal(goes_to(*state, TCP4, 2), 0);
}

static struct canary_explain explain(const struct fixture *f, enum fixture_service service, uint32_t client)
{
	struct canary_explain answer = { .key = fixture_key(service, client) };

	fixture_explain(f, &answer);
	return answer;
}

static void test_explained(void **state)
{
	struct canary_explain answer;

	assert_int_equal(explain(*state, TCP4, 1).cohort, CANARY_NONE);
	set_one(*state, TCP4, CANARY_COHORT_WEIGHT, FIXTURE_WHOLE / 8, MAPPED + 15);
	answer = explain(*state, TCP4, 1);
	assert_int_equal(answer.cohort, CANARY_COHORT_WEIGHT);
	assert_int_equal(answer.cohort_action, CANARY_COHORT_WEIGHT);
	assert_int_equal(answer.prefix_length, MAPPED + 15);
	assert_int_equal(answer.canary_threshold, FIXTURE_WHOLE / 8);
	assert_int_equal(answer.version % 2, answer.position < FIXTURE_WHOLE / 8);
}

/* 100,000 networks: the first, the last and one between are found. How long it takes is printed, not judged. */
static void test_many(void **state)
{
	struct canary_prefix *prefixes = calloc(MANY, sizeof(*prefixes));
	struct canary_cohort *cohorts = calloc(MANY, sizeof(*cohorts));
	const struct fixture *f = *state;
	struct timespec began, ended;

	assert_non_null(prefixes);
	assert_non_null(cohorts);
	for (uint32_t i = 0; i < MANY; i++) {
		prefixes[i] = (struct canary_prefix){ 127, { 0, 0, htonl(0xffff), htonl(0xc6120000 + 2 * i) } };
		cohorts[i] = (struct canary_cohort){ .canary_threshold = FIXTURE_WHOLE, .id = i % 1000 };
	}
	clock_gettime(CLOCK_MONOTONIC, &began);
	fixture_set_cohorts(f, TCP4, prefixes, cohorts, MANY);
	clock_gettime(CLOCK_MONOTONIC, &ended);
	print_message("# %d networks in %.0f ms\n", MANY,
		      (ended.tv_sec - began.tv_sec) * 1e3 + (ended.tv_nsec - began.tv_nsec) / 1e6);
	fixture_set_split(*state, TCP4, 0, FIXTURE_GENERATION);
	assert_int_equal(goes_to(f, TCP4, 0), 1);
	assert_int_equal(goes_to(f, TCP4, 63488 * 2000), 1);
	free(prefixes);
	free(cohorts);
}

#define IN_FIXTURE(test) cmocka_unit_test_setup_teardown(test, fixture_set_up, fixture_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FIXTURE(test_forced),	       IN_FIXTURE(test_weight),	   IN_FIXTURE(test_no_canary),
		IN_FIXTURE(test_longest),	       IN_FIXTURE(test_excluded),
		IN_FIXTURE(test_change_moves_no_flow), IN_FIXTURE(test_explained), IN_FIXTURE(test_many),
	};

	return cmocka_run_group_tests_name("cohorts", tests, NULL, NULL);
}

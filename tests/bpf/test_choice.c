/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where new flows go, asked of the real programs and maps: the shares the thresholds promise, changes that move flows
 * one way only, what `explain` says, the publishing of a split, two CPUs at once, and that people can read the maps.
 */
#include "tests/bpf/fixture.h"

#include "split.skel.h"
#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define CLIENTS 20000
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* The version that a client's SYN reaches now. The flow is forgotten, or the next threshold would not move it. */
static uint16_t version_of(const struct fixture *f, enum fixture_service service, uint32_t client)
{
	struct packet_spec spec = fixture_request(service, client, SYN, 1000, "");
	uint16_t backend = fixture_send(f, &spec);

	assert_int_not_equal(backend, CANARY_NONE);
	fixture_forget_flow(f, service, client);
	return backend / 2;
}

static void expect_share(unsigned canary, unsigned total, uint64_t threshold)
{
	double share = (double)threshold / FIXTURE_WHOLE, error = sqrt(share * (1 - share) / total);

	if (fabs((double)canary / total - share) > 4 * error)
		fail_msg("%u of %u flows went to the canary at a threshold of %.4f", canary, total, share);
}

/* Raising the weight moves flows from baseline to canary only; at each step the share is the one promised. */
static void test_shares(void **state)
{
	static const uint64_t thresholds[] = { 0, FIXTURE_WHOLE / 100, FIXTURE_WHOLE / 20, FIXTURE_WHOLE / 4,
					       FIXTURE_HALF, FIXTURE_WHOLE };
	static bool was_canary[CLIENTS];

	memset(was_canary, 0, sizeof(was_canary));
	for (size_t i = 0; i < COUNT(thresholds); i++) {
		unsigned canary = 0;

		fixture_set_split(*state, TCP4, thresholds[i], FIXTURE_GENERATION);
		for (uint32_t client = 0; client < CLIENTS; client++) {
			bool is_canary = version_of(*state, TCP4, client) == TCP4 * 2 + 1;

			assert_false(was_canary[client] && !is_canary);
			was_canary[client] = is_canary;
			canary += is_canary;
		}
		expect_share(canary, CLIENTS, thresholds[i]);
	}
}

/* Within a version the backends share evenly, whatever the version's share. */
static void test_backends_share(void **state)
{
	unsigned flows[4] = { 0 };

	fixture_set_split(*state, TCP6, FIXTURE_WHOLE / 4, FIXTURE_GENERATION);
	for (uint32_t client = 0; client < CLIENTS; client++) {
		struct packet_spec spec = fixture_request(TCP6, client, SYN, 1000, "");

		flows[fixture_send(*state, &spec) % 4]++;
	}
	expect_share(flows[0], flows[0] + flows[1], FIXTURE_HALF);
	expect_share(flows[2], flows[2] + flows[3], FIXTURE_HALF);
}

static void set_affinity(const struct fixture *f, enum fixture_service id, uint32_t mask_of_last_word)
{
	struct canary_endpoint vip = fixture_vip(id);
	struct canary_service service;

	assert_int_equal(bpf_map_lookup_elem(f->services, &vip, &service), 0);
	service.affinity = CANARY_AFFINITY_CLIENT;
	service.affinity_mask[3] = __builtin_bswap32(mask_of_last_word);
	assert_int_equal(bpf_map_update_elem(f->services, &vip, &service, BPF_ANY), 0);
}

/* One client address keeps one backend for all its ports; others go elsewhere. */
static void test_client_affinity(void **state)
{
	struct packet_spec spec = fixture_request(TCP4, 0, SYN, 1000, "");
	uint16_t backend, elsewhere = 0;

	set_affinity(*state, TCP4, 0xffffffff);
	backend = fixture_send(*state, &spec);
	for (uint32_t port = 1; port < 500; port++) {
		spec = fixture_request(TCP4, port, SYN, 1000, "");
		assert_int_equal(fixture_send(*state, &spec), backend);
	}
	for (uint32_t address = 1; address < 100; address++) {
		spec = fixture_request(TCP4, address * 63488, SYN, 1000, "");
		elsewhere += fixture_send(*state, &spec) != backend;
	}
	assert_in_range(elsewhere, 50, 95);
}

/* A view that is not active is never acted on, whatever stands in it; the change comes with `active`. */
static void test_publishing(void **state)
{
	const struct fixture *f = *state;
	struct canary_split split;
	uint32_t service = TCP4;

	for (int round = 0; round < 4; round++) {
		assert_int_equal(bpf_map_lookup_elem(f->splits, &service, &split), 0);
		memset(&split.view[!split.active], 0xff, sizeof(split.view[0]));
		split.view[!split.active].canary = round & 1 ? TCP4 * 2 : TCP4 * 2 + 1;
		split.view[!split.active].baseline = split.view[!split.active].canary;
		split.view[split.active].canary_threshold = round & 1 ? FIXTURE_WHOLE : 0;
		split.view[split.active].baseline = TCP4 * 2;
		split.view[split.active].canary = TCP4 * 2 + 1;
		assert_int_equal(bpf_map_update_elem(f->splits, &service, &split, BPF_ANY), 0);
		for (uint32_t client = 0; client < 50; client++)
			assert_int_equal(version_of(f, TCP4, client), TCP4 * 2 + (round & 1));
		split.active ^= 1;
		assert_int_equal(bpf_map_update_elem(f->splits, &service, &split, BPF_ANY), 0);
		for (uint32_t client = 0; client < 50; client++)
			assert_int_equal(version_of(f, TCP4, client), TCP4 * 2 + !(round & 1));
	}
}

/* ---- explain -------------------------------------------------------------------------------------------------- */

static struct canary_explain explain(const struct fixture *f, enum fixture_service service, uint32_t client)
{
	struct canary_explain answer = { .key = fixture_key(service, client) };

	fixture_explain(f, &answer);
	return answer;
}

/* What it says is where the packet then goes; asking changes no counter and no flow. */
static void test_explain_agrees(void **state)
{
	for (uint32_t client = 0; client < CLIENTS; client++) {
		enum fixture_service service = client % FIXTURE_SERVICES;
		struct canary_explain before = explain(*state, service, client), after;
		struct packet_spec spec = fixture_request(service, client, SYN, 1000, "");
		uint16_t backend;

		assert_int_equal(before.source, CANARY_EXPLAIN_HASH);
		backend = fixture_send(*state, &spec);
		assert_int_equal(before.backend, backend);
		assert_int_equal(before.version, backend / 2);
		assert_int_equal(before.service, service);
		assert_int_equal(before.epoch, 1);
		assert_int_equal(before.canary_threshold, FIXTURE_HALF);
		assert_int_equal(before.version % 2, before.position < FIXTURE_HALF);
		after = explain(*state, service, client);
		assert_int_equal(after.source, CANARY_EXPLAIN_FLOW);
		after.source = before.source;
		assert_memory_equal(&after, &before, sizeof(after));
	}
}

static void test_explain_changes_nothing(void **state)
{
	for (uint32_t client = 0; client < 1000; client++)
		explain(*state, client % FIXTURE_SERVICES, client);
	assert_int_equal(fixture_count_flows(*state), 0);
	assert_int_equal(fixture_sum_of_others(*state, CANARY_NONE, CANARY_NONE), 0);
	assert_int_equal(fixture_reasons(*state).not_service, 0);
}

/* A flow that stays where the weights no longer send it; an ended one; no service; no backend; no split. */
static void test_explain_sources(void **state)
{
	struct packet_spec spec = fixture_request(TCP4, 1, SYN, 1000, "");
	struct canary_explain question = { .key = fixture_key(TCP4, 1) }, answer;

	fixture_set_split(*state, TCP4, 0, FIXTURE_GENERATION);
	fixture_send(*state, &spec);
	fixture_set_split(*state, TCP4, FIXTURE_WHOLE, FIXTURE_GENERATION);
	answer = explain(*state, TCP4, 1);
	assert_int_equal(answer.source, CANARY_EXPLAIN_FLOW);
	assert_int_equal(answer.version, TCP4 * 2);
	spec = fixture_request(TCP4, 1, RST, 1001, "");
	fixture_send(*state, &spec);
	answer = explain(*state, TCP4, 1);
	assert_int_equal(answer.source, CANARY_EXPLAIN_HASH);
	assert_int_equal(answer.version, TCP4 * 2 + 1);
	fixture_set_maglev(*state, TCP4 * 2 + 1, false);
	assert_int_equal(explain(*state, TCP4, 1).version, TCP4 * 2);
	fixture_set_maglev(*state, TCP4 * 2, false);
	assert_int_equal(explain(*state, TCP4, 1).source, CANARY_EXPLAIN_NO_BACKEND);
	question.key.vip_port = 1;
	fixture_explain(*state, &question);
	assert_int_equal(question.source, CANARY_EXPLAIN_NOT_SERVICE);
}

/* The service is gone, but the flow is still steered. */
static void test_explain_flow_of_no_service(void **state)
{
	struct packet_spec spec = fixture_request(TCP4, 1, SYN, 1000, "");
	const struct fixture *f = *state;
	struct canary_explain answer;
	uint16_t backend = fixture_send(f, &spec);

	assert_int_equal(bpf_map_delete_elem(f->services, &spec.destination), 0);
	assert_int_equal(fixture_send(f, &spec), backend);
	answer = explain(f, TCP4, 1);
	assert_int_equal(answer.source, CANARY_EXPLAIN_FLOW);
	assert_int_equal(answer.backend, backend);
}

static void test_explain_too_short(void **state)
{
	const struct fixture *f = *state;
	uint8_t question[sizeof(struct canary_explain) - 1] = { 0 };
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = question, .data_size_in = sizeof(question));

	assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(f->split->progs.canary_explain), &options), 0);
	assert_int_equal(options.retval, XDP_ABORTED);
}

/* ---- two CPUs ------------------------------------------------------------------------------------------------- */

#define RUNS 100000

struct runner {
	const struct fixture *f;
	int cpu;
	struct packet_bytes packet;
	int failures;
};

static void *run_on_cpu(void *context)
{
	struct runner *runner = context;
	uint8_t out[PACKET_MAX];
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(runner->cpu, &set);
	runner->failures = sched_setaffinity(0, sizeof(set), &set) != 0;
	for (int i = 0; i < RUNS; i++) {
		LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = runner->packet.data,
			    .data_size_in = runner->packet.len, .data_out = out, .data_size_out = sizeof(out));

		runner->failures += bpf_prog_test_run_opts(
					    bpf_program__fd(runner->f->split->progs.canary_split), &options) != 0;
	}
	return NULL;
}

/* Both CPUs count packets of one flow, and packets of no service: not one is lost. */
static void test_two_cpus(void **state)
{
	struct packet_spec syn = fixture_request(TCP4, 1, SYN, 1000, "");
	struct packet_spec data = fixture_request(TCP4, 1, ACK, 1001, "x");
	uint16_t backend = fixture_send(*state, &syn);
	struct runner runners[2];
	pthread_t threads[2];
	cpu_set_t allowed;
	int cpu = -1;

	assert_int_equal(sched_getaffinity(0, sizeof(allowed), &allowed), 0);
	if (CPU_COUNT(&allowed) < 2)
		skip();
	for (int i = 0; i < 2; i++) {
		for (cpu++; !CPU_ISSET(cpu, &allowed);)
			cpu++;
		runners[i] = (struct runner){ .f = *state, .cpu = cpu };
		packet_build(&data, &runners[i].packet);
		assert_int_equal(pthread_create(&threads[i], NULL, run_on_cpu, &runners[i]), 0);
	}
	for (int i = 0; i < 2; i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
		assert_int_equal(runners[i].failures, 0);
	}
	assert_int_equal(fixture_version_stats(*state, backend / 2, true).request_packets, 1 + 2 * RUNS);
	assert_int_equal(fixture_backend_stats(*state, backend).request_packets, 1 + 2 * RUNS);
}

/* ---- people and bpftool ---------------------------------------------------------------------------------------- */

/* `bpftool map dump` prints field names where key and value have a type. */
static void test_maps_are_typed(void **state)
{
	const struct fixture *f = *state;
	const struct {
		const char *name;
		int fd;
	} maps[] = {
#define X(name) { #name, f->name },
		FIXTURE_MAPS(X)
#undef X
	};

	for (size_t i = 0; i < COUNT(maps); i++) {
		struct bpf_map_info info = { 0 };
		uint32_t len = sizeof(info);

		assert_int_equal(bpf_obj_get_info_by_fd(maps[i].fd, &info, &len), 0);
		if (info.type == BPF_MAP_TYPE_RINGBUF || info.type == BPF_MAP_TYPE_ARRAY_OF_MAPS)
			continue;
		if (!info.btf_id || !info.btf_key_type_id || !info.btf_value_type_id)
			fail_msg("%s has no types", maps[i].name);
	}
}

#define IN_FIXTURE(test) cmocka_unit_test_setup_teardown(test, fixture_set_up, fixture_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FIXTURE(test_shares),
		IN_FIXTURE(test_backends_share),
		IN_FIXTURE(test_client_affinity),
		IN_FIXTURE(test_publishing),
		IN_FIXTURE(test_explain_agrees),
		IN_FIXTURE(test_explain_changes_nothing),
		IN_FIXTURE(test_explain_sources),
		IN_FIXTURE(test_explain_flow_of_no_service),
		IN_FIXTURE(test_explain_too_short),
		IN_FIXTURE(test_two_cpus),
		IN_FIXTURE(test_maps_are_typed),
	};

	return cmocka_run_group_tests_name("choice", tests, NULL, NULL);
}

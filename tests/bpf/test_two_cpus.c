/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two CPUs at once on what they share: counters and histograms, the counts of a breaker, the sources of fullnat. Nothing
 * is lost, and no source is given twice.
 */
#include "tests/bpf/fixture_fullnat.h"

#include "reply.skel.h"
#include "split.skel.h"
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <net/if.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define RUNS 20000
#define ISN 1000

/* A thread on a CPU of its own, and what it is given and finds. */
struct runner {
	const struct fixture *f;
	struct runner *other;
	int cpu;
	unsigned turn; /* how far it is */
	int failures;
	struct packet_bytes request;
	struct packet_bytes reply;
	struct canary_endpoint vip;
	uint8_t (*sources)[12]; /* of fullnat: addresses and ports that the backends saw */
};

static int run_program(int program, const struct packet_bytes *packet, const char *interface, uint8_t *out)
{
	struct xdp_md ctx = { .data_end = packet->len, .ingress_ifindex = interface ? if_nametoindex(interface) : 0 };
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = packet->data, .data_size_in = packet->len, .data_out = out,
		    .data_size_out = PACKET_MAX);

	if (interface) {
		options.ctx_in = &ctx;
		options.ctx_size_in = sizeof(ctx);
	}
	return bpf_prog_test_run_opts(program, &options) ? -1 : (int)options.retval;
}

/* Neither is ever more than a turn ahead. */
static void wait_for_other(struct runner *runner, unsigned turn)
{
	__atomic_store_n(&runner->turn, turn, __ATOMIC_RELEASE);
	while (__atomic_load_n(&runner->other->turn, __ATOMIC_ACQUIRE) < turn)
		sched_yield();
}

static void pin(struct runner *runner)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(runner->cpu, &set);
	runner->failures = sched_setaffinity(0, sizeof(set), &set) != 0;
}

static void run_on_two(struct runner runners[2], void *(*body)(void *), const struct fixture *f)
{
	pthread_t threads[2];
	cpu_set_t allowed;
	int cpu = -1;

	assert_int_equal(sched_getaffinity(0, sizeof(allowed), &allowed), 0);
	if (CPU_COUNT(&allowed) < 2)
		skip();
	for (int i = 0; i < 2; i++) {
		for (cpu++; !CPU_ISSET(cpu, &allowed);)
			cpu++;
		runners[i].f = f;
		runners[i].cpu = cpu;
		runners[i].other = &runners[1 - i];
	}
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, body, &runners[i]), 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	assert_int_equal(runners[0].failures, 0);
	assert_int_equal(runners[1].failures, 0);
}

/* ---- counters, histograms, breakers ---------------------------------------------------------------------------- */

static void *request_and_reply(void *context)
{
	struct runner *runner = context;
	uint8_t out[PACKET_MAX];

	pin(runner);
	for (unsigned i = 1; i <= RUNS; i++) {
		wait_for_other(runner, i);
		runner->failures += run_program(bpf_program__fd(runner->f->split->progs.canary_split), &runner->request, NULL,
						out) != XDP_PASS;
		runner->failures += run_program(bpf_program__fd(runner->f->reply->progs.canary_reply), &runner->reply, NULL,
						out) != (int)FIXTURE_TCX_NEXT;
	}
	return NULL;
}

/* A client of this backend's: the next one of that number or above. Its first packet has passed. */
static uint32_t client_of(const struct fixture *f, enum fixture_service service, uint16_t backend, uint32_t client)
{
	for (;; client++) {
		struct packet_spec spec = fixture_request(service, client, service < UDP4 ? SYN : 0, ISN, service < UDP4 ? "" : "?");

		if (fixture_send(f, &spec) == backend)
			return client;
	}
}

/* Each has a flow of its own at the same backend; each request is answered, once and timed. */
static void test_replies(void **state)
{
	struct runner runners[2] = { 0 };
	struct canary_counters before, after;
	struct fixture *f = *state;
	uint32_t client = 0;

	for (int i = 0; i < 2; i++) {
		struct packet_spec spec;

		client = client_of(f, UDP4, UDP4 * 4, client + 1);
		spec = fixture_request(UDP4, client, 0, 0, "question");
		packet_build(&spec, &runners[i].request);
		spec = fixture_response(UDP4 * 4, client, 0, 0, 0, "answer");
		packet_build(&spec, &runners[i].reply);
		fixture_answer(f, &spec);
	}
	before = fixture_backend_stats(f, UDP4 * 4);
	run_on_two(runners, request_and_reply, f);
	after = fixture_backend_stats(f, UDP4 * 4);
	assert_int_equal(after.requests - before.requests, 2 * RUNS);
	assert_int_equal(after.response_packets - before.response_packets, 2 * RUNS);
	assert_int_equal(after.response_bytes - before.response_bytes, 2 * RUNS * strlen("answer"));
	assert_int_equal(fixture_backend_latency_count(f, UDP4 * 4, CANARY_LATENCY_TTFB), 2 * RUNS + 2);
	assert_int_equal(fixture_latency_count(f, UDP4 * 2, true, CANARY_LATENCY_TTFB), 2 * RUNS + 2);
}

/* Each connection is refused; the next one over the same ports takes its place. */
static void test_breaker(void **state)
{
	struct canary_breaker breaker = {
		.slot_ns = 1800000000000ULL, .kinds = 1ULL << CANARY_COUNTER_refused, .min_failures = ~0U, .ratio_ppm = 500000,
	};
	uint16_t canary = TCP4 * 2 + 1;
	struct runner runners[2] = { 0 };
	struct fixture *f = *state;
	uint32_t service = TCP4;

	fixture_must(bpf_map_update_elem(f->breakers, &service, &breaker, BPF_ANY), "breakers");
	fixture_set_split(f, TCP4, FIXTURE_WHOLE, FIXTURE_GENERATION);
	for (int i = 0; i < 2; i++) {
		uint32_t client = client_of(f, TCP4, canary * 2, 1 + i * 100);
		struct packet_spec spec = fixture_request(TCP4, client, SYN, ISN, "");

		packet_build(&spec, &runners[i].request);
		spec = fixture_response(canary * 2, client, RST | ACK, 0, ISN + 1, "");
		packet_build(&spec, &runners[i].reply);
		fixture_answer(f, &spec);
	}
	fixture_must(bpf_map_lookup_elem(f->breakers, &service, &breaker), "breakers");
	assert_int_equal(breaker.failures, 2);
	run_on_two(runners, request_and_reply, f);
	fixture_must(bpf_map_lookup_elem(f->breakers, &service, &breaker), "breakers");
	assert_int_equal(breaker.failures, 2 * RUNS + 2);
	assert_int_equal(breaker.attempts, 2 * RUNS + 2);
	assert_int_equal(breaker.tripped, 0);
	assert_int_equal(fixture_version_stats(f, canary, true).refused, 2 * RUNS + 2);
}

/* ---- the sources of fullnat ------------------------------------------------------------------------------------- */

/* Client after client opens a flow; what the backend sees of it is kept. */
static void *open_flows(void *context)
{
	struct runner *runner = context;
	uint8_t out[PACKET_MAX];

	pin(runner);
	for (unsigned i = 0; i < RUNS; i++) {
		struct packet_spec spec = fixture_request(TCP4, i, SYN, ISN, "");

		spec.destination = runner->vip;
		packet_build(&spec, &runner->request);
		wait_for_other(runner, i + 1);
		runner->failures += run_program(bpf_program__fd(runner->f->split->progs.canary_split), &runner->request, "c0",
						out) != XDP_REDIRECT;
		memcpy(runner->sources[i], out + runner->request.network + 12, 12);
	}
	return NULL;
}

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, 12);
}

/* The same clients at two VIPs with the same backends: they try the same sources, in the same order, at the same time. */
static void test_sources(void **state)
{
	static uint8_t sources[2 * RUNS][12];
	struct canary_endpoint vip = fixture_vip(TCP4);
	struct runner runners[2] = { { .vip = vip, .sources = sources }, { .vip = vip, .sources = sources + RUNS } };
	struct canary_service service;
	struct fixture *f = *state;

	fullnat_set(f, TCP4, 1);
	fixture_must(bpf_map_lookup_elem(f->services, &vip, &service), "services");
	vip.addr[3] ^= htonl(0x80);
	runners[1].vip = vip;
	fixture_must(bpf_map_update_elem(f->services, &vip, &service, BPF_ANY), "services");
	run_on_two(runners, open_flows, f);
	qsort(sources, 2 * RUNS, sizeof(sources[0]), compare);
	for (unsigned i = 1; i < 2 * RUNS; i++)
		assert_memory_not_equal(sources[i - 1], sources[i], sizeof(sources[0]));
	assert_int_equal(fixture_count_flows(f), 2 * RUNS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_replies, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_breaker, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_sources, fullnat_set_up, fixture_tear_down),
	};

	return cmocka_run_group_tests_name("two_cpus", tests, fullnat_network_set_up, NULL);
}

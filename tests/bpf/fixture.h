/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel programs loaded for a test, unattached and unpinned, with four services configured by hand and no daemon.
 * A packet is run through a program with BPF_PROG_TEST_RUN, so the verdict and every byte that comes out are seen.
 */
#ifndef CANARYD_TESTS_BPF_FIXTURE_H
#define CANARYD_TESTS_BPF_FIXTURE_H

#include "tests/packet.h"

#include <canaryd/abi.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Service s has the versions 2s (baseline) and 2s + 1 (canary); version v has the backends 2v and 2v + 1. */
enum fixture_service { TCP4 = 0, TCP6 = 1, UDP4 = 2, UDP6 = 3, FIXTURE_SERVICES = 4 };
#define FIXTURE_VERSIONS (FIXTURE_SERVICES * 2)
#define FIXTURE_BACKENDS (FIXTURE_VERSIONS * 2)
#define FIXTURE_HALF (1ULL << 31)
#define FIXTURE_WHOLE (1ULL << 32)
#define FIXTURE_GENERATION 7
#define FIXTURE_TCX_NEXT 0xffffffffU

#define FIXTURE_MAPS(X)                                                                                             \
	X(ports) X(services) X(splits) X(cohorts) X(versions) X(backends) X(backend_addresses) X(maglev) X(flows)   \
	X(version_stats) X(backend_stats) X(latency) X(backend_latency) X(active_flows) X(reasons) X(control)       \
	X(breakers) X(half_open) X(half_open_replies) X(floods) X(flow_table) X(capacities) X(events) X(event_budget) \
	X(sources) X(replies) X(scratch) X(fragments) X(tunnel_paths) X(syns) X(silences) X(rescue_scratch) X(traces)

struct fixture {
	struct split_bpf *split;
	struct reply_bpf *reply;
	struct sweep_bpf *sweep;
#define X(name) int name; /* descriptors; the skeletons own them */
	FIXTURE_MAPS(X)
#undef X
};

/* cmocka set-up and tear-down: *state is the fixture, every service split in half at FIXTURE_GENERATION. */
int fixture_set_up(void **state);
int fixture_set_up_small_table(void **state); /* room for one flow, and nothing is evicted */
int fixture_set_up_crowded_table(void **state); /* room for some 1,000 flows, then others are evicted */
int fixture_tear_down(void **state);

/* Fails the test where r is not 0: a negative errno, or errno. */
void fixture_must(int r, const char *what);

struct canary_endpoint fixture_vip(enum fixture_service service);
struct canary_endpoint fixture_backend(uint16_t backend);
uint8_t fixture_protocol(enum fixture_service service);
/* A client outside all the networks above, of the service's family and protocol. */
struct canary_endpoint fixture_client(enum fixture_service service, uint32_t number);

/* Publishes a threshold as the daemon does: into the view that is not active, then `active`. */
void fixture_set_split(struct fixture *f, enum fixture_service service, uint64_t threshold, uint32_t generation);
void fixture_set_rescue(const struct fixture *f, enum fixture_service service, bool rescue);
/* Swaps the service's cohorts in, `count` networks; 0: it has none. */
void fixture_set_cohorts(const struct fixture *f, enum fixture_service service, const struct canary_prefix *prefixes,
			 const struct canary_cohort *cohorts, size_t count);
void fixture_set_timeouts(struct fixture *f, enum fixture_service service, uint64_t syn_ns, uint64_t response_ns,
			  uint64_t udp_idle_ns);
void fixture_set_maglev(struct fixture *f, uint16_t version, bool usable);
void fixture_set_control(struct fixture *f, uint32_t sweep_turn, uint32_t events_per_cpu);

/* A packet from a client to the service's VIP, and one from a backend to a client. */
struct packet_spec fixture_request(enum fixture_service service, uint32_t client, uint8_t flags, uint32_t seq,
				   const char *payload);
struct packet_spec fixture_response(uint16_t backend, uint32_t client, uint8_t flags, uint32_t seq, uint32_t ack,
				    const char *payload);

/* Runs the packet through canary_split or canary_reply; `packet` is then what came out. Returns the verdict. */
uint32_t fixture_run_split(const struct fixture *f, struct packet_bytes *packet);
uint32_t fixture_run_reply(struct fixture *f, struct packet_bytes *packet, uint32_t gso_segs, uint32_t gso_size);

/* Builds, runs and returns the backend the packet went to, or CANARY_NONE where it came out as it went in. Fails the
 * test where anything else than a destination has changed, or the verdict is not to pass. */
uint16_t fixture_send(const struct fixture *f, const struct packet_spec *spec);

/* Builds and runs a reply of a flow's backend. Fails the test where anything else than its source has become the VIP. */
void fixture_answer(struct fixture *f, const struct packet_spec *spec);

/* Lets the sweep walk the table once. */
void fixture_sweep(struct fixture *f);

void fixture_explain(const struct fixture *f, struct canary_explain *question);

/* The key of a client's flow. */
struct canary_flow_key fixture_key(enum fixture_service service, uint32_t client);
bool fixture_flow(const struct fixture *f, enum fixture_service service, uint32_t client, struct canary_flow *ret);
void fixture_put_flow(const struct fixture *f, enum fixture_service service, uint32_t client,
		      const struct canary_flow *flow);
/* As if the flow's SYN had come so much earlier. */
void fixture_age(const struct fixture *f, enum fixture_service service, uint32_t client, uint64_t ns);
void fixture_forget_flow(const struct fixture *f, enum fixture_service service, uint32_t client);
unsigned fixture_count_flows(const struct fixture *f);

/* New flows a second and CPU, beyond which the service's go on probation. */
void fixture_set_flood_limit(const struct fixture *f, enum fixture_service service, uint32_t limit);
/* As if that had been passed on every CPU: all of the service's new flows go on probation from now on. */
void fixture_begin_flood(const struct fixture *f, enum fixture_service service);

/* Sums over all CPUs. */
struct canary_flow_table fixture_flow_table(const struct fixture *f);
struct canary_counters fixture_version_stats(const struct fixture *f, uint16_t version, bool judged);
struct canary_counters fixture_backend_stats(const struct fixture *f, uint16_t backend);
struct canary_reasons fixture_reasons(const struct fixture *f);
uint64_t fixture_latency_count(const struct fixture *f, uint16_t version, bool judged, enum canary_latency kind);
uint64_t fixture_backend_latency_count(const struct fixture *f, uint16_t backend, enum canary_latency kind);
/* Of everything in every slot but `but_version` judged: for "nothing else was counted". */
uint64_t fixture_sum_of_others(const struct fixture *f, uint16_t but_version, uint16_t but_backend);

#endif

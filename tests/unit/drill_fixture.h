/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A kernel in memory, as far as drills need one: services, splits, breakers (bpf/breaker.h itself), flows, the lease. One call of it
 * can fail, or never return, as if the daemon had been killed in it.
 */
#ifndef CANARYD_TESTS_DRILL_FIXTURE_H
#define CANARYD_TESTS_DRILL_FIXTURE_H

#include "user/drill.h"

#include "bpf/breaker.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "user/weights.h"

#define V1 3
#define V2 5
#define FLOWS 3000 /* in its table; a drill may have a hundredth */
#define LEASE_NS (~0ULL >> 1)

static struct kernel {
	struct canary_endpoint vip[4];
	struct canary_service service[4];
	size_t n_services;
	struct canary_split split[DATAPATH_SERVICES_MAX];
	struct canary_breaker breaker[DATAPATH_SERVICES_MAX];
	struct canary_flow_key key[FLOWS / 100];
	struct canary_flow flow[FLOWS / 100];
	size_t n_flows;
	uint64_t lease_ns;
	enum canary_explain_source source; /* what explain says; 0: what is so */
	unsigned calls, fail_at; /* from 1; 0: none */
	jmp_buf *crash;          /* in that call */
	bool deaf;               /* its breakers never trip */
} kernel;

static inline int call(void)
{
	if (++kernel.calls != kernel.fail_at)
		return 0;
	if (kernel.crash)
		longjmp(*kernel.crash, 1);
	return -EIO;
}

static inline uint64_t now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static inline size_t find_service(const struct canary_endpoint *vip)
{
	size_t s = 0;

	while (s < kernel.n_services && memcmp(&kernel.vip[s], vip, sizeof(*vip)) != 0)
		s++;
	return s;
}

static inline size_t find_flow(const struct canary_flow_key *key)
{
	size_t f = 0;

	while (f < kernel.n_flows && memcmp(&kernel.key[f], key, sizeof(*key)) != 0)
		f++;
	return f;
}

int datapath_next_service(const struct datapath *datapath, const struct canary_endpoint *key, struct canary_endpoint *ret_vip,
			  struct canary_service *ret_service)
{
	size_t s = key ? find_service(key) + 1 : 0;
	int r = call();

	(void)datapath;
	if (r || s >= kernel.n_services)
		return r ?: -ENOENT;
	*ret_vip = kernel.vip[s];
	*ret_service = kernel.service[s];
	return 0;
}

int datapath_set_service(struct datapath *datapath, const struct canary_endpoint *vip, const struct canary_service *service)
{
	size_t s = find_service(vip);
	int r = call();

	(void)datapath;
	if (r)
		return r;
	assert_true(s < 4);
	kernel.vip[s] = *vip;
	kernel.service[s] = *service;
	kernel.n_services += s == kernel.n_services;
	return 0;
}

/* What is taken away needs nothing, and always is; but the daemon can be killed by then. */
int datapath_delete_service(struct datapath *datapath, const struct canary_endpoint *vip)
{
	size_t s = find_service(vip);

	(void)datapath;
	if (kernel.crash)
		call();
	if (s == kernel.n_services)
		return -ENOENT;
	kernel.n_services--;
	kernel.vip[s] = kernel.vip[kernel.n_services];
	kernel.service[s] = kernel.service[kernel.n_services];
	return 0;
}

int datapath_set_flow(struct datapath *datapath, const struct canary_flow_key *key, const struct canary_flow *flow)
{
	int r = call();

	(void)datapath;
	if (r)
		return r;
	if (find_flow(key) < kernel.n_flows)
		return -EEXIST;
	assert_true(kernel.n_flows < FLOWS / 100);
	kernel.key[kernel.n_flows] = *key;
	kernel.flow[kernel.n_flows++] = *flow;
	return 0;
}

int datapath_delete_flow(struct datapath *datapath, const struct canary_flow_key *key)
{
	size_t f = find_flow(key);

	(void)datapath;
	if (kernel.crash)
		call();
	if (f == kernel.n_flows)
		return -ENOENT;
	kernel.n_flows--;
	kernel.key[f] = kernel.key[kernel.n_flows];
	kernel.flow[f] = kernel.flow[kernel.n_flows];
	return 0;
}

struct canary_split *datapath_split(struct datapath *datapath, uint32_t service)
{
	(void)datapath;
	return &kernel.split[service];
}

struct canary_breaker *datapath_breaker(struct datapath *datapath, uint32_t service)
{
	(void)datapath;
	return &kernel.breaker[service];
}

void datapath_set_lease(struct datapath *datapath, uint64_t deadline_ns)
{
	(void)datapath;
	kernel.lease_ns = deadline_ns;
}

uint32_t datapath_flows_capacity(const struct datapath *datapath)
{
	(void)datapath;
	return FLOWS;
}

/* Every flow that was opened longer ago than its service's limit is a failure. */
int datapath_sweep(struct datapath *datapath)
{
	int r = call();

	(void)datapath;
	for (size_t f = 0; !r && f < kernel.n_flows; f++) {
		const struct canary_flow *flow = &kernel.flow[f];
		struct canary_breaker *breaker = &kernel.breaker[flow->service];

		if (now() - flow->opened_ns > kernel.split[flow->service].syn_timeout_ns && breaker->slot_ns && !kernel.deaf)
			breaker_failure(breaker, flow, CANARY_COUNTER_syn_timeout, now());
	}
	return r;
}

static inline enum canary_explain_source source_of(const struct canary_split_view *view, uint32_t tripped)
{
	if (view->canary == CANARY_NONE || !view->canary_threshold)
		return CANARY_EXPLAIN_HASH;
	if (kernel.lease_ns && now() > kernel.lease_ns)
		return CANARY_EXPLAIN_LEASE;
	return tripped == view->generation ? CANARY_EXPLAIN_BREAKER : CANARY_EXPLAIN_HASH;
}

int datapath_explain(const struct datapath *datapath, struct canary_explain *explain)
{
	struct canary_endpoint vip = { .port = explain->key.vip_port, .protocol = explain->key.protocol };
	const struct canary_split_view *view;
	size_t s;
	uint16_t id;
	int r = call();

	(void)datapath;
	if (r)
		return r;
	memcpy(vip.addr, explain->key.vip, sizeof(vip.addr));
	s = find_service(&vip);
	if (s == kernel.n_services)
		return 0;
	id = kernel.service[s].id;
	view = weights_active(&kernel.split[id]);
	explain->source = kernel.source ?: source_of(view, kernel.breaker[id].tripped);
	explain->version = explain->source == CANARY_EXPLAIN_HASH && view->canary != CANARY_NONE ? view->canary : view->baseline;
	return 0;
}

const struct inventory_version *inventory_find_version(const struct inventory_service *service, const char *name)
{
	size_t v = 0;

	while (strcmp(service->versions[v].name, name) != 0)
		v++;
	return &service->versions[v];
}

#endif

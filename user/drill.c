/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "user/drill.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "user/breaker.h"
#include "user/error.h"
#include "user/plan.h"
#include "user/policy.h"
#include "user/weights.h"

#define STAGE_PORT 0   /* of the VIP: no packet goes there, and no service is there */
#define FLOW_SHARE 100 /* the flows of a drill are at most so small a part of the flow table */

struct stage {
	const struct drill_environment *environment;
	struct datapath *datapath;
	struct drill *drill;
	struct canary_endpoint vip;
	struct canary_service service;
	struct canary_split *split;
	struct canary_breaker *breaker;
	uint16_t baseline, canary;
	uint32_t generation;
	uint64_t published_ns;
	uint64_t began_ns; /* the moment that is rehearsed; 0: not yet */
};

static uint64_t monotonic_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* ---- the stage --------------------------------------------------------------------------------------------- */

static __attribute__((format(printf, 3, 4))) void tell(struct stage *stage, uint64_t at_ns, const char *format, ...)
{
	struct drill_step *step = &stage->drill->step[stage->drill->n_steps];
	va_list arguments;

	if (stage->drill->n_steps == DRILL_STEPS)
		return;
	stage->drill->n_steps++;
	step->at_s = stage->began_ns ? (double)(int64_t)(at_ns - stage->began_ns) / 1e9 : 0;
	va_start(arguments, format);
	vsnprintf(step->says, sizeof(step->says), format, arguments);
	va_end(arguments);
}

static int find_id(const struct inventory *inventory, uint16_t *ret)
{
	for (int id = DATAPATH_SERVICES_MAX - 1; id >= 0; id--) {
		bool taken = false;

		for (size_t s = 0; s < inventory->n_services; s++)
			taken |= inventory->services[s].id == id;
		if (!taken) {
			*ret = (uint16_t)id;
			return 0;
		}
	}
	return -ENOSPC;
}

/* The service as the kernel has it. */
static int read_service(struct datapath *datapath, const struct canary_endpoint *vip, struct canary_service *ret)
{
	struct canary_endpoint key, *before = NULL;
	struct canary_service service;
	int r;

	while (!(r = datapath_next_service(datapath, before, &key, &service))) {
		if (!memcmp(&key, vip, sizeof(key))) {
			*ret = service;
			return 0;
		}
		before = &key;
	}
	return r;
}

static void publish(struct stage *stage, uint16_t canary, double weight)
{
	struct canary_split_view view = { .generation = stage->generation, .baseline = stage->baseline, .canary = canary,
					  .canary_threshold = weights_threshold(weight) };

	weights_publish(stage->split, &view, &stage->published_ns);
}

static uint16_t version_index(const struct stage *stage, const char *name)
{
	const struct inventory *inventory = stage->environment->inventory;

	for (size_t s = 0; s < inventory->n_services; s++)
		if (!strcmp(inventory->services[s].name, stage->environment->service->name))
			return inventory_find_version(&inventory->services[s], name)->index;
	return CANARY_NONE;
}

static void take_shared(struct stage *stage)
{
	stage->split = datapath_split(stage->datapath, stage->service.id);
	stage->breaker = datapath_breaker(stage->datapath, stage->service.id);
}

static int stage_open(struct stage *stage, char **ret_error)
{
	const struct drill_environment *environment = stage->environment;
	uint16_t id;
	int r = read_service(stage->datapath, &environment->service->endpoint, &stage->service);

	if (!r)
		r = find_id(environment->inventory, &id);
	if (r == -ENOSPC)
		return error_set(ret_error, r, "no number is left for a drill: %d services are configured", DATAPATH_SERVICES_MAX);
	if (r)
		return error_set(ret_error, r, "the kernel does not have the service: %s", strerror(-r));
	stage->service.id = id;
	stage->vip = environment->service->endpoint;
	stage->vip.port = STAGE_PORT;
	stage->baseline = version_index(stage, environment->baseline);
	stage->canary = version_index(stage, environment->canary);
	take_shared(stage);
	stage->generation = weights_active(stage->split)->generation + 1;
	/* First, and taken away last: who finds no stage has nothing to clear. */
	r = datapath_set_service(stage->datapath, &stage->vip, &stage->service);
	if (r)
		return error_set(ret_error, r, "cannot write to the kernel: %s", strerror(-r));
	stage->split->syn_timeout_ns = (uint64_t)(environment->service->syn_timeout_s * 1e9);
	breaker_configure(stage->breaker, &environment->service->breaker);
	publish(stage, stage->canary, 1);
	return 0;
}

static int stage_close(struct stage *stage)
{
	if (!stage->split)
		return 0;
	publish(stage, CANARY_NONE, 0);
	breaker_configure(stage->breaker, &(struct config_breaker){ .enabled = false });
	breaker_reset(stage->breaker);
	return datapath_delete_service(stage->datapath, &stage->vip);
}

static struct canary_flow_key client_key(const struct stage *stage, uint32_t client)
{
	struct canary_flow_key key = { .vip_port = STAGE_PORT, .client_port = htons((uint16_t)(1024 + client % 60000)),
				       .protocol = stage->vip.protocol };

	memcpy(key.vip, stage->vip.addr, sizeof(key.vip));
	memcpy(key.client, stage->vip.addr, sizeof(key.client)); /* of the VIP's family; nobody's */
	key.client[3] ^= htonl(1 + client / 60000);
	return key;
}

/* Asks the kernel where the next flow goes; a positive enum canary_explain_source. */
static int ask(const struct stage *stage, uint16_t *ret_version)
{
	struct canary_explain question = { .key = client_key(stage, 0) };
	int r = datapath_explain(stage->datapath, &question);

	if (r)
		return r;
	*ret_version = question.version;
	return question.source;
}

/* The canary gets everything on the stage; else there is nothing to be taken away. */
static int begin(struct stage *stage, char **ret_error)
{
	const struct timespec grace = { .tv_nsec = 2000000 };
	uint16_t version = CANARY_NONE;
	int r = ask(stage, &version);

	if (r < 0)
		return error_set(ret_error, r, "cannot ask the kernel: %s", strerror(-r));
	if (r == CANARY_EXPLAIN_LEASE)
		return error_set(ret_error, -EBUSY, "the lease is over already: canaryd ticks too slowly (canaryctl doctor)");
	if (r == CANARY_EXPLAIN_CAPACITY)
		return error_set(ret_error, -EBUSY, "%s has as many flows as its max_flows: raise that for the drill",
				 stage->environment->canary);
	if (version != stage->canary)
		return error_set(ret_error, -EBUSY, "%s has no backend that is well: nothing can be rehearsed (canaryctl backend "
				 "list %s)", stage->environment->canary, stage->environment->service->name);
	tell(stage, 0, "on the stage every new flow goes to %s", stage->environment->canary);
	clock_nanosleep(CLOCK_MONOTONIC, 0, &grace, NULL); /* no weight changes twice as quickly: it would be measured, too */
	stage->began_ns = monotonic_ns();
	return 0;
}

/* What the kernel does next decides whether it was a success. */
static void finish(struct stage *stage, enum canary_explain_source wanted)
{
	uint16_t version = CANARY_NONE;
	int r = ask(stage, &version);
	uint64_t now_ns = monotonic_ns();

	stage->drill->passed = r == (int)wanted && version == stage->baseline;
	stage->drill->took_s = (double)(now_ns - stage->began_ns) / 1e9;
	if (stage->drill->passed)
		tell(stage, now_ns, "the kernel sends the next flow to %s", stage->environment->baseline);
	else
		tell(stage, now_ns, "the kernel does not send the next flow to %s", stage->environment->baseline);
}

/* ---- drills ------------------------------------------------------------------------------------------------ */

static uint32_t failures_max(const struct stage *stage)
{
	return datapath_flows_capacity(stage->datapath) / FLOW_SHARE;
}

/* Flows whose SYN nobody answered, at no backend, so that they are in no count but the breaker's. */
static int add_failures(struct stage *stage, uint32_t count)
{
	struct canary_flow flow = {
		.opened_ns = stage->began_ns - 2 * stage->split->syn_timeout_ns, .generation = stage->generation,
		.service = stage->service.id, .version = stage->canary, .backend = CANARY_NONE, .origin = CANARY_ORIGIN_SYN,
	};
	int r = 0;

	for (uint32_t i = 0; !r && i < count; i++) {
		struct canary_flow_key key = client_key(stage, 1 + i);

		r = datapath_set_flow(stage->datapath, &key, &flow);
	}
	return r;
}

static void remove_failures(struct stage *stage, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		struct canary_flow_key key = client_key(stage, 1 + i);

		datapath_delete_flow(stage->datapath, &key);
	}
}

static int drill_breaker(struct stage *stage, char **ret_error)
{
	const struct config_breaker *config = &stage->environment->service->breaker;
	uint32_t room = failures_max(stage);
	struct breaker_trip trip = { 0 };
	int r;

	if (!config->enabled)
		return error_set(ret_error, -EINVAL, "service %s has no breaker (breaker: {enabled: true})",
				 stage->environment->service->name);
	if (config->min_failures > room)
		return error_set(ret_error, -EINVAL, "a breaker that takes %u failures is not rehearsed in a flow table this small "
				 "(at most %u)", config->min_failures, room);
	r = begin(stage, ret_error);
	if (r)
		return r;
	r = add_failures(stage, config->min_failures);
	tell(stage, monotonic_ns(), "%u connections to %s that were never answered", config->min_failures,
	     stage->environment->canary);
	if (!r)
		r = datapath_sweep(stage->datapath);
	remove_failures(stage, config->min_failures);
	if (r)
		return error_set(ret_error, r, "cannot write to the kernel: %s", strerror(-r));
	if (breaker_tripped(stage->breaker, stage->generation, &trip))
		tell(stage, trip.at_ns, "the sweep finds them, and by one of them the kernel's breaker trips: %llu of %llu, %s",
		     (unsigned long long)trip.failures, (unsigned long long)trip.attempts, trip.kind);
	else
		tell(stage, monotonic_ns(), "the sweep ran, and the breaker did not trip");
	finish(stage, CANARY_EXPLAIN_BREAKER);
	if (stage->drill->passed) /* the sweep went on after it */
		stage->drill->took_s = (double)(trip.at_ns - stage->began_ns) / 1e9;
	return 0;
}

static int drill_lease(struct stage *stage, char **ret_error)
{
	uint64_t lease_ns = stage->environment->lease_ns;
	uint16_t version = CANARY_NONE;
	int r;

	if (!lease_ns)
		return error_set(ret_error, -EINVAL, "without canaryd the weights are held: there is no lease to run out "
				 "(lease: {on_expiry: baseline})");
	r = begin(stage, ret_error);
	if (r)
		return r;
	datapath_set_lease(stage->datapath, stage->began_ns - 1);
	tell(stage, monotonic_ns(), "the lease is over, as when canaryd has not ticked for %g s",
	     stage->environment->config->lease.s);
	finish(stage, CANARY_EXPLAIN_LEASE);
	datapath_set_lease(stage->datapath, lease_ns);
	r = ask(stage, &version);
	stage->drill->passed &= r == CANARY_EXPLAIN_HASH && version == stage->canary;
	tell(stage, monotonic_ns(), "the lease is renewed; the next flow goes to %s",
	     version == stage->canary ? stage->environment->canary : stage->environment->baseline);
	return 0;
}

static int drill_rollback(struct stage *stage, char **ret_error)
{
	struct policy_decision decision;
	struct policy_state state;
	struct policy_plan plan;
	int r;

	plan_from_config(&stage->environment->service->rollout, &stage->environment->config->judge, &plan);
	if (policy_start(&plan, &state, &decision))
		return error_set(ret_error, -EINVAL, "the steps of service %s are no plan", stage->environment->service->name);
	r = begin(stage, ret_error);
	if (r)
		return r;
	policy_roll_back(&plan, &state, "drill", &decision);
	tell(stage, monotonic_ns(), "the policy decides: %s, to a weight of %g", policy_kind_name(decision.kind), state.weight);
	r = stage->environment->write("drill of a rollback: nothing was taken back", stage->environment->context);
	if (r)
		tell(stage, monotonic_ns(), "the journal does not take it (%s): a rollback goes on without", strerror(-r));
	else
		tell(stage, monotonic_ns(), "it is written down");
	publish(stage, CANARY_NONE, state.weight);
	tell(stage, monotonic_ns(), "the weight is in the kernel's map");
	finish(stage, CANARY_EXPLAIN_HASH);
	return 0;
}

const char *drill_name(enum drill_kind kind)
{
	static const char *const names[DRILL_KINDS] = { "breaker", "lease", "rollback" };

	return names[kind];
}

int drill_run(enum drill_kind kind, const struct drill_environment *environment, struct drill *ret, char **ret_error)
{
	static int (*const drills[DRILL_KINDS])(struct stage *, char **) = { drill_breaker, drill_lease, drill_rollback };
	struct drill drill = { .passed = false };
	struct stage stage = { .environment = environment, .datapath = environment->datapath, .drill = &drill };
	int r = stage_open(&stage, ret_error);

	if (!r)
		r = drills[kind](&stage, ret_error);
	stage_close(&stage);
	if (!r)
		*ret = drill;
	return r;
}

/* One that a daemon has left: its number and its address. -ENOENT: there is none. */
static int find_stage(struct datapath *datapath, struct stage *ret)
{
	struct canary_endpoint vip, *before = NULL;
	struct canary_service service;
	int r;

	while (!(r = datapath_next_service(datapath, before, &vip, &service))) {
		if (vip.port == STAGE_PORT && service.id < DATAPATH_SERVICES_MAX) {
			*ret = (struct stage){ .datapath = datapath, .vip = vip, .service = service };
			return 0;
		}
		before = &vip;
	}
	return r;
}

int drill_clear(struct datapath *datapath)
{
	struct stage stage;
	int r;

	while (!(r = find_stage(datapath, &stage))) {
		take_shared(&stage);
		stage.generation = weights_active(stage.split)->generation;
		stage.baseline = weights_active(stage.split)->baseline;
		remove_failures(&stage, failures_max(&stage));
		r = stage_close(&stage);
		if (r)
			return r;
	}
	return r == -ENOENT ? 0 : r;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Drills on a kernel in memory: what they find, what they refuse, and that nothing of them is left, whatever fails and when. */
#include "drill_fixture.h"

#include <arpa/inet.h>

static const char config_text[] =
	"interfaces: [eth0]\n"
	"services:\n"
	"  - name: web\n"
	"    vip: 192.0.2.10:80\n"
	"    baseline: v1\n"
	"    breaker: {min_failures: 4}\n"
	"    versions:\n"
	"      - {name: v1, backends: [\"192.0.2.1:81\"]}\n"
	"      - {name: v2, backends: [\"192.0.2.1:82\"]}\n";

static struct inventory_version versions[] = { { .name = "v1", .index = V1 }, { .name = "v2", .index = V2 } };
static struct inventory_service services[DATAPATH_SERVICES_MAX];
static struct inventory inventory;
static char written[DRILL_TEXT];
static int written_result;

static int write_down(const char *sentence, void *context)
{
	(void)context;
	snprintf(written, sizeof(written), "%s", sentence);
	return written_result;
}

static struct drill_environment environment = { .inventory = &inventory, .baseline = "v1", .canary = "v2",
						.lease_ns = LEASE_NS, .write = write_down };

static int set_up(void **state)
{
	struct config *config;
	char *error = NULL;

	if (config_load_text(config_text, strlen(config_text), "test", &config, &error))
		fail_msg("%s", error);
	environment.config = config;
	environment.service = &config->services[0];
	environment.lease_ns = LEASE_NS;
	kernel = (struct kernel){ .vip = { config->services[0].endpoint }, .n_services = 1, .lease_ns = LEASE_NS };
	for (size_t s = 0; s < DATAPATH_SERVICES_MAX; s++)
		kernel.split[s].view[0].canary = kernel.split[s].view[1].canary = CANARY_NONE;
	services[0] = (struct inventory_service){ .name = "web", .n_versions = 2, .versions = versions };
	inventory = (struct inventory){ .n_services = 1, .services = services };
	written[0] = 0;
	written_result = 0;
	*state = config;
	return 0;
}

static int tear_down(void **state)
{
	config_free(*state);
	return 0;
}

/* Nothing of a drill is there: the service stands alone, no other split has a canary, no breaker can trip or has. */
static void assert_clean(void)
{
	assert_int_equal(kernel.n_services, 1);
	assert_int_equal(kernel.n_flows, 0);
	for (size_t s = 0; s < DATAPATH_SERVICES_MAX; s++) {
		assert_int_equal(weights_active(&kernel.split[s])->canary, CANARY_NONE);
		assert_int_equal(weights_active(&kernel.split[s])->canary_threshold, 0);
		assert_int_equal(kernel.breaker[s].slot_ns, 0);
		assert_int_equal(kernel.breaker[s].tripped, 0);
	}
}

static struct drill run(enum drill_kind kind)
{
	struct drill drill;
	char *error = NULL;

	if (drill_run(kind, &environment, &drill, &error))
		fail_msg("%s", error);
	assert_clean();
	assert_int_equal(kernel.lease_ns, LEASE_NS);
	return drill;
}

/* The sentence of a drill that cannot be, which is a part of `wanted`. */
static void assert_refused(enum drill_kind kind, int code, const char *wanted)
{
	struct drill drill = { .took_s = -1 };
	char *error = NULL;

	assert_int_equal(drill_run(kind, &environment, &drill, &error), code);
	if (!error || !strstr(error, wanted))
		fail_msg("\"%s\" does not say \"%s\"", error ?: "", wanted);
	assert_true(drill.took_s < 0);
	free(error);
	assert_clean();
	assert_int_equal(kernel.lease_ns, LEASE_NS);
}

static void assert_says(const struct drill *drill, unsigned step, const char *wanted)
{
	assert_true(step < drill->n_steps);
	assert_string_equal(drill->step[step].says, wanted);
}

static void test_breaker(void **state)
{
	(void)state;
	for (int again = 0; again < 2; again++) {
		struct drill drill = run(DRILL_BREAKER);

		assert_true(drill.passed);
		assert_int_equal(drill.n_steps, 4);
		assert_says(&drill, 0, "on the stage every new flow goes to v2");
		assert_says(&drill, 1, "4 connections to v2 that were never answered");
		assert_says(&drill, 2, "the sweep finds them, and by one of them the kernel's breaker trips: 4 of 4, syn_timeout");
		assert_says(&drill, 3, "the kernel sends the next flow to v1");
		assert_true(drill.step[0].at_s == 0 && drill.step[1].at_s >= 0 && drill.step[2].at_s >= drill.step[1].at_s);
		assert_true(drill.took_s == drill.step[2].at_s && drill.step[3].at_s >= drill.took_s);
	}
	kernel.deaf = true;
	assert_false(run(DRILL_BREAKER).passed);
}

static void test_lease(void **state)
{
	struct drill drill = run(DRILL_LEASE);

	(void)state;
	assert_true(drill.passed);
	assert_says(&drill, 1, "the lease is over, as when canaryd has not ticked for 15 s");
	assert_says(&drill, 2, "the kernel sends the next flow to v1");
	assert_says(&drill, 3, "the lease is renewed; the next flow goes to v2");
}

static void test_rollback(void **state)
{
	struct drill drill = run(DRILL_ROLLBACK);

	(void)state;
	assert_true(drill.passed);
	assert_string_equal(written, "drill of a rollback: nothing was taken back");
	assert_says(&drill, 1, "the policy decides: roll_back, to a weight of 0");
	assert_says(&drill, 2, "it is written down");
	assert_says(&drill, 4, "the kernel sends the next flow to v1");
	written_result = -ENOSPC;
	drill = run(DRILL_ROLLBACK);
	assert_true(drill.passed);
	assert_says(&drill, 2, "the journal does not take it (No space left on device): a rollback goes on without");
}

static void test_refused(void **state)
{
	struct config_breaker *breaker = &((struct config *)*state)->services[0].breaker;

	environment.lease_ns = 0;
	assert_refused(DRILL_LEASE, -EINVAL, "there is no lease to run out");
	environment.lease_ns = LEASE_NS;
	kernel.source = CANARY_EXPLAIN_NO_BACKEND;
	assert_refused(DRILL_ROLLBACK, -EBUSY, "v2 has no backend that is well");
	kernel.source = CANARY_EXPLAIN_CAPACITY;
	assert_refused(DRILL_BREAKER, -EBUSY, "v2 has as many flows as its max_flows");
	kernel.source = CANARY_EXPLAIN_LEASE;
	assert_refused(DRILL_BREAKER, -EBUSY, "the lease is over already");
	kernel.source = 0;
	breaker->min_failures = FLOWS / 100 + 1;
	assert_refused(DRILL_BREAKER, -EINVAL, "31 failures is not rehearsed in a flow table this small (at most 30)");
	breaker->min_failures--;
	assert_true(run(DRILL_BREAKER).passed);
	breaker->enabled = false;
	assert_refused(DRILL_BREAKER, -EINVAL, "service web has no breaker");
}

/* The stage takes a number that no service has; with the last one there is none. */
static void test_number(void **state)
{
	(void)state;
	for (uint16_t s = 1; s < DATAPATH_SERVICES_MAX - 1; s++)
		services[s] = (struct inventory_service){ .id = s + 1 };
	inventory.n_services = DATAPATH_SERVICES_MAX - 1;
	kernel.breaker[1].attempts = 77;
	assert_true(run(DRILL_BREAKER).passed);
	assert_int_equal(kernel.breaker[1].attempts, 77 + 4);
	services[DATAPATH_SERVICES_MAX - 1] = (struct inventory_service){ .id = 1 };
	inventory.n_services = DATAPATH_SERVICES_MAX;
	assert_refused(DRILL_BREAKER, -ENOSPC, "no number is left for a drill: 64 services are configured");
	kernel.vip[0].port = htons(81);
	inventory.n_services = 1;
	assert_refused(DRILL_BREAKER, -ENOENT, "the kernel does not have the service");
}

/* Whichever call of the kernel fails, nothing is left, and it did not pass. Returns whether there was such a call. */
static bool fails_at(enum drill_kind kind, unsigned which)
{
	struct drill drill = { .passed = false };
	char *error = NULL;
	int r;

	kernel.calls = 0;
	kernel.fail_at = which;
	r = drill_run(kind, &environment, &drill, &error);
	free(error);
	assert_clean();
	assert_int_equal(kernel.lease_ns, LEASE_NS);
	if (kernel.calls >= which)
		assert_true(r == -EIO || !drill.passed);
	else
		assert_true(!r && drill.passed);
	return kernel.calls >= which;
}

static void test_failures(void **state)
{
	(void)state;
	for (enum drill_kind kind = 0; kind < DRILL_KINDS; kind++) {
		unsigned which = 1;

		while (fails_at(kind, which))
			which++;
		assert_true(which > 4);
	}
}

/* The daemon is killed in that call; the next one clears. Returns whether there was such a call. */
static bool is_killed_at(enum drill_kind kind, unsigned which)
{
	struct drill drill;
	char *error = NULL;
	jmp_buf killed;

	kernel.calls = 0;
	kernel.fail_at = which;
	kernel.crash = &killed;
	if (!setjmp(killed)) {
		assert_int_equal(drill_run(kind, &environment, &drill, &error), 0);
		kernel.crash = NULL;
		return false;
	}
	kernel.crash = NULL;
	kernel.fail_at = 0;
	kernel.lease_ns = LEASE_NS; /* as every start does */
	assert_int_equal(drill_clear(NULL), 0);
	return true;
}

static void test_killed(void **state)
{
	(void)state;
	for (enum drill_kind kind = 0; kind < DRILL_KINDS; kind++) {
		volatile unsigned which = 1;

		while (is_killed_at(kind, which)) {
			assert_int_equal(kernel.n_services, 1);
			assert_int_equal(kernel.n_flows, 0);
			assert_true(run(kind).passed);
			which++;
		}
		assert_true(which > 4);
	}
}

/* Without a stage, and with one whose number no daemon can have given. */
static void test_clear(void **state)
{
	struct kernel before = kernel;

	(void)state;
	assert_int_equal(drill_clear(NULL), 0);
	assert_memory_equal(kernel.split, before.split, sizeof(before.split));
	kernel.vip[1] = (struct canary_endpoint){ .addr = { 1 } };
	kernel.service[1].id = DATAPATH_SERVICES_MAX;
	kernel.n_services = 2;
	assert_int_equal(drill_clear(NULL), 0);
	kernel.fail_at = kernel.calls + 1;
	assert_int_equal(drill_clear(NULL), -EIO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_breaker, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_lease, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_rollback, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_number, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_failures, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_killed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_clear, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Caps, the table's occupancy and evictions, from one sweep to the next, on a data plane that is only told of here. */
#include "user/capacity.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define SECOND_NS 1000000000ULL
#define TABLE 1000

/* Two backends of one version. */
static struct plane {
	uint64_t open[2], closed[2];
	struct canary_flow_table table;
	struct canary_capacity shared;
	bool has_shared, full;
	uint64_t flood_before_ns;
} plane;

uint32_t datapath_flows_capacity(const struct datapath *datapath)
{
	(void)datapath;
	return TABLE;
}

uint32_t datapath_backends_max(const struct datapath *datapath)
{
	(void)datapath;
	return 2;
}

struct canary_capacity *datapath_capacity(struct datapath *datapath, uint32_t version)
{
	(void)datapath;
	assert_int_equal(version, 3);
	return plane.has_shared ? &plane.shared : NULL;
}

void datapath_set_flood(struct datapath *datapath, bool table_full, uint64_t before_ns)
{
	(void)datapath;
	plane.full = table_full;
	plane.flood_before_ns = before_ns;
}

int datapath_flow_table(const struct datapath *datapath, struct canary_flow_table *ret)
{
	(void)datapath;
	*ret = plane.table;
	return 0;
}

int datapath_active_flows(const struct datapath *datapath, uint32_t backend, uint64_t *ret_open, uint64_t *ret_closed)
{
	(void)datapath;
	*ret_open = plane.open[backend];
	*ret_closed = plane.closed[backend];
	return 0;
}

static struct inventory_backend backends[2] = { { .index = 0 }, { .index = 1 } };
static struct inventory_version version = { .index = 3, .n_backends = 2, .backends = backends };
static struct inventory_service service = { .n_versions = 1, .versions = &version };
static const struct inventory inventory = { .n_services = 1, .services = &service };

static int set_up(void **state)
{
	(void)state;
	plane = (struct plane){ .has_shared = true };
	version.max_flows = 0;
	return 0;
}

static void sweep(struct capacity *capacity)
{
	capacity_begin(capacity, NULL, &inventory);
	capacity_end(capacity, NULL, &inventory, 100 * SECOND_NS);
}

/* As many more may open as there is room; what opens while the sweep goes on counts already. */
static void test_limit(void **state)
{
	struct capacity capacity = { 0 };

	(void)state;
	version.max_flows = 20;
	plane.shared.opened = 100;
	plane.open[0] = 7;
	plane.open[1] = 5;
	plane.closed[0] = 50;
	capacity_begin(&capacity, NULL, &inventory);
	plane.shared.opened = 103;
	capacity_end(&capacity, NULL, &inventory, 100 * SECOND_NS);
	assert_int_equal(plane.shared.max_flows, 20);
	assert_int_equal(plane.shared.limit, 108);
	plane.open[0] = 40; /* from before there was a cap */
	sweep(&capacity);
	assert_int_equal(plane.shared.limit, plane.shared.opened);
	version.max_flows = 0;
	sweep(&capacity);
	assert_int_equal(plane.shared.max_flows, 0);
	plane.has_shared = false;
	sweep(&capacity);
}

/* Evicted is what two sweeps in a row miss: one alone may have passed over it. */
static void test_evicted(void **state)
{
	struct capacity capacity = { 0 };

	(void)state;
	plane.table = (struct canary_flow_table){ .inserted = 500, .removed = 100 };
	plane.open[0] = 300;
	plane.closed[1] = 100;
	sweep(&capacity);
	assert_int_equal(capacity.present, 400);
	assert_int_equal(capacity.evicted, 0);
	plane.open[0] = 250;
	sweep(&capacity);
	assert_int_equal(capacity.evicted, 0);
	plane.open[0] = 270;
	sweep(&capacity);
	assert_int_equal(capacity.evicted, 30);
	plane.open[0] = 300;
	sweep(&capacity);
	assert_int_equal(capacity.evicted, 30);
}

/* At nine tenths the guarded services are told; a flood that is a minute old is over. */
static void test_full(void **state)
{
	struct capacity capacity = { 0 };

	(void)state;
	plane.open[0] = 900;
	sweep(&capacity);
	assert_false(plane.full);
	assert_int_equal(plane.flood_before_ns, 40 * SECOND_NS);
	plane.closed[0] = 1;
	sweep(&capacity);
	assert_true(plane.full);
	capacity_begin(&capacity, NULL, &inventory);
	capacity_end(&capacity, NULL, &inventory, 30 * SECOND_NS); /* the clock has just begun */
	assert_int_equal(plane.flood_before_ns, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_limit, set_up),
		cmocka_unit_test_setup(test_evicted, set_up),
		cmocka_unit_test_setup(test_full, set_up),
	};

	return cmocka_run_group_tests_name("capacity", tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Cgroups: a tree of files as cgroup v2 has it, what is missing in it, and what readings come to. */
#include "user/unit.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "user/unit_trend.h"
#include "user/unit_trend_json.h"

static const char *const files[] = { "cgroup.procs", "cpu.stat", "memory.current", "memory.events" };

struct fixture {
	char path[64];
	struct unit_trend trend;
	struct unit_reading reading;
	double value;
	char said[FINDING_DETAIL];
};

static void write_file(const struct fixture *x, const char *name, const char *text)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", x->path, name);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void remove_file(const struct fixture *x, const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", x->path, name);
	unlink(path);
}

static int set_up(void **state)
{
	struct fixture *x = calloc(1, sizeof(*x));

	strcpy(x->path, "/tmp/canaryd-unit-XXXXXX");
	assert_non_null(mkdtemp(x->path));
	x->reading = (struct unit_reading){ .cpu_s = 1, .memory = 1e6, .restarts = NAN, .inode = 7, .n_pids = 1,
					    .pids = { 100 } };
	*state = x;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *x = *state;

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		remove_file(x, files[i]);
	rmdir(x->path);
	free(x);
	return 0;
}

/* ---- reading --------------------------------------------------------------------------------------------- */

static void test_whole(void **state)
{
	struct fixture *x = *state;
	struct unit_reading r;

	write_file(x, "cgroup.procs", "17\n4242\n");
	write_file(x, "cpu.stat", "usage_usec 2500000\nuser_usec 2000000\nsystem_usec 500000\n");
	write_file(x, "memory.current", "1048576\n");
	write_file(x, "memory.events", "low 0\nhigh 1\nmax 2\noom 3\noom_kill 4\noom_group_kill 0\n");
	assert_int_equal(unit_read(x->path, &r), 0);
	assert_true(r.cpu_s == 2.5 && r.memory == 1048576 && r.oom_kills == 4 && isnan(r.restarts));
	assert_true(r.n_pids == 2 && r.pids[0] == 17 && r.pids[1] == 4242 && r.inode != 0);
}

static void test_no_memory_controller(void **state)
{
	struct fixture *x = *state;
	struct unit_reading r;

	write_file(x, "cgroup.procs", "");
	write_file(x, "cpu.stat", "usage_usec 0\n");
	assert_int_equal(unit_read(x->path, &r), 0);
	assert_true(r.cpu_s == 0 && isnan(r.memory) && isnan(r.oom_kills) && r.n_pids == 0);
}

static void test_malformed(void **state)
{
	struct fixture *x = *state;
	struct unit_reading r;

	write_file(x, "cgroup.procs", "12\nx\n");
	write_file(x, "cpu.stat", "usage_usec_total 5\nusage_usec\n");
	write_file(x, "memory.current", "many\n");
	write_file(x, "memory.events", "oom_kill");
	assert_int_equal(unit_read(x->path, &r), 0);
	assert_true(isnan(r.cpu_s) && isnan(r.memory) && isnan(r.oom_kills) && r.n_pids == 1);
}

static void test_no_cgroup(void **state)
{
	struct fixture *x = *state;
	struct unit_reading r;

	assert_int_equal(unit_read(x->path, &r), -ENODEV);
	assert_int_equal(unit_read("/tmp/canaryd-no-such-cgroup", &r), -ENOENT);
	assert_int_equal(unit_read("/dev/null", &r), -ENODEV);
}

static void test_mount(void **state)
{
	char path[UNIT_PATH];

	(void)state;
	assert_int_equal(unit_find_mount("25 1 0:22 / /sys/fs/cgroup/cpu rw shared:1 - cgroup cgroup rw,cpu\n"
					 "26 1 0:23 / /sys/fs/cgroup/unified rw,relatime shared:9 - cgroup2 cgroup2 rw\n",
					 path, sizeof(path)), 0);
	assert_string_equal(path, "/sys/fs/cgroup/unified");
	assert_int_equal(unit_find_mount("26 1 0:23 / /sys/fs/cgroup rw - cgroup2 none rw", path, sizeof(path)), 0);
	assert_string_equal(path, "/sys/fs/cgroup");
	assert_int_equal(unit_find_mount("", path, sizeof(path)), -ENOENT);
	assert_int_equal(unit_find_mount(" - cgroup2 \n - cgroup2 x\ncgroup2\n", path, sizeof(path)), -ENOENT);
}

/* ---- trends ---------------------------------------------------------------------------------------------- */

static enum finding_state add(struct fixture *x, enum config_measure measure, double now_s, uint64_t requests)
{
	return unit_trend_add(&x->trend, measure, &x->reading, now_s, requests, &x->value, x->said, sizeof(x->said));
}

static void test_cpu(void **state)
{
	struct fixture *x = *state;

	assert_int_equal(add(x, CONFIG_MEASURE_CPU, 10, 0), FINDING_STATE_WAITING);
	x->reading.cpu_s = 6;
	assert_int_equal(add(x, CONFIG_MEASURE_CPU, 20, 0), FINDING_STATE_OK);
	assert_true(x->value == 0.5);
	x->reading.inode++;
	x->reading.cpu_s = 0.1;
	assert_int_equal(add(x, CONFIG_MEASURE_CPU, 30, 0), FINDING_STATE_WAITING);
	x->reading.cpu_s = NAN;
	assert_int_equal(add(x, CONFIG_MEASURE_CPU, 40, 0), FINDING_STATE_UNAVAILABLE);
	assert_non_null(strstr(x->said, "no cpu.stat (enable the cpu controller"));
}

/* CPU that is used between requests is spread over those that come. */
static void test_cpu_per_request(void **state)
{
	struct fixture *x = *state;

	add(x, CONFIG_MEASURE_CPU_PER_REQUEST, 10, 1000);
	x->reading.cpu_s = 2;
	assert_int_equal(add(x, CONFIG_MEASURE_CPU_PER_REQUEST, 20, 1000), FINDING_STATE_WAITING);
	x->reading.cpu_s = 3;
	assert_int_equal(add(x, CONFIG_MEASURE_CPU_PER_REQUEST, 30, 1200), FINDING_STATE_OK);
	assert_true(fabs(x->value - 0.01) < 1e-12);
}

static void test_memory(void **state)
{
	struct fixture *x = *state;

	assert_int_equal(add(x, CONFIG_MEASURE_MEMORY, 10, 0), FINDING_STATE_OK);
	assert_true(x->value == 1e6);
	x->reading.memory = NAN;
	assert_int_equal(add(x, CONFIG_MEASURE_MEMORY, 20, 0), FINDING_STATE_UNAVAILABLE);
	assert_non_null(strstr(x->said, "enable the memory controller: MemoryAccounting=yes"));
	assert_int_equal(add(x, CONFIG_MEASURE_OOM_KILLS, 30, 0), FINDING_STATE_OK);
	x->reading.oom_kills = NAN;
	assert_int_equal(add(x, CONFIG_MEASURE_OOM_KILLS, 40, 0), FINDING_STATE_UNAVAILABLE);
}

/* A line is found exactly, whatever the weights of its points; a restart begins another one. */
static void test_drift(void **state)
{
	struct fixture *x = *state;

	for (unsigned i = 0; i < 100; i++) {
		bool early = i < 6;

		x->reading.memory = 5e7 + 1000.0 * i * 10;
		assert_int_equal(add(x, CONFIG_MEASURE_MEMORY_DRIFT, 1e6 + 10.0 * i, 0),
				 early ? FINDING_STATE_WAITING : FINDING_STATE_OK);
		if (!early)
			assert_true(fabs(x->value - 1000.0 * 3600) < 1);
	}
	x->reading.inode++;
	assert_int_equal(add(x, CONFIG_MEASURE_MEMORY_DRIFT, 1e6 + 1000, 0), FINDING_STATE_WAITING);
}

static void test_oom_kills(void **state)
{
	struct fixture *x = *state;

	x->reading.oom_kills = 5;
	add(x, CONFIG_MEASURE_OOM_KILLS, 10, 0);
	assert_true(x->value == 0);
	x->reading.oom_kills = 6;
	add(x, CONFIG_MEASURE_OOM_KILLS, 20, 0);
	assert_true(x->value == 1);
	x->reading.oom_kills = 2;
	x->reading.inode++;
	add(x, CONFIG_MEASURE_OOM_KILLS, 30, 0);
	assert_true(x->value == 3);
}

/* Without systemd: another cgroup, or none of the processes that were there. */
static void test_restarts(void **state)
{
	struct fixture *x = *state;

	add(x, CONFIG_MEASURE_RESTARTS, 10, 0);
	x->reading.n_pids = 2;
	x->reading.pids[1] = 101;
	add(x, CONFIG_MEASURE_RESTARTS, 20, 0);
	assert_true(x->value == 0);
	x->reading.pids[0] = 102;
	add(x, CONFIG_MEASURE_RESTARTS, 30, 0);
	assert_true(x->value == 0);
	x->reading.pids[0] = 103;
	x->reading.pids[1] = 104;
	add(x, CONFIG_MEASURE_RESTARTS, 40, 0);
	assert_true(x->value == 1);
	x->reading.inode++;
	add(x, CONFIG_MEASURE_RESTARTS, 50, 0);
	assert_true(x->value == 2);
	x->reading.n_pids = 0;
	add(x, CONFIG_MEASURE_RESTARTS, 60, 0);
	assert_true(x->value == 2);
	x->reading.n_pids = 1;
	x->reading.pids[0] = 105;
	add(x, CONFIG_MEASURE_RESTARTS, 70, 0);
	assert_true(x->value == 3);
}

/* systemd's own count knows better; it falls when an operator starts the unit anew. */
static void test_restarts_of_systemd(void **state)
{
	struct fixture *x = *state;

	x->reading.restarts = 3;
	add(x, CONFIG_MEASURE_RESTARTS, 10, 0);
	x->reading.restarts = 5;
	x->reading.inode++;
	add(x, CONFIG_MEASURE_RESTARTS, 20, 0);
	assert_true(x->value == 2);
	x->reading.restarts = 0;
	x->reading.inode++;
	add(x, CONFIG_MEASURE_RESTARTS, 30, 0);
	assert_true(x->value == 2);
}

static void test_crash_loop(void **state)
{
	struct fixture *x = *state;

	add(x, CONFIG_MEASURE_CRASH_LOOP, 0, 0);
	for (unsigned i = 1; i <= 20; i++) {
		x->reading.inode++;
		add(x, CONFIG_MEASURE_CRASH_LOOP, 100.0 * i, 0);
		assert_true(x->value == fmin(i, 7));
	}
	add(x, CONFIG_MEASURE_CRASH_LOOP, 5000, 0);
	assert_true(x->value == 0);
}

/* The daemon is started again: what it knows goes through text. */
static void restart_daemon(struct fixture *x, bool same_boot)
{
	json_t *json = unit_trend_json(&x->trend), *again;
	char *text = json_dumps(json, JSON_COMPACT);

	again = json_loads(text, 0, NULL);
	memset(&x->trend, 0xff, sizeof(x->trend));
	assert_int_equal(unit_trend_parse(again, same_boot, &x->trend), 0);
	json_decref(again);
	json_decref(json);
	free(text);
}

static void test_a_restart_of_the_daemon_is_none_of_the_unit(void **state)
{
	struct fixture *x = *state;

	restart_daemon(x, true); /* before it has looked at all */
	for (unsigned i = 0; i <= 20; i++) {
		x->reading.inode += i % 2;
		x->reading.oom_kills = i / 2;
		add(x, CONFIG_MEASURE_CRASH_LOOP, 1000 + 100.0 * i, 0);
		assert_true(x->value == fmin((i + 1) / 2, i % 2 ? 4 : 3));
		restart_daemon(x, true);
	}
	assert_true(x->trend.restarts == 10 && x->trend.oom_kills > 0);
	add(x, CONFIG_MEASURE_RESTARTS, 3000, 0);
	assert_true(x->value == 10);
	x->reading.pids[0] = 999; /* while no daemon was there */
	restart_daemon(x, true);
	add(x, CONFIG_MEASURE_RESTARTS, 3010, 0);
	assert_true(x->value == 11);
}

/* After a boot every process is another, and the monotonic clock begins again. */
static void test_a_boot_is_no_restart(void **state)
{
	struct fixture *x = *state;

	add(x, CONFIG_MEASURE_RESTARTS, 10, 0);
	x->reading.inode++;
	x->reading.oom_kills = 1;
	add(x, CONFIG_MEASURE_RESTARTS, 20, 0);
	restart_daemon(x, false);
	x->reading = (struct unit_reading){ .cpu_s = 1, .memory = 1e6, .restarts = NAN, .inode = 2, .n_pids = 1, .pids = { 3 } };
	add(x, CONFIG_MEASURE_CRASH_LOOP, 15, 0);
	assert_true(x->value == 0);
	assert_true(x->trend.restarts == 1 && x->trend.oom_kills == 1);
	add(x, CONFIG_MEASURE_RESTARTS, 25, 0);
	assert_true(x->value == 1);
}

static void test_other_text_is_no_trend(void **state)
{
	struct fixture *x = *state;
	json_t *json = json_object();

	assert_int_equal(unit_trend_parse(json, true, &x->trend), -EINVAL);
	assert_int_equal(unit_trend_parse(NULL, true, &x->trend), -EINVAL);
	json_decref(json);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_whole),
		TEST(test_no_memory_controller),
		TEST(test_malformed),
		TEST(test_no_cgroup),
		TEST(test_mount),
		TEST(test_cpu),
		TEST(test_cpu_per_request),
		TEST(test_memory),
		TEST(test_drift),
		TEST(test_oom_kills),
		TEST(test_restarts),
		TEST(test_restarts_of_systemd),
		TEST(test_crash_loop),
		TEST(test_a_restart_of_the_daemon_is_none_of_the_unit),
		TEST(test_a_boot_is_no_restart),
		TEST(test_other_text_is_no_trend),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

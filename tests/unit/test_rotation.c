/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who gets new flows by what is known of everyone, how a drain goes, and what of it outlives the daemon. */
#include "user/rotation.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define S 1000000000ULL
#define NOW (1000 * S)
#define UNIX 1800000000.0

static struct config_backend stable[] = { { .address = "10.0.0.1:80" }, { .address = "10.0.0.2:80" },
					   { .address = "10.0.0.3:80" } };
static struct config_backend next[] = { { .address = "10.0.0.9:80" } };
static struct config_version versions[] = { { .name = "v1", .backends = stable, .backends_count = 3 },
					    { .name = "v2", .backends = next, .backends_count = 1 } };
static struct config_service service = {
	.name = "checkout",
	.versions = versions,
	.versions_count = 2,
	.health = { .type = CONFIG_HEALTH_TCP, .rise = 1, .fall = 1 },
	.outlier = { .enabled = true, .consecutive = 3, .ratio_percent = 50, .min_attempts = 20, .window_s = 10,
		     .ejection_s = 30, .max_ejection_s = 300, .max_ejected_percent = 50 },
};

static int set_up(void **state)
{
	*state = rotation_new(&service);
	return *state ? 0 : -1;
}

static int tear_down(void **state)
{
	rotation_free(*state);
	return 0;
}

static struct rotation_entry *entry(struct rotation *rotation, unsigned i)
{
	assert_true(i < rotation->n);
	return &rotation->entries[i];
}

static void break_down(struct rotation *rotation, unsigned i)
{
	health_result(&entry(rotation, i)->health, &service.health, false, "refused");
}

static void assert_usable(struct rotation *rotation, const char *wanted)
{
	char found[8] = "";

	for (size_t i = 0; i < rotation->n; i++)
		strcat(found, rotation->entries[i].usable ? "1" : "0");
	assert_string_equal(found, wanted);
}

static void unwell_backends_are_out(void **state)
{
	struct rotation *rotation = *state;

	assert_false(rotation_decide(rotation, "v2"));
	assert_usable(rotation, "1111");
	break_down(rotation, 1);
	assert_true(rotation_decide(rotation, "v2"));
	assert_usable(rotation, "1011");
	assert_int_equal(rotation_state(entry(rotation, 1)), ROTATION_UNHEALTHY);
	assert_int_equal(rotation_state(entry(rotation, 0)), ROTATION_UNCHECKED);
	health_result(&entry(rotation, 1)->health, &service.health, true, "");
	assert_true(rotation_decide(rotation, "v2"));
	assert_usable(rotation, "1111");
	assert_int_equal(rotation_state(entry(rotation, 1)), ROTATION_HEALTHY);
}

static void a_baseline_is_never_without_one(void **state)
{
	struct rotation *rotation = *state;

	for (unsigned i = 0; i < 3; i++)
		break_down(rotation, i);
	rotation_decide(rotation, "v2");
	assert_usable(rotation, "1111");
	assert_true(rotation_count(rotation, "v1").panic);
	assert_int_equal(rotation_count(rotation, "v1").well, 0);
	rotation_drain(entry(rotation, 1), INFINITY, NOW, 0);
	rotation_decide(rotation, "v2");
	assert_usable(rotation, "1011"); /* an operator's word counts in a panic, too */
	health_result(&entry(rotation, 2)->health, &service.health, true, "");
	rotation_decide(rotation, "v2");
	assert_usable(rotation, "0011");
	assert_false(rotation_count(rotation, "v1").panic);
}

/* Its flows have another way to go. */
static void a_canary_can_be(void **state)
{
	struct rotation *rotation = *state;

	break_down(rotation, 3);
	rotation_decide(rotation, "v2");
	assert_usable(rotation, "1110");
	assert_false(rotation_count(rotation, "v2").panic);
	rotation_decide(rotation, NULL); /* promoted, it is the one clients have */
	assert_usable(rotation, "1111");
}

static bool look(struct rotation *rotation, unsigned i, uint64_t failed, uint64_t now_ns)
{
	return rotation_look(rotation, entry(rotation, i), (struct outlier_count){ failed, failed }, now_ns);
}

static void only_so_many_are_ejected(void **state)
{
	struct rotation *rotation = *state;

	for (unsigned i = 0; i < 4; i++)
		assert_false(look(rotation, i, 0, NOW));
	assert_true(look(rotation, 0, 5, NOW + S));
	assert_false(look(rotation, 1, 5, NOW + S)); /* half of three are one */
	assert_false(look(rotation, 3, 5, NOW + S)); /* half of one is none */
	rotation_decide(rotation, "v2");
	assert_usable(rotation, "0111");
	assert_int_equal(rotation_state(entry(rotation, 0)), ROTATION_EJECTED);
	assert_true(look(rotation, 0, 5, NOW + 31 * S));
	rotation_decide(rotation, "v2");
	assert_usable(rotation, "1111");
}

static void a_drain_is_done_without_flows(void **state)
{
	struct rotation *rotation = *state;
	struct rotation_entry *one = entry(rotation, 0);

	rotation_drain(one, INFINITY, NOW, 7);
	assert_int_equal(rotation_state(one), ROTATION_DRAINING);
	assert_false(rotation_tick_drain(one, 0, NOW, 7)); /* a count from before the drain */
	assert_false(rotation_tick_drain(one, 0, NOW, 8)); /* or from a sweep that was under way */
	assert_false(rotation_tick_drain(one, 3, NOW, 9));
	assert_true(rotation_tick_drain(one, 0, NOW, 10));
	assert_int_equal(rotation_state(one), ROTATION_DRAINED);
	assert_false(rotation_tick_drain(one, 0, NOW + 9999 * S, 11));
	assert_false(one->drain.expired);
	assert_false(rotation_tick_drain(one, 1, NOW, 12)); /* one that had been on probation */
	assert_int_equal(rotation_state(one), ROTATION_DRAINING);
	rotation_undrain(one);
	assert_int_equal(rotation_state(one), ROTATION_UNCHECKED);
}

static void a_deadline_takes_flows_away(void **state)
{
	struct rotation *rotation = *state;
	struct rotation_entry *one = entry(rotation, 0);

	rotation_drain(one, 10, NOW, 0);
	assert_false(rotation_tick_drain(one, 3, NOW + 9 * S, 5));
	rotation_drain(one, 20, NOW + 9 * S, 5);
	assert_false(rotation_tick_drain(one, 3, NOW + 28 * S, 9));
	assert_true(rotation_tick_drain(one, 3, NOW + 30 * S, 9));
	assert_true(one->drain.expired);
	assert_false(rotation_tick_drain(one, 3, NOW + 31 * S, 10));
	assert_true(rotation_tick_drain(one, 0, NOW + 31 * S, 11));
	rotation_drain(one, INFINITY, NOW + 40 * S, 12);
	assert_false(one->drain.expired);
}

static void it_outlives_the_daemon(void **state)
{
	struct rotation *rotation = *state, *after = rotation_new(&service);
	json_t *json;

	break_down(rotation, 0);
	outlier_eject(&entry(rotation, 1)->outlier, &service.outlier, "by its flows", NOW);
	rotation_drain(entry(rotation, 2), 100, NOW, 50);
	json = rotation_json(rotation, NOW, UNIX);
	assert_int_equal(json_object_size(json), 3);
	rotation_restore(after, json, 5 * S, UNIX + 10); /* another boot, ten seconds later */
	assert_true(entry(after, 0)->health.down);
	assert_string_equal(entry(after, 0)->health.why, "refused");
	assert_true(entry(after, 1)->outlier.ejected);
	assert_int_equal(entry(after, 1)->outlier.until_ns / S, 25);
	assert_int_equal(rotation_state(entry(after, 2)), ROTATION_DRAINING);
	assert_in_range(entry(after, 2)->drain.deadline_ns / S, 94, 95);
	assert_false(rotation_tick_drain(entry(after, 2), 0, 5 * S, 1));
	assert_true(rotation_tick_drain(entry(after, 2), 0, 5 * S, 2));
	json_decref(json);
	rotation_free(after);
}

/* A clock that was set back must not keep a backend out for ever; what is no object says nothing. */
static void odd_memories_do_no_harm(void **state)
{
	struct rotation *rotation = *state;
	json_t *json;

	outlier_eject(&entry(rotation, 1)->outlier, &service.outlier, "by its flows", NOW);
	json = rotation_json(rotation, NOW, UNIX);
	rotation_restore(rotation, json, NOW, UNIX - 1e6);
	assert_int_equal((entry(rotation, 1)->outlier.until_ns - NOW) / S, 300);
	json_decref(json);
	json = json_pack("{s:i, s:{s:s}}", "10.0.0.1:80", 7, "10.0.0.2:80", "version", "v1");
	rotation_restore(rotation, json, NOW, UNIX);
	assert_false(entry(rotation, 0)->health.down);
	json_decref(json);
	rotation_restore(rotation, NULL, NOW, UNIX);
}

static void another_configuration_keeps_what_is_known(void **state)
{
	struct config_backend fewer[] = { { .address = "10.0.0.2:80" }, { .address = "10.0.0.4:80" } };
	struct config_version changed[] = { { .name = "v3", .backends = fewer, .backends_count = 2 } };
	struct config_service other = service;
	struct rotation *with;

	other.versions = changed;
	other.versions_count = 1;
	break_down(*state, 1);
	with = rotation_with(*state, &other);
	assert_non_null(with);
	assert_true(rotation_find(with, "10.0.0.2:80")->health.down);
	assert_string_equal(rotation_find(with, "10.0.0.2:80")->version, "v3");
	assert_false(rotation_find(with, "10.0.0.4:80")->health.down);
	assert_null(rotation_find(with, "10.0.0.1:80"));
	rotation_free(with);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(unwell_backends_are_out),
		TEST(a_baseline_is_never_without_one),
		TEST(a_canary_can_be),
		TEST(only_so_many_are_ejected),
		TEST(a_drain_is_done_without_flows),
		TEST(a_deadline_takes_flows_away),
		TEST(it_outlives_the_daemon),
		TEST(odd_memories_do_no_harm),
		TEST(another_configuration_keeps_what_is_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

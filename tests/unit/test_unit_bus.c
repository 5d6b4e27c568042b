/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What systemd is asked: against a peer that speaks D-Bus as systemd does, over a socket pair. */
#include "user/unit_bus.h"

#include <errno.h>

#include "tests/unit/event_fixture.h"

struct fixture {
	sd_event *event;
	sd_bus *systemd;
	struct unit_bus *bus;
	const char *cgroup;
	uint32_t restarts;
	bool refuses; /* connections */
	unsigned opened;
};

static int get_cgroup(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply,
		      void *context, sd_bus_error *ret_error)
{
	struct fixture *x = context;

	(void)bus, (void)path, (void)interface, (void)property, (void)ret_error;
	return sd_bus_message_append(reply, "s", x->cgroup);
}

static int get_restarts(sd_bus *bus, const char *path, const char *interface, const char *property,
			sd_bus_message *reply, void *context, sd_bus_error *ret_error)
{
	struct fixture *x = context;

	(void)bus, (void)path, (void)interface, (void)property, (void)ret_error;
	return sd_bus_message_append(reply, "u", x->restarts);
}

static const sd_bus_vtable service[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_PROPERTY("ControlGroup", "s", get_cgroup, 0, 0),
	SD_BUS_PROPERTY("NRestarts", "u", get_restarts, 0, 0),
	SD_BUS_VTABLE_END,
};

static sd_bus *over(int fd)
{
	sd_bus *bus = NULL;

	assert_true(sd_bus_new(&bus) >= 0);
	assert_true(sd_bus_set_fd(bus, fd, fd) >= 0);
	return bus;
}

static void go_away(struct fixture *x)
{
	if (!x->systemd)
		return;
	sd_bus_detach_event(x->systemd);
	sd_bus_close(x->systemd);
	x->systemd = sd_bus_unref(x->systemd);
}

/* A systemd of its own for every connection. */
static int open_both(sd_bus **ret, void *context)
{
	struct fixture *x = context;
	sd_id128_t id = { .qwords = { 1, 2 } };
	int fds[2];

	x->opened++;
	if (x->refuses)
		return -ECONNREFUSED;
	go_away(x);
	assert_return_code(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
	x->systemd = over(fds[0]);
	assert_true(sd_bus_set_server(x->systemd, 1, id) >= 0);
	assert_true(sd_bus_set_anonymous(x->systemd, 1) >= 0);
	assert_true(sd_bus_start(x->systemd) >= 0);
	assert_true(sd_bus_attach_event(x->systemd, x->event, 0) >= 0);
	assert_true(sd_bus_add_object_vtable(x->systemd, NULL, "/org/freedesktop/systemd1/unit/web_2d1_2eservice",
					     "org.freedesktop.systemd1.Service", service, x) >= 0);
	*ret = over(fds[1]);
	assert_true(sd_bus_set_anonymous(*ret, 1) >= 0);
	return sd_bus_start(*ret);
}

static int set_up(void **state)
{
	struct fixture *x = calloc(1, sizeof(*x));

	assert_true(sd_event_new(&x->event) >= 0);
	assert_int_equal(unit_bus_new_with(open_both, x, x->event, &x->bus), 0);
	x->cgroup = "/system.slice/web-1.service";
	x->restarts = 3;
	*state = x;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *x = *state;

	unit_bus_free(x->bus);
	go_away(x);
	sd_event_unref(x->event);
	free(x);
	return 0;
}

/* Turns the loop until the answer is known, or is known not to come. */
static const struct unit_bus_answer *settle(struct fixture *x, const char *unit)
{
	const struct unit_bus_answer *answer = unit_bus_ask(x->bus, unit);
	uint64_t began_us, now_us;

	sd_event_now(x->event, CLOCK_MONOTONIC, &began_us);
	while (!answer->known && !*answer->error) {
		assert_true(sd_event_run(x->event, 100000) >= 0);
		sd_event_now(x->event, CLOCK_MONOTONIC, &now_us);
		if (now_us - began_us > GUARD_US)
			fail_msg("no answer came");
	}
	run_dry(x->event);
	return answer;
}

static void test_known(void **state)
{
	struct fixture *x = *state;
	const struct unit_bus_answer *answer = unit_bus_ask(x->bus, "web-1.service");

	assert_false(answer->known);
	answer = settle(x, "web-1.service");
	assert_true(answer->known && answer->restarts == 3);
	assert_string_equal(answer->cgroup, "/system.slice/web-1.service");
	x->restarts = 4;
	unit_bus_ask(x->bus, "web-1.service");
	for (int i = 0; i < 100 && answer->restarts != 4; i++)
		assert_true(sd_event_run(x->event, 100000) >= 0);
	assert_true(answer->restarts == 4);
}

static void test_unknown_unit(void **state)
{
	struct fixture *x = *state;
	const struct unit_bus_answer *answer = settle(x, "gone.service");

	assert_false(answer->known);
	assert_true(strlen(answer->error) > 0);
}

/* Asks until it is known, or is known not to be. */
static const struct unit_bus_answer *ask_until(struct fixture *x, bool known)
{
	const struct unit_bus_answer *answer = unit_bus_ask(x->bus, "web-1.service");
	uint64_t began_us, now_us = 0;

	sd_event_now(x->event, CLOCK_MONOTONIC, &began_us);
	while (answer->known != known || (!known && !*answer->error)) {
		assert_true(sd_event_run(x->event, 100000) >= 0);
		sd_event_now(x->event, CLOCK_MONOTONIC, &now_us);
		if (now_us - began_us > GUARD_US)
			fail_msg("nothing changed");
		answer = unit_bus_ask(x->bus, "web-1.service");
	}
	return answer;
}

static void test_systemd_goes_away(void **state)
{
	struct fixture *x = *state;
	const struct unit_bus_answer *answer;

	assert_true(settle(x, "web-1.service")->known);
	x->refuses = true;
	go_away(x);
	answer = ask_until(x, false);
	assert_non_null(strstr(answer->error, "systemd cannot be asked"));
	x->refuses = false;
	x->restarts = 7;
	answer = ask_until(x, true);
	assert_true(answer->restarts == 7);
	assert_string_equal(answer->error, "");
}

/* It comes later than canaryd; and nobody hammers at its door meanwhile. */
static void test_systemd_comes_late(void **state)
{
	struct fixture *x = *state;

	x->refuses = true;
	for (unsigned i = 0; i < 1000; i++)
		assert_false(unit_bus_ask(x->bus, "web-1.service")->known);
	assert_in_range(x->opened, 1, 10);
	x->refuses = false;
	assert_true(ask_until(x, true)->restarts == 3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = { TEST(test_known), TEST(test_unknown_unit), TEST(test_systemd_goes_away),
		TEST(test_systemd_comes_late) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "user/unit_bus.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#define SYSTEMD "org.freedesktop.systemd1"
#define SERVICE "org.freedesktop.systemd1.Service"
#define ASKED_UNITS 64
#define RETRY_US 1000000

/* One unit that is asked about. */
struct asked {
	char *unit;
	char *path;
	sd_bus_slot *cgroup_slot, *restarts_slot;
	bool has_cgroup, has_restarts;
	struct unit_bus_answer answer;
};

struct unit_bus {
	sd_event *event;
	unit_bus_open open;
	void *context;
	sd_bus *connection; /* NULL: none now */
	uint64_t next_us;   /* not before this is one made */
	struct asked *asked[ASKED_UNITS];
	unsigned n_asked;
};

static struct asked *asked_free(struct asked *a)
{
	if (!a)
		return NULL;
	sd_bus_slot_unref(a->cgroup_slot);
	sd_bus_slot_unref(a->restarts_slot);
	free(a->unit);
	free(a->path);
	free(a);
	return NULL;
}

/* ---- the connection -------------------------------------------------------------------------------------- */

/* Questions that were open go with it, and so does what was known: it is of before. */
static void disconnect(struct unit_bus *bus)
{
	for (unsigned i = 0; i < bus->n_asked; i++) {
		struct asked *a = bus->asked[i];

		a->cgroup_slot = sd_bus_slot_unref(a->cgroup_slot);
		a->restarts_slot = sd_bus_slot_unref(a->restarts_slot);
		a->answer.known = a->has_cgroup = a->has_restarts = false;
	}
	if (!bus->connection)
		return;
	sd_bus_detach_event(bus->connection);
	bus->connection = sd_bus_close_unref(bus->connection);
}

static int connect_now(struct unit_bus *bus)
{
	int r = bus->open(&bus->connection, bus->context);

	if (r < 0)
		return r;
	r = sd_bus_attach_event(bus->connection, bus->event, SD_EVENT_PRIORITY_NORMAL);
	if (r < 0)
		disconnect(bus);
	return r;
}

/* 0, or why nothing can be asked now. */
static int ensure_connected(struct unit_bus *bus)
{
	uint64_t now_us;
	int r;

	if (bus->connection && sd_bus_is_open(bus->connection) > 0)
		return 0;
	disconnect(bus);
	sd_event_now(bus->event, CLOCK_MONOTONIC, &now_us);
	if (now_us < bus->next_us)
		return -ENOTCONN;
	bus->next_us = now_us + RETRY_US;
	r = connect_now(bus);
	return r < 0 ? r : 0;
}

int unit_bus_new_with(unit_bus_open open, void *context, sd_event *event, struct unit_bus **ret)
{
	struct unit_bus *bus = calloc(1, sizeof(*bus));

	if (!bus)
		return -ENOMEM;
	bus->event = sd_event_ref(event);
	bus->open = open;
	bus->context = context;
	*ret = bus;
	return 0;
}

static int open_system(sd_bus **ret, void *context)
{
	(void)context;
	return sd_bus_open_system(ret);
}

int unit_bus_new(sd_event *event, struct unit_bus **ret)
{
	*ret = NULL;
	return sd_booted() > 0 ? unit_bus_new_with(open_system, NULL, event, ret) : 0;
}

struct unit_bus *unit_bus_free(struct unit_bus *bus)
{
	if (!bus)
		return NULL;
	disconnect(bus);
	for (unsigned i = 0; i < bus->n_asked; i++)
		asked_free(bus->asked[i]);
	sd_event_unref(bus->event);
	free(bus);
	return NULL;
}

/* ---- answers --------------------------------------------------------------------------------------------- */

static bool failed(struct asked *a, sd_bus_message *message)
{
	const sd_bus_error *error = sd_bus_message_get_error(message);

	if (error) {
		a->answer.known = a->has_cgroup = a->has_restarts = false;
		snprintf(a->answer.error, sizeof(a->answer.error), "%s", error->message ?: error->name);
	}
	return error;
}

static void know(struct asked *a)
{
	a->answer.known = a->has_cgroup && a->has_restarts;
	if (a->answer.known)
		a->answer.error[0] = 0;
}

static int on_cgroup(sd_bus_message *message, void *context, sd_bus_error *ret_error)
{
	struct asked *a = context;
	const char *cgroup;

	(void)ret_error;
	a->cgroup_slot = sd_bus_slot_unref(a->cgroup_slot);
	if (!failed(a, message) && sd_bus_message_read(message, "v", "s", &cgroup) >= 0) {
		snprintf(a->answer.cgroup, sizeof(a->answer.cgroup), "%s", cgroup);
		a->has_cgroup = true;
		know(a);
	}
	return 0;
}

static int on_restarts(sd_bus_message *message, void *context, sd_bus_error *ret_error)
{
	struct asked *a = context;
	uint32_t restarts;

	(void)ret_error;
	a->restarts_slot = sd_bus_slot_unref(a->restarts_slot);
	if (!failed(a, message) && sd_bus_message_read(message, "v", "u", &restarts) >= 0) {
		a->answer.restarts = restarts;
		a->has_restarts = true;
		know(a);
	}
	return 0;
}

/* ---- questions ------------------------------------------------------------------------------------------- */

static struct asked *asked_new(const char *unit)
{
	struct asked *a = calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	a->answer.restarts = NAN;
	a->unit = strdup(unit);
	if (!a->unit || sd_bus_path_encode("/org/freedesktop/systemd1/unit", unit, &a->path) < 0)
		return asked_free(a);
	return a;
}

static struct asked *find(struct unit_bus *bus, const char *unit)
{
	struct asked *a;

	for (unsigned i = 0; i < bus->n_asked; i++)
		if (strcmp(bus->asked[i]->unit, unit) == 0)
			return bus->asked[i];
	a = bus->n_asked < ASKED_UNITS ? asked_new(unit) : NULL;
	if (a)
		bus->asked[bus->n_asked++] = a;
	return a;
}

static void cannot_ask(struct asked *a, int r)
{
	a->answer.known = false;
	snprintf(a->answer.error, sizeof(a->answer.error), "systemd cannot be asked: %s (systemctl status dbus)",
		 strerror(-r));
}

/* A question still open is not asked again. */
static void get(struct unit_bus *bus, struct asked *a, const char *property, sd_bus_slot **slot,
		sd_bus_message_handler_t callback)
{
	int r;

	if (*slot)
		return;
	r = sd_bus_call_method_async(bus->connection, slot, SYSTEMD, a->path, "org.freedesktop.DBus.Properties", "Get",
				     callback, a, "ss", SERVICE, property);
	if (r < 0)
		cannot_ask(a, r);
}

const struct unit_bus_answer *unit_bus_ask(struct unit_bus *bus, const char *unit)
{
	struct asked *a = find(bus, unit);
	int r = ensure_connected(bus);

	if (!a)
		return NULL;
	if (r) {
		cannot_ask(a, r);
		return &a->answer;
	}
	get(bus, a, "ControlGroup", &a->cgroup_slot, on_cgroup);
	get(bus, a, "NRestarts", &a->restarts_slot, on_restarts);
	return &a->answer;
}

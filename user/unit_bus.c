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

/* One unit that is asked about. */
struct asked {
	char *unit;
	char *path;
	sd_bus_slot *cgroup_slot, *restarts_slot;
	bool has_cgroup, has_restarts;
	struct unit_bus_answer answer;
};

struct unit_bus {
	sd_bus *connection;
	struct asked *asked[ASKED_UNITS];
	unsigned n_asked;
};

int unit_bus_new_with(sd_bus *connection, sd_event *event, struct unit_bus **ret)
{
	struct unit_bus *bus = calloc(1, sizeof(*bus));
	int r = bus ? sd_bus_attach_event(connection, event, SD_EVENT_PRIORITY_NORMAL) : -ENOMEM;

	if (r < 0) {
		free(bus);
		sd_bus_flush_close_unref(connection);
		return r;
	}
	bus->connection = connection;
	*ret = bus;
	return 0;
}

int unit_bus_new(sd_event *event, struct unit_bus **ret)
{
	sd_bus *connection = NULL;
	int r;

	*ret = NULL;
	if (sd_booted() <= 0)
		return 0;
	r = sd_bus_open_system(&connection);
	return r < 0 ? r : unit_bus_new_with(connection, event, ret);
}

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

struct unit_bus *unit_bus_free(struct unit_bus *bus)
{
	if (!bus)
		return NULL;
	for (unsigned i = 0; i < bus->n_asked; i++)
		asked_free(bus->asked[i]);
	sd_bus_detach_event(bus->connection);
	sd_bus_flush_close_unref(bus->connection);
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

/* A question still open is not asked again. */
static void get(struct unit_bus *bus, struct asked *a, const char *property, sd_bus_slot **slot,
		sd_bus_message_handler_t callback)
{
	int r;

	if (*slot)
		return;
	r = sd_bus_call_method_async(bus->connection, slot, SYSTEMD, a->path, "org.freedesktop.DBus.Properties", "Get",
				     callback, a, "ss", SERVICE, property);
	if (r < 0) {
		a->answer.known = false;
		snprintf(a->answer.error, sizeof(a->answer.error), "systemd cannot be asked: %s", strerror(-r));
	}
}

const struct unit_bus_answer *unit_bus_ask(struct unit_bus *bus, const char *unit)
{
	struct asked *a = find(bus, unit);

	if (!a)
		return NULL;
	get(bus, a, "ControlGroup", &a->cgroup_slot, on_cgroup);
	get(bus, a, "NRestarts", &a->restarts_slot, on_restarts);
	return &a->answer;
}

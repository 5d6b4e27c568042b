/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What systemd knows of a unit: its cgroup and how often it was restarted by itself. Asked over D-Bus without waiting;
 * what was answered last is kept.
 */
#ifndef CANARYD_UNIT_BUS_H
#define CANARYD_UNIT_BUS_H

#include <stdbool.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include "user/unit.h"

struct unit_bus;

struct unit_bus_answer {
	bool known;              /* both were answered at least once, and the last answers were no errors */
	char cgroup[UNIT_PATH];  /* below the mount point of cgroup v2; "": the unit does not run */
	double restarts;
	char error[80];          /* why it is not known; "" while it has not been answered */
};

/* Makes a connection, started, the caller's. Negative errno: none can be made now. */
typedef int (*unit_bus_open)(sd_bus **ret, void *context);

/*
 * Asks the host's systemd; *ret is NULL, and that is no error, where the host was not booted with it. Or whoever is at
 * the other end of what `open` makes. A connection that cannot be made, or is lost, is made anew when something is asked,
 * once in a second at most; meanwhile nothing is known.
 */
int unit_bus_new(sd_event *event, struct unit_bus **ret);
int unit_bus_new_with(unit_bus_open open, void *context, sd_event *event, struct unit_bus **ret);
struct unit_bus *unit_bus_free(struct unit_bus *bus);

/* What is known of a unit by now, after asking again. Valid until the next call. NULL: without memory. */
const struct unit_bus_answer *unit_bus_ask(struct unit_bus *bus, const char *unit);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Asks a service's backends whether they are well, each in its own time, and puts what it hears into the service's
 * rotation. What was not asked, because there is too much else under way, says nothing.
 */
#ifndef CANARYD_PROBER_H
#define CANARYD_PROBER_H

#include <systemd/sd-event.h>

#include "user/command.h"
#include "user/fetch.h"
#include "user/rotation.h"

/* What it asks with. All of it must outlive the prober. */
struct prober_tools {
	sd_event *event;
	struct fetch *fetch;
	struct command_runner *runner;
};

struct prober;

/* Called when a backend has become healthy or unhealthy; must not free the prober. */
typedef void (*prober_changed)(const struct rotation_entry *entry, void *context);

/* `rotation` must outlive it. NULL when memory is short. */
struct prober *prober_new(const struct prober_tools *tools, struct rotation *rotation, prober_changed changed,
			  void *context);

/* Gives up what is being asked. */
struct prober *prober_free(struct prober *prober);

/* Begins the checks that are due. To be called again and again. */
void prober_tick(struct prober *prober, uint64_t now_ns);

#endif

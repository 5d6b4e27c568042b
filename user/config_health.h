/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How a service's backends are watched, as its configuration has it. Plain data, part of config.h. */
#ifndef CANARYD_CONFIG_HEALTH_H
#define CANARYD_CONFIG_HEALTH_H

#include <stdbool.h>
#include <stdint.h>

#define CONFIG_HEALTH_TEXT 256 /* bytes of a path, a host or a command, NUL included */
#define CONFIG_HEALTH_STATUS 8 /* bytes of "200-399", NUL included */

enum config_health_type {
	CONFIG_HEALTH_NONE = 0, /* nobody asks */
	CONFIG_HEALTH_TCP,      /* a connection is made */
	CONFIG_HEALTH_HTTP,
	CONFIG_HEALTH_EXEC,
};

/* Active checks: each backend is asked, again and again. */
struct config_health {
	enum config_health_type type;
	double interval_s;
	double timeout_s;
	double jitter_percent; /* of the interval, up or down */
	uint32_t rise;         /* good checks in a row that bring it back */
	uint32_t fall;         /* failed ones that take it out */
	uint32_t port;         /* 0: the backend's own */
	char path[CONFIG_HEALTH_TEXT];
	char host[CONFIG_HEALTH_TEXT]; /* "": the backend's address */
	char status[CONFIG_HEALTH_STATUS];
	uint32_t status_low, status_high; /* the same, read */
	char command[CONFIG_HEALTH_TEXT];
	double no_backend_s; /* a canary without a usable backend has failed after so long */
};

/* Passive ones: what its flows say. */
struct config_outlier {
	bool enabled;
	uint32_t consecutive; /* failures without a success between them; 0: not looked at */
	double ratio_percent; /* or so many percent of the attempts in window_s, where they are */
	uint32_t min_attempts;
	double window_s;
	double ejection_s; /* times the number of ejections, */
	double max_ejection_s; /* at most */
	double max_ejected_percent; /* of a version's backends, out at a time */
	bool http_5xx; /* these are failures, too */
};

#endif

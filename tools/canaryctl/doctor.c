/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * canaryctl doctor: gathers facts about this host, the configuration's interfaces and endpoints, and the daemon, if there
 * is one, and prints what the rules make of them.
 */
#include "run.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "canaryd/abi.h"
#include "canaryd/api.h"
#include "command.h"
#include "ctl.h"
#include "doctor_gather.h"
#include "field.h"

/* ---- configuration ----------------------------------------------------------------------------------------- */

/* A line for each of the problems. */
static void complain(struct doctor_report *report, const char *problems)
{
	for (const char *line = problems, *end; *line; line = *end ? end + 1 : end) {
		end = strchrnul(line, '\n');
		doctor_say(report, DOCTOR_PROBLEM, "mend it, or name another: canaryctl doctor -c FILE; canaryd --keys lists the keys",
			   "%.*s", (int)(end - line), line);
	}
}

/* A file's, or the running daemon's, or the one it would start with. NULL: there is none that can be used. */
static struct config *load(struct ctl *ctl, const char *path, bool answers, struct doctor_report *report)
{
	struct config *config = NULL;
	char *error = NULL, *text = NULL;
	int r;

	report->subject = "config";
	if (!path && answers && !ctl_text(ctl, API_CONFIG, &text)) {
		r = config_load_text(text, strlen(text), "canaryd's", &config, &error);
		free(text);
		path = "canaryd's own";
	} else {
		path = path ?: CONFIG_PATH_DEFAULT;
		r = config_load(path, &config, &error);
	}
	if (r)
		complain(report, error ?: strerror(-r));
	else
		doctor_ok(report, "%s is valid", path);
	free(error);
	return config;
}

/* ---- daemon ------------------------------------------------------------------------------------------------ */

static uint64_t monotonic_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static int whole(const json_t *object, const char *name)
{
	const json_t *number = json_object_get(object, name);

	return json_is_integer(number) ? (int)json_integer_value(number) : -1;
}

/* The status is asked for first: the lease that is read after it is not older. */
static void gather_daemon(const struct ctl *ctl, const json_t *status, int error, const struct config *config,
			  struct doctor_daemon *ret)
{
	int pid = whole(status, "pid");

	*ret = (struct doctor_daemon){
		.socket = ctl->socket,
		.error = error,
		.version = field_text(status, "version", NULL),
		.expected = CANARYD_VERSION,
		.abi = whole(status, "abi"),
		.expected_abi = CANARY_ABI,
		.pins_error = -ENOENT,
	};
	ret->capabilities = ret->version && pid <= 0 ? -1 : doctor_capabilities(ret->version ? pid : 0);
	if (!config)
		return;
	ret->now_ns = monotonic_ns();
	ret->pins_error = datapath_probe_pins(config->pin_dir, &ret->pins);
	ret->flow_table = config->flow_table;
}

/* ---- the whole --------------------------------------------------------------------------------------------- */

static void check_host(struct doctor_report *report, const struct config *config, bool is_attached)
{
	struct doctor_memory memory;
	struct doctor_clock clock;
	struct doctor_place place;

	doctor_gather_clock(&clock);
	doctor_check_clock(report, &clock);
	if (!config)
		return;
	doctor_gather_memory(config, is_attached, &memory);
	doctor_check_memory(report, &memory);
	doctor_gather_place("state_dir", config->state_dir, 0, &place);
	doctor_check_place(report, &place);
	if (!*config->record)
		return;
	doctor_gather_place("record", config->record, 2ULL * config->record_mb * 1000000, &place);
	doctor_check_place(report, &place);
}

static void check_interfaces(struct doctor_report *report, const struct config *config)
{
	struct doctor_needs needs = doctor_needs(config, doctor_is_local);

	for (uint32_t i = 0; i < config->interfaces_count; i++) {
		struct doctor_interface interface;

		doctor_gather_interface(config->pin_dir, config->interfaces[i].name, &interface);
		doctor_check_interface(report, &interface, &needs);
	}
}

static void examine(struct ctl *ctl, const char *path, struct doctor_report *report)
{
	struct doctor_kernel kernel;
	struct doctor_daemon daemon;
	json_t *status = NULL;
	struct config *config;
	int error = 0;

	doctor_gather_kernel(&kernel);
	doctor_check_kernel(report, &kernel);
	if (ctl_try(ctl, API_STATUS, &status, &error) != API_EXIT_OK && !error)
		error = -EPROTO;
	config = load(ctl, path, status, report);
	gather_daemon(ctl, status, error, config, &daemon);
	doctor_check_daemon(report, &daemon);
	check_host(report, config, !daemon.pins_error);
	if (config) {
		check_interfaces(report, config);
		doctor_check_endpoints(report, config);
	}
	config_free(config);
	json_decref(status);
}

int run_doctor(struct ctl *ctl, const struct call *call)
{
	struct doctor_report report = { 0 };
	int code;

	examine(ctl, call_value(call, "config", NULL), &report);
	code = doctor_count(&report, DOCTOR_PROBLEM) ? API_EXIT_FAILED : API_EXIT_OK;
	if (ctl->json) {
		json_t *json = doctor_json(&report);

		ctl_print_json(ctl, json);
		json_decref(json);
	} else {
		doctor_print(&report, &ctl->out);
	}
	doctor_report_deinit(&report);
	return code;
}

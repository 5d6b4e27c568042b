/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * canaryd: reads the arguments and the configuration, builds the daemon, runs the event loop, and with another
 * configuration once more. Alone knows all modules.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>

#include <canaryd/api.h>

#include "user/api.h"
#include "user/config.h"
#include "user/daemon.h"
#include "user/dry_run.h"
#include "user/http.h"
#include "user/http_socket.h"
#include "user/log.h"
#include "user/options.h"

#define GROUP "canaryd"
#define RELOAD_MAX_US 180000000 /* without a tick: the next daemon loads its programs */

struct program {
	sd_event *event;
	sd_event_source *tick;
	struct daemon *daemon;
	struct http *http;
	struct http *readers[CONFIG_LISTEN_MAX];
	struct api api;
	uint64_t tick_us;
	const char *path;    /* of the configuration */
	struct config *next; /* the one to go on with, once the loop has ended */
	char status[128];    /* as systemd was told last */
};

static int exit_code(int r)
{
	if (r == -EOPNOTSUPP)
		return API_EXIT_KERNEL;
	return API_EXIT_FAILED;
}

/* ---- event loop --------------------------------------------------------------------------------------------- */

/* What `systemctl status` has to say; told where it has changed. */
static void say_status(struct program *program)
{
	const struct daemon *daemon = program->daemon;
	size_t n = daemon->n_services, under_way = 0;
	char status[sizeof(program->status)], rollouts[48] = "";

	for (size_t s = 0; s < n; s++)
		under_way += rollout_is_active(daemon->services[s].rollout);
	if (under_way)
		snprintf(rollouts, sizeof(rollouts), ", %zu rollout%s under way", under_way, under_way == 1 ? "" : "s");
	snprintf(status, sizeof(status), "%s %zu service%s%s", daemon->shadow ? "shadow, steering nothing: watching" : "steering",
		 n, n == 1 ? "" : "s", rollouts);
	if (!strcmp(status, program->status))
		return;
	memcpy(program->status, status, sizeof(status));
	sd_notifyf(0, "STATUS=%s", status);
}

static int on_tick(sd_event_source *source, uint64_t due_us, void *context)
{
	struct program *program = context;
	uint64_t now_us;

	daemon_tick(program->daemon);
	sd_notify(0, "WATCHDOG=1");
	say_status(program);
	sd_event_now(program->event, CLOCK_MONOTONIC, &now_us);
	/* A tick that was late is not made up for by a burst: the sample says how much time has passed. */
	due_us += program->tick_us;
	if (due_us < now_us)
		due_us = now_us + program->tick_us;
	return sd_event_source_set_time(source, due_us);
}

static void on_detached(void *context)
{
	struct program *program = context;

	log_notice("detached: the data plane is gone, ending");
	sd_event_source_set_enabled(program->tick, SD_EVENT_OFF);
	/* The answer is still to be sent: the HTTP server gets a few more turns of the loop. */
	sd_event_add_time_relative(program->event, NULL, CLOCK_MONOTONIC, 200000, 0, NULL, NULL);
}

/* How long systemd's watchdog lets pass: what the unit has, and three ticks at least, which can be longer. */
static void set_watchdog(const struct program *program, uint64_t least_us)
{
	uint64_t watchdog_us;

	if (sd_watchdog_enabled(0, &watchdog_us) <= 0)
		return;
	if (watchdog_us < 3 * program->tick_us)
		watchdog_us = 3 * program->tick_us;
	if (watchdog_us < least_us)
		watchdog_us = least_us;
	sd_notifyf(0, "WATCHDOG_USEC=%" PRIu64, watchdog_us);
}

/* A file that is not valid changes nothing. */
static int on_hangup(sd_event_source *source, const struct signalfd_siginfo *signal, void *context)
{
	struct program *program = context;
	char *error = NULL;

	(void)source;
	(void)signal;
	if (program->next || config_load(program->path, &program->next, &error)) {
		if (error)
			log_error("%s", error);
		log_error("not reloaded: the configuration stays as it is");
		free(error);
		return 0;
	}
	sd_notify(0, "RELOADING=1");
	set_watchdog(program, RELOAD_MAX_US);
	return sd_event_exit(program->event, 0);
}

static int add_signals(struct program *program)
{
	sigset_t signals;
	int r;

	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_IGN);
	r = sd_event_add_signal(program->event, NULL, SIGTERM, NULL, NULL);
	if (r >= 0)
		r = sd_event_add_signal(program->event, NULL, SIGINT, NULL, NULL);
	if (r >= 0)
		r = sd_event_add_signal(program->event, NULL, SIGHUP, on_hangup, program);
	return r;
}

/* The socket comes before the data plane: where another canaryd answers there, nothing has been touched yet. */
static int build_loop(struct program *program, const struct config *config, char **ret_error)
{
	uint64_t now_us;
	int r = sd_event_default(&program->event);

	if (r >= 0)
		r = add_signals(program);
	if (r >= 0)
		r = sd_event_now(program->event, CLOCK_MONOTONIC, &now_us);
	if (r >= 0)
		r = sd_event_add_time(program->event, &program->tick, CLOCK_MONOTONIC, now_us, 1000, on_tick, program);
	if (r >= 0)
		r = sd_event_source_set_enabled(program->tick, SD_EVENT_ON);
	if (r >= 0) /* whoever reads waits */
		r = sd_event_source_set_priority(program->tick, SD_EVENT_PRIORITY_IMPORTANT);
	if (r < 0)
		return r;
	r = http_new(program->event, config->socket, GROUP, api_handle, &program->api, &program->http, ret_error);
	for (uint32_t i = 0; !r && i < config->listen_count; i++)
		r = http_new_read_only(program->event, config->listen[i].address, &config->listen[i].endpoint, api_handle,
				       &program->api, &program->readers[i], ret_error);
	return r;
}

static void log_start(const struct daemon *daemon)
{
	const struct datapath_interface *interfaces;
	size_t n = datapath_interfaces(daemon->datapath, &interfaces);

	for (size_t i = 0; i < n; i++)
		log_info("attached to %s: %s XDP, %s", interfaces[i].name, interfaces[i].xdp_native ? "native" : "generic",
			 interfaces[i].tcx ? "tcx" : "clsact");
	for (size_t s = 0; s < daemon->n_services; s++) {
		struct rollout_view view = rollout_view(daemon->services[s].rollout);

		log_info("service %s at %s: baseline %s%s%s", daemon->services[s].config->name,
			 daemon->services[s].config->vip, view.baseline, view.canary ? ", canary " : "", view.canary ?: "");
	}
	if (daemon->shadow)
		log_notice("shadow: nothing is steered, every new flow goes to a baseline; decisions are what would be");
	if (datapath_adopted(daemon->datapath))
		log_info("took over the maps and flows of the daemon before");
}

/* What came of a daemon. */
struct outcome {
	int exit;
	bool started;
	struct config *next; /* to go on with; NULL: the end */
};

static struct outcome run(struct config *config, const char *path, enum daemon_mode mode)
{
	struct program program = { .tick_us = config->tick_ms * 1000ULL, .path = path };
	struct outcome outcome = { 0 };
	char *error = NULL;
	int r = build_loop(&program, config, &error);

	if (r)
		config_free(config);
	else
		r = daemon_new(config, program.event, mode, &program.daemon, &error);
	if (!r) {
		program.api = (struct api){ .daemon = program.daemon, .on_detached = on_detached, .context = &program };
		log_start(program.daemon);
		set_watchdog(&program, 0);
		say_status(&program);
		sd_notify(0, "READY=1");
		outcome.started = true;
		r = sd_event_loop(program.event);
	}
	if (r < 0)
		log_error("%s", error ?: strerror(-r));
	free(error);
	if (!program.next)
		sd_notify(0, "STOPPING=1");
	http_free(program.http);
	for (size_t i = 0; i < CONFIG_LISTEN_MAX; i++)
		http_free(program.readers[i]);
	api_deinit(&program.api);
	daemon_free(program.daemon);
	sd_event_source_unref(program.tick);
	sd_event_unref(program.event);
	outcome.next = program.next;
	outcome.exit = r < 0 ? exit_code(r) : API_EXIT_OK;
	return outcome;
}

/* The configuration as text, to go back to. The caller frees it; NULL: no memory. */
static char *keep(const struct config *config)
{
	char *text = NULL;
	size_t size;
	FILE *memory = open_memstream(&text, &size);

	if (!memory)
		return NULL;
	config_show(config, memory);
	fclose(memory);
	return text;
}

static struct config *go_back(const char *before, const char *path)
{
	struct config *config = NULL;
	char *error = NULL;

	if (before && !config_load_text(before, strlen(before), path, &config, &error))
		log_error("not reloaded: going on with the configuration before");
	free(error);
	return config;
}

/* One daemon after the other. Where the next does not come up, the configuration before it is taken once more. */
static int run_all(struct config *config, const char *path, enum daemon_mode mode)
{
	struct outcome outcome = { 0 };
	char *worked = NULL;

	while (config) {
		char *text = keep(config);

		outcome = run(config, path, mode);
		if (mode == DAEMON_SHADOW)
			mode = DAEMON_SHADOW_AGAIN;
		config = outcome.started ? outcome.next : go_back(worked, path);
		free(worked);
		worked = outcome.started ? text : NULL;
		if (!outcome.started)
			free(text);
	}
	free(worked);
	return outcome.exit;
}

static int check_listen(const struct config *config, char **ret_error)
{
	int r = 0;

	for (uint32_t i = 0; !r && i < config->listen_count; i++)
		r = http_socket_check(config->socket, config->listen[i].address, &config->listen[i].endpoint, ret_error);
	return r;
}

/* What goes into a file on a full disk has not been printed. */
static int printed(void)
{
	if (!fflush(stdout) && !ferror(stdout))
		return API_EXIT_OK;
	fprintf(stderr, "canaryd: cannot print: %s\n", strerror(errno));
	return API_EXIT_FAILED;
}

int main(int argc, char **argv)
{
	const char *path = CONFIG_PATH_DEFAULT;
	struct options_parser options;
	struct config *config = NULL;
	enum daemon_mode mode = DAEMON_STEERS;
	bool test = false, dry_run = false;
	char *error = NULL;
	int option;

	options_parser_init(&options);
	while ((option = getopt_long(argc, argv, options.shorts, options.longs, NULL)) != -1) {
		switch (option) {
		case 'c': path = optarg; break;
		case 't': test = true; break;
		case 'n': dry_run = true; break;
		case 's': mode = DAEMON_SHADOW; break;
		case 'k': config_print_keys(stdout); return printed();
		case 'V': printf("canaryd %s\n", CANARYD_VERSION); return printed();
		case 'h': options_print_help(stdout); return printed();
		default: options_print_help(stderr); return API_EXIT_USAGE;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "canaryd: unexpected argument '%s'; canaryd --help\n", argv[optind]);
		return API_EXIT_USAGE;
	}
	if (config_load(path, &config, &error)) {
		fprintf(stderr, "%s\n", error ?: "out of memory");
		free(error);
		return API_EXIT_CONFIG;
	}
	if ((test || dry_run) && (cohorts_check_config(config, &error) || check_listen(config, &error))) {
		fprintf(stderr, "%s: %s\n", path, error ?: "out of memory");
		free(error);
		config_free(config);
		return API_EXIT_CONFIG;
	}
	if (test || dry_run) {
		int r = dry_run ? dry_run_print(config, stdout) : printf("%s: the configuration is valid\n", path);

		config_free(config);
		return r < 0 ? API_EXIT_FAILED : printed();
	}
	return run_all(config, path, mode);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "user/daemon.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "user/daemon_internal.h"
#include "user/error.h"
#include "user/lock.h"
#include "user/log.h"

#define EVENTS_PER_CPU 32
#define SAY_EVERY_NS 10000000000ULL
#define SWEEP_SHARE 20 /* the sweep gets at most a twentieth of a CPU */

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

uint64_t daemon_monotonic_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

double daemon_unix_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

static void read_boot_id(struct daemon *daemon)
{
	FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");

	if (!file)
		return;
	if (!fgets(daemon->boot_id, sizeof(daemon->boot_id), file))
		daemon->boot_id[0] = 0;
	daemon->boot_id[strcspn(daemon->boot_id, "\n")] = 0;
	fclose(file);
}

/* ---- journal ------------------------------------------------------------------------------------------------ */

static int open_journal(struct daemon *daemon, enum daemon_mode mode, char **ret_error)
{
	const char *dir = daemon->config->state_dir;
	char path[CONFIG_PATH_MAX + sizeof(JOURNAL_FILE) + 1];
	int r;

	if (mkdir(dir, 0700) && errno != EEXIST)
		return error_set(ret_error, -errno, "cannot make state_dir %s: %m (choose one that can be written)", dir);
	r = lock_directory(dir, "state_dir", &daemon->state_dir_lock, ret_error);
	if (r)
		return r;
	if (mode != DAEMON_STEERS)
		return daemon_open_shadow_journal(daemon, mode == DAEMON_SHADOW, ret_error);
	snprintf(path, sizeof(path), "%s/%s", dir, JOURNAL_FILE);
	return journal_open(path, &daemon->journal, ret_error);
}

/* ---- data plane --------------------------------------------------------------------------------------------- */

/* Is the file of one line "0"? */
static bool is_off(const char *format, const char *interface)
{
	char path[128];
	FILE *file;
	int c;

	snprintf(path, sizeof(path), format, interface);
	file = fopen(path, "re");
	if (!file)
		return false;
	c = fgetc(file);
	fclose(file);
	return c == '0';
}

/* In the modes in which XDP sends, the kernel gives it no route on an interface that does not forward. */
static void warn_of_forwarding(const struct config *config)
{
	for (uint32_t i = 0; i < config->interfaces_count; i++) {
		const char *name = config->interfaces[i].name;

		if (is_off("/proc/sys/net/ipv4/conf/%s/forwarding", name))
			log_warning("%s forwards no IPv4: modes fullnat and dsr cannot send what comes in there (sysctl -w "
				    "net.ipv4.conf.%s.forwarding=1)", name, name);
		if (is_off("/proc/sys/net/ipv6/conf/%s/forwarding", name))
			log_warning("%s forwards no IPv6: modes fullnat and dsr cannot send what comes in there (sysctl -w "
				    "net.ipv6.conf.%s.forwarding=1)", name, name);
	}
}

static int open_datapath(struct daemon *daemon, char **ret_error)
{
	const struct config *config = daemon->config;
	const char *interfaces[CONFIG_INTERFACES_MAX];
	struct datapath_options options = {
		.pin_dir = config->pin_dir,
		.flows = config->flow_table,
		.versions = config->max_versions,
		.backends = config->max_backends,
		.events_per_cpu = EVENTS_PER_CPU,
		.interfaces = interfaces,
		.n_interfaces = config->interfaces_count,
	};

	for (uint32_t i = 0; i < config->interfaces_count; i++)
		interfaces[i] = config->interfaces[i].name;
	for (uint32_t s = 0; s < config->services_count; s++)
		options.forwards |= config->services[s].mode != CANARY_MODE_DNAT;
	if (options.forwards)
		warn_of_forwarding(config);
	for (uint32_t s = 0; s < config->services_count; s++) {
		options.forwards |= *config->services[s].shadow.version;
		options.traces |= config->services[s].samples.traces;
	}
	return datapath_open(&options, &daemon->datapath, ret_error);
}

/* From the beginning of a tick, so that what keeps the tick from its work ends the lease. */
static void renew_lease(struct daemon *daemon, uint64_t now_ns)
{
	const struct config_lease *lease = &daemon->config->lease;

	daemon->lease_ns = lease->on_expiry == CONFIG_ON_EXPIRY_HOLD ? 0 : now_ns + lease->s * 1e9;
	datapath_set_lease(daemon->datapath, daemon->lease_ns);
}

/* ---- services ----------------------------------------------------------------------------------------------- */

static int open_service(struct daemon *daemon, size_t s, char **ret_error)
{
	struct daemon_service *service = &daemon->services[s];
	struct rollout_environment environment = { .journal = daemon->journal, .boot_id = daemon->boot_id,
						   .shadow = daemon->shadow };
	int r;

	service->daemon = daemon;
	service->config = &daemon->config->services[s];
	service->inventory = &daemon->inventory->services[s];
	environment.split = datapath_split(daemon->datapath, service->inventory->id);
	environment.breaker = datapath_breaker(daemon->datapath, service->inventory->id);
	service->sampler = sampler_new(daemon->datapath, service->inventory);
	if (!service->sampler)
		return error_set(ret_error, -ENOMEM, "out of memory");
	r = cohorts_new(&(struct cohorts_environment){ daemon->datapath, daemon->journal, service->inventory->id },
			service->config, &service->cohorts, ret_error);
	if (r)
		return r;
	r = daemon_open_rotation(daemon, service);
	if (r)
		return error_set(ret_error, r, "cannot write the backends of service %s to the kernel: %s",
				 service->config->name, strerror(-r));
	daemon_restore_mutes(daemon, service);
	if (daemon_open_samples(daemon, service) || daemon_open_slis(daemon, service) ||
	    daemon_open_hooks(daemon, service, &environment.gates))
		return error_set(ret_error, -ENOMEM, "out of memory");
	r = rollout_open(&environment, daemon->config, service->config, service->inventory, daemon_unix_s(),
			 &service->rollout, ret_error);
	if (r)
		return r;
	if (daemon_open_history(daemon, service))
		return error_set(ret_error, -ENOMEM, "out of memory");
	daemon_recall_looks(daemon, service);
	daemon_record_restart(service);
	return 0;
}

static int open_recorder(struct daemon *daemon, char **ret_error)
{
	const struct config *config = daemon->config;

	if (!*config->record)
		return 0;
	daemon->recorder = recorder_new(config->record, config->record_mb * 1000000ULL);
	return daemon->recorder ? 0 : error_set(ret_error, -ENOMEM, "out of memory");
}

static int open_services(struct daemon *daemon, char **ret_error)
{
	int r = drill_clear(daemon->datapath);

	if (r)
		return error_set(ret_error, r, "cannot take away what a drill has left in the kernel: %s", strerror(-r));
	r = inventory_new(daemon->datapath, daemon->config, &daemon->inventory, ret_error);
	if (r)
		return r;
	daemon->services = calloc(daemon->config->services_count, sizeof(*daemon->services));
	if (!daemon->services)
		return error_set(ret_error, -ENOMEM, "out of memory");
	for (; !r && daemon->n_services < daemon->config->services_count; daemon->n_services++)
		r = open_service(daemon, daemon->n_services, ret_error);
	if (r)
		return r;
	return inventory_publish(daemon->datapath, daemon->config, daemon->inventory, ret_error);
}

static int open_clients(struct daemon *daemon, sd_event *event, char **ret_error)
{
	int r = fetch_new(event, &daemon->fetch);

	if (!r)
		r = command_runner_new(event, &daemon->commands);
	daemon_open_host(daemon, event);
	return r ? error_set(ret_error, r, "cannot make an HTTP client: %s", strerror(-r)) : 0;
}

int daemon_new(struct config *config, sd_event *event, enum daemon_mode mode, struct daemon **ret, char **ret_error)
{
	struct daemon *daemon = calloc(1, sizeof(*daemon));
	int r;

	if (!daemon) {
		config_free(config);
		return error_set(ret_error, -ENOMEM, "out of memory");
	}
	daemon->config = config;
	daemon->event = event;
	daemon->shadow = mode != DAEMON_STEERS;
	daemon->state_dir_lock = -1;
	daemon->started_ns = daemon_monotonic_ns();
	daemon->started_unix_s = daemon_unix_s();
	read_boot_id(daemon);
	r = open_clients(daemon, event, ret_error);
	if (!r)
		r = open_journal(daemon, mode, ret_error);
	if (!r)
		r = open_recorder(daemon, ret_error);
	if (!r)
		r = daemon_restore_versions(daemon, ret_error);
	if (!r)
		r = daemon_open_alerts(daemon, ret_error);
	if (!r)
		r = open_datapath(daemon, ret_error);
	if (!r) {
		renew_lease(daemon, daemon_monotonic_ns());
		r = open_services(daemon, ret_error);
		if (r && !datapath_adopted(daemon->datapath))
			datapath_detach(daemon->datapath, NULL);
	}
	if (r) {
		daemon_free(daemon);
		return r;
	}
	datapath_on_event(daemon->datapath, daemon_on_event, daemon);
	*ret = daemon;
	return 0;
}

struct daemon *daemon_free(struct daemon *daemon)
{
	if (!daemon)
		return NULL;
	for (size_t s = 0; s < daemon->n_services; s++) {
		if (daemon->services[s].rollout)
			daemon_keep_looks(daemon, &daemon->services[s], true);
		daemon_close_history(daemon, &daemon->services[s]);
		daemon_close_rotation(daemon, &daemon->services[s]);
		hooks_free(daemon->services[s].hooks);
		external_free(daemon->services[s].external);
		rollout_close(daemon->services[s].rollout);
		cohorts_free(daemon->services[s].cohorts);
		flow_samples_free(daemon->services[s].samples);
		sampler_free(daemon->services[s].sampler);
	}
	free(daemon->services);
	alerts_free(daemon->alerts);
	fetch_free(daemon->fetch);
	unit_bus_free(daemon->unit_bus);
	command_runner_free(daemon->commands);

	recorder_free(daemon->recorder);
	inventory_free(daemon->inventory);
	datapath_close(daemon->datapath);
	journal_close(daemon->journal);
	if (daemon->state_dir_lock >= 0)
		close(daemon->state_dir_lock);
	config_free(daemon->config);
	free(daemon);
	return NULL;
}

struct daemon_service *daemon_find_service(struct daemon *daemon, const char *name)
{
	for (size_t s = 0; s < daemon->n_services; s++)
		if (!strcmp(daemon->services[s].config->name, name))
			return &daemon->services[s];
	return NULL;
}

/* ---- tick --------------------------------------------------------------------------------------------------- */

/* Every tick while the table is small; seldom enough, when it is large, to stay within its share of a CPU. */
static void sweep(struct daemon *daemon)
{
	uint64_t began_ns = daemon_monotonic_ns(), took_ns;
	int r;

	if (began_ns < daemon->next_sweep_ns)
		return;
	capacity_begin(&daemon->capacity, daemon->datapath, daemon->inventory);
	r = datapath_sweep(daemon->datapath);
	if (!r) {
		capacity_end(&daemon->capacity, daemon->datapath, daemon->inventory, began_ns);
		daemon->sweeps++;
	} else {
		log_warning("cannot sweep the flow table: %s; timeouts stay uncounted meanwhile", strerror(-r));
	}
	took_ns = daemon_monotonic_ns() - began_ns;
	daemon->next_sweep_ns = began_ns + took_ns * SWEEP_SHARE;
}

static void watch_interfaces(struct daemon *daemon)
{
	char *note = NULL;
	int r = datapath_watch(daemon->datapath, &note);

	if (r)
		log_warning("%s", note ?: strerror(r < 0 ? -r : ENODEV));
	free(note);
}

/* An error that lasts is said again and again, but not every tick. */
static bool may_say(struct daemon_service *service)
{
	uint64_t now_ns = daemon_monotonic_ns();

	if (service->said_ns && now_ns - service->said_ns < SAY_EVERY_NS)
		return false;
	service->said_ns = now_ns;
	return true;
}

/* How long the host was suspended since the last call: the monotonic clock stood still meanwhile, this one did not. */
static uint64_t asleep_ns(struct daemon *daemon)
{
	uint64_t ahead_ns = clock_ns(CLOCK_BOOTTIME) - daemon_monotonic_ns();
	uint64_t asleep = daemon->ahead_ns && ahead_ns > daemon->ahead_ns ? ahead_ns - daemon->ahead_ns : 0;

	daemon->ahead_ns = ahead_ns;
	return asleep;
}

static void tick_service(struct daemon *daemon, struct daemon_service *service)
{
	struct rollout_view view = rollout_view(service->rollout);
	uint64_t now_ns = daemon_monotonic_ns(); /* at once: a stall in between would look like a clock that is set */
	double unix_s = daemon_unix_s();
	char *error = NULL;
	int r;

	sampler_read(service->sampler, view.baseline, view.canary, view.weight_applied, now_ns, &service->sample);
	service->sample.asleep_ns = daemon->asleep_ns;
	daemon_tick_mutes(daemon, service);
	daemon_tick_rotation(daemon, service, &view);
	daemon_tick_shadow(daemon, service, &view);
	daemon_tick_samples(daemon, service, &view);
	daemon_look(service, &view);
	daemon_begin_record(service, &view);
	r = rollout_tick(service->rollout, &service->sample, unix_s, &error);
	daemon_write_record(service, r, now_ns, unix_s);
	if (r > 0)
		log_notice("service %s: %s", service->config->name, rollout_view(service->rollout).reason);
	if (r < 0 && may_say(service))
		log_error("service %s: %s", service->config->name, error ?: strerror(-r));
	if (rollout_view(service->rollout).unwritten && may_say(service))
		log_error("service %s: the last decision has taken effect, and is yet to be written: %s",
			  service->config->name, journal_error(daemon->journal));
	free(error);
	daemon_tick_history(daemon, service, unix_s);
	daemon_keep_looks(daemon, service, false);
	hooks_turn(service->hooks);
}

void daemon_tick(struct daemon *daemon)
{
	uint64_t began_ns = daemon_monotonic_ns();

	renew_lease(daemon, began_ns);
	watch_interfaces(daemon);
	datapath_read_events(daemon->datapath);
	sweep(daemon);
	daemon->asleep_ns = asleep_ns(daemon);
	daemon_heed_reports(daemon);
	for (size_t s = 0; s < daemon->n_services; s++)
		tick_service(daemon, &daemon->services[s]);
	daemon_tick_alerts(daemon);
	daemon->tick_took_ns = daemon_monotonic_ns() - began_ns;
	daemon->ticks.bucket[histogram_bucket(daemon->tick_took_ns / 1e9)]++;
}

int daemon_detach(struct daemon *daemon, char **ret_error)
{
	return datapath_detach(daemon->datapath, ret_error);
}

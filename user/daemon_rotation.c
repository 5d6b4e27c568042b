/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where a service's backends meet the kernel's tables, the journal and the rollout: who gets new flows, who is drained. */
#include "user/daemon_internal.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/error.h"
#include "user/journal_kept.h"
#include "user/log.h"

#define KEY "backends"
#define SENTENCE 320

/* ---- the journal ----------------------------------------------------------------------------------------- */

static int keep(struct daemon *daemon, const struct daemon_service *service, bool synced, char **ret_error)
{
	json_t *json = rotation_json(service->rotation, daemon_monotonic_ns(), daemon_unix_s());
	char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
	int r;

	json_decref(json);
	if (!text)
		return error_set(ret_error, -ENOMEM, "out of memory");
	r = journal_keep(daemon->journal, service->config->name, KEY, text, synced);
	free(text);
	return r ? error_set(ret_error, r, "%s", journal_error(daemon->journal)) : 0;
}

static void keep_or_say(struct daemon_service *service)
{
	char *error = NULL;

	if (keep(service->daemon, service, false, &error))
		log_warning("service %s: the states of its backends are not in the journal: %s", service->config->name,
			    error ?: "out of memory");
	free(error);
}

static void restore(struct daemon *daemon, const struct daemon_service *service)
{
	char *text = NULL;
	json_t *json = NULL;
	int r = journal_kept(daemon->journal, service->config->name, KEY, &text);

	if (!r)
		json = json_loads(text, 0, NULL);
	if (json)
		rotation_restore(service->rotation, json, daemon_monotonic_ns(), daemon_unix_s());
	else if (r != -ENOENT)
		log_warning("service %s: the states of its backends cannot be read: all are taken for new, and none is drained "
			    "(drain them again)", service->config->name);
	json_decref(json);
	free(text);
}

/* ---- the kernel ------------------------------------------------------------------------------------------ */

static int write_version(struct daemon *daemon, const struct rotation *rotation, struct inventory_version *version,
			 bool always)
{
	bool changed = always;
	int r = 0;

	for (size_t b = 0; !r && b < version->n_backends; b++) {
		struct inventory_backend *backend = &version->backends[b];
		const struct rotation_entry *entry = rotation_find(rotation, backend->address);

		changed = changed || backend->usable != entry->usable;
		backend->usable = entry->usable;
		r = datapath_end_flows(daemon->datapath, backend->index, entry->drain.on && entry->drain.expired);
	}
	return r || !changed ? r : inventory_write_table(daemon->datapath, version);
}

/* The tables of the versions whose backends in use have changed; of all, where `always`. */
static int write_tables(struct daemon *daemon, struct inventory_service *inventory, const struct rotation *rotation,
			bool always)
{
	int r = 0;

	for (size_t v = 0; !r && v < inventory->n_versions; v++)
		r = write_version(daemon, rotation, &inventory->versions[v], always);
	return r;
}

static struct inventory_service *inventory_of(struct inventory *inventory, const char *service)
{
	for (size_t s = 0; s < inventory->n_services; s++)
		if (!strcmp(inventory->services[s].name, service))
			return &inventory->services[s];
	return NULL;
}

static void say_panic(struct daemon_service *service, const char *version, bool panic)
{
	char sentence[SENTENCE];

	if (panic)
		snprintf(sentence, sizeof(sentence), "no backend of %s is well: better to all of them than to none, so that "
			 "each gets new flows again (but those that are drained)", version);
	else
		snprintf(sentence, sizeof(sentence), "a backend of %s is well again: only those that are get new flows", version);
	daemon_note(service, sentence);
}

/* Decides who gets new flows, and makes it so. */
static void apply(struct daemon *daemon, struct daemon_service *service, const char *canary)
{
	bool panicked[CONFIG_VERSIONS_MAX];
	int r;

	for (uint32_t v = 0; v < service->config->versions_count; v++)
		panicked[v] = rotation_count(service->rotation, service->config->versions[v].name).panic;
	rotation_decide(service->rotation, canary);
	for (uint32_t v = 0; v < service->config->versions_count; v++) {
		const char *version = service->config->versions[v].name;
		struct rotation_count count = rotation_count(service->rotation, version);

		if (panicked[v] != count.panic && (count.panic || count.well))
			say_panic(service, version, count.panic);
	}
	r = write_tables(daemon, inventory_of(daemon->inventory, service->config->name), service->rotation, false);
	if (r)
		log_warning("service %s: the kernel does not take the change of its backends: %s; tried again",
			    service->config->name, strerror(-r));
}

/* ---- checks and flows ------------------------------------------------------------------------------------ */

static void say(struct daemon_service *service, const struct rotation_entry *entry)
{
	char sentence[SENTENCE], why[OUTLIER_WHY + 64];

	rotation_why(entry, why, sizeof(why), daemon_monotonic_ns());
	snprintf(sentence, sizeof(sentence), "backend %s of %s is %s%s%s", entry->address, entry->version,
		 rotation_state_name(rotation_state(entry)), *why ? ": " : "", why);
	daemon_note(service, sentence);
}

/* At once: a tick may be long. */
static void on_checked(const struct rotation_entry *entry, void *context)
{
	struct daemon_service *service = context;

	say(service, entry);
	apply(service->daemon, service, rollout_view(service->rollout).canary);
	keep_or_say(service);
}

static struct prober *new_prober(struct daemon *daemon, struct daemon_service *service, struct rotation *rotation)
{
	const struct prober_tools tools = { daemon->event, daemon->fetch, daemon->commands };

	return prober_new(&tools, rotation, on_checked, service);
}

/* What is the client's doing says nothing of the backend. */
static struct outlier_count counts_of(const struct config_outlier *config, const struct canary_counters *c)
{
	uint64_t failed = c->refused + c->syn_timeout + c->reset_before_response + c->reset_mid_response + c->empty_close +
			  c->response_timeout + (config->http_5xx ? c->http_5xx : 0);

	return (struct outlier_count){ sampler_attempts(c) - c->abort_waiting, failed };
}

/* Looks at what has become of every backend's flows. Returns whether anything is to be kept. */
static bool look(struct daemon *daemon, struct daemon_service *service, uint64_t now_ns)
{
	bool news = false;

	for (size_t i = 0; i < service->rotation->n; i++) {
		struct rotation_entry *entry = &service->rotation->entries[i];
		const struct sampler_backend_view *seen = sampler_backend(service->sampler, entry->version, entry->address);
		bool flipped;

		if (!seen)
			continue;
		flipped = rotation_look(service->rotation, entry, counts_of(&service->config->outlier, &seen->counters), now_ns);
		flipped |= rotation_tick_drain(entry, seen->active_flows, now_ns, daemon->sweeps);
		if (flipped)
			say(service, entry);
		news |= flipped;
	}
	return news;
}

/* ---- the rollout ----------------------------------------------------------------------------------------- */

/* "192.0.2.1:80 unhealthy (tcp check: connection refused), …" */
static void print_out(const struct rotation *rotation, const char *version, char *buf, size_t size)
{
	char why[OUTLIER_WHY + 64];
	size_t used = 0;

	buf[0] = 0;
	for (size_t i = 0; i < rotation->n && used + 1 < size; i++) {
		const struct rotation_entry *entry = &rotation->entries[i];

		if (strcmp(entry->version, version))
			continue;
		rotation_why(entry, why, sizeof(why), daemon_monotonic_ns());
		used += (size_t)snprintf(buf + used, size - used, "%s%s is %s%s%.80s%s", used ? ", " : "", entry->address,
					 rotation_state_name(rotation_state(entry)), *why ? " (" : "", why, *why ? ")" : "");
	}
}

/* Without any of its backends a canary's flows go to the baseline: no news of it would be no good news. */
static void watch_canary(struct daemon_service *service, const struct rollout_view *view, uint64_t now_ns)
{
	char why[FINDING_REASON], out[FINDING_REASON - 80];
	enum finding_say says = FINDING_SAYS_HOLD;

	if (!view->canary || rotation_count(service->rotation, view->canary).usable) {
		service->no_backend_ns = 0;
		rollout_set_backends(service->rollout, FINDING_SAYS_NOTHING, "");
		return;
	}
	if (!service->no_backend_ns)
		service->no_backend_ns = now_ns;
	if (now_ns - service->no_backend_ns >= service->config->health.no_backend_s * 1e9)
		says = FINDING_SAYS_FAIL;
	print_out(service->rotation, view->canary, out, sizeof(out));
	snprintf(why, sizeof(why), "%s has no backend for new flows%s: %s", view->canary,
		 says == FINDING_SAYS_FAIL ? " for too long" : "", out);
	rollout_set_backends(service->rollout, says, why);
}

int daemon_refuse_unwell(const struct daemon_service *service, const char *canary, char **ret_error)
{
	struct rotation_count count = rotation_count(service->rotation, canary);
	char out[FINDING_REASON];

	if (!count.backends || count.well)
		return 0;
	print_out(service->rotation, canary, out, sizeof(out));
	return error_set(ret_error, -EBUSY, "no backend of %s is well: %s (`canaryctl backend list %s` shows when one is)", canary,
			 out, service->config->name);
}

/* ---- the daemon ------------------------------------------------------------------------------------------ */

int daemon_open_rotation(struct daemon *daemon, struct daemon_service *service)
{
	service->rotation = rotation_new(service->config);
	if (!service->rotation)
		return -ENOMEM;
	restore(daemon, service);
	service->prober = new_prober(daemon, service, service->rotation);
	if (!service->prober)
		return -ENOMEM;
	rotation_decide(service->rotation, NULL);
	return write_tables(daemon, inventory_of(daemon->inventory, service->config->name), service->rotation, true);
}

void daemon_close_rotation(struct daemon *daemon, struct daemon_service *service)
{
	if (service->rotation && daemon->journal)
		keep_or_say(service);
	service->prober = prober_free(service->prober);
	service->rotation = rotation_free(service->rotation);
}

int daemon_prepare_rotation(struct daemon *daemon, struct daemon_service *service, const struct config_service *config,
			    struct inventory *inventory, struct daemon_rotation *ret)
{
	struct rotation *rotation = rotation_with(service->rotation, config);
	struct prober *prober = rotation ? new_prober(daemon, service, rotation) : NULL;
	int r = prober ? 0 : -ENOMEM;

	if (!r) {
		rotation_decide(rotation, rollout_view(service->rollout).canary);
		r = write_tables(daemon, inventory_of(inventory, config->name), rotation, true);
	}
	*ret = (struct daemon_rotation){ rotation, prober };
	return r;
}

void daemon_swap_rotation(struct daemon_service *service, struct daemon_rotation *with, bool take)
{
	struct daemon_rotation old = { service->rotation, service->prober };

	if (take) {
		service->rotation = with->rotation;
		service->prober = with->prober;
	}
	prober_free(take ? old.prober : with->prober);
	rotation_free(take ? old.rotation : with->rotation);
}

void daemon_tick_rotation(struct daemon *daemon, struct daemon_service *service, const struct rollout_view *view)
{
	uint64_t now_ns = daemon_monotonic_ns();

	prober_tick(service->prober, now_ns);
	if (look(daemon, service, now_ns))
		keep_or_say(service);
	apply(daemon, service, view->canary);
	watch_canary(service, view, now_ns);
}

/* ---- the operator's word --------------------------------------------------------------------------------- */

static int find(const struct daemon_service *service, const char *address, struct rotation_entry **ret, char **ret_error)
{
	struct canary_endpoint endpoint;
	char canonical[ADDRESS_MAX];

	if (address_parse(address, service->config->protocol, &endpoint))
		return error_set(ret_error, -EINVAL, "\"%.60s\" is not an address of a backend (write ADDR:PORT, an IPv6 ADDR in "
				 "brackets)", address);
	address_format(&endpoint, canonical);
	*ret = rotation_find(service->rotation, canonical);
	return *ret ? 0 : error_set(ret_error, -ENOENT, "service %s has no backend %s (`canaryctl backend list %s` lists them)",
				    service->config->name, canonical, service->config->name);
}

static bool is_last(const struct daemon_service *service, const struct rotation_entry *entry)
{
	size_t others = 0;

	for (size_t i = 0; i < service->rotation->n; i++) {
		const struct rotation_entry *other = &service->rotation->entries[i];

		others += other != entry && !strcmp(other->version, entry->version) && !other->drain.on;
	}
	return !others && !strcmp(entry->version, rollout_view(service->rollout).baseline);
}

/* Keeps what `entry` has become; where the journal does not take it, it is `before` again. */
static int commit(struct daemon *daemon, struct daemon_service *service, struct rotation_entry *entry,
		  const struct rotation_drain *before, char **ret_error)
{
	int r = keep(daemon, service, true, ret_error);

	if (r) {
		entry->drain = *before;
		return r;
	}
	say(service, entry);
	apply(daemon, service, rollout_view(service->rollout).canary);
	return 0;
}

int daemon_drain(struct daemon *daemon, struct daemon_service *service, const char *address, double deadline_s,
		 bool force, struct rotation_entry **ret, char **ret_error)
{
	struct rotation_drain before;
	int r = find(service, address, ret, ret_error);

	if (r)
		return r;
	if (!force && is_last(service, *ret))
		return error_set(ret_error, -EBUSY, "%s is the last backend of %s, the baseline, that is not drained: without it "
				 "the service would have none (add one first, or --force)", (*ret)->address, (*ret)->version);
	before = (*ret)->drain;
	rotation_drain(*ret, deadline_s, daemon_monotonic_ns(), daemon->sweeps);
	return commit(daemon, service, *ret, &before, ret_error);
}

int daemon_undrain(struct daemon *daemon, struct daemon_service *service, const char *address,
		   struct rotation_entry **ret, char **ret_error)
{
	struct rotation_drain before;
	int r = find(service, address, ret, ret_error);

	if (r)
		return r;
	if (!(*ret)->drain.on)
		return error_set(ret_error, -EBUSY, "%s is not drained", (*ret)->address);
	before = (*ret)->drain;
	rotation_undrain(*ret);
	return commit(daemon, service, *ret, &before, ret_error);
}

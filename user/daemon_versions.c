/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Versions that come at run time: into the configuration, the kernel and the journal, and back from there. */
#include "user/daemon_internal.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "user/error.h"
#include "user/log.h"

/* ---- the journal ----------------------------------------------------------------------------------------- */

static int replace_config(struct daemon *daemon, const char *service, const char *version, const char *const *backends,
			  size_t n_backends, char **ret_error)
{
	struct config *with = NULL;
	int r = config_with_version(daemon->config, service, version, backends, n_backends, &with, ret_error);

	if (r)
		return r;
	config_free(daemon->config);
	daemon->config = with;
	return 0;
}

/* One version that was added at run time. What the file says comes first: a version that does not go with it is left out. */
static int restore_version(struct daemon *daemon, const struct journal_version *version, char **ret_error)
{
	const struct config_service *service = config_find_service(daemon->config, version->service);
	json_t *list = json_loads(version->backends, 0, NULL), *value;
	const char *backends[CONFIG_BACKENDS_MAX];
	char *error = NULL;
	size_t i, n = 0;
	int r;

	if (!service || config_find_version(service, version->name) || !json_is_array(list)) {
		json_decref(list);
		return 0;
	}
	json_array_foreach(list, i, value)
		if (json_is_string(value) && n < CONFIG_BACKENDS_MAX)
			backends[n++] = json_string_value(value);
	r = replace_config(daemon, version->service, version->name, backends, n, &error);
	json_decref(list);
	if (r == -EINVAL) {
		log_warning("service %s: version %s, added at run time, is left out: %s", version->service, version->name,
			    error ?: strerror(-r));
		free(error);
		return 0;
	}
	if (ret_error)
		*ret_error = error;
	return r;
}

int daemon_restore_versions(struct daemon *daemon, char **ret_error)
{
	int r = 0;

	for (uint32_t s = 0; !r && s < daemon->config->services_count; s++) {
		struct journal_versions versions = {};

		r = journal_versions_load(daemon->journal, daemon->config->services[s].name, &versions);
		if (r)
			return error_set(ret_error, r, "%s", journal_error(daemon->journal));
		for (size_t i = 0; !r && i < versions.count; i++)
			r = restore_version(daemon, &versions.items[i], ret_error);
		journal_versions_clear(&versions);
	}
	return r;
}

static int keep_version(struct daemon *daemon, const char *service, const char *version, const char *const *backends,
			size_t n_backends, char **ret_error)
{
	json_t *list = json_array();
	char *text;
	int r;

	for (size_t i = 0; i < n_backends; i++)
		json_array_append_new(list, json_string(backends[i]));
	text = json_dumps(list, JSON_COMPACT);
	json_decref(list);
	if (!text)
		return error_set(ret_error, -ENOMEM, "out of memory");
	r = journal_version_save(daemon->journal, &(struct journal_version){ service, version, text, JOURNAL_SOURCE_API });
	free(text);
	return r ? error_set(ret_error, r, "%s", journal_error(daemon->journal)) : 0;
}

/* ---- changes --------------------------------------------------------------------------------------------- */

static int replace_inventory(struct daemon *daemon, const struct config *config, char **ret_error)
{
	struct sampler *samplers[CONFIG_SERVICES_MAX] = {};
	struct daemon_rotation rotations[CONFIG_SERVICES_MAX] = {};
	struct inventory *inventory = NULL;
	int r = inventory_new(daemon->datapath, config, &inventory, ret_error);

	if (r)
		return r;
	for (size_t s = 0; s < daemon->n_services; s++) {
		samplers[s] = sampler_new(daemon->datapath, &inventory->services[s]);
		if (!samplers[s])
			r = error_set(ret_error, -ENOMEM, "out of memory");
	}
	for (size_t s = 0; !r && s < daemon->n_services; s++) {
		r = daemon_prepare_rotation(daemon, &daemon->services[s], &config->services[s], inventory, &rotations[s]);
		if (r)
			error_set(ret_error, r, "cannot write the backends to the kernel: %s", strerror(-r));
	}
	if (!r)
		r = inventory_publish(daemon->datapath, config, inventory, ret_error);
	for (size_t s = 0; s < daemon->n_services; s++) {
		struct daemon_service *service = &daemon->services[s];

		daemon_swap_rotation(service, &rotations[s], !r);
		if (r) {
			sampler_free(samplers[s]);
			continue;
		}
		sampler_free(service->sampler);
		service->sampler = samplers[s];
		service->config = &config->services[s];
		service->inventory = &inventory->services[s];
		hooks_set_config(service->hooks, service->config);
		external_set_config(service->external, service->config);
		rollout_set_inventory(service->rollout, config, service->config, service->inventory);
	}
	if (r) {
		inventory_free(inventory);
		return r;
	}
	inventory_free(daemon->inventory);
	daemon->inventory = inventory;
	return 0;
}

int daemon_set_version(struct daemon *daemon, const char *service, const char *version, const char *const *backends,
		       size_t n_backends, char **ret_error)
{
	struct config *with = NULL;
	int r = config_with_version(daemon->config, service, version, backends, n_backends, &with, ret_error);

	if (r)
		return r;
	r = replace_inventory(daemon, with, ret_error);
	if (!r) {
		r = keep_version(daemon, service, version, backends, n_backends, ret_error);
		if (r)
			replace_inventory(daemon, daemon->config, NULL);
	}
	if (r) {
		config_free(with);
		return r;
	}
	config_free(daemon->config);
	daemon->config = with;
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Configurations that a program writes: the starter file, and a copy with one version more. Both are written as text
 * and then read like any file, so that no rule is there twice.
 */
#include "user/config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/config_keys.h"
#include "user/error.h"

/* A text being written. */
struct text {
	FILE *stream;
	char *data;
	size_t size;
};

static int text_open(struct text *text)
{
	*text = (struct text){ 0 };
	text->stream = open_memstream(&text->data, &text->size);
	return text->stream ? 0 : -ENOMEM;
}

/* Ends the writing; data and size are valid after a 0. */
static int text_close(struct text *text)
{
	bool failed = ferror(text->stream);

	if (fclose(text->stream) != 0 || failed || !text->data) {
		free(text->data);
		text->data = NULL;
		return -ENOMEM;
	}
	return 0;
}

static void print_string(const char *string, FILE *out)
{
	static const cyaml_schema_value_t schema = { .type = CYAML_STRING };
	const union config_scalar scalar = { .text = string };

	config_scalar_print(&schema, &scalar, out);
}

/* ---- the starter file ------------------------------------------------------------------------------------ */

/* "a,b" → "['a', 'b']". */
static int print_addresses(const char *addresses, FILE *out)
{
	char *copy = strdup(addresses), *rest = copy, *address;

	if (!copy)
		return -ENOMEM;
	fputc('[', out);
	while ((address = strsep(&rest, ",")) != NULL) {
		print_string(address, out);
		fputs(rest ? ", " : "", out);
	}
	fputs("]\n", out);
	free(copy);
	return 0;
}

static int print_version(const char *name, const char *help, const char *addresses, FILE *out)
{
	fprintf(out, "      - name: %s  # %s\n        backends: ", name, help);
	return print_addresses(addresses, out);
}

static void print_service(const char *name, const char *vip, FILE *out)
{
	fputs("services:\n  - name: ", out);
	print_string(name, out);
	fputs("\n    vip: ", out);
	print_string(vip, out);
	fputs("  # the address clients use\n"
	      "    baseline: v1  # serves until another version is promoted\n"
	      "    versions:\n", out);
}

static const struct {
	const char *name, *rollout;
} strategies[] = {
	{ "canary", "      steps:  # weight: share of the new flows for the canary, in percent\n"
		    "        - {weight: 1, min_s: 60, max_s: 3600}\n"
		    "        - {weight: 5, min_s: 60, max_s: 3600}\n"
		    "        - {weight: 25, min_s: 60, max_s: 3600}\n"
		    "        - {weight: 50, min_s: 60, max_s: 3600}\n"
		    "        - {weight: 100, min_s: 60, max_s: 3600}\n"
		    "      bake_s: 300  # watched for so long after the last step, then promoted\n" },
	{ "blue-green", "      steps:  # all new flows at once\n"
			"        - {weight: 100, min_s: 60, max_s: 3600}\n"
			"      bake_s: 600  # watched for so long, the old version ready, then promoted\n"
			"      undo_window_s: 86400  # and for so long `canaryctl rollout undo` is the way back\n" },
	{ "ab", "      steps:  # one share for the whole experiment\n"
		"        - {weight: 50, min_s: 3600, max_s: 604800}\n"
		"      promote: never  # it ends after max_s, or with `canaryctl rollout abort` or `promote`\n" },
};

static int print_rollout(const char *strategy, FILE *out, char **ret_error)
{
	for (size_t i = 0; i < sizeof(strategies) / sizeof(*strategies); i++) {
		if (strcmp(strategies[i].name, strategy) != 0)
			continue;
		fprintf(out, "    rollout:\n%s", strategies[i].rollout);
		return 0;
	}
	return error_set(ret_error, -EINVAL, "\"%.60s\" is not a strategy (choose canary, blue-green or ab)", strategy);
}

static void print_optional(FILE *out)
{
	fputs("\n# The rest has defaults; `canaryctl config show` prints every key.\n", out);
	for (size_t i = 0; i < config_keys.count; i++)
		if (config_keys.keys[i].fallback)
			fprintf(out, "# %s\n#%s: %s\n", config_keys.keys[i].help, config_keys.fields[i].key,
				config_keys.keys[i].fallback);
}

static int print_starter(FILE *out, const char *name, const char *vip, const char *baseline, const char *canary,
			 const char *interface, const char *strategy, char **ret_error)
{
	int r;

	fputs("# canaryd's configuration. `canaryctl config check FILE` tests it.\ninterfaces: [", out);
	print_string(interface, out);
	fputs("]  # where the clients' packets come in\n", out);
	print_service(name, vip, out);
	r = print_version("v1", "the baseline", baseline, out);
	if (r == 0 && canary)
		r = print_version("v2", "the canary", canary, out);
	if (r == 0)
		r = print_rollout(strategy, out, ret_error);
	print_optional(out);
	return r;
}

static int check_text(const struct text *text, char **ret_error)
{
	struct config *config;
	int r = config_load_text(text->data, text->size, NULL, &config, ret_error);

	if (r == 0)
		config_free(config);
	return r;
}

int config_init(FILE *out, const char *name, const char *vip, const char *baseline, const char *canary,
		const char *interface, const char *strategy, char **ret_error)
{
	struct text text;
	int r = text_open(&text), closed;

	*ret_error = NULL;
	if (r < 0)
		return r;
	r = print_starter(text.stream, name ? name : "service", vip, baseline, canary, interface ? interface : "eth0",
			  strategy ? strategy : "canary", ret_error);
	closed = text_close(&text);
	if (closed < 0)
		return closed;
	if (r == 0)
		r = check_text(&text, ret_error);
	if (r == 0 && (fwrite(text.data, 1, text.size, out) != text.size || fflush(out) != 0))
		r = errno ? -errno : -EIO;
	free(text.data);
	return r;
}

/* ---- one version more ------------------------------------------------------------------------------------ */

static int fill_version(struct config_version *version, const char *name, const char *const *backends, size_t count,
			char **ret_error)
{
	if (strlen(name) >= sizeof(version->name))
		return error_set(ret_error, -EINVAL,
				 "versions: the name \"%.60s\" is longer than %zu bytes (shorten it)", name,
				 sizeof(version->name) - 1);
	if (count > CONFIG_BACKENDS_MAX)
		return error_set(ret_error, -EINVAL, "backends: %zu are too many (at most %d)", count,
				 CONFIG_BACKENDS_MAX);
	*version = (struct config_version){ .backends_count = (uint32_t)count };
	strcpy(version->name, name);
	version->backends = calloc(count ? count : 1, sizeof(*version->backends));
	if (!version->backends)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		if (strlen(backends[i]) >= ADDRESS_MAX)
			return error_set(ret_error, -EINVAL, "backends[%zu]: \"%.60s\" is longer than an address:port",
					 i, backends[i]);
		strcpy(version->backends[i].address, backends[i]);
	}
	return 0;
}

/* Shows `config` with the service at index `s` replaced, and reads that. */
static int load_with_service(const struct config *config, uint32_t s, const struct config_service *service,
			     struct config **ret, char **ret_error)
{
	struct config copy = *config;
	struct text text;
	int r = text_open(&text);

	if (r < 0)
		return r;
	copy.services = calloc(config->services_count, sizeof(*copy.services));
	if (copy.services) {
		memcpy(copy.services, config->services, config->services_count * sizeof(*copy.services));
		copy.services[s] = *service;
		r = config_show(&copy, text.stream);
	}
	if (text_close(&text) < 0 || !copy.services || r < 0) {
		free(text.data);
		free(copy.services);
		return -ENOMEM;
	}
	r = config_load_text(text.data, text.size, NULL, ret, ret_error);
	free(text.data);
	free(copy.services);
	return r;
}

/* `versions` has room for one more than the service has. Returns the place of the one named so, or of a new one. */
static struct config_version *place_version(struct config_service *service, struct config_version *versions,
					    const char *name)
{
	const struct config_version *old = config_find_version(service, name);
	size_t place = old ? (size_t)(old - service->versions) : service->versions_count;

	memcpy(versions, service->versions, service->versions_count * sizeof(*versions));
	service->versions_count += old ? 0 : 1;
	service->versions = versions;
	return &versions[place];
}

/* A version with other backends runs where it ran. */
static void keep_unit(const struct config_version *old, struct config_version *version)
{
	if (!old)
		return;
	memcpy(version->unit, old->unit, sizeof(version->unit));
	memcpy(version->cgroup, old->cgroup, sizeof(version->cgroup));
}

int config_with_version(const struct config *config, const char *service, const char *version,
			const char *const *backends, size_t backends_count, struct config **ret, char **ret_error)
{
	const struct config_service *found = config_find_service(config, service);
	struct config_version added = { 0 }, *versions;
	struct config_service changed;
	int r;

	*ret_error = NULL;
	if (!found)
		return error_set(ret_error, -ENOENT, "no service is named \"%.60s\" (canaryctl status lists them)",
				 service);
	changed = *found;
	versions = calloc(found->versions_count + 1, sizeof(*versions));
	r = versions ? fill_version(&added, version, backends, backends_count, ret_error) : -ENOMEM;
	if (r == 0) {
		keep_unit(config_find_version(found, version), &added);
		*place_version(&changed, versions, version) = added;
		r = load_with_service(config, (uint32_t)(found - config->services), &changed, ret, ret_error);
	}
	free(added.backends);
	free(versions);
	return r;
}

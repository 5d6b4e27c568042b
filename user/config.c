/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading a configuration: file → text → document → struct, and the struct's life. */
#include "user/config.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "user/config_keys.h"
#include "user/config_reading.h"
#include "user/error.h"

#define FILE_SIZE_MAX (1 << 20)

static const double default_weights_percent[] = { 1, 5, 25, 50, 100 };
#define DEFAULT_STEPS (sizeof(default_weights_percent) / sizeof(default_weights_percent[0]))

/* Every problem is found by config_check() and reported there, with its line: libcyaml has nothing to add. */
static const cyaml_config_t cyaml_settings = {
	.log_level = CYAML_LOG_ERROR,
	.mem_fn = cyaml_mem,
	.flags = CYAML_CFG_NO_ALIAS,
};

/* ---- defaults -------------------------------------------------------------------------------------------- */

static void fill(const struct config_table *table, void *base, yaml_document_t *document, yaml_node_t *node);

static void fill_elements(const cyaml_schema_field_t *field, const struct config_table *table, void *base,
			  yaml_document_t *document, yaml_node_t *node)
{
	uint32_t count;
	char *element = config_sequence(field, base, &count);

	for (uint32_t i = 0; i < count; i++, element += field->value.sequence.entry->data_size)
		fill(table, element, document, yaml_document_get_node(document, node->data.sequence.items.start[i]));
}

/* What a key without a default is while it is not set; text is "" then, which is what libcyaml leaves there. */
static void unset(const cyaml_schema_value_t *schema, void *data)
{
	const union config_scalar none = { .real = NAN };

	if (schema->type == CYAML_FLOAT)
		config_scalar_store(schema, &none, data);
}

/* Gives its default to every key that has one and is not in `node`; NULL: no key is. */
static void fill(const struct config_table *table, void *base, yaml_document_t *document, yaml_node_t *node)
{
	for (size_t i = 0; i < table->count; i++) {
		const cyaml_schema_field_t *field = &table->fields[i];
		const struct config_key *key = &table->keys[i];
		void *data = (char *)base + field->data_offset;
		yaml_node_t *value = node ? config_member(document, node, field->key) : NULL;
		union config_scalar scalar;

		if (field->value.type == CYAML_MAPPING)
			fill(key->child, data, document, value);
		else if (field->value.type == CYAML_SEQUENCE && key->child && value)
			fill_elements(field, key->child, base, document, value);
		else if (!value && !key->fallback)
			unset(&field->value, data);
		else if (!value && config_scalar_parse(&field->value, key, key->fallback, &scalar) == 0)
			config_scalar_store(&field->value, &scalar, data);
	}
}

static int fill_steps(struct config_rollout *rollout)
{
	if (rollout->steps_count)
		return 0;
	rollout->steps = cyaml_mem(NULL, NULL, DEFAULT_STEPS * sizeof(*rollout->steps));
	if (!rollout->steps)
		return -ENOMEM;
	rollout->steps_count = DEFAULT_STEPS;
	for (size_t i = 0; i < DEFAULT_STEPS; i++) {
		rollout->steps[i] = (struct config_step){ 0 };
		fill(&config_step_keys, &rollout->steps[i], NULL, NULL);
		rollout->steps[i].weight_percent = default_weights_percent[i];
	}
	return 0;
}

static int fill_config(struct config *config, yaml_document_t *document)
{
	int r = 0;

	fill(&config_keys, config, document, yaml_document_get_root_node(document));
	for (uint32_t i = 0; i < config->services_count && r == 0; i++)
		r = fill_steps(&config->services[i].rollout);
	return r;
}

/* ---- loading --------------------------------------------------------------------------------------------- */

static int load_checked(const char *text, size_t length, struct config_problems *problems, struct config **ret)
{
	cyaml_data_t *data = NULL;
	cyaml_err_t error;

	error = cyaml_load_data((const uint8_t *)text, length, &cyaml_settings, &config_schema, &data, NULL);
	if (error == CYAML_OK) {
		*ret = (struct config *)data;
		return 0;
	}
	if (error == CYAML_ERR_OOM)
		return -ENOMEM;
	config_problem_at(problems, 0, "", "cannot be loaded: %s", cyaml_strerror(error));
	return -EINVAL;
}

static int load_document(const char *text, size_t length, yaml_document_t *document, struct config_problems *problems,
			 struct config **ret)
{
	struct config *config = NULL;
	int r;

	config_check(document, problems);
	if (problems->count)
		return -EINVAL;
	r = load_checked(text, length, problems, &config);
	if (r < 0)
		return r;
	r = fill_config(config, document);
	if (r == 0) {
		config_rules(config, problems);
		r = problems->count ? -EINVAL : problems->no_memory ? -ENOMEM : 0;
	}
	if (r < 0) {
		config_free(config);
		return r;
	}
	*ret = config;
	return 0;
}

int config_load_text(const char *text, size_t length, const char *name, struct config **ret, char **ret_error)
{
	struct config_problems problems = { .file = name };
	yaml_document_t document;
	int r = config_parse(text, length, &problems, &document);

	if (r == 0) {
		problems.document = name ? &document : NULL;
		r = load_document(text, length, &document, &problems, ret);
		yaml_document_delete(&document);
	}
	if (r == -ENOMEM)
		problems.no_memory = true;
	if (r < 0)
		*ret_error = config_problems_text(&problems);
	config_problems_clear(&problems);
	return r;
}

/* Reads all of `fd` into a new buffer. */
static int read_all(int fd, char **ret_text, size_t *ret_length)
{
	char *text = malloc(FILE_SIZE_MAX + 1);
	size_t length = 0;
	ssize_t n = -1;
	int r;

	if (!text)
		return -ENOMEM;
	while (length <= FILE_SIZE_MAX && (n = read(fd, text + length, FILE_SIZE_MAX + 1 - length)) > 0)
		length += (size_t)n;
	r = n < 0 ? -errno : length > FILE_SIZE_MAX ? -EFBIG : 0;
	if (r < 0) {
		free(text);
		return r;
	}
	*ret_text = text;
	*ret_length = length;
	return 0;
}

static int read_file(const char *path, char **ret_text, size_t *ret_length)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int r;

	if (fd < 0)
		return -errno;
	r = read_all(fd, ret_text, ret_length);
	close(fd);
	return r;
}

static const char *mend_of(int error)
{
	switch (error) {
	case -ENOENT:
		return "name another file with -c, or make one with canaryctl config init";
	case -EACCES:
		return "run as root, or allow reading it";
	case -EFBIG:
		return "a configuration has at most 1 MiB";
	default:
		return "name a regular file";
	}
}

int config_load(const char *path, struct config **ret, char **ret_error)
{
	char *text = NULL;
	size_t length = 0;
	int r = read_file(path, &text, &length);

	if (r < 0)
		return error_set(ret_error, r, "%s: cannot be read: %s (%s)", path, strerror(-r), mend_of(r));
	r = config_load_text(text, length, path, ret, ret_error);
	free(text);
	return r;
}

struct config *config_free(struct config *config)
{
	cyaml_free(&cyaml_settings, &config_schema, config, 0);
	return NULL;
}

static const struct config_blackout *find_active(const struct config_blackout *blackouts, uint32_t count,
						 const struct tm *local)
{
	for (uint32_t i = 0; i < count; i++)
		if (blackout_active(&blackouts[i].window, local))
			return &blackouts[i];
	return NULL;
}

const struct config_blackout *config_blackout_active(const struct config *config, const struct config_service *service,
						     const struct tm *local)
{
	const struct config_blackout *found = find_active(config->blackouts, config->blackouts_count, local);

	if (!found && service)
		found = find_active(service->blackouts, service->blackouts_count, local);
	return found;
}

const struct config_source *config_sources(const struct config_service *service, uint32_t *ret_count)
{
	bool tunnel = service->mode == CANARY_MODE_DSR;

	*ret_count = tunnel ? 1 : service->sources_count;
	return tunnel ? &service->tunnel_source : service->sources;
}

const struct config_service *config_find_service(const struct config *config, const char *name)
{
	for (uint32_t i = 0; i < config->services_count; i++)
		if (strcmp(config->services[i].name, name) == 0)
			return &config->services[i];
	return NULL;
}

const struct config_version *config_find_version(const struct config_service *service, const char *name)
{
	for (uint32_t i = 0; i < service->versions_count; i++)
		if (strcmp(service->versions[i].name, name) == 0)
			return &service->versions[i];
	return NULL;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Walks over the table of keys: a configuration as YAML, two configurations compared, the reference of keys. */
#include "user/config.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "user/config_keys.h"

#define INDENT 2
#define KEY_PATH_MAX 80 /* of a key in the reference */

/* ---- show ------------------------------------------------------------------------------------------------ */

static void show_mapping(const struct config_table *table, const void *base, int indent, bool in_list, FILE *out);

static void show_list(const cyaml_schema_field_t *field, const void *base, FILE *out)
{
	const cyaml_schema_value_t *entry = field->value.sequence.entry;
	uint32_t count;
	const char *element = config_sequence(field, base, &count);

	fprintf(out, "%s: [", field->key);
	for (uint32_t i = 0; i < count; i++, element += entry->data_size) {
		union config_scalar scalar = config_scalar_get(entry, element);

		fputs(i ? ", " : "", out);
		config_scalar_print(entry, &scalar, out);
	}
	fputs("]\n", out);
}

static void show_mappings(const cyaml_schema_field_t *field, const struct config_table *child, const void *base,
			  int indent, FILE *out)
{
	uint32_t count;
	const char *element = config_sequence(field, base, &count);

	fprintf(out, "%s:%s\n", field->key, count ? "" : " []");
	for (uint32_t i = 0; i < count; i++, element += field->value.sequence.entry->data_size) {
		fprintf(out, "%*s- ", indent + INDENT, "");
		show_mapping(child, element, indent + 2 * INDENT, true, out);
	}
}

static void show_field(const cyaml_schema_field_t *field, const struct config_key *key, const void *base, int indent,
		       FILE *out)
{
	const void *data = (const char *)base + field->data_offset;
	union config_scalar scalar;

	if (field->value.type == CYAML_MAPPING) {
		fprintf(out, "%s:\n", field->key);
		show_mapping(key->child, data, indent + INDENT, false, out);
	} else if (field->value.type == CYAML_SEQUENCE && key->child) {
		show_mappings(field, key->child, base, indent, out);
	} else if (field->value.type == CYAML_SEQUENCE) {
		show_list(field, base, out);
	} else {
		scalar = config_scalar_get(&field->value, data);
		fprintf(out, "%s: ", field->key);
		config_scalar_print(&field->value, &scalar, out);
		fputc('\n', out);
	}
}

/* What may be left out, has no default, and was left out. */
static bool is_unset(const cyaml_schema_field_t *field, const struct config_key *key, const void *base)
{
	const void *data = (const char *)base + field->data_offset;
	union config_scalar scalar;
	uint32_t count;

	if (!(field->value.flags & CYAML_FLAG_OPTIONAL) || key->fallback)
		return false;
	switch (field->value.type) {
	case CYAML_SEQUENCE:
		config_sequence(field, base, &count);
		return count == 0;
	case CYAML_FLOAT:
		scalar = config_scalar_get(&field->value, data);
		return isnan(scalar.real);
	case CYAML_STRING:
		return *(const char *)data == '\0';
	case CYAML_ENUM:
		scalar = config_scalar_get(&field->value, data);
		return !*config_choice_name(&field->value, scalar.choice);
	default:
		return false;
	}
}

/* `in_list`: the first line is begun already, behind the dash. The first key of a list's elements is a required one. */
static void show_mapping(const struct config_table *table, const void *base, int indent, bool in_list, FILE *out)
{
	for (size_t i = 0; i < table->count; i++) {
		if (is_unset(&table->fields[i], &table->keys[i], base))
			continue;
		fprintf(out, "%*s", in_list && i == 0 ? 0 : indent, "");
		show_field(&table->fields[i], &table->keys[i], base, indent, out);
	}
}

int config_show(const struct config *config, FILE *out)
{
	errno = 0;
	show_mapping(&config_keys, config, 0, false, out);
	if (fflush(out) != 0 || ferror(out))
		return errno ? -errno : -EIO;
	return 0;
}

/* ---- equal ----------------------------------------------------------------------------------------------- */

static bool mappings_equal(const struct config_table *table, const void *a, const void *b);

static bool values_equal(const cyaml_schema_value_t *schema, const struct config_table *child, const void *a,
			 const void *b)
{
	union config_scalar x, y;

	if (schema->type == CYAML_MAPPING)
		return mappings_equal(child, a, b);
	x = config_scalar_get(schema, a);
	y = config_scalar_get(schema, b);
	return config_scalar_equal(schema, &x, &y);
}

static bool sequences_equal(const cyaml_schema_field_t *field, const struct config_table *child, const void *a,
			    const void *b)
{
	const cyaml_schema_value_t *entry = field->value.sequence.entry;
	uint32_t a_count, b_count;
	const char *x = config_sequence(field, a, &a_count);
	const char *y = config_sequence(field, b, &b_count);

	if (a_count != b_count)
		return false;
	for (uint32_t i = 0; i < a_count; i++, x += entry->data_size, y += entry->data_size)
		if (!values_equal(entry, child, x, y))
			return false;
	return true;
}

static bool mappings_equal(const struct config_table *table, const void *a, const void *b)
{
	for (size_t i = 0; i < table->count; i++) {
		const cyaml_schema_field_t *field = &table->fields[i];
		const struct config_table *child = table->keys[i].child;
		bool equal;

		if (field->value.type == CYAML_SEQUENCE)
			equal = sequences_equal(field, child, a, b);
		else
			equal = values_equal(&field->value, child, (const char *)a + field->data_offset,
					     (const char *)b + field->data_offset);
		if (!equal)
			return false;
	}
	return true;
}

bool config_equal(const struct config *a, const struct config *b)
{
	return mappings_equal(&config_keys, a, b);
}

/* ---- reference ------------------------------------------------------------------------------------------- */

static void format_range(const cyaml_schema_value_t *schema, const struct config_key *key, char *buf, size_t size)
{
	size_t used = 0;

	buf[0] = '\0';
	if (key->min != key->max)
		snprintf(buf, size, "%.10g … %.10g", key->min, key->max);
	if (schema->type == CYAML_BOOL)
		snprintf(buf, size, "true, false");
	if (schema->type != CYAML_ENUM)
		return;
	for (uint32_t i = 0; i < schema->enumeration.count && used < size; i++)
		used += (size_t)snprintf(buf + used, size - used, "%s%s", i ? ", " : "",
					 schema->enumeration.strings[i].str);
}

/* Who visits the keys. */
struct visitor {
	void (*visit)(const struct config_key_text *key, void *context);
	void *context;
};

static void visit_table(const struct config_table *table, const char *parent, const struct visitor *visitor)
{
	char path[KEY_PATH_MAX], range[128];

	for (size_t i = 0; i < table->count; i++) {
		const cyaml_schema_field_t *field = &table->fields[i];
		const struct config_key *key = &table->keys[i];

		snprintf(path, sizeof(path), "%s%s%s%s", parent, *parent ? "." : "", field->key,
			 field->value.type == CYAML_SEQUENCE ? "[]" : "");
		format_range(&field->value, key, range, sizeof(range));
		visitor->visit(&(struct config_key_text){ .path = path, .help = key->help, .fallback = key->fallback,
							  .range = range,
							  .required = !(field->value.flags & CYAML_FLAG_OPTIONAL),
							  .is_mapping = key->child },
			       visitor->context);
		if (key->child)
			visit_table(key->child, path, visitor);
	}
}

void config_each_key(void (*visit)(const struct config_key_text *key, void *context), void *context)
{
	visit_table(&config_keys, "", &(struct visitor){ visit, context });
}

static void print_key(const struct config_key_text *key, void *context)
{
	FILE *out = context;

	fprintf(out, "%s\n    %s", key->path, key->help);
	if (key->required)
		fputs("; required", out);
	else if (key->fallback)
		fprintf(out, "; default %s", key->fallback);
	if (*key->range)
		fprintf(out, "; %s", key->range);
	fputc('\n', out);
}

void config_print_keys(FILE *out)
{
	config_each_key(print_key, out);
}

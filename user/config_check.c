/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A YAML document against the table of keys, before libcyaml loads it: so that every problem has its line. */
#include "user/config_reading.h"

#include <errno.h>
#include <string.h>

#include "user/config_keys.h"

#define KEY_MAX 32 /* longer than any key of the table */

struct check {
	yaml_document_t *document;
	struct config_problems *problems;
};

static void check_mapping(const struct check *check, yaml_node_t *node, const struct config_table *table,
			  const char *path);

static void join(char path[static CONFIG_PLACE_MAX], const char *parent, const char *key)
{
	snprintf(path, CONFIG_PLACE_MAX, "%s%s%.60s", parent, *parent ? "." : "", key);
}

static const char *text_of(const yaml_node_t *node)
{
	return (const char *)node->data.scalar.value;
}

static const char *kind_of(const yaml_node_t *node)
{
	switch (node->type) {
	case YAML_SEQUENCE_NODE:
		return "a list";
	case YAML_MAPPING_NODE:
		return "a mapping";
	default:
		return node->data.scalar.length ? "one value" : "nothing";
	}
}

/* ---- names ----------------------------------------------------------------------------------------------- */

static size_t least(size_t a, size_t b, size_t c)
{
	size_t ab = a < b ? a : b;

	return ab < c ? ab : c;
}

/* How many letters to change, add or leave out (Levenshtein). */
static size_t distance(const char *a, const char *b)
{
	size_t row[KEY_MAX + 1], width = strlen(b);

	if (width > KEY_MAX || strlen(a) > KEY_MAX)
		return KEY_MAX;
	for (size_t j = 0; j <= width; j++)
		row[j] = j;
	for (size_t i = 0; a[i]; i++) {
		size_t diagonal = row[0];

		row[0] = i + 1;
		for (size_t j = 0; j < width; j++) {
			size_t above = row[j + 1];

			row[j + 1] = least(above + 1, row[j] + 1, diagonal + (a[i] != b[j]));
			diagonal = above;
		}
	}
	return row[width];
}

static const cyaml_schema_field_t *find_field(const struct config_table *table, const char *key)
{
	for (size_t i = 0; i < table->count; i++)
		if (strcmp(table->fields[i].key, key) == 0)
			return &table->fields[i];
	return NULL;
}

static const char *nearest_key(const struct config_table *table, const char *key)
{
	size_t best = strlen(key) / 3 + 2;
	const char *nearest = NULL;

	for (size_t i = 0; i < table->count; i++) {
		size_t d = distance(key, table->fields[i].key);

		if (d < best) {
			best = d;
			nearest = table->fields[i].key;
		}
	}
	return nearest;
}

static void report_unknown(const struct check *check, const struct config_table *table, const yaml_node_t *key,
			   const char *path)
{
	const char *nearest = nearest_key(table, text_of(key));
	size_t line = key->start_mark.line + 1;

	if (nearest)
		config_problem_at(check->problems, line, path, "is not a key (did you mean %s?)", nearest);
	else
		config_problem_at(check->problems, line, path,
				  "is not a key (remove it; canaryd --keys lists them)");
}

/* ---- values ---------------------------------------------------------------------------------------------- */

static void report_choice(const struct check *check, const cyaml_schema_value_t *schema, const char *text,
			  const char *path)
{
	char words[160] = "";

	for (uint32_t i = 0; i < schema->enumeration.count; i++) {
		size_t used = strlen(words);

		snprintf(words + used, sizeof(words) - used, "%s%s", i ? " or " : "",
			 schema->enumeration.strings[i].str);
	}
	config_problem(check->problems, path, "\"%.60s\" is not a choice (write %s)", text, words);
}

static void report_number(const struct check *check, const cyaml_schema_value_t *schema, const struct config_key *key,
			  const char *text, const char *path)
{
	const char *what = schema->type == CYAML_UINT ? "a whole number" : "a number";

	if (key->min == key->max)
		config_problem(check->problems, path, "\"%.60s\" is not %s of 64 bits (%s)", text, what, key->help);
	else
		config_problem(check->problems, path, "\"%.60s\" is not %s from %.10g to %.10g (%s)", text, what,
			       key->min, key->max, key->help);
}

static void report_scalar(const struct check *check, const cyaml_schema_value_t *schema, const struct config_key *key,
			  const char *text, int error, const char *path)
{
	switch (schema->type) {
	case CYAML_UINT:
	case CYAML_FLOAT:
		report_number(check, schema, key, text, path);
		break;
	case CYAML_BOOL:
		config_problem(check->problems, path, "\"%.60s\" is neither true nor false", text);
		break;
	case CYAML_ENUM:
		report_choice(check, schema, text, path);
		break;
	default:
		if (error == -ERANGE)
			config_problem(check->problems, path, "\"%.60s\" is longer than %u bytes (shorten it)", text,
				       schema->string.max);
		else if (*text)
			config_problem(check->problems, path, "\"%.60s\" holds control characters (remove them)", text);
		else
			config_problem(check->problems, path, "is empty (%s)", key->help);
	}
}

static void check_scalar(const struct check *check, yaml_node_t *node, const cyaml_schema_value_t *schema,
			 const struct config_key *key, const char *path)
{
	union config_scalar ignored;
	int r;

	if (node->type != YAML_SCALAR_NODE) {
		config_problem(check->problems, path, "wants one value, not %s%s", kind_of(node),
			       schema->type == CYAML_STRING ? " (put quotes around what begins with a bracket)" : "");
		return;
	}
	if (strlen(text_of(node)) != node->data.scalar.length) {
		config_problem(check->problems, path, "\"%.60s\" holds control characters (remove them)",
			       text_of(node));
		return;
	}
	r = config_scalar_parse(schema, key, text_of(node), &ignored);
	if (r < 0)
		report_scalar(check, schema, key, text_of(node), r, path);
}

static void check_sequence(const struct check *check, yaml_node_t *node, const cyaml_schema_value_t *schema,
			   const struct config_key *key, const char *path)
{
	const cyaml_schema_value_t *entry = schema->sequence.entry;
	char place[CONFIG_PLACE_MAX];
	size_t count;

	if (node->type != YAML_SEQUENCE_NODE) {
		config_problem(check->problems, path, "wants a list, not %s (%s)", kind_of(node),
			       key->child ? "begin each element with \"- \"" : "put it in brackets: [ ]");
		return;
	}
	count = (size_t)(node->data.sequence.items.top - node->data.sequence.items.start);
	if (count < schema->sequence.min)
		config_problem(check->problems, path, "is an empty list (%s)", key->help);
	if (count > schema->sequence.max) {
		config_problem(check->problems, path, "has %zu elements (at most %u are possible)", count,
			       schema->sequence.max);
		return;
	}
	for (size_t i = 0; i < count; i++) {
		yaml_node_t *item = yaml_document_get_node(check->document, node->data.sequence.items.start[i]);

		snprintf(place, sizeof(place), "%.120s[%zu]", path, i);
		if (key->child)
			check_mapping(check, item, key->child, place);
		else
			check_scalar(check, item, entry, key, place);
	}
}

static void check_value(const struct check *check, yaml_node_t *node, const cyaml_schema_field_t *field,
			const struct config_key *key, const char *path)
{
	switch (field->value.type) {
	case CYAML_MAPPING:
		check_mapping(check, node, key->child, path);
		break;
	case CYAML_SEQUENCE:
		check_sequence(check, node, &field->value, key, path);
		break;
	default:
		check_scalar(check, node, &field->value, key, path);
	}
}

/* ---- mappings -------------------------------------------------------------------------------------------- */

/* Whether `pair` is the first of its mapping with this key. */
static bool is_first(const struct check *check, const yaml_node_t *node, const yaml_node_pair_t *pair, const char *key)
{
	for (const yaml_node_pair_t *p = node->data.mapping.pairs.start; p < pair; p++) {
		const yaml_node_t *name = yaml_document_get_node(check->document, p->key);

		if (name->type == YAML_SCALAR_NODE && strcmp(text_of(name), key) == 0)
			return false;
	}
	return true;
}

static void check_pair(const struct check *check, const yaml_node_t *node, const yaml_node_pair_t *pair,
		       const struct config_table *table, const char *path)
{
	const yaml_node_t *key = yaml_document_get_node(check->document, pair->key);
	const cyaml_schema_field_t *field;
	char place[CONFIG_PLACE_MAX];

	if (key->type != YAML_SCALAR_NODE || strlen(text_of(key)) != key->data.scalar.length) {
		config_problem_at(check->problems, key->start_mark.line + 1, path, "a key has to be a plain word");
		return;
	}
	join(place, path, text_of(key));
	field = find_field(table, text_of(key));
	if (!field)
		report_unknown(check, table, key, place);
	else if (!is_first(check, node, pair, text_of(key)))
		config_problem_at(check->problems, key->start_mark.line + 1, place,
				  "is there twice, first on line %zu (remove one)",
				  config_where(check->document, place));
	else
		check_value(check, yaml_document_get_node(check->document, pair->value), field,
			    &table->keys[field - table->fields], place);
}

static void check_mapping(const struct check *check, yaml_node_t *node, const struct config_table *table,
			  const char *path)
{
	char place[CONFIG_PLACE_MAX];

	if (node->type != YAML_MAPPING_NODE) {
		config_problem(check->problems, path, "wants keys of its own (%s: …), not %s", table->fields[0].key,
			       kind_of(node));
		return;
	}
	for (const yaml_node_pair_t *p = node->data.mapping.pairs.start; p < node->data.mapping.pairs.top; p++)
		check_pair(check, node, p, table, path);
	for (size_t i = 0; i < table->count; i++) {
		const cyaml_schema_field_t *field = &table->fields[i];

		if ((field->value.flags & CYAML_FLAG_OPTIONAL) || config_member(check->document, node, field->key))
			continue;
		join(place, path, field->key);
		config_problem(check->problems, place, "is missing (%s)", table->keys[i].help);
	}
}

void config_check(yaml_document_t *document, struct config_problems *problems)
{
	struct check check = { .document = document, .problems = problems };

	check_mapping(&check, yaml_document_get_root_node(document), &config_keys, "");
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The one table of configuration keys: each mapping of the file is a table of rows, and a row is libcyaml's schema
 * for the key beside its default, range and help. Private to config*.c.
 */
#ifndef CANARYD_CONFIG_KEYS_H
#define CANARYD_CONFIG_KEYS_H

#include <cyaml/cyaml.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct config_table;

/* What libcyaml's schema has no room for. */
struct config_key {
	const char *fallback; /* the default of a scalar, as text; NULL: none */
	double min, max;      /* of a number; equal: no range */
	const struct config_table *child; /* of a mapping, or of the mappings in a sequence; else NULL */
	const char *help;
};

/* keys[i] belongs to fields[i]; libcyaml wants the fields alone, with an end mark. */
struct config_table {
	const cyaml_schema_field_t *fields;
	const struct config_key *keys;
	size_t count;
};

extern const struct config_table config_keys;      /* the whole file */
extern const struct config_table config_step_keys; /* a step of a rollout */
extern const struct config_table config_judge_keys;
extern const cyaml_schema_field_t config_judge_keys_fields[]; /* the same's, for libcyaml */
extern const struct config_table config_health_keys;
extern const cyaml_schema_field_t config_health_keys_fields[];
extern const struct config_table config_outlier_keys;
extern const cyaml_schema_field_t config_outlier_keys_fields[];
extern const struct config_table config_shadow_keys;
extern const cyaml_schema_field_t config_shadow_keys_fields[];
extern const struct config_table config_samples_keys;
extern const cyaml_schema_field_t config_samples_keys_fields[];
extern const cyaml_schema_value_t config_schema;   /* the whole file, for libcyaml */

/* A scalar's value; which member, the schema's type says. */
union config_scalar {
	uint64_t number;  /* CYAML_UINT */
	double real;      /* CYAML_FLOAT */
	int64_t choice;   /* CYAML_ENUM */
	bool yes;         /* CYAML_BOOL */
	const char *text; /* CYAML_STRING: the argument itself */
};

/*
 * Reads `text` as a value of the key, strictly, range included. Returns 0, -EINVAL (not of the type) or -ERANGE (not in
 * the range, or a string too long).
 */
int config_scalar_parse(const cyaml_schema_value_t *schema, const struct config_key *key, const char *text,
			union config_scalar *ret);

/* Stores a value where the schema says, at `data`. */
void config_scalar_store(const cyaml_schema_value_t *schema, const union config_scalar *scalar, void *data);

/* Reads a value of the schema's type back from `data`. */
union config_scalar config_scalar_get(const cyaml_schema_value_t *schema, const void *data);

/* The word for an enum's value; "" for one it does not have. */
const char *config_choice_name(const cyaml_schema_value_t *schema, int64_t choice);

/* Prints a scalar as YAML, in quotes where it needs them; numbers as short as they read back equal. */
void config_scalar_print(const cyaml_schema_value_t *schema, const union config_scalar *scalar, FILE *out);

/* Whether two scalars of the schema's type are the same. */
bool config_scalar_equal(const cyaml_schema_value_t *schema, const union config_scalar *a,
			 const union config_scalar *b);

/* Where a sequence's elements are and how many, in the struct at `base`. */
void *config_sequence(const cyaml_schema_field_t *field, const void *base, uint32_t *ret_count);

#endif

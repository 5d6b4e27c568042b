/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How the tables of keys are written. For config_keys*.c alone. */
#ifndef CANARYD_CONFIG_TABLE_H
#define CANARYD_CONFIG_TABLE_H

#include "user/config_keys.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define MUST CYAML_FLAG_DEFAULT
#define MAY CYAML_FLAG_OPTIONAL
#define LIST CYAML_FLAG_POINTER
#define WORD(flag) (CYAML_FLAG_STRICT | (flag))
#define DAY_S 86400.0
#define YEAR_S (366 * DAY_S)

/* Each row: schema, default, least, most, table within, help. */
#define FIELD(field, ...) field,
#define KEY(field, fallback, min, max, child, help) { fallback, min, max, child, help },
#define ROWS(name, KEYS)                                                                                            \
	static const cyaml_schema_field_t name##_fields[] = { KEYS(FIELD) CYAML_FIELD_END };                        \
	static const struct config_key name##_rows[] = { KEYS(KEY) }
#define TABLE(name) { name##_fields, name##_rows, COUNT(name##_rows) }
#define MAPPING(type, name) { CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct type, name##_fields) }

#endif

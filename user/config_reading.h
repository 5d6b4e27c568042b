/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the steps of reading a configuration share. In this order: the text is scanned and parsed (config_where.c), the
 * document is checked against the table of keys (config_check.c), libcyaml loads it into the structs and defaults fill
 * the rest (config.c), and the rules between keys are checked (config_rules.c). Each step reports all the problems
 * it finds; the next begins only when there were none. Private to config*.c.
 */
#ifndef CANARYD_CONFIG_READING_H
#define CANARYD_CONFIG_READING_H

#include <stdbool.h>
#include <stddef.h>
#include <yaml.h>

#include "user/config.h"

#define CONFIG_PLACE_MAX 160 /* bytes of a key path: "services[255].versions[1023].backends[4095]" and a key */

struct config_problem {
	size_t line; /* 0: none */
	char *text;
};

struct config_problems {
	const char *file;          /* NULL: places are named without file and line */
	yaml_document_t *document; /* finds the line of a key path; NULL: none yet */
	struct config_problem *items;
	size_t count;
	size_t more; /* not kept: there are enough */
	bool no_memory;
};

/* Adds a problem at a line of the file, of the key `path` ("" for the file itself), printf-like. */
void config_problem_at(struct config_problems *problems, size_t line, const char *path, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* The same, with the line on which the key path, or as much of it as there is, begins. */
void config_problem(struct config_problems *problems, const char *path, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* All problems by line, one a line, no newline at the end; NULL without memory. The caller frees it. */
char *config_problems_text(struct config_problems *problems);

/* Frees the problems; there are none then. */
void config_problems_clear(struct config_problems *problems);

/*
 * Parses a text of exactly one YAML document without aliases into *ret, which the caller deletes. On a problem it is
 * added and the result is -EINVAL or -ENOMEM.
 */
int config_parse(const char *text, size_t length, struct config_problems *problems, yaml_document_t *ret);

/* The line on which `path`, or as much of it as there is, begins; 1 for an empty document. */
size_t config_where(yaml_document_t *document, const char *path);

/* The value of `key` in a mapping node; NULL when there is none. `node` may be NULL. */
yaml_node_t *config_member(yaml_document_t *document, yaml_node_t *node, const char *key);

/* Checks a document against the table: unknown, repeated and missing keys, kinds, types, ranges, counts. */
void config_check(yaml_document_t *document, struct config_problems *problems);

/*
 * Checks the rules between the keys of a loaded configuration, and fills in what is derived: endpoints, canonical
 * addresses, weight_ppm.
 */
void config_rules(struct config *config, struct config_problems *problems);

/* Parts of the same, what the modes ask for, when all addresses are read. */
void config_rules_modes(struct config *config, struct config_problems *problems);

/* Parts of the same: a service's hooks, which get their names, and where alerts go. */
void config_rules_hooks(struct config_service *service, uint32_t index, struct config_problems *problems);
void config_rules_alerts(const struct config *config, struct config_problems *problems);

void config_rules_slis(struct config *config, uint32_t service, struct config_problems *problems);

void config_rules_health(struct config_service *service, uint32_t index, struct config_problems *problems);

void config_rules_samples(const struct config_service *service, uint32_t index, struct config_problems *problems);

void config_rules_cohorts(struct config_service *service, uint32_t index, struct config_problems *problems);

/* Reports a name that is none. */
void config_check_name(struct config_problems *problems, const char *name, const char *path);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The file as a YAML document that remembers its lines: parsing it, and finding the line of a key path. */
#include "user/config_reading.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Whether line `line` (from 0) of the text holds an address in brackets: without quotes that is a list to YAML. */
static bool has_bracket_address(const char *text, size_t length, size_t line)
{
	const char *end = text + length;
	const char *newline = text;

	for (; line > 0 && newline; line--) {
		newline = memchr(text, '\n', (size_t)(end - text));
		text = newline ? newline + 1 : end;
	}
	newline = memchr(text, '\n', (size_t)(end - text));
	end = newline ? newline : end;
	for (const char *c = text; c + 1 < end; c++)
		if (c[0] == ']' && c[1] == ':')
			return true;
	return false;
}

/* What libyaml says of the text, with a mend where the cause is the usual one. */
static int report_syntax(const yaml_parser_t *parser, const char *text, size_t length, struct config_problems *problems)
{
	size_t line = parser->problem_mark.line;
	const char *problem = parser->problem ? parser->problem : "unknown";

	if (parser->error == YAML_MEMORY_ERROR) {
		problems->no_memory = true;
		return -ENOMEM;
	}
	if (parser->error == YAML_READER_ERROR) {
		line = 0;
		for (size_t i = 0; i < parser->problem_offset && i < length; i++)
			line += text[i] == '\n';
	}
	if (has_bracket_address(text, length, line))
		config_problem_at(problems, line + 1, "", "is not YAML: %s (put quotes around an IPv6 address: "
				  "\"[2001:db8::1]:80\")", problem);
	else
		config_problem_at(problems, line + 1, "", "is not YAML: %s (look at the indentation, quotes and "
				  "brackets here and just above)", problem);
	return -EINVAL;
}

/* Whether an event is one no configuration has; reports it. */
static bool refuse_event(const yaml_event_t *event, unsigned *documents, struct config_problems *problems)
{
	size_t line = event->start_mark.line + 1;

	if (event->type == YAML_ALIAS_EVENT) {
		config_problem_at(problems, line, "", "the alias *%.60s is not read (write its value out)",
				  (const char *)event->data.alias.anchor);
		return true;
	}
	if (event->type == YAML_DOCUMENT_START_EVENT && ++*documents > 1) {
		config_problem_at(problems, line, "", "a second document begins (one file is one configuration: "
				  "remove the --- or what follows it)");
		return true;
	}
	return false;
}

/* Reads through all events: the syntax, no alias (an alias can make a small file huge), one document. */
static int scan(const char *text, size_t length, struct config_problems *problems)
{
	yaml_parser_t parser;
	unsigned documents = 0;
	bool refused = false, end = false;
	yaml_event_t event;
	int r = 0;

	if (!yaml_parser_initialize(&parser))
		return -ENOMEM;
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, length);
	while (r == 0 && !refused && !end) {
		if (!yaml_parser_parse(&parser, &event)) {
			r = report_syntax(&parser, text, length, problems);
			break;
		}
		refused = refuse_event(&event, &documents, problems);
		end = event.type == YAML_STREAM_END_EVENT;
		yaml_event_delete(&event);
	}
	yaml_parser_delete(&parser);
	return refused ? -EINVAL : r;
}

int config_parse(const char *text, size_t length, struct config_problems *problems, yaml_document_t *ret)
{
	yaml_parser_t parser;
	int r = scan(text, length, problems);

	if (r < 0)
		return r;
	if (!yaml_parser_initialize(&parser))
		return -ENOMEM;
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, length);
	if (!yaml_parser_load(&parser, ret))
		r = report_syntax(&parser, text, length, problems);
	yaml_parser_delete(&parser);
	if (r == 0 && !yaml_document_get_root_node(ret)) {
		yaml_document_delete(ret);
		config_problem_at(problems, 1, "", "is empty (canaryctl config init prints a file to begin with)");
		r = -EINVAL;
	}
	return r;
}

static yaml_node_pair_t *find_pair(yaml_document_t *document, const yaml_node_t *node, const char *key, size_t length)
{
	if (!node || node->type != YAML_MAPPING_NODE)
		return NULL;
	for (yaml_node_pair_t *pair = node->data.mapping.pairs.start; pair < node->data.mapping.pairs.top; pair++) {
		yaml_node_t *name = yaml_document_get_node(document, pair->key);

		if (name->type == YAML_SCALAR_NODE && name->data.scalar.length == length &&
		    memcmp(name->data.scalar.value, key, length) == 0)
			return pair;
	}
	return NULL;
}

yaml_node_t *config_member(yaml_document_t *document, yaml_node_t *node, const char *key)
{
	yaml_node_pair_t *pair = find_pair(document, node, key, strlen(key));

	return pair ? yaml_document_get_node(document, pair->value) : NULL;
}

/* One element of the path: "[3]". Returns the element, NULL when there is none. */
static yaml_node_t *step_index(yaml_document_t *document, const yaml_node_t *node, const char **path, size_t *line)
{
	char *end;
	size_t index = strtoul(*path + 1, &end, 10);
	yaml_node_t *item;

	if (node->type != YAML_SEQUENCE_NODE ||
	    index >= (size_t)(node->data.sequence.items.top - node->data.sequence.items.start))
		return NULL;
	item = yaml_document_get_node(document, node->data.sequence.items.start[index]);
	*line = item->start_mark.line + 1;
	*path = *end == ']' ? end + 1 : end;
	return item;
}

/* One element of the path: "key" or ".key". Returns its value, NULL when there is none. */
static yaml_node_t *step_key(yaml_document_t *document, const yaml_node_t *node, const char **path, size_t *line)
{
	const char *key = **path == '.' ? *path + 1 : *path;
	size_t length = strcspn(key, ".[");
	yaml_node_pair_t *pair = find_pair(document, node, key, length);

	if (!pair)
		return NULL;
	*line = yaml_document_get_node(document, pair->key)->start_mark.line + 1;
	*path = key + length;
	return yaml_document_get_node(document, pair->value);
}

size_t config_where(yaml_document_t *document, const char *path)
{
	yaml_node_t *node = yaml_document_get_root_node(document);
	size_t line = 1;

	while (node && *path)
		node = *path == '[' ? step_index(document, node, &path, &line) : step_key(document, node, &path, &line);
	return line;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One scalar of the configuration: text ↔ value ↔ member of a struct, by its row in the table. libcyaml reads by C's
 * rules ("010" is 8, "maybe" is true); here only the one plain spelling of each type is accepted.
 */
#include "user/config_keys.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool in_range(const struct config_key *key, double value)
{
	return key->min == key->max || (value >= key->min && value <= key->max);
}

static int parse_number(const struct config_key *key, const char *text, union config_scalar *ret)
{
	uint64_t number;

	if (strspn(text, "0123456789") != strlen(text) || text[0] == '\0' || (text[0] == '0' && text[1]))
		return -EINVAL;
	errno = 0;
	number = strtoull(text, NULL, 10);
	if (errno || !in_range(key, (double)number))
		return -ERANGE;
	ret->number = number;
	return 0;
}

static int parse_real(const struct config_key *key, const char *text, union config_scalar *ret)
{
	char *end;
	double real;

	if (strspn(text, "0123456789.eE+-") != strlen(text))
		return -EINVAL;
	errno = 0;
	real = strtod(text, &end);
	if (end == text || *end)
		return -EINVAL;
	if (errno || !isfinite(real) || !in_range(key, real))
		return -ERANGE;
	ret->real = real;
	return 0;
}

static int parse_bool(const char *text, union config_scalar *ret)
{
	ret->yes = strcmp(text, "true") == 0;
	return ret->yes || strcmp(text, "false") == 0 ? 0 : -EINVAL;
}

static int parse_choice(const cyaml_schema_value_t *schema, const char *text, union config_scalar *ret)
{
	for (uint32_t i = 0; i < schema->enumeration.count; i++) {
		if (strcmp(schema->enumeration.strings[i].str, text) == 0) {
			ret->choice = schema->enumeration.strings[i].val;
			return 0;
		}
	}
	return -EINVAL;
}

static int parse_text(const cyaml_schema_value_t *schema, const char *text, union config_scalar *ret)
{
	size_t length = strlen(text);

	if (length < schema->string.min)
		return -EINVAL;
	for (const char *c = text; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			return -EINVAL;
	if (length > schema->string.max)
		return -ERANGE;
	ret->text = text;
	return 0;
}

int config_scalar_parse(const cyaml_schema_value_t *schema, const struct config_key *key, const char *text,
			union config_scalar *ret)
{
	switch (schema->type) {
	case CYAML_UINT:
		return parse_number(key, text, ret);
	case CYAML_FLOAT:
		return parse_real(key, text, ret);
	case CYAML_BOOL:
		return parse_bool(text, ret);
	case CYAML_ENUM:
		return parse_choice(schema, text, ret);
	case CYAML_STRING:
		return parse_text(schema, text, ret);
	default:
		return -EINVAL;
	}
}

/* The members' types are those the table's macros took the sizes from, so the sizes tell them apart. */
void config_scalar_store(const cyaml_schema_value_t *schema, const union config_scalar *scalar, void *data)
{
	uint32_t number = (uint32_t)scalar->number;
	int32_t choice = (int32_t)scalar->choice;

	switch (schema->type) {
	case CYAML_UINT:
		memcpy(data, schema->data_size == sizeof(number) ? (const void *)&number : &scalar->number,
		       schema->data_size);
		break;
	case CYAML_FLOAT:
		memcpy(data, &scalar->real, sizeof(scalar->real));
		break;
	case CYAML_BOOL:
		memcpy(data, &scalar->yes, sizeof(scalar->yes));
		break;
	case CYAML_ENUM:
		memcpy(data, &choice, sizeof(choice));
		break;
	case CYAML_STRING:
		memcpy(data, scalar->text, strlen(scalar->text) + 1);
		break;
	default:
		break;
	}
}

union config_scalar config_scalar_get(const cyaml_schema_value_t *schema, const void *data)
{
	union config_scalar scalar = { 0 };
	uint32_t number;
	int32_t choice;

	switch (schema->type) {
	case CYAML_UINT:
		memcpy(&number, data, sizeof(number));
		scalar.number = number;
		if (schema->data_size == sizeof(scalar.number))
			memcpy(&scalar.number, data, sizeof(scalar.number));
		break;
	case CYAML_FLOAT:
		memcpy(&scalar.real, data, sizeof(scalar.real));
		break;
	case CYAML_BOOL:
		memcpy(&scalar.yes, data, sizeof(scalar.yes));
		break;
	case CYAML_ENUM:
		memcpy(&choice, data, sizeof(choice));
		scalar.choice = choice;
		break;
	case CYAML_STRING:
		scalar.text = data;
		break;
	default:
		break;
	}
	return scalar;
}

const char *config_choice_name(const cyaml_schema_value_t *schema, int64_t choice)
{
	for (uint32_t i = 0; i < schema->enumeration.count; i++)
		if (schema->enumeration.strings[i].val == choice)
			return schema->enumeration.strings[i].str;
	return "";
}

static void print_real(double real, FILE *out)
{
	char text[40];

	for (int digits = 6; digits <= 17; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, real);
		if (strtod(text, NULL) == real)
			break;
	}
	fputs(text, out);
}

static void print_text(const char *text, FILE *out)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/:";
	size_t length = strlen(text);

	if (length && *text != '-' && *text != ':' && text[length - 1] != ':' && strspn(text, plain) == length &&
	    !strstr(text, "::")) {
		fputs(text, out);
		return;
	}
	fputc('\'', out);
	for (; *text; text++)
		fprintf(out, *text == '\'' ? "''" : "%c", *text);
	fputc('\'', out);
}

void config_scalar_print(const cyaml_schema_value_t *schema, const union config_scalar *scalar, FILE *out)
{
	switch (schema->type) {
	case CYAML_UINT:
		fprintf(out, "%llu", (unsigned long long)scalar->number);
		break;
	case CYAML_FLOAT:
		print_real(scalar->real, out);
		break;
	case CYAML_BOOL:
		fputs(scalar->yes ? "true" : "false", out);
		break;
	case CYAML_ENUM:
		fputs(config_choice_name(schema, scalar->choice), out);
		break;
	case CYAML_STRING:
		print_text(scalar->text, out);
		break;
	default:
		break;
	}
}

bool config_scalar_equal(const cyaml_schema_value_t *schema, const union config_scalar *a, const union config_scalar *b)
{
	switch (schema->type) {
	case CYAML_UINT:
		return a->number == b->number;
	case CYAML_FLOAT:
		return a->real == b->real || (isnan(a->real) && isnan(b->real));
	case CYAML_BOOL:
		return a->yes == b->yes;
	case CYAML_ENUM:
		return a->choice == b->choice;
	case CYAML_STRING:
		return strcmp(a->text, b->text) == 0;
	default:
		return false;
	}
}

void *config_sequence(const cyaml_schema_field_t *field, const void *base, uint32_t *ret_count)
{
	void *elements;

	memcpy(ret_count, (const char *)base + field->count_offset, sizeof(*ret_count));
	memcpy(&elements, (const char *)base + field->data_offset, sizeof(elements));
	return elements;
}

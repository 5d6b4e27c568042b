/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "field.h"

#include <math.h>

const char *field_text(const json_t *object, const char *name, const char *otherwise)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text ? text : otherwise;
}

double field_number(const json_t *object, const char *name)
{
	const json_t *value = json_object_get(object, name);

	return json_is_number(value) ? json_number_value(value) : NAN;
}

double field_number2(const json_t *object, const char *first, const char *second)
{
	return field_number(json_object_get(object, first), second);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The judge's constants one by one, for programs that set them apart from a file; by the rows of the one table.
 */
#include "user/config.h"

#include <errno.h>
#include <string.h>

#include "user/config_keys.h"
#include "user/error.h"

bool config_judge_key(size_t i, struct config_judge_key *ret)
{
	const struct config_table *table = &config_judge_keys;

	if (i >= table->count)
		return false;
	*ret = (struct config_judge_key){ table->fields[i].key, table->keys[i].fallback, table->keys[i].help };
	return true;
}

int config_judge_set(struct judge_config *judge, const char *name, const char *text, char **ret_error)
{
	const struct config_table *table = &config_judge_keys;

	for (size_t i = 0; i < table->count; i++) {
		const cyaml_schema_field_t *field = &table->fields[i];
		const struct config_key *key = &table->keys[i];
		union config_scalar scalar;
		int r;

		if (strcmp(field->key, name))
			continue;
		r = config_scalar_parse(&field->value, key, text, &scalar);
		if (r == -ERANGE)
			return error_set(ret_error, r, "%s is not from %.10g to %.10g", text, key->min, key->max);
		if (r)
			return error_set(ret_error, r, "%s is not %s", text,
					 field->value.type == CYAML_BOOL ? "true or false" : "a number");
		config_scalar_store(&field->value, &scalar, (char *)judge + field->data_offset);
		return 0;
	}
	return error_set(ret_error, -ENOENT, "there is no constant %s", name);
}

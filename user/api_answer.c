/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "user/api_answer.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/text.h"

void api_answer(struct http_response *response, unsigned status, json_t *json)
{
	response->status = status;
	response->body = json ? json_dumps(json, JSON_INDENT(2) | JSON_REAL_PRECISION(12)) : NULL;
	json_decref(json);
}

/* "what is wrong (how to mend it)" */
static json_t *error_json(const char *code, const char *sentence)
{
	const char *open = strrchr(sentence, '(');
	size_t length = strlen(sentence);
	bool has_mend = open && open > sentence + 1 && length && sentence[length - 1] == ')';
	int message_length = has_mend ? (int)(open - sentence) - 1 : (int)length;
	int mend_length = has_mend ? (int)(sentence + length - 1 - (open + 1)) : 0;

	return json_pack("{s:{s:s, s:s%, s:s%}}", "error", "code", code, "message", sentence, (size_t)message_length, "mend",
			 has_mend ? open + 1 : "", (size_t)mend_length);
}

void api_answer_error(struct http_response *response, unsigned status, const char *code, const char *sentence)
{
	char *text = strdup(sentence); /* it may quote the peer, who writes what he likes */

	api_answer(response, status, text ? error_json(code, text_repair(text)) : NULL);
	free(text);
}

void api_answer_errno(struct http_response *response, int r, char *sentence)
{
	static const struct {
		int error;
		unsigned status;
		const char *code;
	} table[] = {
		{ -EINVAL, 400, "invalid" },   { -ENOENT, 404, "not_found" },     { -EBUSY, 409, "conflict" },
		{ -EEXIST, 409, "conflict" },  { -ENOSPC, 503, "no_space" },      { -EROFS, 503, "read_only" },
		{ -ENOMEM, 500, "internal" },  { -EOPNOTSUPP, 503, "kernel" },    { -EDOM, 409, "undecidable" },
	};
	unsigned status = 500;
	const char *code = "internal";

	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++)
		if (table[i].error == r) {
			status = table[i].status;
			code = table[i].code;
		}
	api_answer_error(response, status, code, sentence ?: strerror(-r));
	free(sentence);
}

void api_answer_no_service(struct http_response *response, const char *name)
{
	char sentence[160];

	snprintf(sentence, sizeof(sentence), "there is no service %.60s (`canaryctl status` lists them)", name);
	api_answer_error(response, 404, "not_found", sentence);
}

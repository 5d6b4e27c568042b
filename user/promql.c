/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whatever is not exactly one finite number is told apart: a missing series, several of them, a division by zero and a
 * proxy's error page each have another mend.
 */
#include "user/promql.h"

#include <ctype.h>
#include <jansson.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the question ---------------------------------------------------------------------------------------- */

/* RFC 3986: all but the unreserved. */
static void print_escaped(const char *text, FILE *out)
{
	for (; *text; text++)
		if (isalnum((unsigned char)*text) || strchr("-._~", *text))
			fputc(*text, out);
		else
			fprintf(out, "%%%02X", (unsigned char)*text);
}

char *promql_url(const char *base, const char *query)
{
	char *url = NULL;
	size_t size, length = strlen(base);
	FILE *out = open_memstream(&url, &size);

	if (!out)
		return NULL;
	while (length && base[length - 1] == '/')
		length--;
	fwrite(base, 1, length, out);
	fputs("/api/v1/query?query=", out);
	print_escaped(query, out);
	if (fclose(out)) {
		free(url);
		return NULL;
	}
	return url;
}

/* ---- the answer ------------------------------------------------------------------------------------------ */

__attribute__((format(printf, 3, 4))) static void say(struct promql_answer *a, enum finding_state state,
						      const char *format, ...)
{
	va_list args;

	a->state = state;
	a->value = NAN;
	va_start(args, format);
	vsnprintf(a->said, sizeof(a->said), format, args);
	va_end(args);
	for (char *c = a->said; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = ' ';
}

static void read_number(const char *text, struct promql_answer *ret)
{
	char *end;
	double value = strtod(text, &end);

	if (!*text || isspace((unsigned char)*text) || *end)
		say(ret, FINDING_STATE_NOT_UNDERSTOOD, "the query gives the text \"%.30s\" (have it give a number)", text);
	else if (!isfinite(value))
		say(ret, FINDING_STATE_NOT_A_NUMBER, "the query gives %.10s (a division by 0? guard it, or wait for traffic)",
		    text);
	else
		*ret = (struct promql_answer){ .state = FINDING_STATE_OK, .value = value };
}

/* [TIME, "NUMBER"] */
static void read_point(const json_t *point, struct promql_answer *ret)
{
	const json_t *number = json_array_get(point, 1);

	if (json_array_size(point) == 2 && json_is_string(number))
		read_number(json_string_value(number), ret);
	else
		say(ret, FINDING_STATE_NOT_UNDERSTOOD, "the answer holds no [time, \"number\"] (is it a Prometheus?)");
}

static void read_vector(const json_t *result, struct promql_answer *ret)
{
	const json_t *series = json_array_get(result, 0);
	size_t count = json_array_size(result);

	if (count == 0)
		say(ret, FINDING_STATE_NO_DATA, "the query gives no series (is the name right? append `or vector(0)` where "
		    "none means 0)");
	else if (count > 1)
		say(ret, FINDING_STATE_SEVERAL, "the query gives %zu series (put sum() around it, or narrow its labels)",
		    count);
	else if (json_object_get(series, "histogram"))
		say(ret, FINDING_STATE_NOT_UNDERSTOOD, "the query gives a histogram (put histogram_quantile() around it)");
	else
		read_point(json_object_get(series, "value"), ret);
}

static void read_data(const json_t *data, struct promql_answer *ret)
{
	const char *type = json_string_value(json_object_get(data, "resultType"));
	const json_t *result = json_object_get(data, "result");

	if (!type || !json_is_array(result))
		say(ret, FINDING_STATE_NOT_UNDERSTOOD, "the answer has no result (is it a Prometheus?)");
	else if (strcmp(type, "vector") == 0)
		read_vector(result, ret);
	else if (strcmp(type, "scalar") == 0)
		read_point(result, ret);
	else if (strcmp(type, "matrix") == 0)
		say(ret, FINDING_STATE_NOT_UNDERSTOOD, "the query gives a range (put rate() or the like around it)");
	else
		say(ret, FINDING_STATE_NOT_UNDERSTOOD, "the query gives a %.20s (have it give a number)", type);
}

static void read_error(const json_t *root, struct promql_answer *ret)
{
	const char *type = json_string_value(json_object_get(root, "errorType"));
	const char *error = json_string_value(json_object_get(root, "error"));

	say(ret, FINDING_STATE_QUERY_ERROR, "the query is refused: %.20s: %.90s", type ? type : "error",
	    error ? error : "no reason given");
}

void promql_parse(unsigned http_status, const char *body, size_t size, struct promql_answer *ret)
{
	json_t *root = json_loadb(body, size, 0, NULL);
	const char *status = json_string_value(json_object_get(root, "status"));

	if (status && strcmp(status, "error") == 0)
		read_error(root, ret);
	else if (http_status < 200 || http_status > 299)
		say(ret, FINDING_STATE_HTTP_ERROR, "answered %u (does the url lead to a Prometheus, with no /api/v1?)",
		    http_status);
	else if (!status || strcmp(status, "success") != 0)
		say(ret, FINDING_STATE_NOT_UNDERSTOOD, "the answer is not a Prometheus' (check the url)");
	else
		read_data(json_object_get(root, "data"), ret);
	json_decref(root);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lines → ticks. The reader takes any writer's JSON and says where it does not understand it.
 */
#include "user/record.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "user/record_reading.h"
#include "user/record_ttfb.h"

#define LARGEST 1e15 /* counts and seconds beyond are a mistake; sums of them still fit */

/* ---- reading --------------------------------------------------------------------------------------------- */

static int refuse(const struct record_place *p, const char *what, char *error)
{
	if (p->version)
		return RECORD_SAY(error, "versions.%.40s.%.60s %s", p->version, p->field, what);
	return RECORD_SAY(error, "%.60s %s", p->field, what);
}

int record_read_number(const json_t *value, const struct record_place *place, double *ret, char *error)
{
	if (!json_is_number(value))
		return refuse(place, value ? "is not a number" : "is missing", error);
	*ret = json_number_value(value);
	if (!(fabs(*ret) <= LARGEST))
		return refuse(place, "is beyond 1e15", error);
	return 0;
}

static int read_count(const json_t *value, const struct record_place *place, uint64_t *ret, char *error)
{
	double number;

	if (record_read_number(value, place, &number, error))
		return -EINVAL;
	if (number < 0)
		return refuse(place, "is negative: counts are of one tick, differences of counters that only grow", error);
	if (number != floor(number))
		return refuse(place, "is not a whole number", error);
	*ret = (uint64_t)number;
	return 0;
}

int record_read_pair(const json_t *attempts, const json_t *failed, const struct record_place *place, uint64_t *ret_attempts,
		     uint64_t *ret_failed, char *error)
{
	struct record_place of_failed = *place;

	if (!strcmp(place->field, "attempts"))
		of_failed.field = "failed";
	if (read_count(attempts, place, ret_attempts, error) || read_count(failed, &of_failed, ret_failed, error))
		return -EINVAL;
	if (*ret_failed > *ret_attempts)
		return refuse(&of_failed, "is more than the attempts: count both on the same completed events", error);
	return 0;
}

static int read_name(const char *from, char to[RECORD_NAME], const char *what, char *error)
{
	size_t length = strlen(from);

	if (length == 0 || length >= RECORD_NAME)
		return RECORD_SAY(error, "%s: a name has 1 to %d bytes", what, RECORD_NAME - 1);
	memcpy(to, from, length + 1);
	return 0;
}

static int read_backends(json_t *backends, const char *version, struct sample_version *ret, char *error)
{
	const char *address;
	json_t *pair;

	if (!backends || json_is_null(backends))
		return 0;
	if (!json_is_object(backends))
		return refuse(&(struct record_place){ version, "backends" }, "is not {\"ADDR:PORT\": [attempts, failed]}", error);
	json_object_foreach(backends, address, pair) {
		struct record_place place = { version, address };
		struct sample_backend b = { 0 };

		if (json_array_size(pair) != 2)
			return refuse(&place, "is not [attempts, failed]", error);
		if (record_read_pair(json_array_get(pair, 0), json_array_get(pair, 1), &place, &b.attempts, &b.failed, error))
			return -EINVAL;
		if (ret->n_backends == SAMPLE_BACKENDS)
			continue;
		snprintf(b.address, sizeof(b.address), "%s", address);
		ret->backend[ret->n_backends++] = b;
	}
	return 0;
}

/* The bucket of an edge; null and "+Inf" are the last one. */
static int read_edge(const json_t *edge, const struct record_place *place, unsigned *ret, char *error)
{
	const char *word = json_string_value(edge);
	double seconds;

	if (json_is_null(edge) || (word && !strcmp(word, "+Inf"))) {
		*ret = CANARY_HISTOGRAM_BUCKETS - 1;
		return 0;
	}
	if (record_read_number(edge, place, &seconds, error))
		return -EINVAL;
	if (seconds < 0)
		return refuse(place, "has a negative edge", error);
	*ret = histogram_bucket(seconds);
	return 0;
}

static int read_ttfb(const json_t *ttfb, const char *version, const struct record_ttfbs *taken, struct histogram *ret,
		     char *error)
{
	struct record_place place = { version, "ttfb" };
	const json_t *pair;
	uint64_t count = 0;
	unsigned bucket = 0;
	size_t i;

	if (!ttfb || json_is_null(ttfb))
		return 0;
	for (unsigned n = 0; n < taken->count; n++)
		if (json_is_integer(ttfb) && json_integer_value(ttfb) == -1 - (json_int_t)n) {
			*ret = taken->list[n];
			return 0;
		}
	if (!json_is_array(ttfb))
		return refuse(&place, "is not [[upper_seconds, count], …]", error);
	json_array_foreach(ttfb, i, pair) {
		if (json_array_size(pair) != 2)
			return refuse(&place, "has an element that is not [upper_seconds, count]", error);
		if (read_edge(json_array_get(pair, 0), &place, &bucket, error) ||
		    read_count(json_array_get(pair, 1), &place, &count, error))
			return -EINVAL;
		ret->bucket[bucket] += count;
	}
	return 0;
}

/* Where the version's counts go; *ret is NULL for one that is neither baseline nor canary. */
static int find_role(struct record *record, const char *name, const json_t *version, struct sample_version **ret,
		     char *error)
{
	const char *role = json_string_value(json_object_get(version, "role"));
	char *to;

	*ret = NULL;
	if (!role)
		return refuse(&(struct record_place){ name, "role" }, "is missing (baseline or canary)", error);
	if (!strcmp(role, "standby"))
		return 0;
	if (strcmp(role, "baseline") && strcmp(role, "canary"))
		return refuse(&(struct record_place){ name, "role" }, "is neither baseline nor canary", error);
	to = *role == 'b' ? record->baseline : record->canary;
	if (*to)
		return RECORD_SAY(error, "there are two of the role %s: %.40s and %.40s", role, to, name);
	*ret = *role == 'b' ? &record->sample.baseline : &record->sample.canary;
	return read_name(name, to, "versions", error);
}

static int read_version(struct record *record, const char *name, json_t *version, const struct record_ttfbs *taken,
			char *error)
{
	struct sample_version *to;

	if (!json_is_object(version))
		return RECORD_SAY(error, "versions.%.40s is not an object", name);
	if (find_role(record, name, version, &to, error))
		return -EINVAL;
	if (!to)
		return 0;
	if (record_read_pair(json_object_get(version, "attempts"), json_object_get(version, "failed"),
		      &(struct record_place){ name, "attempts" }, &to->attempts, &to->failed, error))
		return -EINVAL;
	if (read_backends(json_object_get(version, "backends"), name, to, error))
		return -EINVAL;
	return read_ttfb(json_object_get(version, "ttfb"), name, taken, &to->ttfb, error);
}

static int read_rollout(const json_t *value, int64_t *ret, char *error)
{
	*ret = !value ? RECORD_ROLLOUT_UNKNOWN : json_is_null(value) ? RECORD_NO_ROLLOUT : json_integer_value(value);
	return value && !json_is_null(value) && *ret <= 0 ? RECORD_SAY(error, "rollout is neither a number above 0 nor null") : 0;
}

static int read_elapsed(const json_t *value, double *ret, char *error)
{
	*ret = NAN;
	if (!value)
		return 0;
	if (record_read_number(value, &(struct record_place){ .field = "elapsed" }, ret, error))
		return -EINVAL;
	return *ret < 0 ? RECORD_SAY(error, "elapsed is negative") : 0;
}

static int read_weight(const json_t *value, double *ret, char *error)
{
	if (record_read_number(value, &(struct record_place){ .field = "weight" }, ret, error))
		return -EINVAL;
	return *ret < 0 || *ret > 1 ? RECORD_SAY(error, "weight %g is not a share: 0 … 1, 5 %% is 0.05", *ret) : 0;
}

/* ---- reading what is not in the packets ------------------------------------------------------------------ */

static int read_state(const json_t *value, enum finding_state *ret, char *error)
{
	const char *word = json_string_value(value);

	for (int i = 0; word && i <= FINDING_STATE_UNAVAILABLE; i++) {
		if (strcmp(word, finding_state_name((enum finding_state)i)))
			continue;
		*ret = (enum finding_state)i;
		return 0;
	}
	return RECORD_SAY(error, "slis: state is no word for one");
}

static int read_counts(const json_t *pair, uint64_t *ret_n, uint64_t *ret_y, char *error)
{
	if (!pair)
		return 0;
	return record_read_pair(json_array_get(pair, 0), json_array_get(pair, 1), &(struct record_place){ .field = "slis" }, ret_n, ret_y,
			 error);
}

static double number_or_nan(const json_t *value)
{
	return json_is_number(value) ? json_number_value(value) : NAN;
}

static int read_external(const json_t *from, struct sample_external *to, char *error)
{
	const json_t *value = json_object_get(from, "value"), *said = json_object_get(from, "said");

	to->fresh = json_is_true(json_object_get(from, "fresh"));
	to->baseline = number_or_nan(json_array_get(value, 0));
	to->canary = number_or_nan(json_array_get(value, 1));
	snprintf(to->said, sizeof(to->said), "%s", json_is_string(said) ? json_string_value(said) : "");
	if (read_state(json_object_get(from, "state"), &to->state, error) ||
	    read_counts(json_object_get(from, "baseline"), &to->baseline_n, &to->baseline_y, error))
		return -EINVAL;
	return read_counts(json_object_get(from, "canary"), &to->canary_n, &to->canary_y, error);
}

static int read_externals(const json_t *slis, const json_t *muted, struct sample *ret, char *error)
{
	const json_t *value;
	size_t i;

	if ((slis && !json_is_array(slis)) || json_array_size(slis) > FINDING_EXTERNALS)
		return RECORD_SAY(error, "slis is not a list of at most %d", FINDING_EXTERNALS);
	json_array_foreach(slis, i, value)
		if (read_external(value, &ret->external[i], error))
			return -EINVAL;
	json_array_foreach(muted, i, value) {
		json_int_t index = json_is_integer(value) ? json_integer_value(value) : -1;

		if (index < 0 || index >= FINDING_SLIS)
			return RECORD_SAY(error, "muted is not a list of numbers from 0 to %d", FINDING_SLIS - 1);
		ret->muted[index] = true;
	}
	return 0;
}

/* ---- reading a line -------------------------------------------------------------------------------------- */

static int read_line(json_t *line, const struct record_ttfbs *taken, struct record *ret, char *error)
{
	json_t *versions = json_object_get(line, "versions"), *version, *service = json_object_get(line, "service");
	const char *name;

	if (!json_is_object(line))
		return RECORD_SAY(error, "is not a JSON object");
	if (record_read_number(json_object_get(line, "t"), &(struct record_place){ .field = "t" }, &ret->t, error) ||
	    read_elapsed(json_object_get(line, "elapsed"), &ret->elapsed_s, error) ||
	    read_weight(json_object_get(line, "weight"), &ret->sample.weight, error) ||
	    read_rollout(json_object_get(line, "rollout"), &ret->rollout, error) ||
	    read_externals(json_object_get(line, "slis"), json_object_get(line, "muted"), &ret->sample, error) ||
	    record_read_outside(line, ret, error))
		return -EINVAL;
	if (service && (!json_is_string(service) || read_name(json_string_value(service), ret->service, "service", error)))
		return RECORD_SAY(error, "service is not a name of 1 to %d bytes", RECORD_NAME - 1);
	if (!json_is_object(versions))
		return RECORD_SAY(error, "versions %s", versions ? "is not an object" : "is missing");
	json_object_foreach(versions, name, version)
		if (read_version(ret, name, version, taken, error))
			return -EINVAL;
	ret->sample.suspect = json_is_true(json_object_get(line, "suspect")) ||
			      record_read_text(line, "suspect", ret->sample.suspect_why, sizeof(ret->sample.suspect_why));
	return 0;
}

static int parse(const char *line, size_t length, const struct record_ttfbs *taken, struct record *ret,
		 char error[RECORD_ERROR])
{
	json_error_t where;
	json_t *json = json_loadb(line, length, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &where);
	int r;

	if (!json) {
		bool cut = *line == '{' && where.position >= (int)length;

		snprintf(error, RECORD_ERROR, "is not JSON: %.120s", where.text);
		return cut ? -ENODATA : -EINVAL;
	}
	memset(ret, 0, sizeof(*ret));
	r = read_line(json, taken, ret, error);
	json_decref(json);
	return r;
}

int record_parse(const char *line, size_t length, struct record *ret, char error[RECORD_ERROR])
{
	struct record_ttfbs taken;
	int r;

	if (!record_ttfbs_take(line, length, &taken))
		return parse(line, length, &(struct record_ttfbs){ .count = 0 }, ret, error);
	r = parse(taken.line, taken.length, &taken, ret, error);
	free(taken.line);
	return r;
}

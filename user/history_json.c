/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "user/history_json.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define LN_LARGEST 700.0 /* e to this is still a number */
#define DIGITS 4         /* of what is measured, for people to look at */

static const char *const role_names[HISTORY_VERSIONS] = { [HISTORY_BASELINE] = "baseline", [HISTORY_CANARY] = "canary" };
static const char *const measure_names[HISTORY_MEASURES] = {
	[HISTORY_P50_S] = "p50_s",
	[HISTORY_P99_S] = "p99_s",
	[HISTORY_ATTEMPTS] = "attempts",
	[HISTORY_FAILED] = "failed",
};

/* ---- out ------------------------------------------------------------------------------------------------- */

static json_t *number(double value)
{
	char text[32];

	if (!isfinite(value))
		return json_null();
	if (value == floor(value) && fabs(value) < 1e15)
		return json_integer((json_int_t)value);
	snprintf(text, sizeof(text), "%.*g", DIGITS, value);
	return json_real(strtod(text, NULL));
}

static json_t *evidence(double ln_e)
{
	return number(isnan(ln_e) ? NAN : exp(fmin(ln_e, LN_LARGEST)));
}

static json_t *column(const struct history *history, unsigned value, json_t *(*as)(double))
{
	json_t *list = json_array();

	for (unsigned i = 0; i < history->n; i++)
		json_array_append_new(list, as(history->point[i].value[value]));
	return list;
}

static json_t *times(const struct history *history)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < history->n; i++)
		json_array_append_new(list, json_real(round((history->began_unix_s + history->point[i].at_s) * 1e3) / 1e3));
	return list;
}

static json_t *slis(const struct history *history)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < history->n_slis; i++) {
		const struct history_sli *sli = &history->sli[i];
		unsigned value = HISTORY_SLI + 2 * i;

		json_array_append_new(list, json_pack("{s:s, s:{s:o, s:o}, s:{s:o, s:o}}", "name", sli->name, "rollback", "bound",
						      evidence(sli->ln_bound_rollback), "evidence",
						      column(history, value, evidence), "promotion", "bound",
						      evidence(sli->ln_bound_promotion), "evidence",
						      column(history, value + 1, evidence)));
	}
	return list;
}

static json_t *version(const struct history *history, unsigned role)
{
	const struct history_version *v = &history->version[role];
	json_t *object = json_object(), *counters = json_object();

	json_object_set_new(object, "name", json_string(v->name));
	json_object_set_new(object, "role", json_string(role_names[role]));
	for (unsigned m = 0; m < HISTORY_MEASURES; m++)
		json_object_set_new(object, measure_names[m],
				    column(history, HISTORY_VERSION + role * HISTORY_MEASURES + m, number));
#define X(name, help) json_object_set_new(counters, #name, json_integer((json_int_t)v->counted.name));
	CANARY_COUNTERS(X)
#undef X
	json_object_set_new(object, "counters", counters);
	return object;
}

json_t *history_json(const struct history *h)
{
	return json_pack("{s:I, s:b, s:o, s:{s:o, s:o, s:o}, s:{s:o, s:o, s:o}, s:o, s:[o, o]}", "rollout",
			 (json_int_t)h->rollout, "ended", h->ended, "t", times(h), "weight", "wanted",
			 column(h, HISTORY_WANTED, number), "applied", column(h, HISTORY_APPLIED, number), "measured",
			 column(h, HISTORY_MEASURED, number), "rollback", "bound", evidence(h->ln_bound), "hold",
			 evidence(h->ln_hold), "evidence", column(h, HISTORY_ROLLBACK, evidence), "slis", slis(h), "versions",
			 version(h, HISTORY_BASELINE), version(h, HISTORY_CANARY));
}

/* ---- and back -------------------------------------------------------------------------------------------- */

static double value_of(const json_t *json)
{
	return json_is_number(json) ? json_number_value(json) : NAN;
}

static double ln_of(const json_t *json)
{
	return log(value_of(json));
}

static void read_column(struct history *h, unsigned value, const json_t *list, double (*as)(const json_t *))
{
	for (unsigned i = 0; i < h->n; i++)
		h->point[i].value[value] = as(json_array_get(list, i));
}

static int read_times(struct history *h, const json_t *list)
{
	if (!json_is_array(list) || !json_array_size(list) || json_array_size(list) > HISTORY_POINTS)
		return -EINVAL;
	h->n = (unsigned)json_array_size(list);
	h->began_unix_s = value_of(json_array_get(list, 0));
	for (unsigned i = 0; i < h->n; i++) {
		h->point[i].at_s = value_of(json_array_get(list, i)) - h->began_unix_s;
		if (!(h->point[i].at_s >= h->age_s))
			return -EINVAL;
		h->age_s = h->point[i].at_s;
		for (unsigned v = 0; v < HISTORY_VALUES; v++)
			h->point[i].value[v] = NAN;
	}
	return 0;
}

static int read_slis(struct history *h, const json_t *list)
{
	json_t *sli, *rollback, *promotion;
	const char *name;
	size_t i;

	json_array_foreach(list, i, sli) {
		if (i == FINDING_SLIS ||
		    json_unpack(sli, "{s:s, s:o, s:o}", "name", &name, "rollback", &rollback, "promotion", &promotion))
			return -EINVAL;
		snprintf(h->sli[i].name, FINDING_NAME, "%s", name);
		h->sli[i].ln_bound_rollback = ln_of(json_object_get(rollback, "bound"));
		h->sli[i].ln_bound_promotion = ln_of(json_object_get(promotion, "bound"));
		read_column(h, HISTORY_SLI + 2 * i, json_object_get(rollback, "evidence"), ln_of);
		read_column(h, HISTORY_SLI + 2 * i + 1, json_object_get(promotion, "evidence"), ln_of);
		h->n_slis++;
	}
	return 0;
}

static uint64_t count_of(const json_t *counters, const char *name)
{
	json_int_t n = json_integer_value(json_object_get(counters, name));

	return n > 0 ? (uint64_t)n : 0;
}

static int read_version(struct history *h, unsigned role, const json_t *json)
{
	const char *name = json_string_value(json_object_get(json, "name"));
	const json_t *counters = json_object_get(json, "counters");

	if (!name)
		return -EINVAL;
	snprintf(h->version[role].name, CANARY_NAME_MAX, "%s", name);
	for (unsigned m = 0; m < HISTORY_MEASURES; m++)
		read_column(h, HISTORY_VERSION + role * HISTORY_MEASURES + m, json_object_get(json, measure_names[m]), value_of);
#define X(name, help) h->version[role].counted.name = count_of(counters, #name);
	CANARY_COUNTERS(X)
#undef X
	return 0;
}

static int read_all(struct history *h, const json_t *json)
{
	json_t *t, *weight, *rollback, *list, *versions;
	json_int_t rollout;
	int ended, r;

	if (json_unpack((json_t *)json, "{s:I, s:b, s:o, s:o, s:o, s:o, s:o}", "rollout", &rollout, "ended", &ended, "t", &t,
			"weight", &weight, "rollback", &rollback, "slis", &list, "versions", &versions))
		return -EINVAL;
	h->rollout = rollout;
	h->ended = ended;
	r = read_times(h, t);
	if (!r)
		r = read_slis(h, list);
	for (unsigned role = 0; !r && role < HISTORY_VERSIONS; role++)
		r = read_version(h, role, json_array_get(versions, role));
	read_column(h, HISTORY_WANTED, json_object_get(weight, "wanted"), value_of);
	read_column(h, HISTORY_APPLIED, json_object_get(weight, "applied"), value_of);
	read_column(h, HISTORY_MEASURED, json_object_get(weight, "measured"), value_of);
	read_column(h, HISTORY_ROLLBACK, json_object_get(rollback, "evidence"), ln_of);
	h->ln_bound = ln_of(json_object_get(rollback, "bound"));
	h->ln_hold = ln_of(json_object_get(rollback, "hold"));
	return r;
}

int history_json_parse(struct history *history, const json_t *json)
{
	int r;

	memset(history, 0, sizeof(*history));
	r = read_all(history, json);
	if (r)
		memset(history, 0, sizeof(*history));
	return r;
}

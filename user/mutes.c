/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "user/mutes.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static struct mute *find(const struct mutes *mutes, const char *sli)
{
	for (unsigned i = 0; i < mutes->n; i++)
		if (strcmp(mutes->item[i].sli, sli) == 0)
			return (struct mute *)&mutes->item[i];
	return NULL;
}

int mutes_set(struct mutes *mutes, const struct mute *mute)
{
	struct mute *place = find(mutes, mute->sli);

	if (!place && mutes->n == FINDING_SLIS)
		return -ENOSPC;
	if (!place)
		place = &mutes->item[mutes->n++];
	*place = *mute;
	return 0;
}

const struct mute *mutes_find(const struct mutes *mutes, const char *sli)
{
	return find(mutes, sli);
}

void mutes_remove(struct mutes *mutes, const char *sli)
{
	struct mute *place = find(mutes, sli);

	if (place)
		*place = mutes->item[--mutes->n];
}

bool mutes_is_muted(const struct mutes *mutes, const char *sli, double configured_until, double unix_s)
{
	const struct mute *said = find(mutes, sli);

	return (said ? said->until : configured_until) > unix_s;
}

bool mutes_expire(struct mutes *mutes, double unix_s, struct mute *ret)
{
	for (unsigned i = 0; i < mutes->n; i++) {
		if (mutes->item[i].until == 0 || mutes->item[i].until > unix_s)
			continue;
		*ret = mutes->item[i];
		mutes->item[i] = mutes->item[--mutes->n];
		return true;
	}
	return false;
}

/* ---- text ------------------------------------------------------------------------------------------------ */

static json_t *json_of(const struct mute *mute)
{
	json_t *until = isfinite(mute->until) && mute->until > 0 ? json_real(mute->until) : json_null();

	return json_pack("{s:s, s:b, s:o, s:f, s:s}", "sli", mute->sli, "muted", mute->until > 0, "until", until, "since",
			 mute->since, "by", mute->by);
}

json_t *mutes_json(const struct mutes *mutes)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < mutes->n; i++)
		json_array_append_new(list, json_of(&mutes->item[i]));
	return list;
}

static int parse_one(json_t *value, struct mute *ret)
{
	const char *sli, *by;
	json_t *until;
	int muted;

	if (json_unpack(value, "{s:s, s:b, s:o, s:F, s:s}", "sli", &sli, "muted", &muted, "until", &until, "since",
			&ret->since, "by", &by))
		return -EINVAL;
	ret->until = !muted ? 0 : json_is_number(until) ? json_number_value(until) : INFINITY;
	snprintf(ret->sli, sizeof(ret->sli), "%s", sli);
	snprintf(ret->by, sizeof(ret->by), "%s", by);
	return 0;
}

int mutes_parse(const char *text, struct mutes *ret)
{
	json_t *list = json_loads(text, 0, NULL), *value;
	struct mutes mutes = { 0 };
	struct mute mute;
	size_t i;
	int r = json_is_array(list) ? 0 : -EINVAL;

	json_array_foreach(list, i, value)
		if (!r)
			r = parse_one(value, &mute) || mutes_set(&mutes, &mute) ? -EINVAL : 0;
	json_decref(list);
	if (!r)
		*ret = mutes;
	return r;
}

const char *mutes_print(char *buf, size_t size, const struct mute *mute)
{
	time_t until = isfinite(mute->until) ? (time_t)mute->until : 0;
	char date[32] = "";
	struct tm local;

	if (until && localtime_r(&until, &local))
		strftime(date, sizeof(date), " until %Y-%m-%d %H:%M:%S", &local);
	if (mute->until > 0)
		snprintf(buf, size, "%s is muted by %s%s, and has no say", mute->sli, mute->by, date);
	else
		snprintf(buf, size, "%s has its say again, by %s", mute->sli, mute->by);
	return buf;
}

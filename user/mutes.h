/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What operators have said of a service's SLIs while the daemon runs: muted, or given its say back. Their word counts
 * before the configuration's until it is over. Pure; plain data, zero to begin.
 */
#ifndef CANARYD_MUTES_H
#define CANARYD_MUTES_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "user/finding.h"

#define MUTES_BY 48

struct mute {
	char sli[FINDING_NAME];
	double until; /* Unix seconds; INFINITY: until it is unmuted; 0: it has its say, whatever the configuration says */
	double since;
	char by[MUTES_BY]; /* who said so */
};

struct mutes {
	unsigned n;
	struct mute item[FINDING_SLIS];
};

/* In the place of what was said of that SLI before. -ENOSPC: of more SLIs than there can be. */
int mutes_set(struct mutes *mutes, const struct mute *mute);

/* What has been said of an SLI; NULL: nothing. Valid until the next change. */
const struct mute *mutes_find(const struct mutes *mutes, const char *sli);

/* The configuration's word counts again. */
void mutes_remove(struct mutes *mutes, const char *sli);

/* Whether an SLI is muted now; `configured_until`: by the configuration, Unix seconds or INFINITY; 0: not. */
bool mutes_is_muted(const struct mutes *mutes, const char *sli, double configured_until, double unix_s);

/* Takes one out whose time is over. False: there is none. */
bool mutes_expire(struct mutes *mutes, double unix_s, struct mute *ret);

/* [{sli, muted, until|null, since, by}, …]; NULL when memory is short. */
json_t *mutes_json(const struct mutes *mutes);

/* 0 or -EINVAL; *ret is written on success only. */
int mutes_parse(const char *text, struct mutes *ret);

/* "latency is muted by root until 2026-11-23 14:05:00, and has no say", local time; "… has its say again, by root". */
const char *mutes_print(char *buf, size_t size, const struct mute *mute);

#endif

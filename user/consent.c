/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "user/consent.h"

#include <stdio.h>
#include <string.h>

#include "user/text.h"

void consent_begin(struct consent *consent, const struct consent_who *who, unsigned count)
{
	*consent = (struct consent){ .count = count < CONSENT_MAX ? count : CONSENT_MAX };
	if (consent->count)
		memcpy(consent->who, who, consent->count * sizeof(*who));
}

static void from_the_first(struct consent *consent, double next_s)
{
	consent->at = 0;
	consent->asked = false;
	consent->noes = 0;
	consent->next_s = next_s;
}

static void skip_done(struct consent *consent)
{
	while (consent->at < consent->count && consent->done[consent->at])
		consent->at++;
}

static bool all_agree(const struct consent *consent)
{
	return consent->at == consent->count;
}

static bool is_stale(const struct consent *consent, double now_s)
{
	return now_s - consent->agreed_s > CONSENT_AGAIN_S;
}

bool consent_next(struct consent *consent, double now_s, unsigned *ret_who)
{
	bool agreed_before = all_agree(consent);

	if (consent->asked || consent->failed || now_s < consent->next_s || !consent->count)
		return false;
	if (agreed_before) {
		if (!is_stale(consent, now_s))
			return false;
		from_the_first(consent, now_s);
	}
	skip_done(consent);
	if (all_agree(consent)) {
		consent->agreed_s = now_s;
		consent->refused = false;
		return false;
	}
	*ret_who = consent->at;
	return true;
}

void consent_asked(struct consent *consent, double now_s)
{
	consent->asked = true;
	if (!consent->noes)
		consent->since_s = now_s;
}

static void refuse(struct consent *consent, const char *why, double now_s)
{
	consent->blamed = consent->at;
	text_print(consent->why, sizeof(consent->why), "%s", why);
	if (consent->who[consent->at].once) {
		consent->failed = true;
		return;
	}
	consent->refused = true;
	from_the_first(consent, now_s + CONSENT_AGAIN_S);
}

void consent_answer(struct consent *consent, bool agrees, const char *why, double now_s)
{
	if (!consent->asked)
		return;
	consent->asked = false;
	if (!agrees) {
		consent->next_s = now_s + CONSENT_RETRY_S;
		if (consent->noes++ >= consent->who[consent->at].retries)
			refuse(consent, why, now_s);
		return;
	}
	consent->done[consent->at] = consent->who[consent->at].once;
	consent->noes = 0;
	consent->at++;
	skip_done(consent);
	if (all_agree(consent)) {
		consent->agreed_s = now_s;
		consent->refused = false;
	}
}

static bool hangs(const struct consent *consent, double now_s)
{
	return (consent->asked || consent->noes) && now_s - consent->since_s >= CONSENT_AGAIN_S;
}

enum consent_verdict consent_verdict(const struct consent *consent, double now_s, unsigned *ret_who,
				     char why[CONSENT_WHY])
{
	if (consent->failed) {
		*ret_who = consent->blamed;
		text_print(why, CONSENT_WHY, "does not agree: %.140s", consent->why);
		return CONSENT_FAILED;
	}
	if (all_agree(consent) && (!consent->count || !is_stale(consent, now_s)))
		return CONSENT_AGREED;
	*ret_who = consent->at < consent->count ? consent->at : 0;
	if (!all_agree(consent) && hangs(consent, now_s)) {
		snprintf(why, CONSENT_WHY, "has not answered for %.0f s", now_s - consent->since_s);
		/* What does something may take its time. */
		return consent->who[consent->at].once && !consent->refused ? CONSENT_ASKING : CONSENT_REFUSED;
	}
	if (consent->refused) {
		*ret_who = consent->blamed;
		text_print(why, CONSENT_WHY, "does not agree: %.140s", consent->why);
		return CONSENT_REFUSED;
	}
	snprintf(why, CONSENT_WHY, "is being asked");
	return CONSENT_ASKING;
}

bool consent_drop(struct consent *consent)
{
	bool busy = consent->asked && consent->at < consent->count;

	if (busy && consent->who[consent->at].once)
		return false;
	from_the_first(consent, 0);
	consent->refused = consent->failed = false;
	return busy;
}

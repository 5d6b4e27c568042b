/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What operators say of the SLIs of the daemon's services: journal first, then in effect, told in the rollout's story. */
#include "user/daemon_internal.h"

#include <errno.h>
#include <math.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/text.h"

#include "user/error.h"
#include "user/journal_kept.h"
#include "user/log.h"

#define KEY "mutes"
#define SENTENCE 160

void daemon_note(struct daemon_service *service, const char *sentence)
{
	char *error = NULL;

	log_notice("service %s: %s", service->config->name, sentence);
	if (!service->rollout || !rollout_is_active(service->rollout))
		return;
	if (rollout_note(service->rollout, sentence, daemon_unix_s(), &error))
		log_warning("service %s: this is not in the journal: %s", service->config->name, error ?: "out of memory");
	free(error);
}

static const struct config_sli *configured(const struct config_service *service, const char *sli)
{
	for (uint32_t i = 0; i < service->slis_count; i++)
		if (!strcmp(service->slis[i].name, sli))
			return &service->slis[i];
	return NULL;
}

static bool is_known(const struct config_service *service, const char *sli)
{
	return configured(service, sli) || !strcmp(sli, "errors") || !strcmp(sli, "latency");
}

/* ---- the journal ----------------------------------------------------------------------------------------- */

static int keep(struct daemon *daemon, const struct daemon_service *service, const struct mutes *mutes, char **ret_error)
{
	json_t *json = mutes_json(mutes);
	char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
	int r;

	json_decref(json);
	if (!text)
		return error_set(ret_error, -ENOMEM, "out of memory");
	r = journal_keep(daemon->journal, service->config->name, KEY, mutes->n ? text : NULL, true);
	free(text);
	return r ? error_set(ret_error, r, "%s", journal_error(daemon->journal)) : 0;
}

void daemon_restore_mutes(struct daemon *daemon, struct daemon_service *service)
{
	char *text = NULL;
	int r = journal_kept(daemon->journal, service->config->name, KEY, &text);

	if (!r)
		r = mutes_parse(text, &service->mutes);
	if (r && r != -ENOENT)
		log_warning("service %s: which SLIs operators have muted cannot be read: %s (mute them again)",
			    service->config->name, strerror(-r));
	free(text);
	for (unsigned i = service->mutes.n; i-- > 0;) /* the file may have been changed meanwhile */
		if (!is_known(service->config, service->mutes.item[i].sli))
			mutes_remove(&service->mutes, service->mutes.item[i].sli);
}

/* ---- the operator's word --------------------------------------------------------------------------------- */

static int refuse_unknown(const struct config_service *service, const char *sli, char **ret_error)
{
	char names[512] = "errors, latency";

	for (uint32_t i = 0; i < service->slis_count; i++) {
		size_t used = strlen(names);

		if (service->slis[i].kind != CONFIG_SLI_PACKET)
			snprintf(names + used, sizeof(names) - used, ", %s", service->slis[i].name);
	}
	return error_set(ret_error, -ENOENT, "service %s has no SLI %.40s (it has: %s)", service->name, sli, names);
}

/* For good means without a share of α, which is given out when a rollout begins: only the file can give it one. */
static int check(const struct daemon_service *service, const char *sli, double for_s, double unix_s, char **ret_error)
{
	const struct config_sli *known = configured(service->config, sli);
	double configured_until = known ? known->muted_until : 0;

	if (!is_known(service->config, sli))
		return refuse_unknown(service->config, sli, ret_error);
	if (isinf(configured_until))
		return error_set(ret_error, -EBUSY, "the configuration mutes %s for good, without a share of alpha (take `muted` "
				 "off there, and start canaryd again)", sli);
	if (for_s == 0 && !mutes_is_muted(&service->mutes, sli, configured_until, unix_s))
		return error_set(ret_error, -EBUSY, "%s is not muted", sli);
	return 0;
}

static void name_of(uid_t uid, char by[static MUTES_BY])
{
	const struct passwd *user = getpwuid(uid);

	if (user)
		text_print(by, MUTES_BY, "%s", user->pw_name);
	else
		snprintf(by, MUTES_BY, "uid %u", (unsigned)uid);
}

static int say(const struct daemon_service *service, const struct mute *word, double unix_s, struct mutes *ret)
{
	const struct config_sli *known = configured(service->config, word->sli);

	*ret = service->mutes;
	if (word->until > 0 || (known && known->muted_until > unix_s))
		return mutes_set(ret, word);
	mutes_remove(ret, word->sli);
	return 0;
}

int daemon_mute(struct daemon *daemon, struct daemon_service *service, const char *sli, double for_s, uid_t uid,
		char **ret_error)
{
	double now_s = daemon_unix_s();
	struct mute word = { .until = for_s > 0 ? now_s + for_s : 0, .since = now_s };
	char sentence[SENTENCE];
	struct mutes to;
	int r = check(service, sli, for_s, now_s, ret_error);

	if (r)
		return r;
	snprintf(word.sli, sizeof(word.sli), "%s", sli);
	name_of(uid, word.by);
	r = say(service, &word, now_s, &to);
	if (r)
		return error_set(ret_error, r, "too many SLIs are muted (unmute some)");
	r = keep(daemon, service, &to, ret_error);
	if (r)
		return r;
	service->mutes = to;
	daemon_note(service, mutes_print(sentence, sizeof(sentence), &word));
	return 0;
}

/* ---- in time --------------------------------------------------------------------------------------------- */

void daemon_tick_mutes(struct daemon *daemon, struct daemon_service *service)
{
	char sentence[SENTENCE], *error = NULL;
	struct mute over;

	while (mutes_expire(&service->mutes, daemon_unix_s(), &over)) {
		if (keep(daemon, service, &service->mutes, &error))
			log_warning("service %s: %s", service->config->name, error ?: "out of memory");
		free(error);
		error = NULL;
		snprintf(sentence, sizeof(sentence), "%s has its say again: its mute by %s is over", over.sli, over.by);
		daemon_note(service, sentence);
	}
}

void daemon_note_mutes(struct daemon_service *service)
{
	char sentence[SENTENCE];

	for (unsigned i = 0; i < service->mutes.n; i++)
		daemon_note(service, mutes_print(sentence, sizeof(sentence), &service->mutes.item[i]));
}

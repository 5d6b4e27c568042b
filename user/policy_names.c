/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The policy's words, as api.h spells them and as a saved state holds them.
 */
#include "user/policy.h"

#include <canaryd/api.h>
#include <errno.h>
#include <string.h>

#define COUNT(names) (sizeof(names) / sizeof((names)[0]))

static const char *const phases[] = {
	[POLICY_WARMUP] = API_PHASE_WARMUP,
	[POLICY_STEP] = API_PHASE_STEP,
	[POLICY_BAKE] = API_PHASE_BAKE,
	[POLICY_ENDED] = API_PHASE_ENDED,
};

static const char *const statuses[] = {
	[POLICY_RUNNING] = API_STATE_RUNNING,	      [POLICY_HELD] = API_STATE_HELD,
	[POLICY_PAUSED] = API_STATE_PAUSED,	      [POLICY_PROMOTED] = API_STATE_PROMOTED,
	[POLICY_ROLLED_BACK] = API_STATE_ROLLED_BACK, [POLICY_ABORTED] = API_STATE_ABORTED,
	[POLICY_UNDONE] = API_STATE_UNDONE,	      [POLICY_COMPLETED] = API_STATE_COMPLETED,
};

static const char *const kinds[] = {
	[POLICY_NONE] = "none",
	[POLICY_START] = API_DECISION_START,
	[POLICY_ADVANCE] = API_DECISION_ADVANCE,
	[POLICY_HOLD] = API_DECISION_HOLD,
	[POLICY_RESUME] = API_DECISION_RESUME,
	[POLICY_PAUSE] = API_DECISION_PAUSE,
	[POLICY_ROLL_BACK] = API_DECISION_ROLL_BACK,
	[POLICY_PROMOTE] = API_DECISION_PROMOTE,
	[POLICY_ABORT] = API_DECISION_ABORT,
	[POLICY_NOTE] = API_DECISION_NOTE,
	[POLICY_UNDO] = API_DECISION_UNDO,
	[POLICY_COMPLETE] = API_DECISION_COMPLETE,
};

static const char *const causes[] = {
	[POLICY_HELD_NOT] = "not",
	[POLICY_HELD_EVIDENCE] = API_HELD_EVIDENCE,
	[POLICY_HELD_NO_DATA] = API_HELD_NO_DATA,
	[POLICY_HELD_ERROR] = API_HELD_ERROR,
	[POLICY_HELD_AA] = API_HELD_AA,
	[POLICY_HELD_SLI] = API_HELD_SLI,
	[POLICY_HELD_DEADLINE] = API_HELD_DEADLINE,
	[POLICY_HELD_MANUAL] = API_HELD_MANUAL,
	[POLICY_HELD_FAILED] = API_HELD_FAILED,
	[POLICY_HELD_GATE] = API_HELD_GATE,
	[POLICY_HELD_OTHER] = API_HELD_OTHER,
	[POLICY_HELD_BLACKOUT] = API_HELD_BLACKOUT,
	[POLICY_HELD_ALERT] = API_HELD_ALERT,
	[POLICY_HELD_BACKENDS] = API_HELD_BACKENDS,
};

const char *policy_phase_name(enum policy_phase phase)
{
	return phases[phase];
}

const char *policy_status_name(enum policy_status status)
{
	return statuses[status];
}

const char *policy_kind_name(enum policy_kind kind)
{
	return kinds[kind];
}

const char *policy_unit_name(unsigned unit)
{
	if (unit == POLICY_UNIT_NONE)
		return NULL;
	return unit == POLICY_UNIT_EVIDENCE ? API_UNIT_EVIDENCE :
					      finding_unit_name((enum finding_unit)(unit - POLICY_UNIT_MEASURED));
}

const char *policy_held_name(enum policy_held held)
{
	return causes[held];
}

static int parse(const char *const *names, unsigned n, const char *word)
{
	for (unsigned i = 0; i < n; i++)
		if (strcmp(names[i], word) == 0)
			return (int)i;
	return -EINVAL;
}

int policy_phase_parse(const char *word, enum policy_phase *ret)
{
	int i = parse(phases, COUNT(phases), word);

	if (i < 0)
		return i;
	*ret = (enum policy_phase)i;
	return 0;
}

int policy_status_parse(const char *word, enum policy_status *ret)
{
	int i = parse(statuses, COUNT(statuses), word);

	if (i < 0)
		return i;
	*ret = (enum policy_status)i;
	return 0;
}

int policy_held_parse(const char *word, enum policy_held *ret)
{
	int i = parse(causes, COUNT(causes), word);

	if (i < 0)
		return i;
	*ret = (enum policy_held)i;
	return 0;
}

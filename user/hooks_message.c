/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "user/hooks_message.h"

#include <jansson.h>
#include <stdio.h>

#include "user/rollout_json.h"

static json_t *evidence_json(const struct policy_decision *decision)
{
	const char *unit = policy_unit_name(decision->unit);

	if (!*decision->sli)
		return json_null();
	return json_pack("{s:s, s:o, s:o, s:s?}", "sli", decision->sli, "value", rollout_json_number(decision->value), "bound",
			 rollout_json_number(decision->bound), "unit", unit);
}

char *hooks_message_json(const struct hooks_message *message, const struct config_hook *hook, double unix_s)
{
	const struct policy_decision *decision = message->decision;
	json_t *json = json_pack("{s:s, s:s, s:s, s:o, s:s, s:s, s:s, s:s, s:i, s:i, s:f, s:f, s:s, s:o, s:o, s:f}",
		"event", config_hook_on_name(hook->on), "hook", hook->name, "service", message->service,
		"rollout", message->rollout ? json_integer(message->rollout) : json_null(),
		"canary", message->canary, "baseline", message->baseline,
		"state", message->state, "phase", message->phase,
		"step", (int)decision->step, "steps", (int)message->steps,
		"weight_from", decision->weight_from, "weight_to", decision->weight_to,
		"reason", decision->reason, "evidence", evidence_json(decision),
		"counts", rollout_json_counts(&decision->counts), "t", unix_s);
	char *text = json ? json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(12)) : NULL;

	json_decref(json);
	return text;
}

void hooks_message_environment(const struct hooks_message *message, const struct config_hook *hook,
			       char variables[HOOKS_MESSAGE_VARIABLES][HOOKS_MESSAGE_VARIABLE_MAX])
{
	const struct {
		const char *name, *value;
	} texts[] = {
		{ "EVENT", config_hook_on_name(hook->on) }, { "HOOK", hook->name },
		{ "SERVICE", message->service },	    { "CANARY", message->canary },
		{ "BASELINE", message->baseline },
	};

	for (unsigned i = 0; i < HOOKS_MESSAGE_VARIABLES - 1; i++)
		snprintf(variables[i], HOOKS_MESSAGE_VARIABLE_MAX, "CANARYD_%s=%s", texts[i].name, texts[i].value);
	snprintf(variables[HOOKS_MESSAGE_VARIABLES - 1], HOOKS_MESSAGE_VARIABLE_MAX, "CANARYD_WEIGHT=%g",
		 message->decision->weight_to * 100);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the daemon knew that is not in the packets: read from a line, taken from a finding, given to one. */
#include "user/record.h"

#include <string.h>

#include "user/record_reading.h"

/* ---- reading --------------------------------------------------------------------------------------------- */

bool record_read_text(const json_t *object, const char *name, char *ret, size_t size)
{
	const char *text = json_string_value(json_object_get(object, name));

	if (text)
		snprintf(ret, size, "%s", text);
	return text;
}

static int read_seconds(const json_t *line, const char *name, double *ret, char *error)
{
	const json_t *value = json_object_get(line, name);

	return value ? record_read_number(value, &(struct record_place){ .field = name }, ret, error) : 0;
}

static int read_says(const json_t *line, const char *name, enum finding_say *ret, char why[FINDING_REASON], char *error)
{
	const json_t *from = json_object_get(line, name);
	char says[16] = "";

	if (!from)
		return 0;
	record_read_text(from, "says", says, sizeof(says));
	*ret = strcmp(says, "hold") == 0 ? FINDING_SAYS_HOLD : strcmp(says, "rollback") == 0 ? FINDING_SAYS_FAIL :
											 FINDING_SAYS_NOTHING;
	if (!*ret || !record_read_text(from, "why", why, FINDING_REASON))
		return RECORD_SAY(error, "%s is not {\"says\": \"hold\" or \"rollback\", \"why\": TEXT}", name);
	return 0;
}

static int read_gate(const json_t *gate, struct record_outside *ret, char *error)
{
	char verdict[16] = "";

	if (!gate)
		return 0;
	ret->gates_closed = record_read_text(gate, "name", ret->gate, sizeof(ret->gate)) &&
			    record_read_text(gate, "why", ret->gate_why, sizeof(ret->gate_why)) &&
			    record_read_text(gate, "verdict", verdict, sizeof(verdict));
	ret->gate_refused = strcmp(verdict, "refused") == 0;
	ret->gate_failed = strcmp(verdict, "failed") == 0;
	if (ret->gates_closed && (ret->gate_refused || ret->gate_failed || strcmp(verdict, "asking") == 0))
		return 0;
	return RECORD_SAY(error, "gate is not {\"name\": NAME, \"why\": TEXT, \"verdict\": \"asking\", \"refused\" or \"failed\"}");
}

static int read_breaker(const json_t *breaker, struct record_outside *ret, char *error)
{
	const json_t *canary = json_object_get(breaker, "canary");

	if (!breaker)
		return 0;
	ret->tripped = record_read_text(breaker, "why", ret->tripped_why, sizeof(ret->tripped_why));
	if (!ret->tripped)
		return RECORD_SAY(error, "breaker is not {\"why\": TEXT, \"canary\": [attempts, failed]}");
	return canary ? record_read_pair(json_array_get(canary, 0), json_array_get(canary, 1),
					 &(struct record_place){ .field = "breaker" }, &ret->tripped_attempts,
					 &ret->tripped_failed, error) :
			0;
}

static int read_kind(const json_t *word, enum policy_kind *ret)
{
	const char *text = json_string_value(word);

	for (int i = POLICY_START; text && i <= POLICY_COMPLETE; i++) {
		if (strcmp(text, policy_kind_name((enum policy_kind)i)))
			continue;
		*ret = (enum policy_kind)i;
		return 0;
	}
	return -EINVAL;
}

static int read_decided(const json_t *list, struct record *ret, char *error)
{
	const json_t *from;
	size_t i;

	if ((list && !json_is_array(list)) || json_array_size(list) > RECORD_DECIDED)
		return RECORD_SAY(error, "decided is not a list of at most %d", RECORD_DECIDED);
	json_array_foreach(list, i, from) {
		struct record_decided *to = &ret->decided[ret->n_decided++];

		to->rollout = json_integer_value(json_object_get(from, "rollout"));
		if (to->rollout <= 0 || read_kind(json_object_get(from, "decision"), &to->kind) ||
		    !record_read_text(from, "reason", to->reason, sizeof(to->reason)))
			return RECORD_SAY(error, "decided has an element that is not {\"rollout\": ID, \"decision\": WORD, "
						 "\"reason\": TEXT}");
	}
	return 0;
}

static int read_restart(const json_t *restart, struct record_restart *ret, char *error)
{
	const json_t *ticks = json_object_get(restart, "ticks");

	if (!restart)
		return 0;
	if (!json_is_object(restart) || (ticks && (!json_is_integer(ticks) || json_integer_value(ticks) < 0)))
		return RECORD_SAY(error, "restart is not {\"ticks\": N, \"evidence\": true or false}");
	*ret = (struct record_restart){
		.restarted = true,
		.under_way = ticks,
		.evidence = ticks && !json_is_false(json_object_get(restart, "evidence")),
		.ticks = (uint64_t)json_integer_value(ticks),
	};
	return 0;
}

int record_read_outside(const json_t *line, struct record *ret, char *error)
{
	struct record_outside *outside = &ret->outside;

	if (read_seconds(line, "clock_step", &outside->clock_step_s, error) ||
	    read_seconds(line, "asleep", &outside->asleep_s, error) ||
	    read_says(line, "alert", &outside->alert, outside->alert_why, error) ||
	    read_says(line, "no_backend", &outside->backends, outside->backends_why, error) ||
	    read_gate(json_object_get(line, "gate"), outside, error) ||
	    read_breaker(json_object_get(line, "breaker"), outside, error) ||
	    read_decided(json_object_get(line, "decided"), ret, error) ||
	    read_restart(json_object_get(line, "restart"), &ret->restart, error))
		return -EINVAL;
	outside->blackout = record_read_text(line, "blackout", outside->blackout_until, sizeof(outside->blackout_until));
	ret->kept = json_is_true(json_object_get(line, "kept"));
	ret->refused = json_is_true(json_object_get(line, "refused"));
	return 0;
}

/* ---- to and from a finding ------------------------------------------------------------------------------- */

struct record_outside record_outside(const struct finding *finding)
{
	struct record_outside outside = {
		.clock_step_s = finding->clock_step_s,
		.asleep_s = finding->asleep_s,
		.blackout = finding->blackout,
		.alert = finding->alert,
		.gates_closed = finding->gates_closed,
		.gate_refused = finding->gate_refused,
		.gate_failed = finding->gate_failed,
		.backends = finding->backends,
		.tripped = finding->tripped,
		.tripped_attempts = finding->tripped_attempts,
		.tripped_failed = finding->tripped_failed,
	};

	memcpy(outside.blackout_until, finding->blackout_until, sizeof(outside.blackout_until));
	memcpy(outside.alert_why, finding->alert_why, sizeof(outside.alert_why));
	memcpy(outside.gate, finding->gate, sizeof(outside.gate));
	memcpy(outside.gate_why, finding->gate_why, sizeof(outside.gate_why));
	memcpy(outside.backends_why, finding->backends_why, sizeof(outside.backends_why));
	memcpy(outside.tripped_why, finding->tripped_why, sizeof(outside.tripped_why));
	return outside;
}

void record_give_outside(const struct record_outside *outside, struct finding *finding)
{
	finding->clock_step_s = outside->clock_step_s;
	finding->asleep_s = outside->asleep_s;
	finding->blackout = outside->blackout;
	finding->alert = outside->alert;
	finding->backends = outside->backends;
	finding->tripped = outside->tripped;
	finding->tripped_attempts = outside->tripped_attempts;
	finding->tripped_failed = outside->tripped_failed;
	memcpy(finding->alert_why, outside->alert_why, sizeof(finding->alert_why));
	memcpy(finding->blackout_until, outside->blackout_until, sizeof(finding->blackout_until));
	memcpy(finding->backends_why, outside->backends_why, sizeof(finding->backends_why));
	memcpy(finding->tripped_why, outside->tripped_why, sizeof(finding->tripped_why));
}

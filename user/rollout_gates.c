/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The consent of others to what the policy would do next, and notes among its decisions. */
#include "user/rollout_internal.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "user/error.h"
#include "user/policy_gates.h"

static enum consent_verdict ask(const struct policy_decision *move, struct finding *finding, void *context)
{
	const struct rollout *rollout = context;
	const struct rollout_gates *gates = &rollout->environment.gates;
	struct rollout_view view = rollout_view(rollout);

	return gates->ask(&view, move, finding->gate, finding->gate_why, gates->context);
}

void rollout_decide(struct rollout *rollout, struct rollout *to, double elapsed_s, struct policy_decision *ret)
{
	*to = *rollout;
	policy_tick_asking(&to->plan, &to->policy, &rollout->finding, elapsed_s, rollout->environment.gates.ask ? ask : NULL,
			   rollout, ret);
	to->finding = rollout->finding;
}

void rollout_tell(const struct rollout *rollout, const struct policy_decision *decision)
{
	const struct rollout_gates *gates = &rollout->environment.gates;
	struct rollout_view view = rollout_view(rollout);

	if (gates->decided)
		gates->decided(&view, decision, gates->context);
}

int rollout_note(struct rollout *rollout, const char *sentence, double unix_s, char **ret_error)
{
	uint32_t weight_ppm = (uint32_t)lround(rollout->policy.weight * 1e6);
	const struct journal_decision row = {
		.rollout = rollout->id,
		.t = unix_s,
		.decision = policy_kind_name(POLICY_NOTE),
		.state = policy_status_name(rollout->policy.status),
		.step = (int32_t)rollout->policy.step,
		.weight_from_ppm = weight_ppm,
		.weight_to_ppm = weight_ppm,
		.value = NAN,
		.bound = NAN,
		.reason = sentence,
	};
	const struct rollout_gates *gates = &rollout->environment.gates;
	int r = journal_decision_add(rollout->environment.journal, &row);

	if (r)
		return rollout_journal_failed(rollout, r, ret_error);
	if (gates->noted)
		gates->noted(rollout->id, sentence, gates->context);
	return 0;
}

int rollout_reset_breaker(struct rollout *rollout, double unix_s, char **ret_error)
{
	struct breaker_trip trip;
	int r;

	if (!breaker_tripped(rollout->environment.breaker, rollout->generation, &trip))
		return error_set(ret_error, -EINVAL, "the breaker of service %s has not tripped: there is nothing to reset",
				 rollout->service->name);
	r = rollout_note(rollout, "an operator has reset the breaker", unix_s, ret_error);
	if (!r)
		breaker_reset(rollout->environment.breaker);
	return r;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* canaryctl alert …: tell canaryd that a version is a security problem, and that it is one no longer. */
#include "run.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "alert_view.h"
#include "canaryd/api.h"
#include "command.h"
#include "ctl.h"

/* The action asked for: at most one of three. */
static int action_of(struct ctl *ctl, const struct call *call, const char **ret)
{
	static const char *const actions[] = { "hold", "rollback", "tell" };

	*ret = NULL;
	for (size_t i = 0; i < sizeof(actions) / sizeof(*actions); i++) {
		if (!call_has(call, actions[i]))
			continue;
		if (*ret)
			return ctl_error(ctl, API_EXIT_USAGE, "choose one", "--%s and --%s contradict each other", *ret,
					 actions[i]);
		*ret = actions[i];
	}
	return API_EXIT_OK;
}

static json_t *raise_body(const struct call *call, const char *action, double ttl_s)
{
	return json_pack("{s:s, s:s*, s:s*, s:s*, s:s*, s:s*, s:s*, s:o*}", "service", call_argument(call, 0), "version",
			 call_argument(call, 1), "summary", call_value(call, "summary", NULL), "severity",
			 call_value(call, "severity", NULL), "key", call_value(call, "key", NULL), "description",
			 call_value(call, "description", NULL), "action", action, "ttl_s",
			 isnan(ttl_s) ? NULL : json_real(ttl_s));
}

int run_alert_raise(struct ctl *ctl, const struct call *call)
{
	double ttl_s = NAN;
	const char *action;
	json_t *body, *alert;
	int code;

	if (!call_has(call, "summary"))
		return ctl_error(ctl, API_EXIT_USAGE, "say in one line what is wrong: --summary 'CVE-2026-1234 in libfoo'",
				 "--summary is missing");
	code = action_of(ctl, call, &action);
	if (code)
		return code;
	if (call_seconds(ctl, call, "for", &ttl_s) == -EINVAL)
		return API_EXIT_USAGE;
	body = raise_body(call, action, ttl_s);
	code = body ? ctl_request(ctl, "POST", API_ALERTS, body, &alert) : ctl_no_memory(ctl);
	json_decref(body);
	if (code)
		return code;
	if (ctl->json)
		ctl_print_json(ctl, alert);
	else
		alert_view(&ctl->out, alert, ctl_now());
	json_decref(alert);
	return API_EXIT_OK;
}

int run_alert_resolve(struct ctl *ctl, const struct call *call)
{
	json_t *body = json_pack("{s:s, s:s*, s:s*}", "service", call_argument(call, 0), "version", call_argument(call, 1),
				 "key", call_value(call, "key", NULL));
	json_t *answer, *alert;
	size_t i;
	int code;

	code = body ? ctl_request(ctl, "POST", API_ALERTS_RESOLVE, body, &answer) : ctl_no_memory(ctl);
	json_decref(body);
	if (code)
		return code;
	if (ctl->json)
		ctl_print_json(ctl, answer);
	else
		json_array_foreach(json_object_get(answer, "resolved"), i, alert)
			alert_view_resolved(&ctl->out, alert);
	json_decref(answer);
	return API_EXIT_OK;
}

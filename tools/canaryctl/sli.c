/* SPDX-License-Identifier: GPL-2.0-or-later */
/* canaryctl sli …: which indicators have a say. */
#include "run.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "canaryd/api.h"
#include "client.h"
#include "command.h"
#include "ctl.h"
#include "field.h"
#include "format.h"

static void print_mute(const struct page *page, const json_t *answer)
{
	const char *sli = field_text(answer, "sli", "?"), *service = field_text(answer, "service", "?");
	const json_t *mute;
	size_t i;

	json_array_foreach(json_object_get(answer, "mutes"), i, mute) {
		double until = field_number(mute, "until");

		if (strcmp(field_text(mute, "sli", ""), sli) != 0 || !json_is_true(json_object_get(mute, "muted")))
			continue;
		page_print(page, TONE_PLAIN, "%s of %s is muted %s%s: it does not decide\n", sli, service,
			   isnan(until) ? "until it is unmuted" : "until ", isnan(until) ? "" : format_date(until).text);
		return;
	}
	page_print(page, TONE_PLAIN, "%s of %s has its say\n", sli, service);
}

/* {sli, for_s?}. NULL: no memory. */
static json_t *body_of(const struct call *call, double for_s)
{
	json_t *body = json_pack("{s:s}", "sli", call_argument(call, 1));

	if (body && !isnan(for_s))
		json_object_set_new(body, "for_s", json_real(for_s));
	return body;
}

int run_sli_verb(struct ctl *ctl, const struct call *call)
{
	double for_s = NAN;
	int r = call_seconds(ctl, call, "for", &for_s), code;
	char *service, *path;
	json_t *body, *answer;

	if (r && r != -ENOENT)
		return API_EXIT_USAGE;
	service = client_escape(call_argument(call, 0));
	path = service ? ctl_path(API_SERVICES "/%s/%s", service, call_verb(call)) : NULL;
	body = body_of(call, for_s);
	code = path && body ? ctl_request(ctl, "POST", path, body, &answer) : ctl_no_memory(ctl);
	free(service);
	free(path);
	json_decref(body);
	if (code)
		return code;
	if (ctl->json)
		ctl_print_json(ctl, answer);
	else
		print_mute(&ctl->out, answer);
	json_decref(answer);
	return API_EXIT_OK;
}

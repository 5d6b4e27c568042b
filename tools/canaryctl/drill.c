/* SPDX-License-Identifier: GPL-2.0-or-later */
/* canaryctl drill …: the way back, rehearsed on the live configuration. */
#include "run.h"

#include <math.h>
#include <stdlib.h>

#include "canaryd/api.h"
#include "client.h"
#include "command.h"
#include "ctl.h"
#include "field.h"

static int ask(struct ctl *ctl, const struct call *call, json_t **ret_answer)
{
	char *service = client_escape(call_argument(call, 0));
	char *path = service ? ctl_path(API_SERVICES "/%s/drill", service) : NULL;
	json_t *body = json_pack("{s:s, s:s*}", "drill", call_verb(call), "canary", call_value(call, "canary", NULL));
	int code = path && body ? ctl_request(ctl, "POST", path, body, ret_answer) : ctl_no_memory(ctl);

	free(service);
	free(path);
	json_decref(body);
	return code;
}

static void print(const struct page *page, const json_t *drill)
{
	bool passed = json_is_true(json_object_get(drill, "passed"));
	struct table *table = table_new("rl");
	json_t *step;
	size_t i;

	page_print(page, TONE_BOLD, "drill of the %s of %s: %s to %s\n", field_text(drill, "drill", "?"),
		   field_text(drill, "service", "?"), field_text(drill, "canary", "?"), field_text(drill, "baseline", "?"));
	json_array_foreach(json_object_get(drill, "steps"), i, step) {
		if (i)
			table_cell(table, TONE_DIM, "%.3f ms", field_number(step, "at_s") * 1e3);
		else
			table_cell(table, TONE_DIM, "before");
		table_cell(table, TONE_PLAIN, "%s", field_text(step, "says", "?"));
	}
	table_print(table, page, 2);
	page_print(page, passed ? TONE_GOOD : TONE_BAD, "%s", passed ? "passed" : "FAILED");
	page_print(page, TONE_PLAIN, ", in effect after at most %.3f ms; no client's flow was touched\n",
		   field_number(drill, "took_s") * 1e3);
}

int run_drill(struct ctl *ctl, const struct call *call)
{
	json_t *drill;
	int code = ask(ctl, call, &drill);

	if (code)
		return code;
	if (ctl->json)
		ctl_print_json(ctl, drill);
	else
		print(&ctl->out, drill);
	code = json_is_true(json_object_get(drill, "passed")) ? API_EXIT_OK : API_EXIT_FAILED;
	json_decref(drill);
	return code;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "plan_traffic.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "canaryd/api.h"
#include "command.h"
#include "ctl.h"
#include "field.h"
#include "plan_options.h"
#include "user/config.h"

/* ---- of canaryd ------------------------------------------------------------------------------------------ */

static void add_version(const json_t *version, struct plan_traffic *t)
{
	double rate = field_number(version, "rate"), attempts = field_number(version, "attempts");

	t->rate += isnan(rate) ? 0 : rate;
	if (strcmp(field_text(version, "role", ""), "baseline"))
		return;
	t->error_share = attempts > 0 ? field_number(version, "failed") / attempts : 0;
	t->p50_s = field_number2(version, "ttfb_seconds", "p50");
	t->p95_s = field_number2(version, "ttfb_seconds", "p95");
}

static int ask_traffic(struct ctl *ctl, const char *name, struct plan_traffic *t)
{
	const json_t *service;
	json_t *status, *version;
	size_t i;
	int code = ctl_request(ctl, "GET", API_STATUS, NULL, &status);

	if (code)
		return code;
	service = ctl_service(ctl, status, name);
	t->rate = 0;
	json_array_foreach(json_object_get(service, "versions"), i, version)
		add_version(version, t);
	json_decref(status);
	return service ? API_EXIT_OK : API_EXIT_FAILED;
}

/* What canaryd runs with. The caller frees *ret. */
static int ask_config(struct ctl *ctl, struct config **ret)
{
	char *text, *error = NULL;
	int code = ctl_text(ctl, API_CONFIG, &text);

	if (code)
		return code;
	if (config_load_text(text, strlen(text), "canaryd", ret, &error) < 0)
		code = ctl_error(ctl, API_EXIT_FAILED, "are canaryctl and canaryd of the same version?",
				 "canaryd's configuration is not understood: %s", error ? error : "out of memory");
	free(error);
	free(text);
	return code;
}

/* ---- of the options -------------------------------------------------------------------------------------- */

/* A number from `low` to `high`, in percent with a %. Leaves *ret as it is where the option is not given. */
static int take_number(struct ctl *ctl, const struct call *call, const char *option, double low, double high, double *ret)
{
	const char *text = call_value(call, option, NULL);
	double value;
	char *end;

	if (!text)
		return API_EXIT_OK;
	value = strtod(text, &end);
	if (end != text && *end == '%') {
		value /= 100;
		end++;
	}
	if (end == text || *end || !(value >= low && value <= high))
		return ctl_error(ctl, API_EXIT_USAGE, NULL, "--%s '%s' is not a number from %g to %g", option, text, low, high);
	*ret = value;
	return API_EXIT_OK;
}

static int take_options(struct ctl *ctl, const struct call *call, struct plan_traffic *t)
{
	int code = take_number(ctl, call, "rate", 0, 1e9, &t->rate);

	if (!code)
		code = take_number(ctl, call, "error-ratio", 0, 1, &t->error_share);
	if (!code)
		code = take_number(ctl, call, "p50", 1e-6, 3600, &t->p50_s);
	if (!code)
		code = take_number(ctl, call, "p95", 1e-6, 3600, &t->p95_s);
	if (!code)
		code = take_number(ctl, call, "phi", 1, 1e6, &t->phi);
	return code;
}

static int check(struct ctl *ctl, const struct plan_traffic *t)
{
	if (isnan(t->rate) || isnan(t->error_share))
		return ctl_error(ctl, API_EXIT_USAGE, "name a SERVICE of canaryd, or give --rate and --error-ratio",
				 "a plan needs to know the traffic");
	if (t->rate <= 0)
		return ctl_error(ctl, API_EXIT_FAILED, "give its usual traffic with --rate and --error-ratio",
				 "the service has no traffic now");
	if (isnan(t->p50_s) != isnan(t->p95_s) || t->p95_s <= t->p50_s)
		return ctl_error(ctl, API_EXIT_USAGE, NULL, "--p50 and --p95 go together, and the p95 is the longer one");
	return API_EXIT_OK;
}

bool plan_traffic_ask(struct ctl *ctl, const char *service, struct replay_options *ret_options,
		      struct plan_traffic *ret_traffic)
{
	struct plan_traffic t = { .rate = NAN, .error_share = NAN, .p50_s = NAN, .p95_s = NAN, .phi = 1 };
	const struct call no_options = { 0 };
	struct config *running = NULL;
	FILE *err = ctl->err, *nowhere = fopen("/dev/null", "we");
	bool known;

	ctl->err = nowhere ? nowhere : err;
	known = ask_config(ctl, &running) == 0 && plan_options_read(ctl, &no_options, running, service, ret_options) == 0 &&
		ask_traffic(ctl, service, &t) == 0 && t.rate > 0 && !isnan(t.error_share);
	ctl->err = err;
	if (nowhere)
		fclose(nowhere);
	config_free(running);
	if (known)
		*ret_traffic = t;
	return known;
}

int plan_traffic_read(struct ctl *ctl, const struct call *call, struct replay_options *ret_options,
		      struct plan_traffic *ret_traffic)
{
	struct plan_traffic t = { .rate = NAN, .error_share = NAN, .p50_s = NAN, .p95_s = NAN, .phi = 1 };
	const char *service = call_argument(call, 0);
	bool offline = call_has(call, "rate") && call_has(call, "error-ratio");
	struct config *running = NULL;
	int code = API_EXIT_OK;

	if (service && !call_has(call, "config"))
		code = ask_config(ctl, &running);
	if (!code)
		code = plan_options_read(ctl, call, running, service, ret_options);
	config_free(running);
	if (!code && service && !offline)
		code = ask_traffic(ctl, service, &t);
	if (!code)
		code = take_options(ctl, call, &t);
	if (!code)
		code = check(ctl, &t);
	if (!code)
		*ret_traffic = t;
	return code;
}

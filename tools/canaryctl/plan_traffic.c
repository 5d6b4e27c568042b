/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "plan_traffic.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "canaryd/api.h"
#include "client.h"
#include "command.h"
#include "ctl.h"
#include "field.h"
#include "plan_options.h"
#include "user/config.h"

#define SHORT_OF_EDGE (1 - 1e-9) /* an edge belongs to the bucket it ends */

/* ---- of canaryd ------------------------------------------------------------------------------------------ */

static void take_latency(const json_t *answer, struct plan_traffic *t)
{
	const json_t *phi = json_object_get(answer, "phi_latency"), *bucket;
	double samples = field_number(answer, "samples");
	size_t i;

	for (i = 0; i < json_array_size(phi) && i < LATENCY_MARKS; i++)
		t->phi_latency[i] = json_number_value(json_array_get(phi, i));
	json_array_foreach(json_object_get(answer, "ttfb"), i, bucket) {
		const json_t *upper = json_array_get(bucket, 0);
		double edge_s = json_is_number(upper) ? json_number_value(upper) : INFINITY;

		t->ttfb[histogram_bucket(edge_s * SHORT_OF_EDGE)] += json_number_value(json_array_get(bucket, 1));
	}
	t->samples = isnan(samples) ? 0 : samples;
}

/* Leaves rate and share NAN where canaryd does not know them yet. */
static int ask_traffic(struct ctl *ctl, const char *name, struct plan_traffic *t, double *ret_watched_s)
{
	char *service = client_escape(name), *path = service ? ctl_path(API_SERVICES "/%s/traffic", service) : NULL;
	json_t *answer;
	int code = path ? ctl_request(ctl, "GET", path, NULL, &answer) : ctl_no_memory(ctl);

	free(service);
	free(path);
	if (code)
		return code;
	*ret_watched_s = field_number(answer, "watched_s");
	t->rate = field_number(answer, "rate");
	t->error_share = field_number(answer, "error_ratio");
	if (!isnan(t->rate)) {
		t->phi = field_number(answer, "phi");
		take_latency(answer, t);
	}
	json_decref(answer);
	return API_EXIT_OK;
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

/* --p50 and --p95 stand for a latency. */
static int take_quantiles(struct ctl *ctl, const struct call *call, struct plan_traffic *t)
{
	double p50_s = NAN, p95_s = NAN;
	int code = take_number(ctl, call, "p50", 1e-6, 3600, &p50_s);

	if (!code)
		code = take_number(ctl, call, "p95", 1e-6, 3600, &p95_s);
	if (code || (isnan(p50_s) && isnan(p95_s)))
		return code;
	if (!(p50_s < p95_s))
		return ctl_error(ctl, API_EXIT_USAGE, NULL, "--p50 and --p95 go together, and the p95 is the longer one");
	memset(t->ttfb, 0, sizeof(t->ttfb));
	plan_traffic_log_normal(t, p50_s, p95_s);
	return API_EXIT_OK;
}

static int take_options(struct ctl *ctl, const struct call *call, struct plan_traffic *t)
{
	int code = take_number(ctl, call, "rate", 0, 1e9, &t->rate);

	if (!code)
		code = take_number(ctl, call, "error-ratio", 0, 1, &t->error_share);
	if (!code)
		code = take_number(ctl, call, "phi", 1, 1e6, &t->phi);
	return code ? code : take_quantiles(ctl, call, t);
}

/* canaryd does not know the traffic: it has none, or was not watched for long. */
static int say_unknown(struct ctl *ctl, double watched_s)
{
	const char *mend = "wait for some, or give its usual traffic with --rate and --error-ratio";

	if (watched_s > 0)
		return ctl_error(ctl, API_EXIT_FAILED, mend, "canaryd has measured the service's traffic for %.1f s only",
				 watched_s);
	return ctl_error(ctl, API_EXIT_FAILED, mend, "canaryd has seen no traffic of the service in the last minute, or since "
			 "it started");
}

static int check(struct ctl *ctl, const struct plan_traffic *t, bool asked, double watched_s)
{
	if (asked && (isnan(t->rate) || isnan(t->error_share)))
		return say_unknown(ctl, watched_s);
	if (isnan(t->rate) || isnan(t->error_share))
		return ctl_error(ctl, API_EXIT_USAGE, "name a SERVICE of canaryd, or give --rate and --error-ratio",
				 "a plan needs to know the traffic");
	if (t->rate <= 0)
		return ctl_error(ctl, API_EXIT_FAILED, "give its usual traffic with --rate and --error-ratio",
				 "without traffic nothing can be decided");
	return API_EXIT_OK;
}

int plan_traffic_read(struct ctl *ctl, const struct call *call, struct replay_options *ret_options,
		      struct plan_traffic *ret_traffic)
{
	bool asked, offline = call_has(call, "rate") && call_has(call, "error-ratio");
	const char *service = call_argument(call, 0);
	struct plan_traffic t = plan_traffic(NAN);
	struct config *running = NULL;
	double watched_s = 0;
	int code = API_EXIT_OK;

	t.error_share = NAN;
	asked = service && !offline;
	if (service && !call_has(call, "config"))
		code = ask_config(ctl, &running);
	if (!code)
		code = plan_options_read(ctl, call, running, service, ret_options);
	config_free(running);
	if (!code && asked)
		code = ask_traffic(ctl, service, &t, &watched_s);
	if (!code)
		code = take_options(ctl, call, &t);
	if (!code)
		code = check(ctl, &t, asked, watched_s);
	if (!code)
		*ret_traffic = t;
	return code;
}

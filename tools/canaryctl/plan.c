/* SPDX-License-Identifier: GPL-2.0-or-later */
/* canaryctl plan: what the steps of a rollout can tell apart at a service's traffic. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "canaryd/api.h"
#include "command.h"
#include "ctl.h"
#include "field.h"
#include "format.h"
#include "plan_options.h"
#include "plan_traffic.h"
#include "run.h"
#include "user/plan.h"

/* What a step is asked beside the least it finds. */
#define SHARE_A 0.01
#define SHARE_B 0.05
#define SLOWER 1.2

struct step_view {
	const struct policy_step *step;
	struct plan_forecast forecast;
	double find_a_s, find_b_s, find_dead_s, find_slower_s;
};

static struct step_view look(const struct replay_options *o, const struct plan_traffic *t, unsigned i)
{
	const struct policy_step *step = &o->plan.step[i];

	return (struct step_view){
		.step = step,
		.forecast = plan_forecast(&o->judge, step, t),
		.find_a_s = plan_seconds_to_find(&o->judge, step->weight, t, fmin(1, t->error_share + SHARE_A)),
		.find_b_s = plan_seconds_to_find(&o->judge, step->weight, t, fmin(1, t->error_share + SHARE_B)),
		.find_dead_s = plan_seconds_to_find(&o->judge, step->weight, t, 1),
		.find_slower_s = plan_seconds_to_find_slower(&o->judge, step->weight, t, SLOWER),
	};
}

/* ---- JSON ------------------------------------------------------------------------------------------------ */

static json_t *number(double value)
{
	return isfinite(value) ? json_real(value) : json_null();
}

static json_t *step_json(const struct step_view *v)
{
	const struct plan_forecast *f = &v->forecast;

	return json_pack("{s:f, s:f, s:f, s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "weight", v->step->weight, "min_s",
			 v->step->min_s, "max_s", v->step->max_s, "decides", f->decides, "pass_s", number(f->pass_s),
			 "needed_weight", number(f->needed_share), "smallest_error_ratio", number(f->smallest_share),
			 "smallest_slower", number(f->smallest_slower), "errors_1_percent_more_s", number(v->find_a_s),
			 "errors_5_percent_more_s", number(v->find_b_s), "dead_s", number(v->find_dead_s),
			 "slower_20_percent_s", number(v->find_slower_s));
}

static void print_json(struct ctl *ctl, const struct replay_options *o, const struct plan_traffic *t, bool decides)
{
	double p50_s = plan_traffic_quantile_s(t, 0.50), p95_s = plan_traffic_quantile_s(t, 0.95);
	json_t *steps = json_array(), *json;

	for (unsigned i = 0; i < o->plan.n_steps; i++) {
		struct step_view v = look(o, t, i);

		json_array_append_new(steps, step_json(&v));
	}
	json = json_pack("{s:b, s:{s:f, s:f, s:o, s:o, s:f}, s:o}", "decides", decides, "traffic", "rate", t->rate,
			 "error_ratio", t->error_share, "p50_s", number(p50_s), "p95_s", number(p95_s), "phi", t->phi,
			 "steps", steps);
	ctl_print_json(ctl, json);
	json_decref(json);
}

/* ---- for people ------------------------------------------------------------------------------------------ */

/* A second at least: judging goes by ticks. */
static struct format soon(double seconds)
{
	return seconds < 1 ? (struct format){ "at once" } : format_duration(seconds);
}

static void print_row(struct table *table, const struct step_view *v)
{
	const struct plan_forecast *f = &v->forecast;

	table_cell(table, TONE_PLAIN, "%s", format_weight(v->step->weight).text);
	table_cell(table, f->decides ? TONE_PLAIN : TONE_BAD, "%s", isnan(f->pass_s) ? "never" : soon(f->pass_s).text);
	table_cell(table, TONE_DIM, "%s", v->step->max_s > 0 ? format_duration(v->step->max_s).text : "no limit");
	table_cell(table, TONE_PLAIN, "%s", soon(v->find_dead_s).text);
	table_cell(table, TONE_PLAIN, "%s", soon(v->find_b_s).text);
	table_cell(table, TONE_PLAIN, "%s", soon(v->find_a_s).text);
	table_cell(table, TONE_PLAIN, "%s", soon(v->find_slower_s).text);
	table_cell(table, TONE_PLAIN, "%s", format_share(f->smallest_share).text);
	if (isnan(f->smallest_slower))
		table_cell(table, TONE_PLAIN, "-");
	else
		table_cell(table, TONE_PLAIN, "+%.0f %%", 100 * (f->smallest_slower - 1));
	table_end(table);
}

static void print_traffic(const struct page *page, const struct plan_traffic *t)
{
	page_print(page, TONE_PLAIN, "%s, %s of them fail", format_rate(t->rate).text,
		   format_share(t->error_share).text);
	if (t->phi > 1)
		page_print(page, TONE_PLAIN, " (%s times as unevenly as by chance)", format_factor(t->phi).text);
	if (t->samples > 0)
		page_print(page, TONE_PLAIN, ", p50 %s, p95 %s", format_seconds(plan_traffic_quantile_s(t, 0.50)).text,
			   format_seconds(plan_traffic_quantile_s(t, 0.95)).text);
	page_print(page, TONE_PLAIN, "\n\n");
}

static void print_table(struct ctl *ctl, const struct replay_options *o, const struct plan_traffic *t)
{
	static const char *const heads[] = { "weight", "passes in", "limit", "dead",  "+5 %", "+1 %",
					     "20 % slower", "least failures", "least slowdown" };
	struct table *table = table_new("rrrrrrrrr");

	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++)
		table_cell(table, TONE_BOLD, "%s", heads[i]);
	table_end(table);
	for (unsigned i = 0; i < o->plan.n_steps; i++) {
		struct step_view v = look(o, t, i);

		print_row(table, &v);
	}
	print_traffic(&ctl->out, t);
	table_print(table, &ctl->out, 2);
	page_print(&ctl->out, TONE_PLAIN, "\n");
	page_wrap(&ctl->out, TONE_DIM, 2,
		  "passes in: until a canary like the baseline has the evidence to go on. dead, +5 %, +1 %, 20 % slower: "
		  "until such a canary is rolled back. least: the smallest that is found within the limit.");
}

/* ---- the verdict on the plan ----------------------------------------------------------------------------- */

static int refuse(struct ctl *ctl, const struct replay_options *o, const struct plan_traffic *t, unsigned i)
{
	struct plan_refusal refusal = plan_refuse(&o->plan, &o->judge, t, i);

	return ctl_error(ctl, API_EXIT_FAILED, refusal.mend, "%s", refusal.what);
}

int run_plan(struct ctl *ctl, const struct call *call)
{
	struct replay_options options;
	struct plan_traffic traffic;
	int code = plan_traffic_read(ctl, call, &options, &traffic);
	unsigned i;

	if (code)
		return code;
	if (options.plan.n_steps == 0)
		options.plan = policy_default_plan();
	i = plan_undecided(&options.plan, &options.judge, &traffic);
	if (ctl->json)
		print_json(ctl, &options, &traffic, i == options.plan.n_steps);
	else
		print_table(ctl, &options, &traffic);
	return i < options.plan.n_steps ? refuse(ctl, &options, &traffic, i) : API_EXIT_OK;
}

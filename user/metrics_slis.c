/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the judge finds: evidence, values, intervals and state of each SLI of the last rollout. */
#include "user/metrics_internal.h"

#include <math.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define LN_E_MAX 700 /* e^700 fits a double */

static double evidence(double ln_e)
{
	return isnan(ln_e) ? NAN : exp(fmin(ln_e, LN_E_MAX));
}

static void add_evidence(struct metrics *metrics, const char *service, const struct finding_sli *sli)
{
	metrics_add(metrics, evidence(sli->rollback.ln_e), "service", service, "sli", sli->name, "direction", "rollback", NULL);
	metrics_add(metrics, evidence(sli->promotion.ln_e), "service", service, "sli", sli->name, "direction", "promotion", NULL);
}

static void add_bound(struct metrics *metrics, const char *service, const struct finding_sli *sli)
{
	if (!isnan(sli->rollback.ln_e))
		metrics_add(metrics, evidence(sli->rollback.ln_bound), "service", service, "sli", sli->name, "direction",
			    "rollback", NULL);
	if (!isnan(sli->promotion.ln_e))
		metrics_add(metrics, evidence(sli->promotion.ln_bound), "service", service, "sli", sli->name, "direction",
			    "promotion", NULL);
}

static void add_verdict(struct metrics *metrics, const char *service, const struct finding_sli *sli)
{
	for (enum finding_verdict v = 0; v < FINDING_VERDICTS; v++)
		metrics_add(metrics, sli->verdict == v, "service", service, "sli", sli->name, "verdict",
			    finding_verdict_name(v), NULL);
}

static void add_state(struct metrics *metrics, const char *service, const struct finding_sli *sli)
{
	for (enum finding_state s = 0; s < FINDING_STATES; s++)
		metrics_add(metrics, sli->state == s, "service", service, "sli", sli->name, "state", finding_state_name(s), NULL);
}

static void add_value(struct metrics *metrics, const char *service, const struct finding_sli *sli)
{
	const char *unit = finding_unit_name(sli->unit);

	metrics_add(metrics, sli->baseline, "service", service, "sli", sli->name, "unit", unit, "role", "baseline", NULL);
	metrics_add(metrics, sli->canary, "service", service, "sli", sli->name, "unit", unit, "role", "canary", NULL);
}

static void add_interval_low(struct metrics *metrics, const char *service, const struct finding_sli *sli)
{
	metrics_add(metrics, sli->interval_valid ? sli->interval_low : NAN, "service", service, "sli", sli->name, NULL);
}

static void add_interval_high(struct metrics *metrics, const char *service, const struct finding_sli *sli)
{
	metrics_add(metrics, sli->interval_valid ? sli->interval_high : NAN, "service", service, "sli", sli->name, NULL);
}

static void add_muted(struct metrics *metrics, const char *service, const struct finding_sli *sli)
{
	metrics_add(metrics, sli->muted, "service", service, "sli", sli->name, NULL);
}

static const struct {
	const char *family, *help;
	void (*add)(struct metrics *, const char *service, const struct finding_sli *);
} families[] = {
	{ "canaryd_evidence", "E, for rolling back and for promoting; a canary that is no worse has more than x with a chance of "
	  "at most 1/x", add_evidence },
	{ "canaryd_evidence_bound", "the E at which this SLI decides alone", add_bound },
	{ "canaryd_sli_verdict", "1 for the verdict on it", add_verdict },
	{ "canaryd_sli_state", "1 for what the last look at it was good for", add_state },
	{ "canaryd_sli_value", "what was measured, in `unit`", add_value },
	{ "canaryd_sli_interval_low_ratio", "canary ÷ baseline, lower end of the 95 % confidence sequence (latency: of the shares "
	  "that are too slow)", add_interval_low },
	{ "canaryd_sli_interval_high_ratio", "the same, upper end", add_interval_high },
	{ "canaryd_sli_muted", "1: nothing is learnt from it now", add_muted },
};

static void collect_combined(struct metrics *metrics, const struct daemon *daemon)
{
	metrics_family(metrics, METRICS_GAUGE, "canaryd_rollback_evidence", "E of all SLIs together that the canary is worse");
	for (size_t s = 0; s < daemon->n_services; s++) {
		const struct finding *finding = rollout_view(daemon->services[s].rollout).finding;

		if (finding->n_slis)
			metrics_add(metrics, evidence(finding->ln_e_rollback), "service", daemon->services[s].config->name, NULL);
	}
	metrics_family(metrics, METRICS_GAUGE, "canaryd_rollback_evidence_bound", "the E at which it is rolled back: 1/alpha");
	for (size_t s = 0; s < daemon->n_services; s++) {
		const struct finding *finding = rollout_view(daemon->services[s].rollout).finding;

		if (finding->n_slis)
			metrics_add(metrics, evidence(finding->ln_bound), "service", daemon->services[s].config->name, NULL);
	}
}

void metrics_collect_slis(struct metrics *metrics, const struct daemon *daemon)
{
	for (size_t f = 0; f < COUNT(families); f++) {
		metrics_family(metrics, METRICS_GAUGE, families[f].family, families[f].help);
		for (size_t s = 0; s < daemon->n_services; s++) {
			const struct finding *finding = rollout_view(daemon->services[s].rollout).finding;

			for (unsigned i = 0; i < finding->n_slis; i++)
				families[f].add(metrics, daemon->services[s].config->name, &finding->sli[i]);
		}
	}
	collect_combined(metrics, daemon);
}

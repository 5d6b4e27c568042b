/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the configuration of a service means to its judge: the SLIs, and how α is shared among them. */
#include "user/config.h"

#include <math.h>
#include <netinet/in.h>
#include <string.h>

#define WEIGHT 0.2
#define WEIGHT_CRITICAL 0.4
#define CHECK_P0 0.05

static bool takes_part(const struct config_sli *sli)
{
	return !sli->dry_run && !isinf(sli->muted_until);
}

static double weight_of(const struct config_sli *sli, double fallback)
{
	if (!takes_part(sli))
		return 0;
	return isnan(sli->weight) ? fallback : sli->weight;
}

/* Of the built-in two, too, a critical one has the larger share: the larger of theirs. */
static void adjust(const struct config_sli *sli, const struct judge_config *given, double *weight, bool *critical,
		   bool *dry_run)
{
	double larger = fmax(given->weight_errors, given->weight_latency);
	double smaller = fmin(given->weight_errors, given->weight_latency);

	if (sli->critical != CONFIG_CRITICAL_AUTO)
		*critical = sli->critical == CONFIG_CRITICAL_YES;
	*weight = weight_of(sli, sli->critical == CONFIG_CRITICAL_AUTO ? *weight : *critical ? larger : smaller);
	*dry_run = sli->dry_run;
}

static enum finding_unit unit_of(const struct config_sli *sli)
{
	switch (sli->measure) {
	case CONFIG_MEASURE_CPU_PER_REQUEST: return FINDING_SECONDS;
	case CONFIG_MEASURE_MEMORY:
	case CONFIG_MEASURE_MEMORY_DRIFT: return FINDING_BYTES;
	default: break;
	}
	if (sli->kind == CONFIG_SLI_SKEW)
		return FINDING_RATIO;
	return sli->kind == CONFIG_SLI_PROMQL ? sli->shown_as : FINDING_NUMBER;
}

/* Kills, restarts and gates mean the same of a cold canary. */
static bool is_meant_in_warmup(const struct config_sli *sli)
{
	return sli->gate || sli->measure == CONFIG_MEASURE_OOM_KILLS || sli->measure == CONFIG_MEASURE_RESTARTS ||
	       sli->measure == CONFIG_MEASURE_CRASH_LOOP;
}

static struct judge_external external(const struct config_sli *sli, const struct judge_config *judge)
{
	bool count = config_sli_is_count(sli), critical = sli->critical == CONFIG_CRITICAL_YES;
	bool promql = sli->kind == CONFIG_SLI_PROMQL;
	struct judge_external e = {
		.kind = count ? JUDGE_COUNT : sli->kind == CONFIG_SLI_SKEW ? JUDGE_SKEW : JUDGE_GAUGE,
		.unit = unit_of(sli),
		.critical = critical,
		.dry_run = sli->dry_run,
		.proof = sli->proof,
		.noise = promql,
		.in_warmup = is_meant_in_warmup(sli),
		.weight = count ? weight_of(sli, critical ? WEIGHT_CRITICAL : WEIGHT) : 0,
		.margin = isnan(sli->margin) ? judge->margin : sli->margin,
		.p0 = !isnan(sli->p0) ? sli->p0 : promql ? judge->p0 : CHECK_P0,
		.max = sli->gate ? 0 : sli->max,
		.min = sli->min,
		.max_ratio = sli->max_ratio,
		.min_ratio = sli->min_ratio,
		.for_s = sli->for_s,
	};

	memcpy(e.name, sli->name, sizeof(e.name));
	return e;
}

/* Shares of α add up to 1, however they were written. */
static void scale_weights(struct judge_config *judge)
{
	double sum = judge->weight_errors + judge->weight_latency;

	for (unsigned i = 0; i < judge->n_externals; i++)
		sum += judge->external[i].weight;
	if (!(sum > 0) || sum == 1)
		return;
	judge->weight_errors /= sum;
	judge->weight_latency /= sum;
	for (unsigned i = 0; i < judge->n_externals; i++)
		judge->external[i].weight /= sum;
}

/* In mode dsr no reply is seen; of a datagram's answer not even an acknowledgement. */
static void leave_out(const struct config_service *service, struct judge_config *judge)
{
	if (service->mode != CANARY_MODE_DSR)
		return;
	judge->unavailable_latency = judge->dry_run_latency = true;
	judge->weight_latency = 0;
	if (service->protocol == IPPROTO_TCP)
		return;
	judge->unavailable_errors = judge->dry_run_errors = true;
	judge->weight_errors = 0;
}

struct judge_config config_judge(const struct config *config, const struct config_service *service)
{
	struct judge_config judge = config->judge;

	judge.n_externals = 0;
	for (uint32_t i = 0; i < service->slis_count; i++) {
		const struct config_sli *sli = &service->slis[i];

		if (strcmp(sli->name, "errors") == 0)
			adjust(sli, &config->judge, &judge.weight_errors, &judge.critical_errors, &judge.dry_run_errors);
		else if (strcmp(sli->name, "latency") == 0)
			adjust(sli, &config->judge, &judge.weight_latency, &judge.critical_latency, &judge.dry_run_latency);
		else if (judge.n_externals < FINDING_EXTERNALS)
			judge.external[judge.n_externals++] = external(sli, &config->judge);
	}
	leave_out(service, &judge);
	scale_weights(&judge);
	return judge;
}

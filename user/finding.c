/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The words for findings: numbers as an operator reads them at three in the morning.
 */
#include "user/finding.h"

#include <math.h>
#include <stdio.h>

static double share(uint64_t part, uint64_t whole)
{
	return whole ? (double)part / (double)whole : NAN;
}

const char *finding_verdict_name(enum finding_verdict verdict)
{
	static const char *const names[] = {
		[FINDING_NO_DATA] = "no_data", [FINDING_PASS] = "pass",	  [FINDING_FAIL] = "fail",
		[FINDING_INCONCLUSIVE] = "inconclusive", [FINDING_ERROR] = "error",
	};

	return names[verdict];
}

const char *finding_unit_name(enum finding_unit unit)
{
	return unit == FINDING_SECONDS ? "seconds" : "ratio";
}

const char *finding_data_name(enum finding_data data)
{
	static const char *const names[] = {
		[FINDING_DATA_OK] = "ok",
		[FINDING_DATA_WARMUP] = "warmup",
		[FINDING_DATA_NO_DATA] = "no_data",
		[FINDING_DATA_NO_BASELINE] = "no_baseline",
		[FINDING_DATA_ERROR] = "error",
	};

	return names[data];
}

const char *finding_print_evidence(char *buf, size_t size, double ln_e)
{
	double exponent = floor(ln_e / M_LN10);

	if (isnan(ln_e))
		snprintf(buf, size, "none");
	else if (ln_e < log(0.01))
		snprintf(buf, size, "below 0.01");
	else if (ln_e < log(10))
		snprintf(buf, size, "%.2g", exp(ln_e));
	else if (ln_e < log(1e5))
		snprintf(buf, size, "%.0f", exp(ln_e));
	else
		snprintf(buf, size, "%.1fe%.0f", exp(ln_e - exponent * M_LN10), exponent);
	return buf;
}

const char *finding_print_share(char *buf, size_t size, double share)
{
	double percent = share * 100;

	if (isnan(share))
		snprintf(buf, size, "unknown");
	else if (percent == 0)
		snprintf(buf, size, "0 %%");
	else if (percent >= 99.5)
		snprintf(buf, size, "%.4g %%", percent);
	else if (percent >= 10)
		snprintf(buf, size, "%.0f %%", percent);
	else
		snprintf(buf, size, "%.2g %%", percent);
	return buf;
}

const char *finding_print_duration(char *buf, size_t size, double seconds)
{
	if (isnan(seconds))
		snprintf(buf, size, "unknown");
	else if (isinf(seconds))
		snprintf(buf, size, "over 64 s");
	else if (seconds < 0.0995)
		snprintf(buf, size, "%.2g ms", seconds * 1e3);
	else if (seconds < 0.9995)
		snprintf(buf, size, "%.0f ms", seconds * 1e3);
	else if (seconds < 9.95)
		snprintf(buf, size, "%.2g s", seconds);
	else if (seconds < 99.5)
		snprintf(buf, size, "%.0f s", seconds);
	else if (seconds < 597)
		snprintf(buf, size, "%.2g min", seconds / 60);
	else if (seconds < 5970)
		snprintf(buf, size, "%.0f min", seconds / 60);
	else
		snprintf(buf, size, "%.2g h", seconds / 3600);
	return buf;
}

const char *finding_print_measured(char *buf, size_t size, const struct finding_sli *sli)
{
	const struct finding_counts *c = &sli->telling;
	char canary[32], baseline[32], since[48] = "", lead[64];

	if (sli->telling_s > 0)
		snprintf(since, sizeof(since), " in the last %.0f s", sli->telling_s);
	if (sli->unit == FINDING_SECONDS) {
		finding_print_duration(canary, sizeof(canary), sli->canary);
		finding_print_duration(baseline, sizeof(baseline), sli->baseline);
		snprintf(lead, sizeof(lead), "p%.0f ", sli->quantile * 100);
	} else {
		finding_print_share(canary, sizeof(canary), share(c->canary_failed, c->canary_attempts));
		finding_print_share(baseline, sizeof(baseline), share(c->baseline_failed, c->baseline_attempts));
		lead[0] = 0;
	}
	snprintf(buf, size, "%s: canary %s%s (%llu of %llu%s) against baseline %s (%llu of %llu)%s", sli->name, lead,
		 canary, (unsigned long long)c->canary_failed, (unsigned long long)c->canary_attempts,
		 sli->unit == FINDING_SECONDS ? " too slow" : "", baseline, (unsigned long long)c->baseline_failed,
		 (unsigned long long)c->baseline_attempts, since);
	return buf;
}

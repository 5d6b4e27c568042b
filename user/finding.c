/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The words for findings: numbers as an operator reads them at three in the morning.
 */
#include "user/finding.h"

#include <math.h>
#include <stdio.h>

#include "user/text.h"

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
	static const char *const names[] = {
		[FINDING_RATIO] = "ratio", [FINDING_SECONDS] = "seconds", [FINDING_NUMBER] = "number",
		[FINDING_BYTES] = "bytes",
	};

	return names[unit];
}

const char *finding_kind_name(enum finding_kind kind)
{
	return kind == FINDING_GAUGE ? "gauge" : "count";
}

const char *finding_state_name(enum finding_state state)
{
	static const char *const names[] = {
		[FINDING_STATE_OK] = "ok",
		[FINDING_STATE_WAITING] = "waiting",
		[FINDING_STATE_NO_DATA] = "no_data",
		[FINDING_STATE_NOT_A_NUMBER] = "not_a_number",
		[FINDING_STATE_NOT_UNDERSTOOD] = "not_understood",
		[FINDING_STATE_SEVERAL] = "several",
		[FINDING_STATE_BACKWARDS] = "backwards",
		[FINDING_STATE_QUERY_ERROR] = "query_error",
		[FINDING_STATE_HTTP_ERROR] = "http_error",
		[FINDING_STATE_UNREACHABLE] = "unreachable",
		[FINDING_STATE_TIMEOUT] = "timeout",
		[FINDING_STATE_UNAVAILABLE] = "unavailable",
	};

	return names[state];
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

static void print_bytes(char *buf, size_t size, double bytes)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
	unsigned u = 0;

	for (; fabs(bytes) >= 1000 && u + 1 < sizeof(units) / sizeof(units[0]); u++)
		bytes /= 1024;
	snprintf(buf, size, "%.3g %s", bytes, units[u]);
}

const char *finding_print_value(char *buf, size_t size, enum finding_unit unit, double value)
{
	if (isnan(value))
		snprintf(buf, size, "unknown");
	else if (unit == FINDING_SECONDS)
		finding_print_duration(buf, size, value);
	else if (unit == FINDING_RATIO)
		finding_print_share(buf, size, value);
	else if (unit == FINDING_BYTES)
		print_bytes(buf, size, value);
	else
		snprintf(buf, size, "%.4g", value);
	return buf;
}

const char *finding_print_said(char *buf, size_t size, const struct finding *finding)
{
	const struct finding_sli *sli = &finding->sli[finding->saying];

	text_print(buf, size, "%s: %s", sli->name, sli->said);
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
